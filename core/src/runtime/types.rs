//! What is passed to a runtime and what it reports.

mod claim;
mod container;
mod device;
mod host_path;
mod identity;
mod image;
mod node;
mod probe;
mod room;
mod sandbox;
mod stats;
mod volume;

pub use self::claim::{ClaimConfig, ClaimIdentity, DriverShare, HeldClaim, PreparedDevice};
pub use self::container::{
    ContainerConfig, ContainerKind, ContainerResources, ContainerState, ContainerStatus, Containers, EnvVar,
    ExitReason, ExitStatus, Mount, MountPropagation,
};
pub use self::device::{Device, DeviceAccess, DeviceAmount, DeviceSource, GivenDevice, HostMount};
pub use self::host_path::{HostFile, HostPathStep, check_host_path};
pub use self::identity::{ContainerId, PodIdentity, SandboxId};
pub use self::image::{ImageCredentials, ImagePull, ImageStatus};
pub use self::node::{Inventory, RuntimeEvent, RuntimeInfo};
pub use self::probe::{ExecOutput, ExecRequest, ProbeAction, ProbeOutcome, ProbePurpose, ProbeRequest};
pub use self::room::{FileSystemRoom, NodeStats, Room};
pub use self::sandbox::{PortMapping, SandboxConfig, SandboxDns, SandboxState, SandboxStatus};
pub use self::stats::{ContainerStats, FileSystemStats, NetworkStats, PodSandboxStats, VolumeStats};
pub use self::volume::{FileEntry, VolumeConfig, VolumeSource};
