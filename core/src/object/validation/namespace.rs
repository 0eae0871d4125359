//! Namespaces: a name that can be part of a host name, finalizers, and a phase that follows from deletion.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::Namespace;

use super::fields::{list, text};
use super::names;
use super::names::name_is_dns_label;
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new Namespace.
pub fn namespace(namespace: &Namespace) -> FieldErrors {
    let mut errors = shared::cluster_wide(&namespace.metadata, name_is_dns_label);
    let path = SPEC.field("finalizers");
    for finalizer in finalizers(namespace) {
        one(finalizer, &path, &mut errors);
    }
    errors
}

/// What is wrong with a changed Namespace.
pub fn namespace_update(new: &Namespace, old: &Namespace) -> FieldErrors {
    let mut errors = namespace(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    errors
}

/// What is wrong with a changed status of a Namespace.
pub fn namespace_status_update(new: &Namespace, old: &Namespace) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let phase = new.status.as_ref().map(|status| text(&status.phase)).unwrap_or_default();
    let path = STATUS.field("Phase");
    match (&new.metadata.deletion_timestamp, phase) {
        (None, "Active") | (Some(_), "Terminating") => {}
        (None, _) => errors.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty"),
        (Some(_), _) => {
            errors.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
        }
    }
    errors
}

/// What is wrong with changed finalizers of a Namespace (its `finalize` subresource).
pub fn namespace_finalize_update(new: &Namespace, old: &Namespace) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let path = SPEC.field("finalizers");
    for (index, finalizer) in finalizers(new).iter().enumerate() {
        one(finalizer, &path.index(index), &mut errors);
    }
    errors
}

fn finalizers(namespace: &Namespace) -> &[String] {
    namespace.spec.as_ref().map(|spec| list(&spec.finalizers)).unwrap_or_default()
}

fn one(finalizer: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(path, finalizer, names::qualified_name(finalizer));
    if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion") {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.invalid(path, finalizer, detail);
    }
}
