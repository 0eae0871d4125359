//! PersistentVolumes: one kind of storage with a size, whose source never changes.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, FCVolumeSource, ISCSIPersistentVolumeSource, NFSVolumeSource, PersistentVolume,
    PersistentVolumeSpec, SecretReference, VolumeNodeAffinity,
};
use serde_json::Value;

use super::affinity::node_selector;
use super::checks::{self, json, same};
use super::claim_spec::access_modes;
use super::fields::{amount, list, no_backsteps, one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use super::volume_claim::not_negative;
use super::{text_diff, volume, volume_plugin};
use crate::object::field::{FieldErrors, Path};

/// The sources of a volume, in the order in which upstream looks at them; where its path differs, that too.
const SOURCES: [(&str, &str); 21] = [
    ("hostPath", "hostPath"),
    ("gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("nfs", "nfs"),
    ("rbd", "rbd"),
    ("quobyte", "quobyte"),
    ("cephfs", "cephfs"),
    ("iscsi", "iscsi"),
    ("cinder", "cinder"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("scaleIO", "scaleIO"),
    ("local", "local"),
    ("storageos", "storageos"),
];

/// What is wrong with a new PersistentVolume.
pub fn persistent_volume(volume: &PersistentVolume) -> FieldErrors {
    let mut errors = shared::cluster_wide(&volume.metadata, name_is_dns_subdomain);
    spec(volume.spec.as_ref().unwrap_or(&PersistentVolumeSpec::default()), &mut errors);
    errors
}

/// What is wrong with a changed PersistentVolume.
pub fn persistent_volume_update(new: &PersistentVolume, old: &PersistentVolume) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = persistent_volume(new);
    errors.append(persistent_volume(new));
    let default = PersistentVolumeSpec::default();
    let (after, before) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    source_update(after, before, &mut errors);
    checks::immutable(&after.volume_mode, &before.volume_mode, &Path::new("volumeMode"), &mut errors);
    if let Some(affinity) = &before.node_affinity
        && !same(&after.node_affinity, &Some(with_stable_labels(affinity, after.node_affinity.as_ref())))
    {
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.invalid(&Path::new("nodeAffinity"), json(&after.node_affinity), detail);
    }
    if before.volume_attributes_class_name.is_some() && after.volume_attributes_class_name.is_none() {
        let detail = "update from non-nil value to nil is forbidden";
        errors.forbidden(&SPEC.field("volumeAttributesClassName"), detail);
    }
    errors
}

/// What is wrong with a changed status of a PersistentVolume.
pub fn persistent_volume_status_update(new: &PersistentVolume, old: &PersistentVolume) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if text(&new.metadata.resource_version).is_empty() {
        errors.required(&Path::new("resourceVersion"), "");
    }
    errors
}

fn spec(spec: &PersistentVolumeSpec, errors: &mut FieldErrors) {
    let modes = SPEC.field("accessModes");
    if list(&spec.access_modes).is_empty() {
        errors.required(&modes, "");
    }
    access_modes(list(&spec.access_modes), &modes, errors);
    capacity(spec, &SPEC.field("capacity"), errors);
    let reclaim = text(&spec.persistent_volume_reclaim_policy);
    let reclaim_path = SPEC.field("persistentVolumeReclaimPolicy");
    if !reclaim.is_empty() {
        one_of(reclaim, &["Delete", "Recycle", "Retain"], &reclaim_path, errors);
    }
    if let Some(affinity) = &spec.node_affinity {
        let path = SPEC.field("nodeAffinity");
        match &affinity.required {
            Some(selector) => node_selector(selector, &path.field("required"), errors),
            None => errors.required(&path.field("required"), "must specify required node constraints"),
        }
    }
    sources(spec, errors);
    if reclaim == "Recycle" && spec.host_path.as_ref().is_some_and(|host| is_root(&host.path)) {
        errors.forbidden(&reclaim_path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(&spec.storage_class_name);
    if !class.is_empty() {
        errors.invalid_each(&SPEC.field("storageClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(mode) = &spec.volume_mode {
        one_of(mode, &["Block", "Filesystem"], &SPEC.field("volumeMode"), errors);
    }
    if let Some(class) = &spec.volume_attributes_class_name {
        let path = SPEC.field("volumeAttributesClassName");
        if class.is_empty() {
            errors.required(&path, "an empty string is disallowed");
        } else {
            errors.invalid_each(&path, class, names::dns1123_subdomain(class));
        }
        if spec.csi.is_none() {
            errors.required(&SPEC.field("csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn capacity(spec: &PersistentVolumeSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let given = spec.capacity.clone().unwrap_or_default();
    if given.is_empty() {
        errors.required(path, "");
    }
    if given.len() > 1 || !given.contains_key("storage") {
        let shown = spec.capacity.as_ref().map_or(Value::Null, json);
        errors.not_supported(path, shown, &["storage"]);
    }
    for (name, quantity) in &given {
        let quantity = amount(quantity);
        not_negative(quantity, &path.key(name), errors);
        if quantity.is_negative() || quantity.is_zero() {
            errors.invalid(&path.key(name), quantity.to_string(), "must be greater than zero");
        }
    }
}

fn is_root(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn sources(spec: &PersistentVolumeSpec, errors: &mut FieldErrors) {
    let given = json(spec);
    let mut found = false;
    for (field, path) in SOURCES.into_iter().chain([("csi", "csi")]) {
        if given.get(field).is_none() {
            continue;
        }
        if found {
            let field = if field == "cephfs" { "cephFS" } else { field };
            errors.forbidden(&SPEC.field(field), "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        source(field, spec, &given, &SPEC.field(path), errors);
    }
    if !found {
        errors.required(&SPEC, "must specify a volume type");
    }
}

fn source(field: &str, spec: &PersistentVolumeSpec, given: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match field {
        "hostPath" => {
            if let Some(source) = &spec.host_path {
                volume::host_path(source, path, errors);
            }
        }
        "nfs" => spec.nfs.iter().for_each(|source| nfs(source, path, errors)),
        "iscsi" => spec.iscsi.iter().for_each(|source| iscsi(source, path, errors)),
        "fc" => spec.fc.iter().for_each(|source| fibre_channel(source, path, errors)),
        "csi" => spec.csi.iter().for_each(|source| csi(source, path, errors)),
        "local" => {
            let source = spec.local.as_ref().map(|source| source.path.as_str()).unwrap_or_default();
            if source.is_empty() {
                errors.required(&path.field("path"), "");
            } else {
                no_backsteps(source, &path.field("path"), errors);
            }
            if spec.node_affinity.is_none() {
                errors.required(&SPEC.field("nodeAffinity"), "Local volume requires node affinity");
            }
        }
        other => named_fields(other, given.get(other).unwrap_or(&Value::Null), path, errors),
    }
}

/// The fields that a source of another kind must have.
fn named_fields(source: &str, given: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let needed: &[&str] = match source {
        "gcePersistentDisk" => &["pdName"],
        "awsElasticBlockStore" | "portworxVolume" | "cinder" => &["volumeID"],
        "glusterfs" => &["endpoints", "path"],
        "rbd" => &["monitors", "image"],
        "quobyte" => &["registry", "volume"],
        "cephfs" => &["monitors"],
        "flexVolume" => &["driver"],
        "azureFile" => &["secretName", "shareName"],
        "vsphereVolume" => &["volumePath"],
        "photonPersistentDisk" => &["pdID"],
        "azureDisk" => &["diskName", "diskURI"],
        "scaleIO" => &["gateway", "system", "volumeName"],
        "storageos" => &["volumeName"],
        _ => &[],
    };
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    for field in needed.iter().filter(|field| is_empty(given.get(**field))) {
        errors.required(&path.field(field), "");
    }
}

fn nfs(source: &NFSVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.server.is_empty() {
        errors.required(&path.field("server"), "");
    }
    if source.path.is_empty() {
        errors.required(&path.field("path"), "");
    }
    if !source.path.starts_with('/') {
        errors.invalid(&path.field("path"), source.path.as_str(), "must be an absolute path");
    }
}

fn iscsi(source: &ISCSIPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.target_portal.is_empty() {
        errors.required(&path.field("targetPortal"), "");
    }
    if source.iqn.is_empty() {
        errors.required(&path.field("iqn"), "");
    } else {
        volume_plugin::iscsi_name(&source.iqn, &path.field("iqn"), errors);
    }
    if !(0..=255).contains(&source.lun) {
        errors.invalid(&path.field("lun"), source.lun, "must be between 0 and 255, inclusive");
    }
    let chap = source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true);
    let secret = path.field("secretRef");
    match &source.secret_ref {
        None if chap => errors.required(&secret, ""),
        Some(reference) if text(&reference.name).is_empty() => errors.required(&secret.field("name"), ""),
        _ => {}
    }
}

fn fibre_channel(source: &FCVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let (targets, ids) = (list(&source.target_wwns), list(&source.wwids));
    if targets.is_empty() && ids.is_empty() {
        errors.required(&path.field("targetWWNs"), "must specify either targetWWNs or wwids, but not both");
    } else if !targets.is_empty() && !ids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&path.field("targetWWNs"), json(&targets), detail);
    }
    if !targets.is_empty() {
        match source.lun {
            None => errors.required(&path.field("lun"), "lun is required if targetWWNs is specified"),
            Some(0..=255) => {}
            Some(lun) => errors.invalid(&path.field("lun"), lun, "must be between 0 and 255, inclusive"),
        }
    }
}

fn csi(source: &CSIPersistentVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    volume_plugin::csi_driver_name(&source.driver, &path.field("driver"), errors);
    if source.volume_handle.is_empty() {
        errors.required(&path.field("volumeHandle"), "");
    }
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
    for (field, value) in [("name", text(&reference.name)), ("namespace", text(&reference.namespace))] {
        let path = path.field(field);
        match (value, field) {
            ("", _) => errors.required(&path, ""),
            (name, "name") => errors.invalid_each(&path, name, names::dns1123_subdomain(name)),
            (namespace, _) => errors.invalid_each(&path, namespace, names::dns1123_label(namespace)),
        }
    }
}

/// The source without what is no part of it; a secret for growing may be added to one that has none.
fn source_of(spec: &PersistentVolumeSpec) -> PersistentVolumeSpec {
    PersistentVolumeSpec {
        access_modes: None,
        capacity: None,
        claim_ref: None,
        mount_options: None,
        node_affinity: None,
        persistent_volume_reclaim_policy: None,
        storage_class_name: None,
        volume_attributes_class_name: None,
        volume_mode: None,
        ..spec.clone()
    }
}

fn source_update(new: &PersistentVolumeSpec, old: &PersistentVolumeSpec, errors: &mut FieldErrors) {
    let (mut new, old) = (source_of(new), source_of(old));
    if let (Some(new), Some(old)) = (&mut new.csi, &old.csi)
        && old.controller_expand_secret_ref.is_none()
    {
        new.controller_expand_secret_ref = None;
    }
    if !same(&new, &old) {
        let lines = |spec: &PersistentVolumeSpec| serde_json::to_string_pretty(spec).unwrap_or_default();
        let difference = text_diff::unified(&lines(&old), &lines(&new));
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{difference}");
        errors.forbidden(&SPEC.field("persistentvolumesource"), detail);
    }
}

/// The affinity of before, with those of its labels that have become stable as the new one writes them.
fn with_stable_labels(old: &VolumeNodeAffinity, new: Option<&VolumeNodeAffinity>) -> VolumeNodeAffinity {
    const STABLE: [(&str, &str); 5] = [
        ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
        ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
        ("beta.kubernetes.io/os", "kubernetes.io/os"),
        ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
        ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ];
    let mut affinity = old.clone();
    let new_terms = new.and_then(|new| new.required.as_ref()).map(|new| new.node_selector_terms.as_slice());
    let terms = affinity.required.iter_mut().flat_map(|required| &mut required.node_selector_terms);
    for (old, new) in terms.zip(new_terms.unwrap_or_default()) {
        let expressions = old.match_expressions.iter_mut().flatten();
        for (old, new) in expressions.zip(list(&new.match_expressions)) {
            if STABLE.contains(&(old.key.as_str(), new.key.as_str())) {
                old.key.clone_from(&new.key);
            }
        }
    }
    affinity
}
