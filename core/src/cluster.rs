//! The cluster as an embedding program sees it: a handle to the kernel that runs in a task of the program's own runtime.

mod admission;
mod api;
mod apply;
mod builder;
mod clock;
pub mod conditions;
mod containers;
mod drain;
mod driver;
mod dynamic;
mod filter;
mod jobs;
mod metrics;
mod page;
mod pod_parts;
mod rollout;
mod serving;
mod shared;
mod storage;
mod summary;
mod wait;
mod warnings;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use self::admission::Admission;
pub use self::api::Api;
pub use self::apply::{Applied, ApplyAction, ApplyError, DeletedObject, Refused};
pub use self::builder::{ClusterBuilder, NodeSpec, StartError};
use self::clock::Clock;
pub use self::containers::{ExecOptions, LogRequest};
pub use self::drain::DrainOptions;
use self::driver::{Driver, Message, stopping};
pub use self::dynamic::DynamicApi;
pub use self::filter::Filter;
pub use self::metrics::{MetricsSource, NodeMetrics, PodMetrics};
pub use self::rollout::{Revision, Revisioned, RolloutStatus};
pub use self::serving::{Answered, Changes, Listing, Moment, Page};
use self::shared::Shared;
pub use self::storage::NodeLocal;
pub use self::summary::Description;
pub use self::wait::WaitError;
use self::warnings::WarningHandler;
use crate::control::{ControllerMetrics, ControllerMode, Plan};
use crate::error::ApiError;
use crate::ids::{NodeName, Revision as StoreRevision, Uid};
use crate::kernel::{Answer, Kernel, Request};
use crate::object::kind::{KindId, KindInfo, Kinds};
use crate::runtime::{Inventory, Runtime, RuntimeError};
use crate::store::{Durability, Snapshot};
use crate::time::Time;

/// Messages that may wait for the driver; a handle that would send more waits.
const MESSAGES_MAX: usize = 4096;

/// What becomes of the containers when a cluster is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// They are stopped, each with this grace, and everything of them is removed from the nodes.
    Stop {
        /// How long each may take to end by itself.
        grace: Duration,
    },
    /// They run on; the next cluster on the same nodes and storage finds them.
    LeaveRunning,
}

/// A running cluster. Cheap to clone; it stops when the last handle is gone, or at [`Cluster::shutdown`].
///
/// ```
/// # async fn demo(runtime: std::sync::Arc<dyn inboard::runtime::Runtime>) -> Result<(), Box<dyn std::error::Error>> {
/// use inboard::prelude::*;
/// use inboard::{Api, Cluster, NodeSpec, PostParams};
///
/// let cluster = Cluster::builder().node(NodeSpec::new("host01", runtime)).start().await?;
/// let pods: Api<Pod> = Api::default_namespaced(&cluster);
/// let pod = Pod::builder("web").container(Container::builder("nginx", "nginx")).build()?;
/// pods.create(&PostParams::default(), &pod).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
    clock: Clock,
    warnings: WarningHandler,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Sets up a cluster.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// `committed` is the last revision that was there before.
    fn launch(
        kernel: Kernel,
        committed: StoreRevision,
        clock: Clock,
        durability: Box<dyn Durability>,
        embedder: driver::Embedder,
        warnings: WarningHandler,
    ) -> Self {
        let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
        let shared = Arc::new(Shared::starting_after(committed));
        let driver = Driver::new(kernel, clock, Arc::clone(&shared), inbox, durability, embedder);
        let task = tokio::spawn(driver.run());
        Self { inner: Arc::new(Inner { messages, shared, clock, warnings, driver: Mutex::new(Some(task)) }) }
    }

    /// The time inside: that of tokio's clock, which a paused test moves by itself.
    pub fn now(&self) -> Time {
        self.inner.clock.now()
    }

    async fn send(&self, message: Message) -> Result<(), ApiError> {
        self.inner.messages.send(message).await.map_err(|_| stopping())
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Answer, ApiError> {
        let Answered { result, warnings, .. } = self.request(request).await?;
        warnings.iter().for_each(|warning| self.inner.warnings.tell(warning));
        result
    }

    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Kernel, Time) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |kernel: &Kernel, now: Time| {
            let _ = reply.send(look(kernel, now));
        });
        self.send(Message::Inspect(look)).await?;
        answer.await.map_err(|_| stopping())
    }

    /// All objects at one revision: at least that of every write that was answered before.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn snapshot(&self) -> Result<Snapshot, ApiError> {
        self.inspect(|kernel, _| kernel.snapshot().clone()).await
    }

    /// The kinds that it knows.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn kinds(&self) -> Result<Kinds, ApiError> {
        self.inspect(|kernel, _| kernel.store().kinds().clone()).await
    }

    /// Adds a user's own kind, so that [`Api`] takes its type.
    ///
    /// # Errors
    /// `Conflict` when the kind or its plural is taken.
    pub async fn add_kind(&self, info: KindInfo) -> Result<KindId, ApiError> {
        match self.ask(Request::AddKind(Box::new(info))).await? {
            Answer::Kind(kind) => Ok(kind),
            other => Err(ApiError::internal(format_args!("an odd answer to a new kind: {other:?}"))),
        }
    }

    /// Adds a node while the cluster runs; one that was there before comes back with its name.
    ///
    /// # Errors
    /// When its runtime does not answer, or its name is no name.
    pub async fn add_node(&self, node: NodeSpec) -> Result<(), StartError> {
        let (config, runtime) = node.into_config().await?;
        let name = config.name.clone();
        self.send(Message::Connect(name.clone(), runtime)).await.map_err(StartError::Refused)?;
        self.ask(Request::AddNode(Box::new(config))).await.map_err(StartError::Refused)?;
        Ok(())
    }

    /// Cuts a node's agent off, as when the machine loses its power or its network: what runs there is left alone, and
    /// the `Node` object stays until somebody deletes it.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn disconnect_node(&self, node: &str) -> Result<(), ApiError> {
        self.ask(Request::RemoveAgent(NodeName::from(node))).await.map(|_| ())
    }

    /// Switches a controller on, off, or to paused; its name is that of its events, such as `replicaset-controller`.
    ///
    /// # Errors
    /// `NotFound` when there is no such controller.
    pub async fn set_controller(&self, name: &str, mode: ControllerMode) -> Result<(), ApiError> {
        self.ask(Request::SetController(name.to_owned(), mode)).await.map(|_| ())
    }

    /// What the controllers have done so far.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn metrics(&self) -> Result<BTreeMap<&'static str, ControllerMetrics>, ApiError> {
        self.inspect(|kernel, _| kernel.metrics().collect()).await
    }

    /// What a controller would do for an object now.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn plan(&self, controller: &str, uid: Uid) -> Result<Option<Plan>, ApiError> {
        let controller = controller.to_owned();
        self.inspect(move |kernel, now| kernel.plan(&controller, uid, now)).await
    }

    /// Why controllers are not done with an object, by controller: "waiting on ...".
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn waiting_on(&self, uid: Uid) -> Result<Vec<(&'static str, String)>, ApiError> {
        self.inspect(move |kernel, now| kernel.waiting_on(uid, now)).await
    }

    /// Waits until nothing goes on: no decision to make, no runtime at work. What only time will bring (a probe, a
    /// backoff, a deadline) is not waited for.
    ///
    /// # Errors
    /// When the cluster has been shut down.
    pub async fn settle(&self) -> Result<(), ApiError> {
        let (done, settled) = oneshot::channel();
        self.send(Message::Settle(done)).await?;
        settled.await.map_err(|_| stopping())
    }

    /// What the runtime of a node holds, in its own words.
    ///
    /// # Errors
    /// When there is no such node, or its runtime does not answer.
    pub async fn inventory(&self, node: &str) -> Result<Inventory, ApiError> {
        let runtime = self.runtime(&NodeName::from(node)).await?;
        runtime.inventory().await.map_err(|error| runtime_failed(node, &error))
    }

    async fn runtime(&self, node: &NodeName) -> Result<Arc<dyn Runtime>, ApiError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Runtime(node.clone(), reply)).await?;
        answer.await.map_err(|_| stopping())?.ok_or_else(|| {
            let reason = crate::error::Reason::NotFound;
            ApiError::new(reason, format!("node \"{node}\" has no runtime in this cluster"))
        })
    }

    /// Stops the cluster: first the decisions, then, as asked, the containers. Nothing of it runs on afterwards.
    ///
    /// Other handles get `ServiceUnavailable` from then on; calling it again does nothing.
    ///
    /// # Errors
    /// When a node's runtime could not stop its containers.
    pub async fn shutdown(&self, how: Shutdown) -> Result<(), RuntimeError> {
        let (done, runtimes) = oneshot::channel();
        if self.send(Message::Stop(done)).await.is_err() {
            return Ok(());
        }
        let Ok(runtimes) = runtimes.await else { return Ok(()) };
        let task = self.inner.driver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
        if let Shutdown::Stop { grace } = how {
            let stops = runtimes.values().map(|runtime| stop_all(&**runtime, grace));
            for result in futures_util::future::join_all(stops).await {
                result?;
            }
        }
        Ok(())
    }
}

/// Stops and removes all that a node holds of ours.
async fn stop_all(runtime: &dyn Runtime, grace: Duration) -> Result<(), RuntimeError> {
    let inventory = runtime.inventory().await?;
    let running = inventory.containers.iter().filter(|container| container.state.is_running());
    let stops = running.map(|container| runtime.stop_container(&container.id, grace));
    for result in futures_util::future::join_all(stops).await {
        result?;
    }
    for sandbox in &inventory.sandboxes {
        runtime.remove_pod_sandbox(&sandbox.id).await?;
    }
    for pod in inventory.volumes {
        runtime.remove_volumes(&pod).await?;
    }
    Ok(())
}

pub(crate) fn runtime_failed(node: &str, error: &RuntimeError) -> ApiError {
    ApiError::new(crate::error::Reason::InternalError, format!("the runtime of node \"{node}\" failed: {error}"))
}
