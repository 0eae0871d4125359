//! The storage behind a volume of the cluster: exactly one kind of it, with what that kind needs.
//!
//! What pods may name themselves is checked as it is in pods; what holds a secret names its namespace here.

use k8s_openapi::api::core::v1::{
    AzureFilePersistentVolumeSource, CSIPersistentVolumeSource, CinderPersistentVolumeSource,
    FlexPersistentVolumeSource, GlusterfsPersistentVolumeSource, ISCSIPersistentVolumeSource, PersistentVolumeSpec,
    RBDPersistentVolumeSource, ScaleIOPersistentVolumeSource, SecretReference, StorageOSPersistentVolumeSource,
};

use super::super::fields::{no_backsteps, text};
use super::super::names;
use super::super::volume::{self, OneKind};
use super::super::volume_plugin::{self as plugin, given};
use crate::object::field::{FieldErrors, Path};

/// The kinds in upstream's order, which decides which error comes first; `name` is the volume's.
pub(super) fn sources(spec: &PersistentVolumeSpec, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut kind = OneKind::default();
    if let Some(source) = kind.take(&spec.host_path, "hostPath", path, errors) {
        volume::host_path(source, &path.field("hostPath"), errors);
    }
    disks(spec, &mut kind, path, errors);
    file_systems(spec, name, &mut kind, path, errors);
    drivers(spec, &mut kind, path, errors);
    if let Some(source) = kind.take(&spec.local, "local", path, errors) {
        local(&source.path, spec, path, errors);
    }
    if let Some(source) = kind.take(&spec.storageos, "storageos", path, errors) {
        storage_os(source, &path.field("storageos"), errors);
    }
    if let Some(source) = kind.take(&spec.csi, "csi", path, errors) {
        csi(source, &path.field("csi"), errors);
    }
    if !kind.found() {
        errors.required(path, "must specify a volume type");
    }
}

fn disks(spec: &PersistentVolumeSpec, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = kind.take(&spec.gce_persistent_disk, "gcePersistentDisk", path, errors) {
        plugin::gce_disk(source, &path.field("persistentDisk"), errors);
    }
    if let Some(source) = kind.take(&spec.aws_elastic_block_store, "awsElasticBlockStore", path, errors) {
        plugin::aws_disk(source, &path.field("awsElasticBlockStore"), errors);
    }
    if let Some(source) = kind.take(&spec.glusterfs, "glusterfs", path, errors) {
        glusterfs(source, &path.field("glusterfs"), errors);
    }
    if let Some(source) = kind.take(&spec.flocker, "flocker", path, errors) {
        plugin::flocker(source, &path.field("flocker"), errors);
    }
    if let Some(source) = kind.take(&spec.nfs, "nfs", path, errors) {
        plugin::nfs(source, &path.field("nfs"), errors);
    }
}

fn file_systems(
    spec: &PersistentVolumeSpec,
    name: &str,
    kind: &mut OneKind,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(source) = kind.take(&spec.rbd, "rbd", path, errors) {
        rbd(source, &path.field("rbd"), errors);
    }
    if let Some(source) = kind.take(&spec.quobyte, "quobyte", path, errors) {
        plugin::quobyte(source, &path.field("quobyte"), errors);
    }
    if let Some(source) = kind.take(&spec.cephfs, "cephFS", path, errors)
        && source.monitors.is_empty()
    {
        errors.required(&path.field("cephfs").field("monitors"), "");
    }
    if let Some(source) = kind.take(&spec.iscsi, "iscsi", path, errors) {
        iscsi(source, name, &path.field("iscsi"), errors);
    }
    if let Some(source) = kind.take(&spec.cinder, "cinder", path, errors) {
        cinder(source, &path.field("cinder"), errors);
    }
    if let Some(source) = kind.take(&spec.fc, "fc", path, errors) {
        plugin::fibre_channel(source, &path.field("fc"), errors);
    }
}

fn drivers(spec: &PersistentVolumeSpec, kind: &mut OneKind, path: &Path<'_>, errors: &mut FieldErrors) {
    // As upstream: this kind is not refused beside another.
    if let Some(source) = &spec.flex_volume {
        kind.count();
        flex(source, &path.field("flexVolume"), errors);
    }
    if let Some(source) = kind.take(&spec.azure_file, "azureFile", path, errors) {
        azure_file(source, &path.field("azureFile"), errors);
    }
    if let Some(source) = kind.take(&spec.vsphere_volume, "vsphereVolume", path, errors) {
        given(&source.volume_path, &path.field("vsphereVolume").field("volumePath"), errors);
    }
    if let Some(source) = kind.take(&spec.photon_persistent_disk, "photonPersistentDisk", path, errors) {
        given(&source.pd_id, &path.field("photonPersistentDisk").field("pdID"), errors);
    }
    if let Some(source) = kind.take(&spec.portworx_volume, "portworxVolume", path, errors) {
        given(&source.volume_id, &path.field("portworxVolume").field("volumeID"), errors);
    }
    if let Some(source) = kind.take(&spec.azure_disk, "azureDisk", path, errors) {
        plugin::azure_disk(source, &path.field("azureDisk"), errors);
    }
    if let Some(source) = kind.take(&spec.scale_io, "scaleIO", path, errors) {
        scale_io(source, &path.field("scaleIO"), errors);
    }
}

fn glusterfs(source: &GlusterfsPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.endpoints, &path.field("endpoints"), errors);
    given(&source.path, &path.field("path"), errors);
    let Some(namespace) = source.endpoints_namespace.as_deref() else { return };
    let path = path.field("endpointsNamespace");
    if namespace.is_empty() {
        let detail = "if the endpointnamespace is set, it must be a valid namespace name";
        errors.invalid(&path, namespace, detail);
    } else {
        errors.invalid_each(&path, namespace, names::dns1123_label(namespace));
    }
}

fn rbd(source: &RBDPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.monitors.is_empty() {
        errors.required(&path.field("monitors"), "");
    }
    given(&source.image, &path.field("image"), errors);
}

fn iscsi(source: &ISCSIPersistentVolumeSource, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let portal = source.target_portal.as_str();
    given(portal, &path.field("targetPortal"), errors);
    if source.initiator_name.is_some() && name.len() + 1 + portal.len() > plugin::ISCSI_SESSION_BYTES_MAX {
        errors.invalid(&path.field("targetportal"), portal, plugin::ISCSI_SESSION_TOO_LONG);
    }
    let well_formed = |name: &str, field: &str, errors: &mut FieldErrors| {
        if !plugin::is_iscsi_name(name) {
            errors.invalid(&path.field(field), name, "must be valid format");
        }
    };
    if source.iqn.is_empty() {
        errors.required(&path.field("iqn"), "");
    } else {
        well_formed(&source.iqn, "iqn", errors);
    }
    if !(0..=255).contains(&source.lun) {
        errors.invalid(&path.field("lun"), source.lun, "must be between 0 and 255, inclusive");
    }
    let secret = path.field("secretRef");
    let needs_secret = source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true);
    match &source.secret_ref {
        None if needs_secret => errors.required(&secret, ""),
        None => {}
        Some(reference) => given(text(&reference.name), &secret.field("name"), errors),
    }
    if let Some(initiator) = source.initiator_name.as_deref() {
        well_formed(initiator, "initiatorname", errors);
    }
}

fn cinder(source: &CinderPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.volume_id, &path.field("volumeID"), errors);
    if let Some(secret) = &source.secret_ref {
        let path = path.field("secretRef");
        given(text(&secret.name), &path.field("name"), errors);
        given(text(&secret.namespace), &path.field("namespace"), errors);
    }
}

fn flex(source: &FlexPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.driver, &path.field("driver"), errors);
    plugin::flex_options(source.options.as_ref(), &path.field("options"), errors);
}

fn azure_file(source: &AzureFilePersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.secret_name, &path.field("secretName"), errors);
    given(&source.share_name, &path.field("shareName"), errors);
    if let Some(namespace) = source.secret_namespace.as_deref() {
        given(namespace, &path.field("secretNamespace"), errors);
    }
}

fn scale_io(source: &ScaleIOPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    given(&source.gateway, &path.field("gateway"), errors);
    given(&source.system, &path.field("system"), errors);
    given(text(&source.volume_name), &path.field("volumeName"), errors);
}

/// Storage of one node, which must say which one.
fn local(folder: &str, spec: &PersistentVolumeSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let source = path.field("local");
    let folder_path = source.field("path");
    if folder.is_empty() {
        errors.required(&folder_path, "");
    } else {
        no_backsteps(folder, &folder_path, errors);
    }
    if spec.node_affinity.is_none() {
        errors.required(&path.field("nodeAffinity"), "Local volume requires node affinity");
    }
}

fn storage_os(source: &StorageOSPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    plugin::storage_os_names(&source.volume_name, &source.volume_namespace, path, errors);
    if let Some(secret) = &source.secret_ref {
        let path = path.field("secretRef");
        given(text(&secret.name), &path.field("name"), errors);
        given(text(&secret.namespace), &path.field("namespace"), errors);
    }
}

fn csi(source: &CSIPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    plugin::csi_driver_name(&source.driver, &path.field("driver"), errors);
    given(&source.volume_handle, &path.field("volumeHandle"), errors);
    let secrets = [
        ("controllerPublishSecretRef", &source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", &source.controller_expand_secret_ref),
        ("nodePublishSecretRef", &source.node_publish_secret_ref),
        ("nodeExpandSecretRef", &source.node_expand_secret_ref),
    ];
    for (field, reference) in secrets {
        if let Some(reference) = reference {
            secret(reference, &path.field(field), errors);
        }
    }
}

fn secret(reference: &SecretReference, path: &Path<'_>, errors: &mut FieldErrors) {
    let (name, namespace) = (text(&reference.name), text(&reference.namespace));
    for (field, value, problems) in
        [("name", name, names::dns1123_subdomain(name)), ("namespace", namespace, names::dns1123_label(namespace))]
    {
        let path = path.field(field);
        if value.is_empty() {
            errors.required(&path, "");
        } else {
            errors.invalid_each(&path, value, problems);
        }
    }
}
