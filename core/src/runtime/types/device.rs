//! Devices of a node that a container gets.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A device that appears in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which one.
    pub source: DeviceSource,
    /// Where it appears in the container.
    pub container_path: String,
    /// What the container may do with it.
    pub access: DeviceAccess,
}

/// Where a device comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSource {
    /// A volume of the pod that is a block device, by its name in the pod (`volumeDevices`).
    Volume(Arc<str>),
    /// A device of the host, by its path.
    Host(Arc<str>),
}

/// What a container may do with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceAccess {
    /// Read from it.
    pub read: bool,
    /// Write to it.
    pub write: bool,
    /// Make further nodes for it.
    pub make: bool,
}

impl DeviceAccess {
    /// Everything.
    pub const FULL: Self = Self { read: true, write: true, make: true };
    /// Reading.
    pub const READ_ONLY: Self = Self { read: true, write: false, make: false };
}

impl fmt::Display for DeviceAccess {
    /// The letters that control groups have for it: `rwm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.read, "r"), (self.write, "w"), (self.make, "m")];
        letters.into_iter().filter(|(may, _)| *may).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// A file or directory of the host that appears in a container, and is no volume of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMount {
    /// Its path on the host.
    pub host_path: String,
    /// Where it appears in the container.
    pub container_path: String,
    /// Whether it can be written to.
    pub read_only: bool,
}

/// A device that a container was given for an extended resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GivenDevice {
    /// The resource.
    pub resource: Arc<str>,
    /// The device's name among those of the resource.
    pub id: Arc<str>,
}

/// How much a node has of an extended resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAmount {
    /// The resource.
    pub resource: Arc<str>,
    /// All of its devices.
    pub capacity: usize,
    /// Those that can be handed out.
    pub allocatable: usize,
}
