//! The parts that many kinds hold: metadata, label selectors, pod templates.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::checks::{self, json, list, selector_text};
use super::names;
use crate::object::field::{FieldErrors, Path};

/// The rule for an object's name: what is wrong with it.
pub(super) type NameRule = fn(&str) -> Vec<String>;

/// The path of the metadata.
pub(super) const METADATA: Path<'static> = Path::new("metadata");
/// The path of the spec.
pub(super) const SPEC: Path<'static> = Path::new("spec");
/// The path of the status.
pub(super) const STATUS: Path<'static> = Path::new("status");

/// Metadata of an object that lives in a namespace.
pub(super) fn namespaced(meta: &ObjectMeta, name: NameRule) -> FieldErrors {
    let _ = (meta, name);
    FieldErrors::new()
}

/// Metadata of an object that belongs to the cluster.
pub(super) fn cluster_wide(meta: &ObjectMeta, name: NameRule) -> FieldErrors {
    let _ = (meta, name);
    FieldErrors::new()
}

/// What an update may do to metadata.
pub(super) fn meta_update(new: &ObjectMeta, old: &ObjectMeta) -> FieldErrors {
    let _ = (new, old);
    FieldErrors::new()
}

/// Labels, or a selector by plain labels.
pub(super) fn labels(errors: &mut FieldErrors, path: &Path<'_>, labels: Option<&BTreeMap<String, String>>) {
    let _ = (errors, path, labels);
}

/// A label selector.
pub(super) fn selector(errors: &mut FieldErrors, path: &Path<'_>, selector: &LabelSelector) {
    let _ = (errors, path, selector);
}

/// A pod template without the rules of the workload that holds it.
pub(super) fn pod_template(errors: &mut FieldErrors, path: &Path<'_>, template: &PodTemplateSpec) {
    let _ = (errors, path, template);
}
