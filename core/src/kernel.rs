//! The kernel: one deterministic state machine. Inputs in, outputs out; no I/O, no threads, no clock.
//!
//! ```text
//!             requests            runtime replies, events         time
//!                 │                         │                      │
//!   ┌─────────────▼─────────────────────────▼──────────────────────▼─────┐
//!   │ step(now, inputs):   store ◄── admission ◄── requests              │
//!   │   then, each with a budget:  node agents ─► scheduler ─► controllers│
//!   │   every commit is routed to those whom it concerns                  │
//!   └──────┬──────────────┬─────────────────┬──────────────────┬─────────┘
//!       changes        replies         runtime calls       next wake-up
//! ```
//! The shell makes the changes durable first; only then may it give out the replies, make the calls and show the changes
//! to watchers. The same seed and the same inputs at the same times give the same outputs, to the byte.

mod agents;
mod digest;
mod measure;
mod naming;
mod patching;
mod provisioning;
mod referral;
mod request;
mod restore;
mod warning;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::agents::Agents;
use self::digest::Digest;
use self::measure::Meter;
use self::provisioning::Provisioning;
pub use self::provisioning::{ProvisionerCall, VolumeCallId};
use self::referral::Referrals;
pub use self::referral::{Asker, Referral, ReferralId};
pub use self::request::{Answer, Request, RequestId};
pub use self::warning::Warning;
use crate::authority::Authority;
use crate::control::{AnyLoop, ControllerMetrics, ControllerMode, Plan};
use crate::controllers;
use crate::error::ApiError;
use crate::ids::{NodeName, Uid};
use crate::node::CallId;
use crate::object::kind::KindId;
use crate::provision::{ProvisionError, VolumeReply};
use crate::runtime::{Call, Reply, RuntimeError, RuntimeEvent};
use crate::scheduler::{Scheduler, SchedulerConfig};
use crate::store::{AutoscalingSettings, Change, MetricAnswer, MetricQuery, NodeMonitorGrace, Snapshot, Store};
use crate::time::Time;

/// How a kernel is set up.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// Where uids, generated names and ties come from.
    pub seed: u64,
    /// Controllers that are not on; the others are.
    pub controllers: BTreeMap<&'static str, ControllerMode>,
    /// The mode of the controllers that are not named there.
    pub other_controllers: ControllerMode,
    /// The scheduler; `None` for a cluster that leaves pods where they are put.
    pub scheduler: Option<SchedulerConfig>,
    /// The names of the provisioners that the shell has.
    pub provisioners: BTreeSet<Arc<str>>,
    /// How autoscalers work, and how often usage is measured.
    pub autoscaling: AutoscalingSettings,
    /// How long a node may be silent before it is unknown.
    pub node_grace: NodeMonitorGrace,
    /// Who makes tokens of service accounts; nobody otherwise.
    pub authority: Option<Arc<dyn Authority>>,
    /// Whether every input and change is folded into [`Kernel::digest`]: it costs more than the work itself.
    pub digest: bool,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            controllers: BTreeMap::new(),
            other_controllers: ControllerMode::default(),
            scheduler: Some(SchedulerConfig::default()),
            provisioners: BTreeSet::new(),
            autoscaling: AutoscalingSettings::default(),
            node_grace: NodeMonitorGrace::default(),
            authority: None,
            digest: false,
        }
    }
}

/// Something that reaches the kernel from outside.
#[derive(Debug)]
pub enum Input {
    /// A client wants something.
    Request(RequestId, Box<Request>),
    /// A runtime answered a call.
    Reply(NodeName, CallId, Result<Reply, RuntimeError>),
    /// Something happened on a node.
    Event(NodeName, RuntimeEvent),
    /// A provisioner answered a call.
    Provisioner(VolumeCallId, Result<VolumeReply, ProvisionError>),
    /// The embedder's metrics answered.
    Metric(MetricQuery, MetricAnswer),
    /// Whether there is somebody who takes writes through webhooks; at first there is not.
    Webhooks(bool),
    /// What came of the writes of a referral that were tried.
    Referred(ReferralId, Vec<Result<Answer, ApiError>>),
}

/// A call that a shell shall make on a node's runtime.
#[derive(Debug)]
pub struct NodeCall {
    /// On which node.
    pub node: NodeName,
    /// Under which number its answer comes back.
    pub id: CallId,
    /// The call.
    pub call: Call,
}

/// What a step led to. Nothing of it may be seen outside before `changes` are durable.
#[derive(Debug, Default)]
pub struct Output {
    /// What was committed, in order.
    pub changes: Vec<Change>,
    /// Answers to requests.
    pub replies: Vec<(RequestId, Result<Answer, ApiError>)>,
    /// What the authors of requests should know besides.
    pub warnings: Vec<(RequestId, Warning)>,
    /// What policies tell the audit of a request: keys and values.
    pub annotations: Vec<(RequestId, (String, String))>,
    /// Calls to make.
    pub calls: Vec<NodeCall>,
    /// Calls to make on the shell's provisioners.
    pub provisioner_calls: Vec<ProvisionerCall>,
    /// What the embedder's metrics are asked.
    pub queries: Vec<MetricQuery>,
    /// Writes to be shown to webhooks, and made then.
    pub referrals: Vec<Referral>,
    /// Nodes whose agents have gone: their calls need no answer any more.
    pub removed_nodes: Vec<NodeName>,
    /// Whether there is more to do now: step again before waiting.
    pub more: bool,
    /// When to step again, even without input.
    pub wake: Option<Time>,
}

/// The state machine.
#[derive(Debug)]
pub struct Kernel {
    store: Store,
    loops: Vec<Box<dyn AnyLoop>>,
    /// Which of them watch a kind, for the kinds that were asked about.
    watching: BTreeMap<KindId, Vec<usize>>,
    /// The loop that has the next turn.
    next_loop: usize,
    /// For how many steps the controllers have let others go first.
    waited: u32,
    scheduler: Option<Scheduler>,
    provisioning: Provisioning,
    referrals: Referrals,
    agents: Agents,
    meter: Meter,
    digest: Option<Digest>,
}

impl Kernel {
    /// A kernel with an empty store, but for the namespaces that every cluster has.
    pub fn new(config: &KernelConfig, now: Time) -> Self {
        let mut kernel = Self::around(config, Store::new(config.seed));
        kernel.store.found(now);
        kernel
    }

    fn around(config: &KernelConfig, mut store: Store) -> Self {
        store.set_autoscaling(config.autoscaling.clone());
        store.set_node_grace(config.node_grace);
        store.set_authority(config.authority.clone());
        let mut loops = controllers::all();
        for each in &mut loops {
            each.set_mode(config.controllers.get(each.name()).copied().unwrap_or(config.other_controllers));
        }
        Self {
            store,
            loops,
            watching: BTreeMap::new(),
            next_loop: 0,
            waited: 0,
            scheduler: config
                .scheduler
                .clone()
                .map(|scheduler| Scheduler::new(SchedulerConfig { seed: config.seed, ..scheduler })),
            provisioning: Provisioning::of(&config.provisioners),
            referrals: Referrals::default(),
            agents: Agents::default(),
            meter: Meter::default(),
            digest: config.digest.then(Digest::default),
        }
    }

    /// Takes in what happened, and does as much of what follows from it as one step may.
    pub fn step(&mut self, now: Time, inputs: impl IntoIterator<Item = Input>) -> Output {
        let mut output = Output::default();
        let mut heard_from_nodes = false;
        for input in inputs {
            heard_from_nodes |= matches!(input, Input::Reply(..) | Input::Event(..) | Input::Metric(..));
            if let Some(digest) = &mut self.digest {
                digest.input(now, &input);
            }
            self.take_in(input, now, &mut output);
            self.route(now, &mut output);
        }
        self.agents.wake(now);
        self.run_agents(now, &mut output);
        self.run_scheduler(now, &mut output);
        self.run_provisioning(now, &mut output);
        if !heard_from_nodes || self.waited >= work::CONTROLLERS_WAIT_MAX {
            self.waited = 0;
            self.run_controllers(now, &mut output);
        } else {
            self.waited += 1;
        }
        self.measure(now, &mut output);
        if let Some(digest) = &mut self.digest {
            digest.output(&output, self.store.kinds());
        }
        output.more = self.has_work(now);
        output.wake = self.next_wake();
        output
    }

    /// The objects as they are now. A clone costs O(1).
    pub const fn snapshot(&self) -> &Snapshot {
        self.store.snapshot()
    }

    /// The store, to look at.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The hash of all inputs and outputs so far, when the kernel was set up to keep one.
    pub fn digest(&self) -> Option<u64> {
        self.digest.as_ref().map(Digest::value)
    }

    /// What the controllers have done so far.
    pub fn metrics(&self) -> impl Iterator<Item = (&'static str, ControllerMetrics)> {
        self.loops.iter().map(|each| (each.name(), each.metrics()))
    }

    /// What this controller would do for an object now, and what it waits on.
    pub fn plan(&self, controller: &str, key: Uid, now: Time) -> Option<Plan> {
        self.loops.iter().find(|each| each.name() == controller)?.plan(self.snapshot(), key, now)
    }

    /// Why the controllers are not done with an object, each in its words.
    pub fn waiting_on(&self, key: Uid, now: Time) -> Vec<(&'static str, String)> {
        let snapshot = self.snapshot();
        self.loops.iter().filter_map(|each| Some((each.name(), each.waiting_on(snapshot, key, now)?))).collect()
    }

    /// The objects for which a controller would write something now, though nothing will make it look: a wake-up that
    /// was forgotten. A look at everything, for tests.
    pub fn forgotten(&self, now: Time) -> Vec<(&'static str, Uid)> {
        let changes = self.store.as_changes();
        let keys = changes.iter().map(|change| change.object.meta.uid);
        let of_key = |key| {
            self.loops
                .iter()
                .filter(move |each| each.forgets(self.snapshot(), key, now))
                .map(move |each| (each.name(), key))
        };
        keys.flat_map(of_key).collect()
    }

    /// Whether a step now would do something.
    pub fn has_work(&self, now: Time) -> bool {
        self.agents.has_work()
            || self.scheduler.as_ref().is_some_and(|scheduler| scheduler.has_work(now))
            || self.provisioning.has_work(now)
            || self.loops.iter().any(|each| each.has_work(now))
            || self.meter.is_due(now)
    }

    fn next_wake(&self) -> Option<Time> {
        let loops = self.loops.iter().filter_map(|each| each.next_wake());
        loops
            .chain(self.agents.next_wake())
            .chain(self.meter.next_wake())
            .chain(self.provisioning.next_wake())
            .chain(self.scheduler.as_ref().and_then(Scheduler::next_wake))
            .min()
    }
}
