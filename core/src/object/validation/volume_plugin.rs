//! Volumes that a plugin for one kind of storage serves: cloud disks, network file systems, drivers.
//!
//! They stand in groups between the kinds of [`volume`](super::volume), because upstream checks all kinds in one order.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, CSIVolumeSource, FCVolumeSource, FlockerVolumeSource,
    GCEPersistentDiskVolumeSource, ISCSIVolumeSource, NFSVolumeSource, QuobyteVolumeSource, StorageOSVolumeSource,
    Volume,
};

use super::super::field::{FieldErrors, Path};
use super::fields::{descending_path, list, one_of, text};
use super::names;
use super::volume::OneKind;

/// How many bytes a volume's name and its portal may have together, with a colon between, where an initiator is named.
pub(super) const ISCSI_SESSION_BYTES_MAX: usize = 64;
/// The text for more.
pub(super) const ISCSI_SESSION_TOO_LONG: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 \
    characters if iscsi.initiatorName is specified.";

/// A text must be given.
pub(super) fn given(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        errors.required(path, "");
    }
}

/// A number must be that of a partition. Zero, which is none, passes although the text says otherwise, as upstream.
fn partition(partition: Option<i32>, path: &Path<'_>, errors: &mut FieldErrors) {
    let partition = partition.unwrap_or_default();
    if !(0..=255).contains(&partition) {
        errors.invalid(path, partition, "must be between 1 and 255, inclusive");
    }
}

/// The kinds that upstream checks between host paths and secrets.
pub(super) fn before_secret(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.git_repo, "gitRepo", path, errors) {
        let path = path.field("gitRepo");
        given(&source.repository, &path.field("repository"), errors);
        descending_path(text(&source.directory), &path.field("directory"), errors);
    }
    if let Some(source) = kind.take(&volume.gce_persistent_disk, "gcePersistentDisk", path, errors) {
        gce_disk(source, &path.field("persistentDisk"), errors);
    }
    if let Some(source) = kind.take(&volume.aws_elastic_block_store, "awsElasticBlockStore", path, errors) {
        aws_disk(source, &path.field("awsElasticBlockStore"), errors);
    }
}

/// The kinds that upstream checks between secrets and claims.
pub(super) fn before_claim(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.nfs, "nfs", path, errors) {
        nfs(source, &path.field("nfs"), errors);
    }
    if let Some(source) = kind.take(&volume.iscsi, "iscsi", path, errors) {
        iscsi(source, &path.field("iscsi"), errors);
    }
    if let Some(source) = &volume.iscsi
        && source.initiator_name.is_some()
        && volume.name.len() + 1 + source.target_portal.len() > ISCSI_SESSION_BYTES_MAX
    {
        errors.invalid(&path.field("name"), volume.name.as_str(), ISCSI_SESSION_TOO_LONG);
    }
    if let Some(source) = kind.take(&volume.glusterfs, "glusterfs", path, errors) {
        let path = path.field("glusterfs");
        given(&source.endpoints, &path.field("endpoints"), errors);
        given(&source.path, &path.field("path"), errors);
    }
    if let Some(source) = kind.take(&volume.flocker, "flocker", path, errors) {
        flocker(source, &path.field("flocker"), errors);
    }
}

/// The kinds that upstream checks between claims and the downward API.
pub(super) fn before_downward_api(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.rbd, "rbd", path, errors) {
        let path = path.field("rbd");
        if source.monitors.is_empty() {
            errors.required(&path.field("monitors"), "");
        }
        given(&source.image, &path.field("image"), errors);
    }
    if let Some(source) = kind.take(&volume.cinder, "cinder", path, errors) {
        let path = path.field("cinder");
        given(&source.volume_id, &path.field("volumeID"), errors);
        if let Some(secret) = &source.secret_ref {
            given(&secret.name, &path.field("secretRef").field("name"), errors);
        }
    }
    if let Some(source) = kind.take(&volume.cephfs, "cephFS", path, errors)
        && source.monitors.is_empty()
    {
        errors.required(&path.field("cephfs").field("monitors"), "");
    }
    if let Some(source) = kind.take(&volume.quobyte, "quobyte", path, errors) {
        quobyte(source, &path.field("quobyte"), errors);
    }
}

/// The kinds that upstream checks between the downward API and ConfigMaps.
pub(super) fn before_config_map(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.fc, "fc", path, errors) {
        fibre_channel(source, &path.field("fc"), errors);
    }
    if let Some(source) = kind.take(&volume.flex_volume, "flexVolume", path, errors) {
        let path = path.field("flexVolume");
        given(&source.driver, &path.field("driver"), errors);
        flex_options(source.options.as_ref(), &path.field("options"), errors);
    }
}

/// The kinds that upstream checks between ConfigMaps and projected volumes.
pub(super) fn before_projected(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.azure_file, "azureFile", path, errors) {
        let path = path.field("azureFile");
        given(&source.secret_name, &path.field("secretName"), errors);
        given(&source.share_name, &path.field("shareName"), errors);
    }
    if let Some(source) = kind.take(&volume.vsphere_volume, "vsphereVolume", path, errors) {
        given(&source.volume_path, &path.field("vsphereVolume").field("volumePath"), errors);
    }
    if let Some(source) = kind.take(&volume.photon_persistent_disk, "photonPersistentDisk", path, errors) {
        given(&source.pd_id, &path.field("photonPersistentDisk").field("pdID"), errors);
    }
    if let Some(source) = kind.take(&volume.portworx_volume, "portworxVolume", path, errors) {
        given(&source.volume_id, &path.field("portworxVolume").field("volumeID"), errors);
    }
    if let Some(source) = kind.take(&volume.azure_disk, "azureDisk", path, errors) {
        azure_disk(source, &path.field("azureDisk"), errors);
    }
    if let Some(source) = kind.take(&volume.storageos, "storageos", path, errors) {
        storage_os(source, &path.field("storageos"), errors);
    }
}

/// The kinds that upstream checks between projected and ephemeral volumes.
pub(super) fn before_ephemeral(volume: &Volume, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&volume.scale_io, "scaleIO", path, errors) {
        let path = path.field("scaleIO");
        given(&source.gateway, &path.field("gateway"), errors);
        given(&source.system, &path.field("system"), errors);
        given(text(&source.volume_name), &path.field("volumeName"), errors);
    }
    if let Some(source) = kind.take(&volume.csi, "csi", path, errors) {
        csi(source, &path.field("csi"), errors);
    }
}

/// Checks a disk of Google's cloud.
pub(super) fn gce_disk(source: &GCEPersistentDiskVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.pd_name, &path.field("pdName"), errors);
    partition(source.partition, &path.field("partition"), errors);
}

/// Checks a disk of Amazon's cloud.
pub(super) fn aws_disk(source: &AWSElasticBlockStoreVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.volume_id, &path.field("volumeID"), errors);
    partition(source.partition, &path.field("partition"), errors);
}

/// Checks a folder of an NFS server.
pub(super) fn nfs(source: &NFSVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.server, &path.field("server"), errors);
    given(&source.path, &path.field("path"), errors);
    if !source.path.starts_with('/') {
        errors.invalid(&path.field("path"), source.path.as_str(), "must be an absolute path");
    }
}

fn iscsi(source: &ISCSIVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.target_portal, &path.field("targetPortal"), errors);
    if source.iqn.is_empty() {
        errors.required(&path.field("iqn"), "");
    } else {
        iscsi_name(&source.iqn, &path.field("iqn"), errors);
    }
    if !(0..=255).contains(&source.lun) {
        errors.invalid(&path.field("lun"), source.lun, "must be between 0 and 255, inclusive");
    }
    let needs_secret = source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true);
    if needs_secret && source.secret_ref.is_none() {
        errors.required(&path.field("secretRef"), "");
    }
    if let Some(initiator) = source.initiator_name.as_deref() {
        iscsi_name(initiator, &path.field("initiatorname"), errors);
    }
}

/// Checks the name of an iSCSI target or initiator.
fn iscsi_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if !["iqn", "eui", "naa"].iter().any(|start| name.starts_with(start)) {
        errors.invalid(path, name, "must be valid format starting with iqn, eui, or naa");
    } else if !is_iscsi_name(name) {
        errors.invalid(path, name, "must be valid format");
    }
}

/// `iqn.2001-04.com.example:disk`, or `eui.` and `naa.` with letters and digits.
pub(super) fn is_iscsi_name(name: &str) -> bool {
    let letters = |prefix: &str, count: usize| {
        let rest = name.strip_prefix(prefix).map(str::as_bytes);
        matches!(rest, Some([_, rest @ ..]) if rest.len() == count && rest.iter().all(u8::is_ascii_alphanumeric))
    };
    match name.get(..3) {
        Some("iqn") => name.match_indices("iqn.").any(|(start, _)| is_qualified_iscsi_name(&name[start + 4..])),
        Some("eui") => letters("eui", 16),
        Some("naa") => letters("naa", 32),
        _ => false,
    }
}

/// What follows `iqn.`: year, month, a reversed domain, and after a colon what its owner likes.
fn is_qualified_iscsi_name(rest: &str) -> bool {
    let Some((authority, own)) = rest.split_once(':') else { return false };
    let bytes = authority.as_bytes();
    let (Some(date), Some(domain)) = (bytes.get(..8), bytes.get(8..)) else { return false };
    let date_fits = date.iter().enumerate().all(|(index, byte)| match index {
        4 => *byte == b'-',
        7 => *byte == b'.',
        _ => byte.is_ascii_digit(),
    });
    let domain_fits =
        !domain.is_empty() && domain.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let own_fits = !own.is_empty() && !own.contains(|one: char| ",;*&$|".contains(one) || one.is_ascii_whitespace());
    date_fits && domain_fits && own_fits
}

/// Checks a Flocker dataset: named or numbered.
pub(super) fn flocker(source: &FlockerVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, uuid) = (text(&source.dataset_name), text(&source.dataset_uuid));
    if name.is_empty() && uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !uuid.is_empty() {
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if name.contains('/') {
        errors.invalid(&path.field("datasetName"), name, "must not contain '/'");
    }
}

/// Checks a Quobyte volume.
pub(super) fn quobyte(source: &QuobyteVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let pairs = "must be a host:port pair or multiple pairs separated by commas";
    if source.registry.is_empty() {
        errors.required(&path.field("registry"), pairs);
    } else if text(&source.tenant).len() >= 65 {
        errors.required(&path.field("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for _ in source.registry.split(',').filter(|pair| !is_host_and_port(pair)) {
            errors.invalid(&path.field("registry"), source.registry.as_str(), pairs);
        }
    }
    given(&source.volume, &path.field("volume"), errors);
}

/// `host:port`, where a host with colons stands in brackets.
fn is_host_and_port(pair: &str) -> bool {
    match pair.strip_prefix('[') {
        Some(rest) => rest
            .split_once("]:")
            .is_some_and(|(host, port)| !host.contains(['[', ']']) && !port.contains([':', '[', ']'])),
        None => pair
            .split_once(':')
            .is_some_and(|(host, port)| !host.contains(['[', ']']) && !port.contains([':', '[', ']'])),
    }
}

/// Checks a Fibre Channel target.
pub(super) fn fibre_channel(source: &FCVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let (targets, ids) = (list(&source.target_wwns), list(&source.wwids));
    if targets.is_empty() && ids.is_empty() {
        let detail = "must specify either targetWWNs or wwids, but not both";
        errors.required(&path.field("targetWWNs"), detail);
    }
    if !targets.is_empty() && !ids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&path.field("targetWWNs"), targets.to_vec(), detail);
    }
    if targets.is_empty() {
        return;
    }
    match source.lun {
        None => errors.required(&path.field("lun"), "lun is required if targetWWNs is specified"),
        Some(lun) if !(0..=255).contains(&lun) => {
            errors.invalid(&path.field("lun"), lun, "must be between 0 and 255, inclusive");
        }
        Some(_) => {}
    }
}

/// Checks the options of a flex volume: Kubernetes's own are not for users.
pub(super) fn flex_options(options: Option<&BTreeMap<String, String>>, path: &Path<'_>, errors: &mut FieldErrors) {
    for key in options.into_iter().flat_map(BTreeMap::keys) {
        let domain = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            errors.invalid(&path.key(key), key.as_str(), "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

/// Checks a disk of Microsoft's cloud.
pub(super) fn azure_disk(source: &AzureDiskVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.disk_name, &path.field("diskName"), errors);
    given(&source.disk_uri, &path.field("diskURI"), errors);
    if let Some(mode) = source.caching_mode.as_deref() {
        one_of(mode, &["None", "ReadOnly", "ReadWrite"], &path.field("cachingMode"), errors);
    }
    let Some(kind) = source.kind.as_deref() else { return };
    one_of(kind, &["Dedicated", "Managed", "Shared"], &path.field("kind"), errors);
    let (prefix, form) = if kind == "Managed" {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        ("/subscriptions/", form)
    } else {
        ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
    };
    if !source.disk_uri.starts_with(prefix) {
        errors.not_supported(&path.field("diskURI"), source.disk_uri.as_str(), &[form]);
    }
}

fn storage_os(source: &StorageOSVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    storage_os_names(&source.volume_name, &source.volume_namespace, path, errors);
    if let Some(secret) = &source.secret_ref {
        given(&secret.name, &path.field("secretRef").field("name"), errors);
    }
}

/// Checks the name of a StorageOS volume and of its namespace.
pub(super) fn storage_os_names(
    name: &Option<String>,
    namespace: &Option<String>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (name, namespace) = (text(name), text(namespace));
    if name.is_empty() {
        errors.required(&path.field("volumeName"), "");
    } else {
        errors.invalid_each(&path.field("volumeName"), name, names::dns1123_label(name));
    }
    if !namespace.is_empty() {
        errors.invalid_each(&path.field("volumeNamespace"), namespace, names::dns1123_label(namespace));
    }
}

fn csi(source: &CSIVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    csi_driver_name(&source.driver, &path.field("driver"), errors);
    let Some(secret) = &source.node_publish_secret_ref else { return };
    if secret.name.is_empty() {
        errors.required(&path.field("nodePublishSecretRef").field("name"), "");
    } else {
        errors.invalid_each(&path.field("name"), &secret.name, names::dns1123_subdomain(&secret.name));
    }
}

/// Checks the name of a CSI driver.
pub fn csi_driver_name(driver: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if driver.is_empty() {
        return errors.required(path, "");
    }
    if driver.len() > names::LABEL_BYTES_MAX {
        errors.too_long(path, names::LABEL_BYTES_MAX);
    }
    errors.invalid_each(path, driver, names::dns1123_subdomain(&driver.to_lowercase()));
}
