//! What a container is made of, and how it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde::{Deserialize, Serialize};

use super::device::{Device, GivenDevice, HostMount};
use super::identity::{ContainerId, PodIdentity, SandboxId};
use crate::time::Time;

/// Which of a pod's container lists a container stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ContainerKind {
    /// `spec.initContainers`, sidecars among them.
    Init,
    /// `spec.containers`.
    Regular,
    /// `spec.ephemeralContainers`.
    Ephemeral,
}

impl ContainerKind {
    /// The container at this place of this list; `None` for an ephemeral one, whose type differs.
    pub fn container_of(self, spec: &PodSpec, index: usize) -> Option<&Container> {
        match self {
            Self::Init => spec.init_containers.as_deref()?.get(index),
            Self::Regular => spec.containers.get(index),
            Self::Ephemeral => None,
        }
    }
}

/// One environment variable, resolved and expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How mounts made on one side are seen on the other (`volumeMounts[].mountPropagation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountPropagation {
    /// `None`: not at all.
    #[default]
    Private,
    /// `HostToContainer`.
    HostToContainer,
    /// `Bidirectional`.
    Bidirectional,
}

/// A volume of the pod, seen in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The name of the volume in the pod.
    pub volume: Arc<str>,
    /// Where it appears in the container.
    pub container_path: String,
    /// The part of the volume that appears, relative; the whole when empty. Already expanded.
    pub sub_path: String,
    /// Whether it can be written to.
    pub read_only: bool,
    /// Whether mounts below it are read-only too.
    pub recursive_read_only: bool,
    /// How mounts spread.
    pub propagation: MountPropagation,
}

/// What a container is made of: the spec plus all that had to be resolved first.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// The pod it is in.
    pub pod: PodIdentity,
    /// The pod's whole spec.
    pub spec: Arc<PodSpec>,
    /// Which list of the spec it stands in.
    pub kind: ContainerKind,
    /// Its place in that list.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// How many times it ran before: the restart count.
    pub attempt: u32,
    /// The image as the spec names it.
    pub image: Arc<str>,
    /// The id of the image that the runtime reported.
    pub image_id: Arc<str>,
    /// The entry point, expanded; the image's own when empty.
    pub command: Vec<String>,
    /// The arguments, expanded; the image's own when empty and `command` is empty too.
    pub args: Vec<String>,
    /// The environment, resolved and expanded, beside the image's own.
    pub env: Vec<EnvVar>,
    /// The mounts of volumes.
    pub mounts: Vec<Mount>,
    /// The devices that it gets beside those of every container.
    pub devices: Vec<Device>,
    /// Devices by their names in the Container Device Interface (`vendor.com/class=device`), which a runtime looks up itself;
    /// those of its claims ([`HeldClaim::devices_of`](super::HeldClaim::devices_of)) come before them.
    pub cdi_devices: Vec<Arc<str>>,
    /// Which devices of extended resources are among them: to be reported as [`ContainerStatus::devices`] as long as the
    /// container is there, also after the process was started anew.
    pub given: Vec<GivenDevice>,
    /// Files and directories of the host that belong to its devices.
    pub host_mounts: Vec<HostMount>,
    /// Annotations for what runs it.
    pub annotations: BTreeMap<String, String>,
}

impl ContainerConfig {
    /// The container as the pod's spec has it (`None` for an ephemeral one, whose type differs, or a wrong index).
    pub fn container(&self) -> Option<&Container> {
        self.kind.container_of(&self.spec, self.index)
    }
}

/// What a container shall have of its node: its part of a pod's spec, as in [`ContainerConfig`].
#[derive(Clone, Debug)]
pub struct ContainerResources {
    /// The pod's whole spec, with the resources that the container shall have.
    pub spec: Arc<PodSpec>,
    /// Which list of the spec it stands in.
    pub kind: ContainerKind,
    /// Its place in that list.
    pub index: usize,
}

impl ContainerResources {
    /// The container as the pod's spec has it (`None` for an ephemeral one, whose type differs, or a wrong index).
    pub fn container(&self) -> Option<&Container> {
        self.kind.container_of(&self.spec, self.index)
    }
}

/// Why a container's process ended, where the exit code alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// It exited by itself, or by a signal.
    Exited,
    /// The kernel killed it for its memory (`OOMKilled`).
    OutOfMemory,
    /// It could not be started (`ContainerCannotRun`, `StartError`).
    CannotRun,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// Its exit code; 128 plus the signal's number when a signal ended it.
    pub code: i32,
    /// Why it ended.
    pub reason: ExitReason,
    /// What there is to say beside the code: an error text of the runtime.
    pub message: Arc<str>,
}

impl ExitStatus {
    /// An exit with this code and nothing more to say.
    pub fn exited(code: i32) -> Self {
        Self { code, reason: ExitReason::Exited, message: "".into() }
    }
}

/// Where a container is in its life. It only ever moves down this list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running {
        /// Since when.
        started_at: Time,
    },
    /// Its process has ended.
    Exited {
        /// When it was started; equal to `finished_at` when it never ran.
        started_at: Time,
        /// When it ended.
        finished_at: Time,
        /// How.
        exit: ExitStatus,
    },
}

impl ContainerState {
    /// Whether its process runs.
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Whether its process has ended.
    pub const fn is_exited(&self) -> bool {
        matches!(self, Self::Exited { .. })
    }
}

/// What a runtime says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its id.
    pub id: ContainerId,
    /// The sandbox it is in.
    pub sandbox: SandboxId,
    /// The pod it is in.
    pub pod: PodIdentity,
    /// Its name in the pod.
    pub name: Arc<str>,
    /// Which list of the pod it stands in.
    pub kind: ContainerKind,
    /// How many times it ran before.
    pub attempt: u32,
    /// The image as the spec named it.
    pub image: Arc<str>,
    /// The image's id: a digest where there is one.
    pub image_id: Arc<str>,
    /// When it was made.
    pub created_at: Time,
    /// Where it is in its life.
    pub state: ContainerState,
    /// What it wrote to its termination message path; filled in when it has exited.
    pub termination_message: Option<Arc<str>>,
    /// The devices that it was given for extended resources.
    pub devices: Vec<GivenDevice>,
}

impl ContainerStatus {
    /// A container as it is right after [`Runtime::create_container`](crate::runtime::Runtime::create_container).
    pub fn created(id: ContainerId, sandbox: &SandboxId, config: &ContainerConfig, now: Time) -> Self {
        Self {
            id,
            sandbox: sandbox.clone(),
            pod: config.pod.clone(),
            name: Arc::clone(&config.name),
            kind: config.kind,
            attempt: config.attempt,
            image: Arc::clone(&config.image),
            image_id: Arc::clone(&config.image_id),
            created_at: now,
            state: ContainerState::Created,
            termination_message: None,
            devices: config.given.clone(),
        }
    }
}

/// All containers of one runtime.
pub type Containers = Vec<ContainerStatus>;
