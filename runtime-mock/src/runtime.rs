//! The mock as an asynchronous [`Runtime`]: the state machine behind a lock, on tokio's clock.
//!
//! The lock is held for one synchronous step and never over an await. Whoever waits (an answer that takes time, events,
//! a log that is followed) waits for the earlier of its own moment and `changed`, which is told when something happened
//! that somebody may wait for. A call that takes no time makes no timer.

mod events;
mod handle;
mod logs;
mod session;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use inboard::runtime::{
    ClaimConfig, ContainerConfig, ContainerId, ContainerResources, ContainerStatus, ExecOutput, ExecRequest,
    ExecSession, ImagePull, ImageStatus, Inventory, LogOptions, LogStream, NodeStats, PodIdentity, PodSandboxStats,
    PortForward, ProbeOutcome, ProbeRequest, Runtime, RuntimeError, RuntimeErrorKind, RuntimeEvent, RuntimeInfo,
    SandboxConfig, SandboxId, SandboxStatus, SimulatedRuntime, VolumeConfig,
};
use inboard::time::Time;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::builder::MockBuilder;
use crate::state::{Answer, MockState};

/// A mock runtime for one node, on tokio's clock. A clone is another handle to the same node.
///
/// Beside [`Runtime`], it has methods to inject faults, to let the node fail, and to look inside; see [`MockState`] for
/// what it does with containers.
///
/// ```
/// use std::sync::Arc;
///
/// use inboard::runtime::{ImagePull, Runtime};
/// use inboard_runtime_mock::MockRuntime;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), inboard::runtime::RuntimeError> {
/// let runtime = MockRuntime::new();
/// let pull = ImagePull { image: Arc::from("nginx"), credentials: Vec::new(), pod: None };
/// let image = runtime.pull_image(&pull).await?;
/// assert_eq!(&*image.names[0], "docker.io/library/nginx:latest");
///
/// runtime.down();
/// assert!(runtime.info().await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MockRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Mutex<Shared>,
    /// Told when something happened that somebody may wait for.
    changed: Notify,
}

/// What is behind the lock.
struct Shared {
    state: MockState,
    start_time: Time,
    /// What the clock showed at `start_time`: set by the first call.
    origin: Option<Instant>,
    /// Counts the failures of the node: an answer that was under way at one of them is lost.
    failures: u32,
    /// Counts the times at which hanging calls were let go.
    released: u32,
    next_listener: u32,
    /// What each stream of events has not taken yet.
    listeners: Vec<(u32, VecDeque<RuntimeEvent>)>,
}

impl Shared {
    fn now(&mut self) -> Time {
        let now = Instant::now();
        let origin = *self.origin.get_or_insert(now);
        self.start_time + now.saturating_duration_since(origin)
    }

    /// When the clock shows this time.
    fn instant(&self, time: Time) -> Option<Instant> {
        self.origin?.checked_add(time.since(self.start_time))
    }
}

impl Default for MockRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockRuntime").finish_non_exhaustive()
    }
}

impl MockRuntime {
    /// A node without scripts.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets one up.
    pub fn builder() -> MockBuilder {
        MockBuilder::default()
    }

    pub(crate) fn around(state: MockState, start_time: Time) -> Self {
        let shared = Shared {
            state,
            start_time,
            origin: None,
            failures: 0,
            released: 0,
            next_listener: 0,
            listeners: Vec::new(),
        };
        Self { inner: Arc::new(Inner { shared: Mutex::new(shared), changed: Notify::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // The state is whole after each step; a panic in a test that holds a handle must not spread.
        self.inner.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One synchronous step, and the telling of what came of it.
    fn step<T>(&self, step: impl FnOnce(&mut MockState, Time) -> T) -> T {
        let mut shared = self.lock();
        let now = shared.now();
        let before = shared.state.next_event_at();
        let result = step(&mut shared.state, now);
        self.tell(&mut shared, now, before);
        result
    }

    /// Hands new events to those who listen, and wakes those who wait.
    fn tell(&self, shared: &mut Shared, now: Time, before: Option<Time>) {
        let events = shared.state.take_events(now);
        let happened = !events.is_empty();
        for event in events {
            events::hand_out(&mut shared.listeners, event);
        }
        if happened || shared.state.next_event_at() != before {
            self.inner.changed.notify_waiters();
        }
    }

    /// Makes a call and waits for its answer.
    async fn call<T>(&self, mut call: impl FnMut(&mut MockState, Time) -> Answer<T> + Send) -> Result<T, RuntimeError> {
        loop {
            let made = self.make(&mut call);
            if made.arrived {
                return made.answer.result;
            }
            match self.wait_for_answer(made.answer.at, made.failures, made.released).await {
                Waited::Arrived => return made.answer.result,
                Waited::Lost => return Err(went_away()),
                Waited::Released => {}
            }
        }
    }

    /// Makes a call without waiting for its answer.
    fn make<T>(&self, call: &mut impl FnMut(&mut MockState, Time) -> Answer<T>) -> Made<T> {
        let mut shared = self.lock();
        let now = shared.now();
        let before = shared.state.next_event_at();
        let answer = call(&mut shared.state, now);
        self.tell(&mut shared, now, before);
        let arrived = answer.at <= now;
        Made { answer, arrived, failures: shared.failures, released: shared.released }
    }

    /// Stops a container and waits until it has exited, which may be before its grace period is over.
    async fn stop_and_wait(&self, id: &ContainerId, grace: Duration) -> Result<(), RuntimeError> {
        let made = self.make(&mut |state: &mut MockState, now| state.stop_container(now, id, grace));
        if made.arrived {
            return made.answer.result;
        }
        if made.answer.result.is_ok() && self.lock().state.still_runs(id).is_some() {
            let exited = self.wait_for_exit(id, made.answer.at, made.failures).await;
            return if exited { Ok(()) } else { Err(went_away()) };
        }
        match self.wait_for_answer(made.answer.at, made.failures, made.released).await {
            Waited::Arrived => made.answer.result,
            Waited::Lost => Err(went_away()),
            Waited::Released => Box::pin(self.stop_and_wait(id, grace)).await,
        }
    }

    /// Waits for an exit, `latest` at most; false when the node failed meanwhile.
    async fn wait_for_exit(&self, id: &ContainerId, latest: Time, failures: u32) -> bool {
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.step(|_, _| ());
            let due = {
                let shared = self.lock();
                if shared.failures != failures {
                    return false;
                }
                match shared.state.still_runs(id) {
                    Some(due) if shared.state.now() < latest => {
                        shared.instant(due.map_or(latest, |due| due.min(latest)))
                    }
                    _ => return true,
                }
            };
            sleep_or_changed(due, changed).await;
        }
    }

    async fn wait_for_answer(&self, at: Time, failures: u32, released: u32) -> Waited {
        loop {
            let changed = self.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let due = {
                let shared = self.lock();
                if shared.failures != failures {
                    return Waited::Lost;
                }
                if at == Time::MAX && shared.released != released {
                    return Waited::Released;
                }
                if at == Time::MAX { None } else { shared.instant(at) }
            };
            if !sleep_or_changed(due, changed).await {
                return Waited::Arrived;
            }
        }
    }
}

/// A call that was made.
struct Made<T> {
    answer: Answer<T>,
    /// Whether the answer is there without a wait.
    arrived: bool,
    failures: u32,
    released: u32,
}

fn went_away() -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Unavailable, "the node went away during the call")
}

/// How the wait for an answer ended.
enum Waited {
    Arrived,
    /// The node failed meanwhile.
    Lost,
    /// The call hung and was let go: it has to be made again.
    Released,
}

/// Waits for the earlier of both; true when something changed. Without a moment, only a change ends the wait.
async fn sleep_or_changed(due: Option<Instant>, changed: impl Future<Output = ()>) -> bool {
    match due {
        Some(due) => tokio::select! {
            biased;
            () = tokio::time::sleep_until(due) => false,
            () = changed => true,
        },
        None => {
            changed.await;
            true
        }
    }
}

#[async_trait]
impl Runtime for MockRuntime {
    fn set_time(&self, now: Time) {
        let mut shared = self.lock();
        // Time does not go back: what has happened would lie ahead otherwise.
        (shared.start_time, shared.origin) = (now.max(shared.state.now()), Some(Instant::now()));
        self.inner.changed.notify_waiters();
    }

    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.call(MockState::info).await
    }

    async fn inventory(&self) -> Result<Inventory, RuntimeError> {
        self.call(MockState::inventory).await
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        events::stream(self)
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        self.call(|state, now| state.run_pod_sandbox(now, config)).await
    }

    async fn stop_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.call(|state, now| state.stop_pod_sandbox(now, sandbox)).await
    }

    async fn remove_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.call(|state, now| state.remove_pod_sandbox(now, sandbox)).await
    }

    async fn image_status(&self, image: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        self.call(|state, now| state.image_status(now, image)).await
    }

    async fn pull_image(&self, pull: &ImagePull) -> Result<ImageStatus, RuntimeError> {
        self.call(|state, now| state.pull_image(now, pull)).await
    }

    async fn list_images(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        self.call(MockState::list_images).await
    }

    async fn remove_image(&self, image: &str) -> Result<(), RuntimeError> {
        self.call(|state, now| state.remove_image(now, image)).await
    }

    async fn prepare_volume(&self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), RuntimeError> {
        self.call(|state, now| state.prepare_volume(now, pod, volume)).await
    }

    async fn prepare_claim(&self, pod: &PodIdentity, claim: &ClaimConfig) -> Result<(), RuntimeError> {
        self.call(|state, now| state.prepare_claim(now, pod, claim)).await
    }

    async fn forget_claim(&self, pod: &PodIdentity, name: &str) -> Result<(), RuntimeError> {
        self.call(|state, now| state.forget_claim(now, pod, name)).await
    }

    async fn release_claims(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        self.call(|state, now| state.release_claims(now, pod)).await
    }

    async fn remove_volumes(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        self.call(|state, now| state.remove_volumes(now, pod)).await
    }

    async fn remove_persistent_volume(&self, handle: &str) -> Result<(), RuntimeError> {
        self.call(|state, now| state.remove_persistent_volume(now, handle)).await
    }

    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        self.call(|state, now| state.create_container(now, sandbox, config)).await
    }

    async fn start_container(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        self.call(|state, now| state.start_container(now, container)).await
    }

    async fn stop_container(&self, container: &ContainerId, grace: Duration) -> Result<(), RuntimeError> {
        self.stop_and_wait(container, grace).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), RuntimeError> {
        self.call(|state, now| state.remove_container(now, container)).await
    }

    async fn update_container_resources(
        &self,
        container: &ContainerId,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        self.call(|state, now| state.update_container_resources(now, container, resources)).await
    }

    async fn container_status(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        self.call(|state, now| state.container_status(now, container)).await
    }

    async fn exec_sync(
        &self,
        container: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        self.call(|state, now| state.exec_sync(now, container, command, timeout)).await
    }

    async fn exec(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let (key, started) = self.call(|state, now| state.exec(now, container, &request.command)).await?;
        Ok(session::exec(self, key, started, request))
    }

    async fn attach(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        self.call(|state, now| state.attach(now, container)).await?;
        session::attach(self, container, request)
    }

    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeOutcome, RuntimeError> {
        self.call(|state, now| state.probe(now, request)).await
    }

    async fn logs(&self, container: &ContainerId, options: &LogOptions) -> Result<LogStream, RuntimeError> {
        let page = self.call(|state, now| state.logs(now, container, options)).await?;
        Ok(logs::stream(self, container, options, page))
    }

    async fn port_forward(&self, sandbox: &SandboxId, port: u16) -> Result<PortForward, RuntimeError> {
        let response = self.call(|state, now| state.port_forward(now, sandbox, port)).await?;
        Ok(session::port_forward(response))
    }

    async fn node_stats(&self) -> Result<NodeStats, RuntimeError> {
        self.call(MockState::node_stats).await
    }

    async fn free_images(&self) -> Result<(), RuntimeError> {
        self.call(MockState::free_images).await
    }

    async fn stats(&self) -> Result<Vec<PodSandboxStats>, RuntimeError> {
        self.call(MockState::stats).await
    }
}
