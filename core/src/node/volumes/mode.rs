//! Volumes that are block devices, and volumes that are file systems: containers ask for one or the other.

use k8s_openapi::api::core::v1::{PodSpec, VolumeDevice, VolumeMount};

/// The `volumeMode` of a volume that is a device; any other is a file system.
pub(super) const BLOCK: &str = "Block";

/// A volume that some container mounts is a file system, and one that some container has as a device is one.
pub(super) fn check(spec: &PodSpec, volume: &str, mode: Option<&str>) -> Result<(), String> {
    let mode = mode.unwrap_or("Filesystem");
    let wrong = match mode {
        BLOCK if is_mounted(spec, volume) => "volumeMounts",
        BLOCK => return Ok(()),
        _ if is_device(spec, volume) => "volumeDevices",
        _ => return Ok(()),
    };
    Err(format!("volume {volume} has volumeMode {mode}, but is specified in {wrong}"))
}

/// Whether a container of the pod has this volume as a device.
pub(super) fn is_device(spec: &PodSpec, volume: &str) -> bool {
    lists(spec).any(|(_, devices)| devices.iter().flatten().any(|device| device.name == volume))
}

fn is_mounted(spec: &PodSpec, volume: &str) -> bool {
    lists(spec).any(|(mounts, _)| mounts.iter().flatten().any(|mount| mount.name == volume))
}

type Lists<'s> = (&'s Option<Vec<VolumeMount>>, &'s Option<Vec<VolumeDevice>>);

fn lists(spec: &PodSpec) -> impl Iterator<Item = Lists<'_>> {
    let own = spec.init_containers.iter().flatten().chain(&spec.containers);
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    own.map(|one| (&one.volume_mounts, &one.volume_devices))
        .chain(ephemeral.map(|one| (&one.volume_mounts, &one.volume_devices)))
}
