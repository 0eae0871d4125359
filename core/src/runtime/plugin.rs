//! Devices that a node hands out: what an embedding program implements to let containers ask for them by an extended
//! resource (upstream's device plugins).
//!
//! The rule: a device belongs to one container at a time, from when it is made until it has ended. Which container has which
//! is kept by the runtime with the container ([`ContainerStatus::devices`](super::ContainerStatus)), and nowhere else, so that
//! it is known after the embedding program was killed.

mod around;
mod choose;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;

pub(crate) use self::around::WithDevices;
use super::error::RuntimeError;
use super::types::{DeviceAccess, EnvVar, HostMount};

/// Hands out the devices of one extended resource on one node.
///
/// What upstream's plugins can say and this cannot: which devices are better together (`GetPreferredAllocation`), and on which
/// memory they are (`TopologyInfo`).
#[async_trait]
pub trait DevicePlugin: fmt::Debug + Send + Sync + 'static {
    /// The resource that containers ask for in their limits, such as `example.com/gpu`.
    fn resource(&self) -> &str;

    /// The devices that the node has now, in the order in which they are handed out. Asked often: it must not block.
    fn devices(&self) -> Vec<PluginDevice>;

    /// Says something whenever [`DevicePlugin::devices`] has changed; never, by default. What the node has of the resource
    /// follows. A container that has a device that went away or fell ill runs on.
    fn changes(&self) -> BoxStream<'static, ()> {
        futures_util::stream::pending().boxed()
    }

    /// Readies devices for a container, and says what it gets for them. Called before each start of the container, which has the
    /// same devices again where nobody else took them meanwhile.
    ///
    /// # Errors
    /// The container is not made; it is tried again later.
    async fn allocate(&self, devices: &[Arc<str>]) -> Result<Allocation, RuntimeError>;
}

/// A device that a plugin can hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDevice {
    /// Its name among the devices of the plugin.
    pub id: Arc<str>,
    /// Whether it can be handed out. What cannot counts to the node's capacity, and not to what is allocatable.
    pub healthy: bool,
}

impl PluginDevice {
    /// One that can be handed out.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), healthy: true }
    }
}

/// What a container gets for the devices that it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Environment variables; those of the pod count where both have one.
    pub env: Vec<EnvVar>,
    /// Files and directories of the host.
    pub mounts: Vec<HostMount>,
    /// Device nodes.
    pub devices: Vec<HostDevice>,
    /// Devices by their names in the Container Device Interface (`vendor.com/class=device`), for runtimes that have it.
    pub cdi_devices: Vec<Arc<str>>,
    /// Annotations of the container, for its runtime.
    pub annotations: BTreeMap<String, String>,
}

/// A device of the host, and where a container finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDevice {
    /// Its path on the host.
    pub host_path: Arc<str>,
    /// Where it appears in the container.
    pub container_path: String,
    /// What the container may do with it.
    pub access: DeviceAccess,
}

impl HostDevice {
    /// A device that has the same path in the container, for everything.
    pub fn new(path: &str) -> Self {
        Self { host_path: path.into(), container_path: path.to_owned(), access: DeviceAccess::FULL }
    }
}
