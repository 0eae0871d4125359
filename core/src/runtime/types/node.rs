//! What a node holds and tells without being asked.

use std::sync::Arc;

use super::claim::HeldClaim;
use super::container::ContainerStatus;
use super::device::DeviceAmount;
use super::identity::{PodIdentity, SandboxId};
use super::sandbox::SandboxStatus;

/// Name and version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// The scheme of its container ids, such as `containerd`.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
}

/// All that a node holds of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The sandboxes, by pod and age.
    pub sandboxes: Vec<SandboxStatus>,
    /// The containers, by sandbox and age.
    pub containers: Vec<ContainerStatus>,
    /// The pods that have volumes here.
    pub volumes: Vec<PodIdentity>,
    /// The claims for devices that are kept for pods here.
    pub claims: Vec<HeldClaim>,
}

/// What happened on a node without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeEvent {
    /// A container's process ended.
    Exited(Box<ContainerStatus>),
    /// A sandbox is no longer usable.
    SandboxLost(SandboxId),
    /// The runtime was away, or came back: take the inventory again.
    Relist,
    /// The node has other amounts of extended resources from now on.
    Devices(Vec<DeviceAmount>),
    /// The runtime does not answer; the node is not ready until a [`RuntimeEvent::Relist`].
    Unavailable(String),
}
