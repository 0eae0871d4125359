//! PersistentVolumes: one kind of storage with a size, whose source never changes.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity};
use serde_json::Value;

use super::affinity::node_selector;
use super::checks::{self, json, same};
use super::claim_spec::access_modes;
use super::fields::{amount, list, one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, meta_update};
use super::volume_claim::not_negative;
use super::warnings::{Warnings, node_term};
use super::{go_type, text_diff};
use crate::object::field::{FieldErrors, Path};
use crate::object::mutate::STORAGE_CLASS_ANNOTATION;

mod source;

/// Where a spec stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// In a volume with that name.
    Volume(&'a str),
    /// In an attachment, for what a pod names itself: it has neither claim nor size.
    Attachment,
}

/// Options in an annotation, as they were once given.
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

/// What is a field now.
const OLD_ANNOTATIONS: [(&str, &str); 2] = [
    (STORAGE_CLASS_ANNOTATION, "deprecated since v1.8; use \"storageClassName\" attribute instead"),
    (MOUNT_OPTIONS, "deprecated since v1.31; use \"mountOptions\" attribute instead"),
];
const INLINE: &str = "in the context of inline volumes";
const NOT_INLINE: &str = "may not be specified in the context of inline volumes";

/// What is wrong with a new PersistentVolume.
pub fn persistent_volume(volume: &PersistentVolume) -> FieldErrors {
    let mut errors = by_itself(volume);
    mount_options(volume, &mut errors);
    errors
}

fn by_itself(volume: &PersistentVolume) -> FieldErrors {
    let mut errors = shared::cluster_wide(&volume.metadata, name_is_dns_subdomain);
    let default = PersistentVolumeSpec::default();
    let place = Place::Volume(text(&volume.metadata.name));
    spec(volume.spec.as_ref().unwrap_or(&default), place, &SPEC, &mut errors);
    errors
}

/// What is wrong with a changed PersistentVolume.
pub fn persistent_volume_update(new: &PersistentVolume, old: &PersistentVolume) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = persistent_volume(new);
    errors.append(by_itself(new));
    let default = PersistentVolumeSpec::default();
    let (after, before) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    source_update(after, before, &mut errors);
    checks::immutable(&after.volume_mode, &before.volume_mode, &Path::new("volumeMode"), &mut errors);
    if let Some(affinity) = &before.node_affinity
        && !same(&after.node_affinity, &Some(with_stable_labels(affinity, after.node_affinity.as_ref())))
    {
        let detail = "field is immutable, except for updating from beta label to GA";
        let shown = go_type::compact(&after.node_affinity, "VolumeNodeAffinity");
        errors.invalid_json(&Path::new("nodeAffinity"), shown, detail);
    }
    if before.volume_attributes_class_name.is_some() && after.volume_attributes_class_name.is_none() {
        let detail = "update from non-nil value to nil is forbidden";
        errors.forbidden(&SPEC.field("volumeAttributesClassName"), detail);
    }
    errors
}

/// The annotation is only for volumes that are mounted with options.
fn mount_options(volume: &PersistentVolume, errors: &mut FieldErrors) {
    let is_given = volume.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MOUNT_OPTIONS));
    let takes_options = volume.spec.as_ref().is_some_and(|spec| {
        spec.gce_persistent_disk.is_some()
            || spec.aws_elastic_block_store.is_some()
            || spec.glusterfs.is_some()
            || spec.nfs.is_some()
            || spec.rbd.is_some()
            || spec.quobyte.is_some()
            || spec.iscsi.is_some()
            || spec.cinder.is_some()
            || spec.cephfs.is_some()
            || spec.azure_file.is_some()
            || spec.vsphere_volume.is_some()
            || spec.azure_disk.is_some()
            || spec.photon_persistent_disk.is_some()
            || spec.flocker.is_some()
            || spec.scale_io.is_some()
            || spec.fc.is_some()
            || spec.portworx_volume.is_some()
    });
    if is_given && !takes_options {
        let annotations = METADATA.field("annotations");
        errors.forbidden(&annotations.field(MOUNT_OPTIONS), "may not specify mount options for this volume type");
    }
}

/// What is wrong with a changed status of a PersistentVolume.
pub fn persistent_volume_status_update(new: &PersistentVolume, old: &PersistentVolume) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if text(&new.metadata.resource_version).is_empty() {
        errors.required(&Path::new("resourceVersion"), "");
    }
    errors
}

/// What a client is warned of when it writes a PersistentVolume.
pub(super) fn persistent_volume_warnings(volume: &PersistentVolume) -> Vec<String> {
    let mut warnings = Warnings::default();
    let annotations = METADATA.field("annotations");
    for (key, instead) in OLD_ANNOTATIONS {
        if volume.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(key)) {
            warnings.add(&annotations.key(key), instead);
        }
    }
    let Some(spec) = &volume.spec else { return warnings.0 };
    if text(&spec.persistent_volume_reclaim_policy) == "Recycle" {
        let what = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic \
                    provisioning.";
        warnings.add(&SPEC.field("persistentVolumeReclaimPolicy"), what);
    }
    let affinity = SPEC.field("nodeAffinity");
    let required = affinity.field("required");
    let path = required.field("nodeSelectorTerms");
    let selector = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    for (index, term) in selector.iter().flat_map(|selector| &selector.node_selector_terms).enumerate() {
        node_term(term, false, &path.index(index), &mut warnings);
    }
    for (field, is_set, what) in [
        ("cephfs", spec.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
        (
            "photonPersistentDisk",
            spec.photon_persistent_disk.is_some(),
            "deprecated in v1.11, non-functional in v1.16+",
        ),
        ("scaleIO", spec.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
        ("storageOS", spec.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", spec.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
        ("rbd", spec.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
    ] {
        if is_set {
            warnings.add(&SPEC.field(field), what);
        }
    }
    warnings.0
}

/// Checks the spec of a volume.
pub(super) fn spec(spec: &PersistentVolumeSpec, place: Place<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let inline = place == Place::Attachment;
    if inline {
        without_claim(spec, path, errors);
    }
    let modes = path.field("accessModes");
    if list(&spec.access_modes).is_empty() {
        errors.required(&modes, "");
    }
    access_modes(list(&spec.access_modes), &modes, errors);
    if !inline {
        capacity(spec, &path.field("capacity"), errors);
    }
    let reclaim = text(&spec.persistent_volume_reclaim_policy);
    let reclaim_path = path.field("persistentVolumeReclaimPolicy");
    match (reclaim, inline) {
        ("", _) | ("Retain", true) => {}
        (_, true) => errors.forbidden(&reclaim_path, format!("may only be Retain {INLINE}")),
        (_, false) => one_of(reclaim, &["Delete", "Recycle", "Retain"], &reclaim_path, errors),
    }
    node_affinity(spec, inline, &path.field("nodeAffinity"), errors);
    let name = if let Place::Volume(name) = place { name } else { "" };
    source::sources(spec, name, path, errors);
    if reclaim == "Recycle" && spec.host_path.as_ref().is_some_and(|host| is_root(&host.path)) {
        errors.forbidden(&reclaim_path, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(&spec.storage_class_name);
    if inline && !class.is_empty() {
        errors.forbidden(&path.field("storageClassName"), NOT_INLINE);
    } else if !class.is_empty() {
        errors.invalid_each(&path.field("storageClassName"), class, names::dns1123_subdomain(class));
    }
    match (spec.volume_mode.as_deref(), inline) {
        (None, _) | (Some("Filesystem"), true) => {}
        (Some(_), true) => {
            let detail = format!("may not specify volumeMode other than Filesystem {INLINE}");
            errors.forbidden(&path.field("volumeMode"), detail);
        }
        (Some(mode), false) => one_of(mode, &["Block", "Filesystem"], &path.field("volumeMode"), errors),
    }
    // The class of attributes is not looked at in an attachment.
    if !inline {
        attributes_class(spec, path, errors);
    }
}

/// What only a volume of the cluster has.
fn without_claim(spec: &PersistentVolumeSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.claim_ref.is_some() {
        errors.forbidden(&path.field("claimRef"), NOT_INLINE);
    }
    if spec.capacity.as_ref().is_some_and(|capacity| !capacity.is_empty()) {
        errors.forbidden(&path.field("capacity"), NOT_INLINE);
    }
    if spec.csi.is_none() {
        errors.required(&path.field("csi"), format!("has to be specified {INLINE}"));
    }
}

fn node_affinity(spec: &PersistentVolumeSpec, inline: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(affinity) = &spec.node_affinity else { return };
    match &affinity.required {
        _ if inline => errors.forbidden(path, NOT_INLINE),
        Some(selector) => node_selector(selector, &path.field("required"), errors),
        None => errors.required(&path.field("required"), "must specify required node constraints"),
    }
}

fn attributes_class(spec: &PersistentVolumeSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(class) = &spec.volume_attributes_class_name else { return };
    let class_path = path.field("volumeAttributesClassName");
    if class.is_empty() {
        errors.required(&class_path, "an empty string is disallowed");
    } else {
        errors.invalid_each(&class_path, class, names::dns1123_subdomain(class));
    }
    if spec.csi.is_none() {
        errors.required(&path.field("csi"), "has to be specified when using volumeAttributesClassName");
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
    if !go_type::same(&new, &old, "PersistentVolumeSource") {
        let lines = |spec: &PersistentVolumeSpec| go_type::pretty(spec, "PersistentVolumeSource");
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
