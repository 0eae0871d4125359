//! The Linux part of a specification: namespaces, control group, devices, hidden paths.

use std::path::PathBuf;

use inboard::k8s_openapi::api::core::v1::Container;
use inboard::runtime::RuntimeError;
use oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxDevice, LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, Process,
};

use super::{SpecInput, confine, invalid, resources, seccomp};
use crate::os::idmap::IDS;

/// What no container may read: containerd's own default list.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// What no container may write.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(super) fn linux(input: &SpecInput<'_>, container: &Container, process: &Process) -> Result<Linux, RuntimeError> {
    let security = container.security_context.clone().unwrap_or_default();
    let privileged = security.privileged == Some(true);
    let unmasked = privileged || security.proc_mount.as_deref() == Some("Unmasked");
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let builder = LinuxBuilder::default()
        .namespaces(namespaces(input, privileged)?)
        .cgroups_path(PathBuf::from(format!("{}/{}", input.sandbox.cgroup_parent, input.id)))
        .resources(resources::resources(input, container)?)
        .masked_paths(if unmasked { Vec::new() } else { texts(&MASKED) })
        .readonly_paths(if unmasked { Vec::new() } else { texts(&READ_ONLY) })
        .rootfs_propagation(root_propagation(input));
    let builder = match input.sandbox.user_ids {
        Some(first) => builder.uid_mappings(vec![ids_from(first)?]).gid_mappings(vec![ids_from(first)?]),
        None => builder,
    };
    let devices = devices(input, privileged);
    let builder = if devices.is_empty() { builder } else { builder.devices(devices) };
    let pod = input.config.spec.security_context.clone().unwrap_or_default();
    let rights = process.capabilities().as_ref().and_then(|sets| sets.bounding().clone()).unwrap_or_default();
    let builder = match seccomp::seccomp(&input.host.seccomp_dir, &pod, &security, &rights)? {
        Some(filter) => builder.seccomp(filter),
        None => builder,
    };
    let mut linux = builder.build().map_err(invalid)?;
    linux.set_mount_label(confine::selinux(input, container)?.map(|labels| labels.file));
    Ok(linux)
}

/// The container's own devices, and before them all of the machine for a privileged one.
fn devices(input: &SpecInput<'_>, privileged: bool) -> Vec<LinuxDevice> {
    let own = || input.devices.iter().map(|device| device.node.clone());
    let is_hidden = |device: &LinuxDevice| input.devices.iter().any(|own| own.node.path() == device.path());
    let of_machine = input.host.devices.iter().filter(|device| privileged && !is_hidden(device)).cloned();
    of_machine.chain(own()).collect()
}

/// All ids that the pod has, as those from this one on of the machine.
fn ids_from(first: u32) -> Result<LinuxIdMapping, RuntimeError> {
    LinuxIdMappingBuilder::default().container_id(0_u32).host_id(first).size(IDS).build().map_err(invalid)
}

/// A mount that spreads to or from the host needs a root that does.
fn root_propagation(input: &SpecInput<'_>) -> String {
    let shared = input.volumes.iter().any(|volume| volume.is_bidirectional());
    if shared { "rshared" } else { "rslave" }.to_owned()
}

/// Own mounts and processes; the rest is the sandbox's, or the host's where the pod asks for it.
fn namespaces(input: &SpecInput<'_>, privileged: bool) -> Result<Vec<LinuxNamespace>, RuntimeError> {
    let spec = &input.config.spec;
    let pinned = |name: &str| Some(input.sandbox.dir.join(name));
    let host_network = spec.host_network == Some(true);
    let mut wanted: Vec<(LinuxNamespaceType, Option<PathBuf>)> = vec![(LinuxNamespaceType::Mount, None)];
    if spec.host_pid != Some(true) {
        let target = input.target_pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/pid")));
        wanted.push((LinuxNamespaceType::Pid, target));
    }
    if spec.host_ipc != Some(true) {
        wanted.push((LinuxNamespaceType::Ipc, pinned("ipc")));
    }
    if !host_network {
        wanted.push((LinuxNamespaceType::Network, pinned("net")));
        wanted.push((LinuxNamespaceType::Uts, pinned("uts")));
    }
    if input.sandbox.user_ids.is_some() {
        wanted.push((LinuxNamespaceType::User, pinned("user")));
    }
    if input.host.cgroup_v2 && !privileged {
        wanted.push((LinuxNamespaceType::Cgroup, None));
    }
    wanted
        .into_iter()
        .map(|(typ, path)| {
            let builder = LinuxNamespaceBuilder::default().typ(typ);
            let builder = if let Some(path) = path { builder.path(path) } else { builder };
            builder.build().map_err(invalid)
        })
        .collect()
}
