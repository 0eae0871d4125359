//! From a pod's spec to what runc is told: a pure function, so that every row of it can be tested without a daemon.
//!
//! The rule: what a field of the pod asks for is in the result, or the whole call is refused with the field's name;
//! nothing is left out silently. The order of the stages is the order of [`runtime_spec`].

mod accounts;
mod confine;
mod linux;
mod mounts;
mod pod;
mod process;
mod refuse;
mod resources;
mod seccomp;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use inboard::k8s_openapi::api::core::v1::Container;
use inboard::runtime::{ContainerConfig, ContainerKind, RuntimeError, RuntimeErrorKind};
use oci_spec::runtime::{LinuxDevice, RootBuilder, Spec, SpecBuilder};

pub(crate) use self::accounts::Accounts;
pub(crate) use self::mounts::{VolumeMount, clean};
pub(crate) use self::pod::PodLimits;
pub(crate) use self::refuse::{check_sandbox, unsupported};
use self::resources::oom_score;
pub(crate) use self::resources::resized;
use crate::apparmor::AppArmor;
use crate::devices::DeviceNode;
use crate::selinux::SeLinux;

/// What an image says about the processes made from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageDefaults {
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) user: String,
    pub(crate) stop_signal: Option<String>,
}

/// What the sandbox gives to its containers.
#[derive(Clone, Debug)]
pub(crate) struct SandboxPaths {
    /// The directory that holds the files `hosts`, `hostname` and `resolv.conf`, the namespace pins `net`, `ipc` and `uts`,
    /// and `shm`.
    pub(crate) dir: PathBuf,
    /// Below which control group the container's own is made.
    pub(crate) cgroup_parent: String,
    /// The host name inside.
    pub(crate) hostname: String,
    /// The id on the machine of the pod's root, where its users are not those of the machine.
    pub(crate) user_ids: Option<u32>,
}

/// What must be known of the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostFacts {
    /// Whether there is only the unified hierarchy.
    pub(crate) cgroup_v2: bool,
    /// Whether swap can be limited.
    pub(crate) swap_accounting: bool,
    /// The sizes of huge pages that can be limited, as the kernel's files call them (`2MB`).
    pub(crate) huge_pages: Vec<String>,
    /// The machine's memory in bytes.
    pub(crate) memory_bytes: u64,
    /// The device nodes that a privileged container gets.
    pub(crate) devices: Vec<LinuxDevice>,
    /// Where the seccomp profiles of the machine are.
    pub(crate) seccomp_dir: PathBuf,
    /// Which AppArmor profiles can be enforced.
    pub(crate) apparmor: AppArmor,
    /// What the policy has for containers, where the kernel has SELinux.
    pub(crate) selinux: Option<SeLinux>,
    /// The lowest `oom_score_adj` that a process can have.
    pub(crate) oom_score_min: i32,
}

/// Everything that the specification of one container is made from.
#[derive(Debug)]
pub(crate) struct SpecInput<'a> {
    /// The container's id.
    pub(crate) id: &'a str,
    /// What the agent asks for.
    pub(crate) config: &'a ContainerConfig,
    /// What the image says.
    pub(crate) image: &'a ImageDefaults,
    /// The users and groups that the image knows.
    pub(crate) accounts: &'a Accounts,
    /// The sandbox it is in.
    pub(crate) sandbox: &'a SandboxPaths,
    /// The mounts of volumes with their places on the host.
    pub(crate) volumes: &'a [VolumeMount],
    /// The devices that it gets beside those of every container.
    pub(crate) devices: &'a [DeviceNode],
    /// The file that appears at the container's termination message path.
    pub(crate) termination_log: &'a Path,
    /// The process whose process namespace the container joins.
    pub(crate) target_pid: Option<u32>,
    /// The machine.
    pub(crate) host: &'a HostFacts,
}

/// The specification of a container, or the field that cannot be honoured.
pub(crate) fn runtime_spec(input: &SpecInput<'_>) -> Result<Spec, RuntimeError> {
    let container = container_of(input.config)?;
    refuse::check_container(&container)?;
    let process = process::process(input, &container)?;
    let mounts = mounts::mounts(input, &container);
    let linux = linux::linux(input, &container, &process)?;
    let read_only = container.security_context.as_ref().and_then(|sc| sc.read_only_root_filesystem).unwrap_or(false);
    let root = RootBuilder::default().path("rootfs").readonly(read_only).build().map_err(invalid)?;
    let mut spec =
        SpecBuilder::default().version("1.0.2").root(root).process(process).mounts(mounts).linux(linux).build();
    if let Ok(spec) = &mut spec {
        let annotations = &input.config.annotations;
        let annotations = (!annotations.is_empty()).then(|| annotations.clone().into_iter().collect());
        spec.set_hostname(None).set_annotations(annotations);
    }
    spec.map_err(invalid)
}

/// The container as the pod's spec has it; an ephemeral one has the same fields and is read as one.
pub(crate) fn container_of(config: &ContainerConfig) -> Result<Container, RuntimeError> {
    if let Some(container) = config.container() {
        return Ok(container.clone());
    }
    let missing =
        || RuntimeError::new(RuntimeErrorKind::InvalidArgument, format!("the pod has no container {}", config.name));
    if config.kind != ContainerKind::Ephemeral {
        return Err(missing());
    }
    let ephemeral = config.spec.ephemeral_containers.as_deref().and_then(|list| list.get(config.index));
    let json = serde_json::to_value(ephemeral.ok_or_else(missing)?).map_err(invalid)?;
    serde_json::from_value(json).map_err(invalid)
}

/// The name of the container whose processes an ephemeral container wants to see.
pub(crate) fn target_of(config: &ContainerConfig) -> Option<&str> {
    match config.kind {
        ContainerKind::Ephemeral => {
            config.spec.ephemeral_containers.as_deref()?.get(config.index)?.target_container_name.as_deref()
        }
        ContainerKind::Init | ContainerKind::Regular => None,
    }
}

pub(crate) fn invalid(error: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::InvalidArgument, error.to_string())
}

pub(crate) fn cannot_run(message: impl Into<String>) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::CannotRun, message)
}
