//! The second shell over the same kernel: synchronous, in virtual time, from one seed, with faults.
//!
//! ```text
//!   what is due now ─► kernel.step ─► commit to the recording ─► check invariants ─► answers, calls ─► next moment
//!                         ▲                                                             │
//!                         └───────────── replies and events, by (time, sequence) ◄──────┘
//! ```
//! Nothing here reads a clock or runs by itself: time moves only in [`Simulation::run_for`] and its like, from one
//! moment at which something is due to the next. The same seed and the same calls give the same history, to the byte.
//!
//! What can go wrong: a runtime's own faults (through [`Simulation::on_node`]), a node that fails, an agent that is
//! away, replies and events that come late and in another order, and a process that dies at any point of a step and
//! goes on from what was committed.

mod builder;
mod drive;
mod faults;
mod machine;
mod recording;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

pub use self::builder::SimulationBuilder;
pub use self::faults::CrashPoint;
use self::machine::{Machine, Post};
use self::recording::Recording;
use crate::error::{ApiError, Reason};
use crate::ids::NodeName;
use crate::invariants::{self, Rest, Violation};
use crate::kernel::{Answer, Input, Kernel, KernelConfig, Request, RequestId};
use crate::object::kind::{BuiltInKind, KindId};
use crate::object::manifest::FieldValidation;
use crate::object::patch::Patch;
use crate::runtime::SimulatedRuntime;
use crate::store::{DeleteOptions, Draft, MetricAnswer, MetricQuery, Object, Part, Snapshot, WriteOptions};
use crate::time::Time;

/// A cluster in virtual time, whose nodes have runtimes of type `R`.
pub struct Simulation<R> {
    kernel: Kernel,
    config: KernelConfig,
    now: Time,
    machines: BTreeMap<NodeName, Machine<R>>,
    post: Post,
    recording: Recording,
    dice: ChaCha8Rng,
    /// The longest that a reply or an event is under way.
    delay: Duration,
    crash: Option<CrashPoint>,
    replies: BTreeMap<RequestId, Result<Answer, ApiError>>,
    next_request: u64,
    more: bool,
    wake: Option<Time>,
    /// The hash of the lives of the kernel that have ended.
    past: u64,
    metrics: Option<Metrics>,
    steps: u64,
    violation: Option<Violation>,
}

/// The metrics of a world: what they say at this moment.
type Metrics = Box<dyn Fn(&MetricQuery, Time) -> MetricAnswer + Send>;

/// What was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not within {bound:?}")]
pub struct NotReached {
    /// How long it was waited for.
    pub bound: Duration,
}

impl<R: SimulatedRuntime> Simulation<R> {
    /// Sets one up.
    pub fn builder() -> SimulationBuilder<R> {
        SimulationBuilder::default()
    }

    /// What time it is.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The objects as they are.
    pub const fn snapshot(&self) -> &Snapshot {
        self.kernel.snapshot()
    }

    /// The kernel, to look at.
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The runtime of a node, to look at.
    pub fn runtime(&self, node: &str) -> Option<&R> {
        self.machines.get(&NodeName::from(node)).map(|machine| &machine.runtime)
    }

    /// The nodes and their runtimes, by name.
    pub fn runtimes(&self) -> impl Iterator<Item = (&NodeName, &R)> {
        self.machines.iter().map(|(name, machine)| (name, &machine.runtime))
    }

    /// How many steps the kernel has made.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The hash of all that went into the kernel and came out of it, over all its lives; 0 unless
    /// [`SimulationBuilder::digest`] asked for one.
    pub fn digest(&self) -> u64 {
        self.past.rotate_left(7) ^ self.kernel.digest().unwrap_or(0)
    }

    /// The first invariant that did not hold. Time does not move any more once there is one.
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Asks the cluster for something, at this moment.
    ///
    /// # Errors
    /// What the cluster answered; `ServiceUnavailable` when the process died over it.
    pub fn request(&mut self, request: Request) -> Result<Answer, ApiError> {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.step(vec![Input::Request(id, Box::new(request))]);
        let died = || ApiError::new(Reason::ServiceUnavailable, "the process died before it answered");
        self.replies.remove(&id).unwrap_or_else(|| Err(died()))
    }

    /// Creates an object of a built-in kind.
    ///
    /// # Errors
    /// Those of [`Simulation::request`].
    pub fn create<K: BuiltInKind>(&mut self, object: K) -> Result<Arc<Object>, ApiError> {
        let draft = Draft::of(object);
        let name = draft.meta.path();
        object_of(self.request(Request::Create(draft, WriteOptions::default()))?, &name)
    }

    /// Changes an object in the namespace `default`.
    ///
    /// # Errors
    /// Those of [`Simulation::request`].
    pub fn patch(&mut self, kind: KindId, name: &str, patch: Patch) -> Result<Arc<Object>, ApiError> {
        let (namespace, part) = ("default".to_owned(), Part::Main);
        let options = WriteOptions::default();
        let request = Request::Patch {
            kind,
            namespace,
            name: name.to_owned(),
            part,
            patch,
            duplicates: Vec::new(),
            validation: FieldValidation::Strict,
            options,
        };
        object_of(self.request(request)?, name)
    }

    /// Deletes an object in the namespace `default`.
    ///
    /// # Errors
    /// Those of [`Simulation::request`].
    pub fn delete(&mut self, kind: KindId, name: &str, options: DeleteOptions) -> Result<(), ApiError> {
        let (namespace, name) = ("default".to_owned(), name.to_owned());
        self.request(Request::Delete { kind, namespace, name, options }).map(|_| ())
    }

    /// What custom and external metrics say from here on, at each moment at which they are asked; until then there are
    /// none.
    pub fn set_metrics(&mut self, metrics: impl Fn(&MetricQuery, Time) -> MetricAnswer + Send + 'static) {
        self.metrics = Some(Box::new(metrics));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.work_until_idle() && self.jump(end) {}
    }

    /// Lets time pass until something is so: at most this long.
    ///
    /// # Errors
    /// When it is not so in time.
    pub fn run_until(
        &mut self,
        mut reached: impl FnMut(&Self) -> bool,
        bound: Duration,
    ) -> Result<Duration, NotReached> {
        let (start, end) = (self.now, self.now + bound);
        loop {
            let idle = self.work_until_idle();
            if reached(self) {
                return Ok(self.now - start);
            }
            if !idle || !self.jump(end) {
                return Err(NotReached { bound });
            }
        }
    }

    /// Lets time pass until nothing goes on: no decision to make, no runtime at work. What only time will bring (a
    /// probe, a backoff, a deadline) is not waited for; a call that hangs is not waited for either.
    pub fn settle(&mut self) {
        while self.work_until_idle()
            && let Some(at) = self.post.next()
        {
            self.jump(at);
        }
    }

    /// Looks at what must hold when nothing is left to do at this moment, and keeps the first violation.
    pub fn check_rest(&mut self) {
        self.work_until_idle();
        if self.violation.is_none() {
            let rest = Rest { kernel: &self.kernel, now: self.now };
            self.violation = invariants::check_rest(&rest).err();
        }
    }
}

fn object_of(answer: Answer, name: &str) -> Result<Arc<Object>, ApiError> {
    match answer {
        Answer::Object(object) => Ok(object),
        other => Err(ApiError::internal(format_args!("an odd answer about {name}: {other:?}"))),
    }
}

impl<R> fmt::Debug for Simulation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.machines.keys().collect();
        f.debug_struct("Simulation").field("now", &self.now).field("nodes", &nodes).finish_non_exhaustive()
    }
}
