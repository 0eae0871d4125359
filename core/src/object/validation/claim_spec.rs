//! The spec of a claim for storage: access modes, an amount, and where the first data come from.

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, TypedLocalObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::field::{FieldErrors, Path};
use super::fields::{amount, list, text};
use super::{meta, names, resources, selector};

/// The access modes that volumes can have, in order.
pub const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Checks the spec of a claim.
pub fn claim_spec(spec: &PersistentVolumeClaimSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let modes = list(&spec.access_modes);
    if modes.is_empty() {
        errors.required(&path.field("accessModes"), "at least 1 access mode is required");
    }
    if let Some(selector) = &spec.selector {
        selector::label_selector(selector, selector::Values::Checked, &path.field("selector"), errors);
    }
    access_modes(modes, &path.field("accessModes"), errors);
    storage(spec, &path.field("resources").key("storage"), errors);
    let class = text(&spec.storage_class_name);
    if !class.is_empty() {
        errors.invalid_each(&path.field("storageClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(mode) = spec.volume_mode.as_deref() {
        super::fields::one_of(mode, &["Block", "Filesystem"], &path.field("volumeMode"), errors);
    }
    data_sources(spec, path, errors);
    let attributes = text(&spec.volume_attributes_class_name);
    if !attributes.is_empty() {
        let problems = names::dns1123_subdomain(attributes);
        errors.invalid_each(&path.field("volumeAttributesClassName"), attributes, problems);
    }
}

/// Checks access modes: known ones, and the one that admits a single pod only by itself.
pub fn access_modes(modes: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    for mode in modes {
        super::fields::one_of(mode, ACCESS_MODES, path, errors);
    }
    let single = |mode: &&String| mode.as_str() == "ReadWriteOncePod";
    if modes.iter().any(|mode| single(&mode))
        && modes.iter().any(|mode| !single(&mode) && ACCESS_MODES.contains(&mode.as_str()))
    {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn storage(spec: &PersistentVolumeClaimSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    match requests.and_then(|requests| requests.get("storage")).map(amount) {
        None => errors.required(path, ""),
        Some(storage) if storage.is_negative() || storage.is_zero() => {
            errors.invalid(path, storage.to_string(), "must be greater than zero");
        }
        Some(storage) => resources::quantity_value("storage", storage, path, errors),
    }
}

fn data_sources(spec: &PersistentVolumeClaimSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = &spec.data_source {
        data_source(source, &path.field("dataSource"), errors);
    }
    let Some(reference) = &spec.data_source_ref else { return };
    let plain = TypedLocalObjectReference {
        api_group: reference.api_group.clone(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
    };
    data_source(&plain, &path.field("dataSourceRef"), errors);
    let namespace = text(&reference.namespace);
    if !namespace.is_empty() {
        let problems = names::dns1123_label(namespace);
        errors.invalid_each(&path.field("dataSourceRef").field("namespace"), namespace, problems);
    }
    let Some(source) = &spec.data_source else { return };
    // Upstream gives a path as the bad value, of which JSON shows nothing.
    let shown = "{}";
    if !namespace.is_empty() {
        errors.invalid_json(path, shown, "may not be specified when dataSourceRef.namespace is specified");
    } else if *source != plain {
        errors.invalid_json(path, shown, "must match dataSourceRef");
    }
}

fn data_source(source: &TypedLocalObjectReference, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.name.is_empty() {
        errors.required(&path.field("name"), "");
    }
    if source.kind.is_empty() {
        errors.required(&path.field("kind"), "");
    }
    let group = text(&source.api_group);
    if group.is_empty() {
        if source.kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.invalid(path, source.kind.as_str(), detail);
        }
    } else {
        errors.invalid_each(&path.field("apiGroup"), group, names::dns1123_subdomain(group));
    }
}

/// Checks the template of a claim: of its metadata, only labels and annotations may be given.
pub fn claim_template(template: &PersistentVolumeClaimTemplate, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(metadata) = &template.metadata {
        template_meta(metadata, &path.field("metadata"), errors);
    }
    claim_spec(&template.spec, &path.field("spec"), errors);
}

fn template_meta(metadata: &ObjectMeta, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(annotations) = &metadata.annotations {
        meta::annotations(annotations, &path.field("annotations"), errors);
    }
    if let Some(labels) = &metadata.labels {
        meta::labels(labels, &path.field("labels"), errors);
    }
    let given = |value: &Option<String>| !text(value).is_empty();
    // In the order of upstream's type.
    for (field, is_set) in [
        ("name", given(&metadata.name)),
        ("generateName", given(&metadata.generate_name)),
        ("namespace", given(&metadata.namespace)),
        ("selfLink", given(&metadata.self_link)),
        ("uID", given(&metadata.uid)),
        ("resourceVersion", given(&metadata.resource_version)),
        ("generation", metadata.generation.unwrap_or_default() != 0),
        ("creationTimestamp", metadata.creation_timestamp.is_some()),
        ("deletionTimestamp", metadata.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", metadata.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", metadata.owner_references.is_some()),
        ("finalizers", metadata.finalizers.is_some()),
        ("managedFields", metadata.managed_fields.is_some()),
    ] {
        if is_set {
            errors.forbidden(&path.field(field), "cannot be set");
        }
    }
}
