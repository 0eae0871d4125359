//! PersistentVolumeClaims: what they ask for is fixed, but for the volume they are bound to and growing once bound.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus};

use super::checks;
use super::claim_spec::claim_spec;
use super::fields::{amount, list, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, STATUS, meta_update};
use super::{go_type, resources, text_diff};
use crate::object::field::{FieldErrors, Path};
use crate::object::quantity::Quantity;

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What is wrong with a new PersistentVolumeClaim.
pub fn volume_claim(claim: &PersistentVolumeClaim) -> FieldErrors {
    let mut errors = shared::namespaced(&claim.metadata, name_is_dns_subdomain);
    claim_spec(claim.spec.as_ref().unwrap_or(&PersistentVolumeClaimSpec::default()), &SPEC, &mut errors);
    errors
}

/// What is wrong with a changed PersistentVolumeClaim.
pub fn volume_claim_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = volume_claim(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    errors.append(volume_claim(new));
    let after = new.spec.clone().unwrap_or_default();
    let before = old.spec.clone().unwrap_or_default();
    let expected = as_allowed(new, old, &after, &before, &mut errors);
    let name = "PersistentVolumeClaimSpec";
    if !go_type::same(&expected.0, &expected.1, name) {
        let (new, old) = (go_type::pretty(&expected.0, name), go_type::pretty(&expected.1, name));
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
             claims\n{}",
            text_diff::unified(&old, &new)
        );
        errors.forbidden(&SPEC, detail);
    }
    size(&after, &before, old, &mut errors);
    checks::immutable(&after.volume_mode, &before.volume_mode, &Path::new("volumeMode"), &mut errors);
    attributes_class(&after, &before, old, &mut errors);
    errors
}

/// A class whose attributes the volume has may be exchanged, not taken away.
fn attributes_class(
    after: &PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    old: &PersistentVolumeClaim,
    errors: &mut FieldErrors,
) {
    let class = after.volume_attributes_class_name.as_deref();
    let applied = old.status.as_ref().is_some_and(|status| status.current_volume_attributes_class_name.is_some());
    if !applied || class == before.volume_attributes_class_name.as_deref() {
        return;
    }
    let nothing = match class {
        None => "nil",
        Some("") => "empty string",
        Some(_) => return,
    };
    let detail = format!("update to {nothing} is forbidden when status.currentVolumeAttributesClassName is not nil");
    errors.forbidden(&SPEC.field("volumeAttributesClassName"), detail);
}

/// Both specs, made equal where they may differ.
fn as_allowed(
    new: &PersistentVolumeClaim,
    old: &PersistentVolumeClaim,
    after: &PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    errors: &mut FieldErrors,
) -> (PersistentVolumeClaimSpec, PersistentVolumeClaimSpec) {
    let (mut after, mut before) = (after.clone(), before.clone());
    if text(&before.volume_name).is_empty() {
        // It may be bound, once.
        before.volume_name.clone_from(&after.volume_name);
    }
    class(new, old, &mut after, &before, errors);
    let bound = new.status.as_ref().is_some_and(|status| text(&status.phase) == "Bound");
    if bound {
        let storage = before.resources.as_ref().and_then(|old| old.requests.as_ref()?.get("storage")).cloned();
        let requests = after.resources.as_mut().and_then(|resources| resources.requests.as_mut());
        if let (Some(requests), Some(storage)) = (requests, storage) {
            requests.insert("storage".to_owned(), storage);
        }
        after.volume_attributes_class_name.clone_from(&before.volume_attributes_class_name);
    }
    (after, before)
}

/// The class may move from its old annotation to its field, and may be set where there was none.
fn class(
    new: &PersistentVolumeClaim,
    old: &PersistentVolumeClaim,
    after: &mut PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    errors: &mut FieldErrors,
) {
    let annotation =
        |claim: &PersistentVolumeClaim| claim.metadata.annotations.as_ref().and_then(|all| all.get(CLASS)).cloned();
    let (new_annotation, old_annotation) = (annotation(new), annotation(old));
    let was_unset = before.storage_class_name.is_none();
    let moved = old_annotation.is_some()
        && was_unset
        && after.storage_class_name == old_annotation
        && new_annotation.as_ref().is_none_or(|new| Some(new) == old_annotation.as_ref());
    if moved {
        after.storage_class_name = None;
        return;
    }
    let (new_text, old_text) = (new_annotation.unwrap_or_default(), old_annotation.clone().unwrap_or_default());
    if new_text != old_text {
        let annotations = METADATA.field("annotations");
        errors.invalid(&annotations.field(CLASS), new_text, names::IMMUTABLE);
    }
    let fits = old_annotation.is_none() || after.storage_class_name == old_annotation;
    if after.storage_class_name.is_some() && was_unset && fits {
        after.storage_class_name = None;
    }
}

/// A claim may shrink only to recover from growing too much: to more than it has.
fn size(
    after: &PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    old: &PersistentVolumeClaim,
    errors: &mut FieldErrors,
) {
    let storage = |spec: &PersistentVolumeClaimSpec| {
        let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.and_then(|requests| requests.get("storage")).map_or(Quantity::ZERO, amount)
    };
    let capacity = old.status.as_ref().and_then(|status| status.capacity.as_ref()?.get("storage")).map(amount);
    if storage(after) < storage(before) && storage(after) <= capacity.unwrap_or(Quantity::ZERO) {
        let (resources, path) = (SPEC.field("resources"), "requests");
        let requests = resources.field(path);
        errors.forbidden(&requests.field("storage"), "field can not be less than status.capacity");
    }
}

const RESIZE_STATUSES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

/// What is wrong with a changed status of a PersistentVolumeClaim.
pub fn volume_claim_status_update(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if text(&new.metadata.resource_version).is_empty() {
        errors.required(&Path::new("resourceVersion"), "");
    }
    if new.spec.as_ref().is_none_or(|spec| list(&spec.access_modes).is_empty()) {
        let spec = Path::new("Spec");
        errors.required(&spec.field("accessModes"), "");
    }
    let default = PersistentVolumeClaimStatus::default();
    let status = new.status.as_ref().unwrap_or(&default);
    let capacity = STATUS.field("capacity");
    for (name, quantity) in status.capacity.iter().flatten() {
        not_negative(amount(quantity), &capacity.key(name), &mut errors);
    }
    let path = STATUS.field("allocatedResourceStatuses");
    for (name, resize) in status.allocated_resource_statuses.iter().flatten() {
        resource_key(name, &path, &mut errors);
        if !RESIZE_STATUSES.contains(&resize.as_str()) {
            errors.not_supported(&path, name.as_str(), &RESIZE_STATUSES);
        }
    }
    let path = STATUS.field("allocatedResources");
    for (name, quantity) in status.allocated_resources.iter().flatten() {
        let (quantity, before) = (amount(quantity), errors.len());
        resource_key(name, &path, &mut errors);
        if errors.len() == before {
            not_negative(quantity, &path.key(name), &mut errors);
        }
        if errors.len() == before {
            resources::quantity_value("storage", quantity, &path.key(name), &mut errors);
        }
    }
    errors
}

/// An amount that is not below zero, shown in whole units.
pub(super) fn not_negative(quantity: Quantity, path: &Path<'_>, errors: &mut FieldErrors) {
    if quantity.value() < 0 {
        errors.invalid(path, quantity.value(), "must be a valid resource quantity");
    }
}

fn resource_key(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = names::qualified_name(name);
    if !problems.is_empty() {
        errors.invalid_each(path, name, problems);
    } else if resources::is_native(name) && name != "storage" {
        errors.not_supported(path, name, &["storage"]);
    }
}

/// What a client is warned of when it writes a PersistentVolumeClaim.
pub fn volume_claim_warnings(claim: &PersistentVolumeClaim) -> Vec<String> {
    let mut warnings = Vec::new();
    if claim.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(CLASS)) {
        warnings.push(format!(
            "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
        ));
    }
    warnings.extend(claim.spec.iter().flat_map(|spec| claim_spec_warnings(spec, "spec")));
    warnings
}

/// What a client is warned of in the spec of a claim that stands at a path.
pub(super) fn claim_spec_warnings(spec: &PersistentVolumeClaimSpec, path: &str) -> Vec<String> {
    let Some(resources) = &spec.resources else { return Vec::new() };
    let amounts = [("requests", &resources.requests), ("limits", &resources.limits)];
    let fraction = |(field, given): (&str, &Option<_>)| {
        let given: &Option<std::collections::BTreeMap<String, _>> = given;
        let storage = given.as_ref()?.get("storage").map(amount)?;
        (storage.as_milli() % 1000 != 0).then(|| {
            format!(
                "{path}.resources.{field}[storage]: fractional byte value \"{storage}\" is invalid, must be an integer"
            )
        })
    };
    amounts.into_iter().filter_map(fraction).collect()
}
