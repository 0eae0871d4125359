//! Device nodes: those of the machine, which privileged containers get, and those that one container gets.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use inboard::runtime::{Device, DeviceAccess, RuntimeError, RuntimeErrorKind};
use nix::sys::stat::{major, minor};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};

use crate::error;

/// What a container has of its own, whatever the host has there.
const OWN: [&str; 6] = ["pts", "shm", "fd", "mqueue", "console", "ptmx"];

/// All character and block devices below `/dev`.
pub(crate) fn all() -> Vec<LinuxDevice> {
    let mut devices = Vec::new();
    collect(Path::new("/dev"), &mut devices);
    devices.sort_by(|a, b| a.path().cmp(b.path()));
    devices
}

fn collect(dir: &Path, devices: &mut Vec<LinuxDevice>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if OWN.iter().any(|own| name == *own) && dir == Path::new("/dev") {
            continue;
        }
        if metadata.is_dir() {
            collect(&path, devices);
        }
        devices.extend(node(path, &metadata));
    }
}

/// A device as a specification has it; `None` for what is no device, or cannot be described.
fn node(path: PathBuf, metadata: &Metadata) -> Option<LinuxDevice> {
    let kind = metadata.file_type();
    let typ = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => LinuxDeviceType::C,
        (_, true) => LinuxDeviceType::B,
        (false, false) => return None,
    };
    let number = |number: u64| i64::try_from(number).ok();
    let device = LinuxDeviceBuilder::default()
        .path(path)
        .typ(typ)
        .major(number(major(metadata.rdev()))?)
        .minor(number(minor(metadata.rdev()))?)
        .file_mode(metadata.mode() & 0o7777)
        .uid(metadata.uid())
        .gid(metadata.gid())
        .build();
    device.ok()
}

/// A device that one container gets, and what it may do with it.
#[derive(Clone, Debug)]
pub(crate) struct DeviceNode {
    pub(crate) node: LinuxDevice,
    pub(crate) access: DeviceAccess,
}

/// The device that a path of the host leads to, where a container is to have it.
pub(crate) fn look(path: &Path, device: &Device) -> Result<DeviceNode, RuntimeError> {
    let metadata = std::fs::metadata(path).map_err(|e| error::io("find device", path, &e))?;
    let node = node(device.container_path.as_str().into(), &metadata).ok_or_else(|| {
        RuntimeError::new(RuntimeErrorKind::FailedPrecondition, format!("{} is no device", path.display()))
    })?;
    Ok(DeviceNode { node, access: device.access })
}
