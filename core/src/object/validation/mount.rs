//! Mounts and block devices of containers: each of a volume that the pod has, none over another.

use k8s_openapi::api::core::v1::{Volume, VolumeDevice, VolumeMount};
use smallvec::SmallVec;

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, descending_path, text};

/// The pod's well-formed volumes by name.
#[derive(Debug, Default)]
pub(super) struct Volumes<'a>(SmallVec<[&'a Volume; 16]>);

impl<'a> Volumes<'a> {
    /// Those volumes, whose names differ.
    pub(super) fn new(mut volumes: SmallVec<[&'a Volume; 16]>) -> Self {
        volumes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(volumes)
    }

    /// The volume with that name.
    pub(super) fn get(&self, name: &str) -> Option<&'a Volume> {
        self.0.binary_search_by(|volume| volume.name.as_str().cmp(name)).ok().map(|index| self.0[index])
    }
}

/// Checks the mounts of a container.
pub(super) fn mounts(
    mounts: &[VolumeMount],
    devices: &[VolumeDevice],
    volumes: &Volumes<'_>,
    privileged: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let mut seen = Names::default();
    let device_names: Names<'_> = devices.iter().map(|device| device.name.as_str()).collect();
    let device_paths: Names<'_> = devices.iter().map(|device| device.device_path.as_str()).collect();
    for (index, mount) in mounts.iter().enumerate() {
        let entry = path.index(index);
        if mount.name.is_empty() {
            errors.required(&entry.field("name"), "");
        }
        if volumes.get(&mount.name).is_none() {
            errors.not_found(&entry.field("name"), mount.name.as_str());
        }
        let place = mount.mount_path.as_str();
        if place.is_empty() {
            errors.required(&entry.field("mountPath"), "");
        }
        if !seen.insert(place) {
            errors.invalid(&entry.field("mountPath"), place, "must be unique");
        }
        if device_names.contains(&mount.name) {
            errors.invalid(&entry.field("name"), mount.name.as_str(), "must not already exist in volumeDevices");
        }
        if device_paths.contains(place) {
            errors.invalid(&entry.field("mountPath"), place, "must not already exist as a path in volumeDevices");
        }
        sub_paths(mount, path, &entry, errors);
        // As upstream: these errors stand at the list, not at the entry.
        if let Some(propagation) = mount.mount_propagation.as_deref() {
            mount_propagation(propagation, privileged, &path.field("mountPropagation"), errors);
        }
        recursive_read_only(mount, &path.field("recursiveReadOnly"), errors);
    }
}

fn sub_paths(mount: &VolumeMount, list: &Path<'_>, entry: &Path<'_>, errors: &mut FieldErrors) {
    let (sub_path, expression) = (text(&mount.sub_path), text(&mount.sub_path_expr));
    if !sub_path.is_empty() {
        descending_path(sub_path, &list.field("subPath"), errors);
    }
    if !expression.is_empty() {
        if !sub_path.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            errors.invalid(&entry.field("subPathExpr"), expression, detail);
        }
        descending_path(expression, &list.field("subPathExpr"), errors);
    }
}

fn mount_propagation(propagation: &str, privileged: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    super::fields::one_of(propagation, &["Bidirectional", "HostToContainer", "None"], path, errors);
    if propagation == "Bidirectional" && !privileged {
        errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(mount: &VolumeMount, path: &Path<'_>, errors: &mut FieldErrors) {
    match mount.recursive_read_only.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount.read_only != Some(true) {
                errors.forbidden(path, "may only be specified when readOnly is true");
            }
            if !matches!(mount.mount_propagation.as_deref(), None | Some("None")) {
                errors.forbidden(path, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => errors.not_supported(path, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// Checks the block devices of a container.
pub(super) fn devices(
    devices: &[VolumeDevice],
    mounts: &[VolumeMount],
    volumes: &Volumes<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (mut seen_names, mut seen_paths) = (Names::default(), Names::default());
    let mount_names: Names<'_> = mounts.iter().map(|mount| mount.name.as_str()).collect();
    let mount_paths: Names<'_> = mounts.iter().map(|mount| mount.mount_path.as_str()).collect();
    for (index, device) in devices.iter().enumerate() {
        let entry = path.index(index);
        let (name_path, device_path) = (entry.field("name"), entry.field("devicePath"));
        let (name, place) = (device.name.as_str(), device.device_path.as_str());
        if name.is_empty() {
            errors.required(&name_path, "");
        }
        if seen_names.contains(name) {
            errors.invalid(&name_path, name, "must be unique");
        }
        match volumes.get(name) {
            None => errors.not_found(&name_path, name),
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&name_path, name, detail);
            }
            Some(_) => {}
        }
        if place.is_empty() {
            errors.required(&device_path, "");
        }
        if seen_paths.contains(place) {
            errors.invalid(&device_path, place, "must be unique");
        }
        if place.split('/').any(|part| part == "..") {
            errors.invalid(&device_path, place, "can not contain backsteps ('..')");
        } else {
            seen_paths.insert(place);
        }
        if mount_names.contains(name) {
            errors.invalid(&name_path, name, "must not already exist in volumeMounts");
        }
        if mount_paths.contains(place) {
            errors.invalid(&device_path, place, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            seen_names.insert(name);
        }
    }
}
