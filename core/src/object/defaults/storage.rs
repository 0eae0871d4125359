//! Claims, volumes, classes and CSI drivers.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec};
use k8s_openapi::api::storage::v1::{CSIDriver, StorageClass};

use super::resources::round_list;
use super::text;
use super::volume::{azure_disk, claim_spec, host_path, rbd, scale_io};

/// Defaults of a PersistentVolumeClaim.
pub fn persistent_volume_claim(claim: &mut PersistentVolumeClaim) {
    let status = claim.status.get_or_insert_default();
    text(&mut status.phase, "Pending");
    round_list(&mut status.capacity);
    round_list(&mut status.allocated_resources);
    claim_spec(claim.spec.get_or_insert_default());
}

/// Defaults of a PersistentVolume.
pub fn persistent_volume(volume: &mut PersistentVolume) {
    text(&mut volume.status.get_or_insert_default().phase, "Pending");
    let spec = volume.spec.get_or_insert_default();
    text(&mut spec.persistent_volume_reclaim_policy, "Retain");
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    round_list(&mut spec.capacity);
    source(spec);
}

fn source(spec: &mut PersistentVolumeSpec) {
    if let Some(source) = &mut spec.host_path {
        host_path(source);
    }
    if let Some(source) = &mut spec.rbd {
        rbd(&mut source.pool, &mut source.user, &mut source.keyring);
    }
    if let Some(source) = &mut spec.iscsi {
        text(&mut source.iscsi_interface, "default");
    }
    if let Some(source) = &mut spec.azure_disk {
        azure_disk(source);
    }
    if let Some(source) = &mut spec.scale_io {
        scale_io(&mut source.storage_mode, &mut source.fs_type);
    }
}

/// Defaults of a StorageClass.
pub fn storage_class(class: &mut StorageClass) {
    class.reclaim_policy.get_or_insert_with(|| "Delete".to_owned());
    class.volume_binding_mode.get_or_insert_with(|| "Immediate".to_owned());
}

/// Defaults of a CSIDriver.
pub fn csi_driver(driver: &mut CSIDriver) {
    let spec = &mut driver.spec;
    spec.attach_required.get_or_insert(true);
    spec.pod_info_on_mount.get_or_insert(false);
    spec.storage_capacity.get_or_insert(false);
    spec.fs_group_policy.get_or_insert_with(|| "ReadWriteOnceWithFSType".to_owned());
    if spec.volume_lifecycle_modes.as_ref().is_none_or(|modes| modes.is_empty()) {
        spec.volume_lifecycle_modes = Some(vec!["Persistent".to_owned()]);
    }
    spec.requires_republish.get_or_insert(false);
    spec.se_linux_mount.get_or_insert(false);
}
