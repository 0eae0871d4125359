//! One node's mock runtime as a state machine.
//!
//! Every call first lets everything happen that was due before it ([`MockState::advance`]), then meets the faults, then
//! is carried out at once; the answer says when it arrives. What happens by itself is kept in one ordered list of
//! moments: [`MockState::due`] holds, for each container that will change, the next moment at which it does.
//!
//! ```text
//! container:  Created --start--> Running --exit, signal, memory--> Exited --remove-->
//! sandbox:    Ready --stop, node down--> NotReady --remove-->
//! node:       up <--up/down--> down,   up <--reconnect/cut_off--> cut off
//! ```

mod container;
mod exec;
mod image;
mod lifecycle;
mod log;
mod node;
mod probe;
mod sandbox;
mod serve;
mod stats;
mod volume;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use inboard::ids::NodeName;
use inboard::runtime::{
    Call, Completion, ContainerId, ImageStatus, Inventory, NodeStats, Reply, RuntimeError, RuntimeErrorKind,
    RuntimeEvent, RuntimeInfo, SimulatedRuntime,
};
use inboard::time::Time;

use crate::address::Addresses;
use crate::builder::MockBuilder;
use crate::calls::Recorder;
use crate::claims::Claims;
use crate::fault::Fault;
use crate::files::Volumes;
use crate::ids::Key;
use crate::script::Script;

use self::container::Container;
pub(crate) use self::exec::Started;
pub(crate) use self::log::LogPage;
use self::sandbox::{Sandbox, SandboxEntry};
pub(crate) use self::serve::Answer;

/// One node's mock runtime, in virtual time.
///
/// It implements [`SimulatedRuntime`]; beyond that it has the faults of a node ([`MockState::down`] and others) and a
/// look inside. The same seed, scripts, calls and times give the same answers.
///
/// # The built-in shell
/// A container whose command is one of these does what it says, unless a script says otherwise: `sleep`, `true`,
/// `false`, `exit`, `echo`, `printf`, `cat`, `ls`, `env`, `printenv`, `hostname`, `date`, `mkdir`, `touch`, `rm`, `stat`, `test`,
/// and `sh -c` of sequences, conditions and loops of them. Any other command or image of a container runs until it is
/// stopped; an init container with one ends at once, for nothing could come after it otherwise.
/// In `exec` an unknown command is not found; in a probe or hook it succeeds.
///
/// ```
/// use std::time::Duration;
///
/// use inboard::runtime::{ContainerId, Call, Reply, SimulatedRuntime};
/// use inboard::time::Time;
/// use inboard_runtime_mock::MockState;
///
/// let mut state = MockState::builder().build_state();
/// let now = Time::from_secs(1_000);
/// let completion = state.call(now, &Call::Info);
/// assert_eq!(completion.at, now);
/// assert!(matches!(completion.result, Ok(Reply::Info(info)) if &*info.name == "mock"));
/// assert_eq!(state.next_event_at(), None);
/// ```
#[derive(Debug)]
pub struct MockState {
    /// The latest moment seen: time never goes back.
    now: Time,
    seed: u64,
    /// What ids are mixed with; it depends on the node's name, known from the first sandbox on.
    salt: u64,
    node: Option<NodeName>,
    condition: Condition,
    addresses: Addresses,
    next_sandbox: u64,
    /// By number, and so by age.
    sandboxes: Vec<SandboxEntry>,
    /// When which container changes by itself. Invariant: exactly the moments in `Live::due`; kept by `set_due`.
    due: BTreeSet<(Time, Key)>,
    events: VecDeque<RuntimeEvent>,
    pub(crate) images: Vec<Image>,
    volumes: Volumes,
    claims: Claims,
    scripts: Arc<[Arc<Script>]>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) recorder: Option<Box<Recorder>>,
    pub(crate) info: Option<Arc<RuntimeInfo>>,
    machine: Box<NodeStats>,
}

/// Whether the node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Up,
    Down,
    CutOff,
}

/// An image that was pulled.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) name: Arc<str>,
    /// What is said of it.
    pub(crate) status: ImageStatus,
    /// When its pull is done.
    pub(crate) present_at: Time,
}

/// How many events wait to be taken before they are replaced by one [`RuntimeEvent::Relist`].
const MAX_EVENTS: usize = 10_000;

impl MockState {
    /// Sets one up.
    pub fn builder() -> MockBuilder {
        MockBuilder::default()
    }

    pub(crate) fn empty(seed: u64, addresses: Addresses, scripts: Arc<[Arc<Script>]>) -> Self {
        Self {
            now: Time::EPOCH,
            seed,
            salt: 0,
            node: None,
            condition: Condition::Up,
            addresses,
            next_sandbox: 1,
            sandboxes: Vec::new(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
            images: Vec::new(),
            volumes: Volumes::default(),
            claims: Claims::default(),
            scripts,
            faults: Vec::new(),
            recorder: None,
            info: None,
            machine: Box::default(),
        }
    }

    /// Lets everything happen that is due by this moment, in order. Gives back the moment, which never goes back.
    pub(crate) fn advance(&mut self, now: Time) -> Time {
        while let Some(&(at, key)) = self.due.first().filter(|due| due.0 <= now) {
            self.now = self.now.max(at);
            self.happen(at, key);
        }
        self.now = self.now.max(now);
        self.now
    }

    /// The latest moment seen.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Whether a container runs, and then when it next changes by itself.
    pub(crate) fn still_runs(&self, id: &ContainerId) -> Option<Option<Time>> {
        self.due_of(self.find_container(id)?)
    }

    /// The same as [`MockState::still_runs`], by place.
    pub(crate) fn due_of(&self, key: Key) -> Option<Option<Time>> {
        let (_, container) = self.container(key)?;
        let due = container.live.as_ref().and_then(|live| live.due);
        (!container.is_exited()).then_some(due)
    }

    fn push_event(&mut self, event: RuntimeEvent) {
        if self.condition == Condition::CutOff {
            return;
        }
        if self.events.len() >= MAX_EVENTS {
            self.events.clear();
            self.events.push_back(RuntimeEvent::Relist);
        }
        self.events.push_back(event);
    }

    fn container(&self, key: Key) -> Option<(&Sandbox, &Container)> {
        let sandbox = self.sandbox(key.sandbox_number())?;
        Some((sandbox, sandbox.containers.iter().find(|container| container.ordinal == key.ordinal())?))
    }

    fn container_mut(&mut self, key: Key) -> Option<&mut Container> {
        let sandbox = self.sandbox_mut(key.sandbox_number())?;
        sandbox.containers.iter_mut().find(|container| container.ordinal == key.ordinal())
    }

    /// Moves the next moment of a container; `None` when nothing more will happen to it by itself.
    fn set_due(&mut self, key: Key, due: Option<Time>) {
        let Some(container) = self.container_mut(key) else { return };
        if container.live.is_none() && due.is_none() {
            return;
        }
        let before = std::mem::replace(&mut container.live_mut().due, due);
        if let Some(before) = before {
            self.due.remove(&(before, key));
        }
        if let Some(due) = due {
            self.due.insert((due, key));
        }
    }
}

impl SimulatedRuntime for MockState {
    /// See [`SimulatedRuntime::call`]. An answer that is under way when the node goes [`down`](MockState::down) or is
    /// [`cut off`](MockState::cut_off) is lost: whoever drives the machine has to drop it.
    fn call(&mut self, now: Time, call: &Call) -> Completion {
        fn reply<T>(answer: Answer<T>, reply: impl FnOnce(T) -> Reply) -> Completion {
            Completion { at: answer.at, result: answer.result.map(reply) }
        }
        let done = |()| Reply::Done;
        match call {
            Call::Info => reply(self.info(now), Reply::Info),
            Call::Inventory => reply(self.inventory(now), Reply::Inventory),
            Call::RunPodSandbox(config) => reply(self.run_pod_sandbox(now, config), Reply::Sandbox),
            Call::StopPodSandbox(id) => reply(self.stop_pod_sandbox(now, id), done),
            Call::RemovePodSandbox(id) => reply(self.remove_pod_sandbox(now, id), done),
            Call::ImageStatus(image) => reply(self.image_status(now, image), Reply::Image),
            Call::PullImage(pull) => reply(self.pull_image(now, pull), |image| Reply::Image(Some(image))),
            Call::ListImages => reply(self.list_images(now), Reply::Images),
            Call::PrepareVolume(pod, volume) => reply(self.prepare_volume(now, pod, volume), done),
            Call::PrepareClaim(pod, claim) => reply(self.prepare_claim(now, pod, claim), done),
            Call::ReleaseClaims(pod) => reply(self.release_claims(now, pod), done),
            Call::RemoveVolumes(pod) => reply(self.remove_volumes(now, pod), done),
            Call::RemovePersistentVolume(handle) => reply(self.remove_persistent_volume(now, handle), done),
            Call::CreateContainer(sandbox, config) => {
                reply(self.create_container(now, sandbox, config), Reply::Created)
            }
            Call::StartContainer(id) => reply(self.start_container(now, id), Reply::Container),
            Call::StopContainer(id, grace) => reply(self.stop_container(now, id, *grace), done),
            Call::RemoveContainer(id) => reply(self.remove_container(now, id), done),
            Call::UpdateContainerResources(id, resources) => {
                reply(self.update_container_resources(now, id, resources), done)
            }
            Call::ContainerStatus(id) => reply(self.container_status(now, id), Reply::Container),
            Call::ExecSync(id, command, timeout) => reply(self.exec_sync(now, id, command, *timeout), Reply::Exec),
            Call::Probe(request) => reply(self.probe(now, request), Reply::Probe),
            Call::Stats => reply(self.stats(now), Reply::Stats),
            Call::NodeStats => reply(self.node_stats(now), Reply::NodeStats),
            Call::FreeImages => reply(self.free_images(now), done),
        }
    }

    fn next_event_at(&self) -> Option<Time> {
        if self.events.is_empty() { self.due.first().map(|due| due.0) } else { Some(self.now) }
    }

    fn take_events(&mut self, now: Time) -> Vec<RuntimeEvent> {
        self.advance(now);
        self.events.drain(..).collect()
    }

    fn held(&self, now: Time) -> Inventory {
        self.list_at(self.now.max(now))
    }
}

fn error(kind: RuntimeErrorKind, message: impl Into<String>) -> RuntimeError {
    RuntimeError::new(kind, message)
}

fn not_found(what: &str, id: impl std::fmt::Display) -> RuntimeError {
    error(RuntimeErrorKind::NotFound, format!("{what} {id:?} is not there", id = id.to_string()))
}
