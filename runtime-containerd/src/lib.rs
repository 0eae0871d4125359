//! Real containers on containerd's native API: the production runtime of Inboard.
//!
//! A [`ContainerdRuntime`] serves one node. It asks containerd for images, snapshots, containers and tasks; what
//! containerd does not do (a pod's shared namespaces, its network, its volumes, its logs) it does itself, without a
//! helper process: namespaces are held by bind mounts, logs are read in this process.
//!
//! # What it needs
//! Linux, root, containerd 1.6 or later with runc, `iptables`, and the CNI plugin `portmap` (or a network configuration of
//! your own with its plugins, see [`ContainerdBuilder::cni_config`]). Building it needs `protoc`.
//!
//! What a pod asks for and this runtime, or the kernel under it, cannot do is refused with the name of the field.

mod apparmor;
pub mod archive;
mod builder;
mod cdi;
mod cgroup;
mod claims;
mod client;
mod clock;
mod container;
mod devices;
mod error;
mod events;
mod exec;
mod forward;
mod housekeeping;
mod image;
mod lock;
mod logs;
mod machine;
mod network;
mod os;
mod preflight;
mod probe;
mod registry;
mod runtime;
mod sandbox;
mod selinux;
mod spec;
mod state;
mod stats;
mod streams;
mod volumes;

pub use self::builder::ContainerdBuilder;
pub use self::error::BuildError;
pub use self::image::{ImageCollection, PullProgress};
pub use self::preflight::{Finding, Report, State};
pub use self::registry::RegistryConfig;
pub use self::runtime::ContainerdRuntime;

/// Looks at the machine with the default settings; see [`ContainerdBuilder::preflight`].
pub async fn preflight() -> Report {
    ContainerdBuilder::default().preflight().await
}
