//! What is passed to a runtime and what it reports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, Uid};
use crate::time::Time;

macro_rules! runtime_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id that a runtime gave.
            pub fn new(id: impl Into<Arc<str>>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

runtime_id! {
    /// The id of a sandbox, as its runtime gave it.
    SandboxId
}

runtime_id! {
    /// The id of a container, as its runtime gave it: without the `containerd://` that `status.containerID` has.
    ContainerId
}

/// Which pod something belongs to. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodIdentity {
    /// The pod's uid: a later pod of the same name is another pod.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Debug for PodIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}({})", self.namespace, self.name, self.uid)
    }
}

/// Name and version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// The scheme of its container ids, such as `containerd`.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
}

/// What a sandbox is made of.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The pod it is for.
    pub pod: PodIdentity,
    /// How many sandboxes the pod had before.
    pub attempt: u32,
    /// The node it runs on.
    pub node: NodeName,
    /// The whole pod spec: namespaces, security context, sysctls, host aliases.
    pub spec: Arc<PodSpec>,
    /// The pod's labels, kept with the sandbox.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The pod's annotations: some are for the runtime or the network (`kubernetes.io/ingress-bandwidth`).
    pub annotations: Arc<BTreeMap<String, String>>,
    /// The host name inside; empty when the pod uses the host's network.
    pub hostname: Arc<str>,
    /// The fully qualified domain name when the pod has one (`spec.subdomain`), written to `/etc/hosts`.
    pub domain_name: Option<Arc<str>>,
    /// The resolver's configuration; `None` means the node's own.
    pub dns: Option<SandboxDns>,
    /// Host ports to forward into it.
    pub ports: Vec<PortMapping>,
}

/// What `/etc/resolv.conf` says in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxDns {
    /// Name servers, in order.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options, such as `ndots:5`.
    pub options: Vec<String>,
}

/// A port of the host that leads into a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Arc<str>,
    /// The port inside.
    pub container_port: u16,
    /// The port of the host.
    pub host_port: u16,
    /// The address of the host to listen on; all when absent.
    pub host_ip: Option<IpAddr>,
}

/// Whether a sandbox is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    /// Containers can be made in it.
    Ready,
    /// It was stopped, or lost its namespaces.
    NotReady,
}

/// What a runtime says of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Its id.
    pub id: SandboxId,
    /// The pod it is for.
    pub pod: PodIdentity,
    /// How many sandboxes the pod had before it.
    pub attempt: u32,
    /// Whether it is usable.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: Time,
    /// Its addresses, the primary one first; empty with the host's network.
    pub ips: Vec<IpAddr>,
}

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
}

impl ContainerConfig {
    /// The container as the pod's spec has it (`None` for an ephemeral one, whose type differs, or a wrong index).
    pub fn container(&self) -> Option<&Container> {
        match self.kind {
            ContainerKind::Init => self.spec.init_containers.as_deref()?.get(self.index),
            ContainerKind::Regular => self.spec.containers.get(self.index),
            ContainerKind::Ephemeral => None,
        }
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
}

/// All containers of one runtime.
pub type Containers = Vec<ContainerStatus>;

/// All that a node holds of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The sandboxes, by pod and age.
    pub sandboxes: Vec<SandboxStatus>,
    /// The containers, by sandbox and age.
    pub containers: Vec<ContainerStatus>,
    /// The pods that have volumes here.
    pub volumes: Vec<PodIdentity>,
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
    /// The runtime does not answer; the node is not ready until a [`RuntimeEvent::Relist`].
    Unavailable(String),
}

/// What there is to know of an image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStatus {
    /// Its id: the digest of its configuration or manifest.
    pub id: Arc<str>,
    /// The names it has here, tags and digests.
    pub names: Vec<Arc<str>>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The user it runs as when the pod says nothing, as the image has it (`1000`, `nobody`, `10:20`).
    pub user: Option<Arc<str>>,
}

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum ImageCredentials {
    /// User name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token for the registry's token service (`identitytoken`).
    IdentityToken(String),
    /// A bearer token (`registrytoken`).
    Bearer(String),
}

impl fmt::Debug for ImageCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// A request to bring an image onto a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePull {
    /// The image as the spec names it.
    pub image: Arc<str>,
    /// Credentials to try, in order, before trying without.
    pub credentials: Vec<ImageCredentials>,
    /// The pod it is for.
    pub pod: Option<PodIdentity>,
}

/// One file of a [`VolumeSource::Files`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its content.
    pub content: Bytes,
    /// Its permission bits, such as `0o644`.
    pub mode: u32,
}

/// Where the content of a volume comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VolumeSource {
    /// An empty directory that lives as long as the pod (`emptyDir`).
    Empty {
        /// Kept in memory (`medium: Memory`).
        memory: bool,
        /// Its largest size in bytes.
        size_limit: Option<u64>,
    },
    /// A path of the host (`hostPath`).
    Host {
        /// The path.
        path: String,
        /// The `type` of the volume source: empty, `Directory`, `DirectoryOrCreate`, `File`, `FileOrCreate`,
        /// `Socket`, `CharDevice` or `BlockDevice`.
        check: String,
    },
    /// Files with this content (`configMap`, `secret`, `downwardAPI`, `projected`), by relative path. They are replaced
    /// all at once.
    Files(BTreeMap<String, FileEntry>),
    /// A directory that outlives the pod and is known to the node by this name (a bound persistent volume).
    Persistent {
        /// The name under which the node keeps it.
        handle: Arc<str>,
    },
}

/// One volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeConfig {
    /// Its name in the pod.
    pub name: Arc<str>,
    /// Where its content comes from.
    pub source: VolumeSource,
    /// The group that owns its files (`securityContext.fsGroup`), where the kind of volume honours it.
    pub fs_group: Option<i64>,
}

/// What a probe or a lifecycle hook does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProbeAction {
    /// Run a command: success is exit code 0.
    Exec {
        /// The command.
        command: Vec<String>,
    },
    /// GET a URL: success is a status from 200 to 399.
    Http {
        /// The host; the pod's address when absent.
        host: Option<String>,
        /// The port.
        port: u16,
        /// Path and query.
        path: String,
        /// `http` or `https` (whose certificate is not checked).
        scheme: String,
        /// Headers to send.
        headers: Vec<(String, String)>,
    },
    /// Open a TCP connection.
    Tcp {
        /// The host; the pod's address when absent.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// Ask the gRPC health service (`grpc.health.v1.Health/Check`).
    Grpc {
        /// The port.
        port: u16,
        /// The name of the service to ask for.
        service: String,
    },
}

/// One probe to carry out now.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeRequest {
    /// The container that is probed.
    pub container: ContainerId,
    /// The sandbox it is in.
    pub sandbox: SandboxId,
    /// The pod's address, when it has one of its own.
    pub ip: Option<IpAddr>,
    /// What to do.
    pub action: ProbeAction,
    /// How long it may take.
    pub timeout: Duration,
    /// Which probe this is, for runtimes that script their answers.
    pub purpose: ProbePurpose,
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbePurpose {
    /// `startupProbe`
    Startup,
    /// `livenessProbe`
    Liveness,
    /// `readinessProbe`
    Readiness,
    /// `lifecycle.postStart` or `lifecycle.preStop`
    Hook,
}

impl ProbePurpose {
    /// The name that events use: `Readiness probe failed: ...`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Hook => "Hook",
        }
    }

    /// The probe of this purpose that a container has.
    pub const fn probe_of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Hook => None,
        }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The container answered well.
    Success,
    /// The container answered badly, or not in time; with the text for the event.
    Failure(Arc<str>),
}

/// A command to run with connected streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The command; not used when attaching.
    pub command: Vec<String>,
    /// Whether its input is connected.
    pub stdin: bool,
    /// Whether its output is wanted.
    pub stdout: bool,
    /// Whether its error output is wanted; with a terminal it comes with the output.
    pub stderr: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// What a command that has ended wrote and returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its output.
    pub stdout: Bytes,
    /// Its error output.
    pub stderr: Bytes,
    /// Its exit code.
    pub code: i32,
}

/// Usage of one sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSandboxStats {
    /// The pod.
    pub pod: PodIdentity,
    /// When it was measured.
    pub time: Time,
    /// Its containers.
    pub containers: Vec<ContainerStats>,
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
