//! What a node is told about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::eviction::EvictionRules;
use crate::ids::NodeName;
use crate::runtime::{DeviceAmount, RuntimeInfo};
use crate::store::StringMap;

/// Amounts of resources by name: `cpu`, `memory`, `pods`, ...
pub type Resources = BTreeMap<String, Quantity>;

/// What a [`NodeAgent`](super::NodeAgent) must know of its node. The parts that many nodes have in common are shared.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name of the node.
    pub name: NodeName,
    /// Its addresses, the primary one first: `status.hostIP` of its pods.
    pub addresses: Vec<IpAddr>,
    /// `status.capacity`
    pub capacity: Arc<Resources>,
    /// `status.allocatable`: what pods may request together. `pods` among it limits how many there may be.
    pub allocatable: Arc<Resources>,
    /// Its labels, without the ones that follow from its name.
    pub labels: Arc<StringMap>,
    /// `spec.taints` when the node registers.
    pub taints: Arc<[Taint]>,
    /// The runtime: the scheme of container ids, and what `status.nodeInfo` says.
    pub runtime: RuntimeInfo,
    /// The cluster's resolver for pods with `dnsPolicy: ClusterFirst`; the node's own when absent.
    pub dns: Option<Arc<ClusterDns>>,
    /// How many images are pulled at a time (`maxParallelImagePulls`); upstream's default is one.
    pub pulls_at_a_time: u16,
    /// When it gives up pods for its own sake; never when absent.
    pub eviction: Option<Arc<EvictionRules>>,
    /// How often the node's `Ready` condition and lease are renewed when nothing changes; never when absent.
    pub report_every: Option<Duration>,
}

impl NodeConfig {
    /// A node of this name with nothing said yet: no address, no resources, a runtime called `name`.
    pub fn new(name: impl Into<NodeName>, runtime: RuntimeInfo) -> Self {
        Self {
            name: name.into(),
            addresses: Vec::new(),
            capacity: Arc::default(),
            allocatable: Arc::default(),
            labels: Arc::default(),
            taints: Arc::new([]),
            runtime,
            dns: None,
            pulls_at_a_time: 1,
            eviction: None,
            report_every: None,
        }
    }

    /// Says how much it has of extended resources.
    pub(crate) fn set_devices(&mut self, amounts: &[DeviceAmount]) {
        let (capacity, allocatable) = (Arc::make_mut(&mut self.capacity), Arc::make_mut(&mut self.allocatable));
        for amount in amounts {
            capacity.insert(amount.resource.to_string(), Quantity(amount.capacity.to_string()));
            allocatable.insert(amount.resource.to_string(), Quantity(amount.allocatable.to_string()));
        }
    }
}

/// The cluster's resolver (`clusterDNS` and `clusterDomain` of the kubelet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDns {
    /// Its addresses.
    pub servers: Vec<IpAddr>,
    /// The domain of the cluster, such as `cluster.local`.
    pub domain: String,
}
