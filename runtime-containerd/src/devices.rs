//! The device nodes of the machine, which privileged containers get.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};

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
        let kind = metadata.file_type();
        if OWN.iter().any(|own| name == *own) && dir == Path::new("/dev") {
            continue;
        }
        if kind.is_dir() {
            collect(&path, devices);
        }
        let typ = match (kind.is_char_device(), kind.is_block_device()) {
            (true, _) => LinuxDeviceType::C,
            (_, true) => LinuxDeviceType::B,
            (false, false) => continue,
        };
        let number = |number: u64| i64::try_from(number).unwrap_or(0);
        let device = LinuxDeviceBuilder::default()
            .path(path)
            .typ(typ)
            .major(number(major(metadata.rdev())))
            .minor(number(minor(metadata.rdev())))
            .file_mode(metadata.mode() & 0o7777)
            .uid(metadata.uid())
            .gid(metadata.gid())
            .build();
        // A device that cannot be described is one that the container does not get.
        devices.extend(device.ok());
    }
}
