//! Setting up a cluster: nodes, seed, controllers, storage.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::api::storage::v1::StorageClass;

use super::Cluster;
use super::clock::Clock;
use super::driver::Embedder;
use super::metrics::MetricsSource;
use super::warnings::WarningHandler;
use crate::authority::Authority;
use crate::control::ControllerMode;
use crate::error::{ApiError, Reason};
use crate::ids::NodeName;
use crate::kernel::{Kernel, KernelConfig, Request, Warning};
use crate::node::{EvictionRules, NodeConfig};
use crate::object::kind::{KindConflict, KindInfo, Kinds};
use crate::object::quantity::{Quantity, QuantityError};
use crate::object::validation::names;
use crate::provision::Provisioner;
use crate::runtime::{DeviceDriver, DevicePlugin, Drivers, Runtime, RuntimeError, WithDevices};
use crate::scheduler::{InvalidArgument, SchedulerConfig};
use crate::store::{
    AutoscalingSettings, Committed, Draft, Durability, DurabilityError, Memory, NodeMonitorGrace, RestoreError,
    WriteOptions,
};
use crate::time::Time;

/// Why a cluster, or a node of it, could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name of a node is not a name.
    #[error("node name `{name}`: {problem}")]
    NodeName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An amount of a node's capacity is not a quantity.
    #[error("capacity `{resource}` of node `{node}`: `{amount}` is not a quantity")]
    Capacity {
        /// The node.
        node: NodeName,
        /// The resource.
        resource: String,
        /// The amount.
        amount: String,
        /// What is wrong with it.
        #[source]
        source: QuantityError,
    },
    /// The runtime of a node does not answer.
    #[error("the runtime of node `{node}` does not answer")]
    Runtime {
        /// The node.
        node: NodeName,
        /// What it said.
        #[source]
        source: RuntimeError,
    },
    /// The storage cannot be opened.
    #[error("the storage cannot be opened")]
    Durability(#[from] DurabilityError),
    /// The storage holds an object that cannot be read.
    #[error("the storage holds an object that cannot be read")]
    Stored(#[from] RestoreError),
    /// The scheduler cannot work as it is told to.
    #[error("the scheduler cannot work like this")]
    Scheduler(#[from] InvalidArgument),
    /// A kind of the user's own is in the way of another kind.
    #[error("a kind was refused")]
    Kind(#[from] KindConflict),
    /// The cluster does not take a storage class.
    #[error("the cluster refused a storage class")]
    StorageClass(#[source] ApiError),
    /// The cluster does not take the node.
    #[error("the cluster refused the node")]
    Refused(#[source] ApiError),
}

/// A node to be: its runtime, and what it says of itself.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    name: NodeName,
    runtime: Arc<dyn Runtime>,
    address: IpAddr,
    capacity: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    taints: Vec<Taint>,
    eviction: Option<EvictionRules>,
    plugins: Vec<Arc<dyn DevicePlugin>>,
    drivers: Vec<Arc<dyn DeviceDriver>>,
}

impl NodeSpec {
    /// A node with 8 CPUs, 32 GiB of memory and room for 110 pods, unless told otherwise.
    pub fn new(name: impl Into<NodeName>, runtime: Arc<dyn Runtime>) -> Self {
        let amount = |resource: &str, amount: &str| (resource.to_owned(), amount.to_owned());
        Self {
            name: name.into(),
            runtime,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            capacity: vec![
                amount("cpu", "8"),
                amount("memory", "32Gi"),
                amount("pods", "110"),
                amount("ephemeral-storage", "100Gi"),
            ],
            labels: Vec::new(),
            taints: Vec::new(),
            eviction: None,
            plugins: Vec::new(),
            drivers: Vec::new(),
        }
    }

    /// Its address: `status.hostIP` of its pods.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = address;
        self
    }

    /// How much it has of a resource: `capacity("cpu", "2")`.
    #[must_use]
    pub fn capacity(mut self, resource: &str, amount: &str) -> Self {
        self.capacity.retain(|(name, _)| name != resource);
        self.capacity.push((resource.to_owned(), amount.to_owned()));
        self
    }

    /// A label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A taint; `effect` is `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[must_use]
    pub fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        self.taints.push(Taint {
            effect: effect.to_owned(),
            key: key.to_owned(),
            time_added: None,
            value: Some(value.to_owned()).filter(|value| !value.is_empty()),
        });
        self
    }

    /// Gives up pods when its machine runs out of memory, disk or processes, as a kubelet does, and says so in its
    /// conditions. It then looks every ten seconds. Without this a node never does: a machine that it shares with the
    /// embedding program is that program's to look after.
    ///
    /// The cluster does not start when the node's runtime cannot measure its machine.
    #[must_use]
    pub fn evict(mut self, rules: EvictionRules) -> Self {
        self.eviction = Some(rules);
        self
    }

    /// Hands out devices to containers that ask for them by the plugin's resource: see [`DevicePlugin`]. The node has as much of
    /// the resource as the plugin has devices. A second plugin for a resource takes the place of the first.
    #[must_use]
    pub fn device_plugin(mut self, plugin: impl DevicePlugin) -> Self {
        self.plugins.retain(|other| other.resource() != plugin.resource());
        self.plugins.push(Arc::new(plugin));
        self
    }

    /// Makes devices ready that pods claim: see [`DeviceDriver`]. A node that was given a driver refuses the devices of those that it
    /// was not given. A second driver of a name takes the place of the first.
    #[must_use]
    pub fn device_driver(mut self, driver: impl DeviceDriver) -> Self {
        self.drivers.retain(|other| other.name() != driver.name());
        self.drivers.push(Arc::new(driver));
        self
    }

    pub(super) async fn into_config(self) -> Result<(NodeConfig, Arc<dyn Runtime>), StartError> {
        let node = self.name;
        if let Some(problem) = names::dns1123_subdomain(node.as_str()).into_iter().next() {
            return Err(StartError::NodeName { name: node.to_string(), problem: problem.to_string() });
        }
        let info = match self.runtime.info().await {
            Ok(info) => info,
            Err(source) => return Err(StartError::Runtime { node, source }),
        };
        let mut config = NodeConfig::new(node.clone(), info);
        config.addresses = vec![self.address];
        let mut capacity = (*config.capacity).clone();
        for (resource, amount) in self.capacity {
            match amount.parse::<Quantity>() {
                Ok(quantity) => capacity.insert(resource, quantity.to_api()),
                Err(source) => return Err(StartError::Capacity { node, resource, amount, source }),
            };
        }
        config.capacity = Arc::new(capacity);
        config.allocatable = Arc::clone(&config.capacity);
        let mut runtime = self.runtime;
        if !self.plugins.is_empty() || !self.drivers.is_empty() {
            let with_devices = WithDevices::new(runtime, self.plugins, Drivers::new(self.drivers));
            config.set_devices(&with_devices.amounts());
            runtime = Arc::new(with_devices);
        }
        Arc::make_mut(&mut config.labels).extend(self.labels);
        config.taints = self.taints.into();
        if let Some(rules) = self.eviction {
            if let Err(source) = runtime.node_stats().await {
                return Err(StartError::Runtime { node, source });
            }
            config.eviction = Some(Arc::new(rules));
        }
        Ok((config, runtime))
    }
}

/// Sets up a [`Cluster`].
#[derive(Debug)]
pub struct ClusterBuilder {
    kernel: KernelConfig,
    nodes: Vec<NodeSpec>,
    start_time: Option<Time>,
    durability: Box<dyn Durability>,
    kinds: Vec<KindInfo>,
    classes: Vec<StorageClass>,
    embedder: Embedder,
    warnings: WarningHandler,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::default(),
            nodes: Vec::new(),
            start_time: None,
            durability: Box::new(Memory),
            kinds: Vec::new(),
            classes: Vec::new(),
            embedder: Embedder::default(),
            warnings: WarningHandler::default(),
        }
    }
}

impl ClusterBuilder {
    /// Where uids, generated names and ties come from: the same seed and the same history give the same names.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.kernel.seed = seed;
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, node: NodeSpec) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: impl IntoIterator<Item = NodeSpec>) -> Self {
        self.nodes.extend(nodes);
        self
    }

    /// The time at the start, for clusters in virtual time; the machine's time otherwise.
    #[must_use]
    pub fn start_time(mut self, time: Time) -> Self {
        self.start_time = Some(time);
        self
    }

    /// Starts a controller in another mode than on; its name is that of its events, such as `replicaset-controller`.
    #[must_use]
    pub fn controller(mut self, name: &'static str, mode: ControllerMode) -> Self {
        self.kernel.controllers.insert(name, mode);
        self
    }

    /// Starts all controllers that are not named by [`ClusterBuilder::controller`] in this mode: off, for an API server
    /// alone behind which nothing moves.
    #[must_use]
    pub fn other_controllers(mut self, mode: ControllerMode) -> Self {
        self.kernel.other_controllers = mode;
        self
    }

    /// Another scheduler configuration, or `None` for no scheduler: pods stay where they are bound by others.
    #[must_use]
    pub fn scheduler(mut self, config: Option<SchedulerConfig>) -> Self {
        self.kernel.scheduler = config;
        self
    }

    /// Adds a kind of the user's own from the start: a storage that holds objects of it can be read only then.
    #[must_use]
    pub fn kind(mut self, info: KindInfo) -> Self {
        self.kinds.push(info);
        self
    }

    /// A storage class that is there from the start, so that claims of this name are served: see
    /// [`NodeLocal`](super::NodeLocal) for directories on the cluster's own nodes. A class of this name that is there
    /// already stays as it is.
    ///
    /// ```
    /// # use inboard::{Cluster, NodeLocal};
    /// let builder = Cluster::builder()
    ///     .storage_class(NodeLocal::class("longhorn"))
    ///     .storage_class(NodeLocal::class("standard").default_class().directory("/srv/volumes"));
    /// ```
    #[must_use]
    pub fn storage_class(mut self, class: impl Into<StorageClass>) -> Self {
        self.classes.push(class.into());
        self
    }

    /// Serves the storage classes whose `provisioner` is this name: see [`Provisioner`]. Together with
    /// [`ClusterBuilder::storage_class`] any class name can be served in any way.
    #[must_use]
    pub fn provisioner(mut self, name: &str, provisioner: impl Provisioner) -> Self {
        self.embedder.provisioners.insert(name.into(), Arc::new(provisioner));
        self
    }

    /// How autoscalers work, and how often usage is measured while one needs it.
    #[must_use]
    pub fn autoscaling(mut self, settings: AutoscalingSettings) -> Self {
        self.kernel.autoscaling = settings;
        self
    }

    /// How long a node may be silent before it is unknown and its pods are not ready (`--node-monitor-grace-period`); 50 s
    /// when not said. What runs there is replaced when the pods' tolerations are over as well, 5 minutes later unless they
    /// say otherwise.
    #[must_use]
    pub fn node_monitor_grace_period(mut self, grace: Duration) -> Self {
        self.kernel.node_grace = NodeMonitorGrace(grace);
        self
    }

    /// Where autoscalers find metrics of pods, objects and the outside: upstream's `custom.metrics.k8s.io` and
    /// `external.metrics.k8s.io`. It is asked at each measurement, only for what autoscalers name.
    #[must_use]
    pub fn metrics(mut self, source: impl MetricsSource) -> Self {
        self.embedder.metrics = Some(Arc::new(source));
        self
    }

    /// Who makes tokens of service accounts, for pods and for Secrets: an [`Authority`] whose word an API that is served
    /// to them takes. Nobody otherwise, and then no token is mounted for the account `default`.
    #[must_use]
    pub fn authority(mut self, authority: impl Authority) -> Self {
        self.kernel.authority = Some(Arc::new(authority));
        self
    }

    /// Who is told of what is allowed in an object that a client writes and surely not meant: a field that does nothing
    /// any more, two environment variables of one name, a port that stands twice. The log otherwise. It is called once
    /// the write is durable, before the write is answered, and must not block.
    ///
    /// ```
    /// # use inboard::Cluster;
    /// let builder = Cluster::builder().on_warning(|warning| eprintln!("Warning: {warning}"));
    /// ```
    #[must_use]
    pub fn on_warning(mut self, handler: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        self.warnings = WarningHandler::new(handler);
        self
    }

    /// Where commits are made durable; memory otherwise. A cluster goes on from what is there: objects, identities and
    /// revisions are those of the last one, and its nodes find their containers running.
    #[must_use]
    pub fn durability(mut self, durability: impl Durability) -> Self {
        self.durability = Box::new(durability);
        self
    }

    /// Starts it, in the tokio runtime that is current.
    ///
    /// # Errors
    /// See [`StartError`]: a runtime that does not answer, a name or amount that is none, a storage that cannot be
    /// opened or holds what cannot be read, profiles of the scheduler that share a name.
    pub async fn start(mut self) -> Result<Cluster, StartError> {
        let mut kinds = Kinds::built_in();
        for info in self.kinds {
            kinds.add(info)?;
        }
        self.kernel.scheduler.as_ref().map_or(Ok(()), SchedulerConfig::check)?;
        let committed = Committed::read(self.durability.open().await?, kinds)?;
        let clock = self.start_time.map_or_else(Clock::of_the_machine, Clock::starting_at);
        let revision = committed.revision;
        self.kernel.provisioners = self.embedder.provisioners.keys().cloned().collect();
        let kernel = Kernel::restore(&self.kernel, committed, clock.now());
        let cluster = Cluster::launch(kernel, revision, clock, self.durability, self.embedder, self.warnings);
        for class in self.classes {
            let created = cluster.ask(Request::Create(Draft::of(class), WriteOptions::default())).await;
            match created {
                Err(error) if error.reason() != Reason::AlreadyExists => return Err(StartError::StorageClass(error)),
                _ => {}
            }
        }
        for node in self.nodes {
            cluster.add_node(node).await?;
        }
        Ok(cluster)
    }
}
