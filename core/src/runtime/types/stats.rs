//! How much is used.

use std::sync::Arc;
use std::time::Duration;

use super::identity::PodIdentity;
use crate::time::Time;

/// Usage of one sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSandboxStats {
    /// The pod.
    pub pod: PodIdentity,
    /// When it was measured.
    pub time: Time,
    /// Its containers.
    pub containers: Vec<ContainerStats>,
    /// Its volumes that are on the node's disk and go with it.
    pub volumes: Vec<VolumeStats>,
    /// Its network, where it has one of its own.
    pub network: Option<NetworkStats>,
    /// How many processes it has.
    pub pids: u64,
}

/// Usage of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerStats {
    /// Its name in the pod.
    pub name: Arc<str>,
    /// CPU time used since it started.
    pub cpu: Duration,
    /// Memory that cannot be reclaimed, in bytes.
    pub memory_working_set: u64,
    /// Its writable layer.
    pub filesystem: FileSystemStats,
    /// Its log.
    pub logs: FileSystemStats,
}

/// Usage of one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeStats {
    /// Its name in the pod.
    pub name: Arc<str>,
    /// What is in it.
    pub usage: FileSystemStats,
}

/// Usage of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemStats {
    /// Bytes used.
    pub used_bytes: u64,
    /// Inodes used.
    pub inodes_used: u64,
}

/// Traffic of a sandbox since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}
