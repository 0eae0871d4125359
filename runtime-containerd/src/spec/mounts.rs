//! What a container sees in its file system beside its image: kernel file systems, the sandbox's files, volumes.

use std::path::{Path, PathBuf};

use inboard::k8s_openapi::api::core::v1::Container;
use inboard::runtime::{HostMount, Mount as PodMount, MountPropagation};
use oci_spec::runtime::Mount;

use super::SpecInput;

/// Where a container finds its termination log when it says nothing.
const DEFAULT_TERMINATION_PATH: &str = "/dev/termination-log";

/// A volume's mount with its place on the host.
#[derive(Clone, Debug)]
pub(crate) struct VolumeMount {
    /// The file or directory of the host.
    pub(crate) source: PathBuf,
    /// What the pod asks for.
    pub(crate) mount: PodMount,
}

impl VolumeMount {
    pub(super) fn is_bidirectional(&self) -> bool {
        self.mount.propagation == MountPropagation::Bidirectional
    }
}

/// Kernel file systems first, then what is bound, parents before what lies in them; a volume of the pod replaces a
/// mount of ours at the same place.
pub(super) fn mounts(input: &SpecInput<'_>, container: &Container) -> Vec<Mount> {
    let privileged = container.security_context.as_ref().and_then(|sc| sc.privileged) == Some(true);
    let taken = |path: &Path| input.volumes.iter().any(|volume| clean(&volume.mount.container_path) == path);
    let mut all: Vec<Mount> = kernel_mounts(input, privileged);
    all.extend(sandbox_mounts(input, container));
    all.retain(|mount| !taken(mount.destination()));
    let of_devices = input.config.host_mounts.iter().map(host_mount);
    let mut volumes: Vec<Mount> = of_devices.chain(input.volumes.iter().map(volume_mount)).collect();
    volumes.sort_by_key(|mount| mount.destination().components().count());
    all.extend(volumes);
    all
}

fn kernel_mounts(input: &SpecInput<'_>, privileged: bool) -> Vec<Mount> {
    let access = if privileged { "rw" } else { "ro" };
    let host_ipc = input.config.spec.host_ipc == Some(true);
    let shm = if host_ipc { PathBuf::from("/dev/shm") } else { input.sandbox.dir.join("shm") };
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", access]),
        mount("/dev/shm", "bind", shm, &["rbind", "rprivate", "nosuid", "nodev", "noexec"]),
    ]
}

fn sandbox_mounts(input: &SpecInput<'_>, container: &Container) -> Vec<Mount> {
    let read_only = container.security_context.as_ref().and_then(|sc| sc.read_only_root_filesystem) == Some(true);
    let access = if read_only { "ro" } else { "rw" };
    // As what they lie in is mounted: with users of its own, a pod may not take that off.
    let file = |destination: PathBuf, source: PathBuf, access: &str| {
        mount(destination, "bind", source, &["rbind", "rprivate", access, "nosuid", "nodev"])
    };
    let own = |name: &str| file(format!("/etc/{name}").into(), input.sandbox.dir.join(name), access);
    let termination = match container.termination_message_path.as_deref() {
        None | Some("") => DEFAULT_TERMINATION_PATH,
        Some(path) => path,
    };
    vec![
        own("hosts"),
        own("resolv.conf"),
        own("hostname"),
        file(clean(termination), input.termination_log.to_path_buf(), "rw"),
    ]
}

fn volume_mount(volume: &VolumeMount) -> Mount {
    let propagation = match volume.mount.propagation {
        MountPropagation::Private => "rprivate",
        MountPropagation::HostToContainer => "rslave",
        MountPropagation::Bidirectional => "rshared",
    };
    let access = match (volume.mount.recursive_read_only, volume.mount.read_only) {
        (true, _) => "rro",
        (false, true) => "ro",
        (false, false) => "rw",
    };
    mount(clean(&volume.mount.container_path), "bind", volume.source.clone(), &["rbind", propagation, access])
}

/// What comes with a device of the node.
fn host_mount(host: &HostMount) -> Mount {
    let access = if host.read_only { "ro" } else { "rw" };
    mount(clean(&host.container_path), "bind", &host.host_path, &["rbind", "rprivate", access])
}

/// The same path with a leading slash and without `.`, `..` or double slashes.
pub(crate) fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

fn mount(destination: impl Into<PathBuf>, typ: &str, source: impl Into<PathBuf>, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(destination.into())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.into()))
        .set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}
