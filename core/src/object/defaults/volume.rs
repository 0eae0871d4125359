//! Volumes: of each source that has defaults, in pods and in persistent volumes.

use k8s_openapi::api::core::v1::{
    AzureDiskVolumeSource, DownwardAPIVolumeFile, HostPathVolumeSource, PersistentVolumeClaimSpec,
    ProjectedVolumeSource, Volume,
};

use super::container::field_ref;
use super::image::is_latest;
use super::resources::round_list;
use super::{each, text};

/// The mode of files whose mode is not given: `rw-r--r--`.
const FILE_MODE: i32 = 0o644;

/// `spec.volumes[]` of a pod.
pub(super) fn volume(volume: &mut Volume) {
    if *volume == (Volume { name: volume.name.clone(), ..Volume::default() }) {
        volume.empty_dir = Some(Default::default());
    }
    if let Some(image) = &mut volume.image {
        let latest = is_latest(image.reference.as_deref().unwrap_or_default());
        text(&mut image.pull_policy, if latest { "Always" } else { "IfNotPresent" });
    }
    if let Some(source) = &mut volume.host_path {
        host_path(source);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(FILE_MODE);
        downward_items(&mut source.items);
    }
    if let Some(source) = &mut volume.projected {
        projected(source);
    }
    if let Some(claim) = volume.ephemeral.as_mut().and_then(|source| source.volume_claim_template.as_mut()) {
        claim_spec(&mut claim.spec);
    }
    network_disks(volume);
}

/// Sources that name a disk somewhere else.
fn network_disks(volume: &mut Volume) {
    if let Some(source) = &mut volume.iscsi {
        text(&mut source.iscsi_interface, "default");
    }
    if let Some(source) = &mut volume.rbd {
        rbd(&mut source.pool, &mut source.user, &mut source.keyring);
    }
    if let Some(source) = &mut volume.azure_disk {
        azure_disk(source);
    }
    if let Some(source) = &mut volume.scale_io {
        scale_io(&mut source.storage_mode, &mut source.fs_type);
    }
}

fn projected(source: &mut ProjectedVolumeSource) {
    source.default_mode.get_or_insert(FILE_MODE);
    for projection in each(&mut source.sources) {
        if let Some(downward) = &mut projection.downward_api {
            downward_items(&mut downward.items);
        }
        if let Some(token) = &mut projection.service_account_token {
            token.expiration_seconds.get_or_insert(3600);
        }
        if let Some(certificate) = &mut projection.pod_certificate {
            certificate.max_expiration_seconds.get_or_insert(86_400);
        }
    }
}

fn downward_items(items: &mut Option<Vec<DownwardAPIVolumeFile>>) {
    each(items).filter_map(|item| item.field_ref.as_mut()).for_each(field_ref);
}

pub(super) fn host_path(source: &mut HostPathVolumeSource) {
    source.type_.get_or_insert_default();
}

pub(super) fn rbd(pool: &mut Option<String>, user: &mut Option<String>, keyring: &mut Option<String>) {
    text(pool, "rbd");
    text(user, "admin");
    text(keyring, "/etc/ceph/keyring");
}

pub(super) fn azure_disk(source: &mut AzureDiskVolumeSource) {
    source.caching_mode.get_or_insert_with(|| "ReadWrite".to_owned());
    source.kind.get_or_insert_with(|| "Shared".to_owned());
    source.fs_type.get_or_insert_with(|| "ext4".to_owned());
    source.read_only.get_or_insert(false);
}

pub(super) fn scale_io(storage_mode: &mut Option<String>, fs_type: &mut Option<String>) {
    text(storage_mode, "ThinProvisioned");
    text(fs_type, "xfs");
}

/// The spec of a claim, standing alone or in a template.
pub(super) fn claim_spec(spec: &mut PersistentVolumeClaimSpec) {
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    if let Some(resources) = &mut spec.resources {
        round_list(&mut resources.limits);
        round_list(&mut resources.requests);
    }
}
