//! The parts that many kinds hold: metadata, label selectors, pod templates.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::meta::{self, Scope};
use super::names::NameRule;
use super::pod::pod_template_spec;
use super::selector::{self, Values};
use crate::object::field::{FieldErrors, Path};

/// The path of the metadata.
pub(super) static METADATA: Path<'static> = Path::new("metadata");
/// The path of the spec.
pub(super) static SPEC: Path<'static> = Path::new("spec");
/// The path of the status.
pub(super) static STATUS: Path<'static> = Path::new("status");

/// Which of these keys stand further up already.
pub(super) fn repeated<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    keys.map(|key| !seen.insert(key)).collect()
}

/// Metadata of a new object that lives in a namespace.
pub(super) fn namespaced(meta: &ObjectMeta, rule: NameRule) -> FieldErrors {
    let mut errors = FieldErrors::new();
    meta::create(meta, Scope::Namespaced, rule, &METADATA, &mut errors);
    errors
}

/// Metadata of a new object that belongs to the cluster.
pub(super) fn cluster_wide(meta: &ObjectMeta, rule: NameRule) -> FieldErrors {
    let mut errors = FieldErrors::new();
    meta::create(meta, Scope::Cluster, rule, &METADATA, &mut errors);
    errors
}

/// Metadata of an object that replaces another.
pub(super) fn meta_update(new: &ObjectMeta, old: &ObjectMeta) -> FieldErrors {
    let mut errors = FieldErrors::new();
    meta::update(new, old, &METADATA, &mut errors);
    errors
}

/// A label selector.
pub(super) fn selector(selector: &LabelSelector, path: &Path<'_>, errors: &mut FieldErrors) {
    selector::label_selector(selector, Values::Checked, path, errors);
}

/// An optional label selector.
pub(super) fn selector_if(selector: &Option<LabelSelector>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(given) = selector {
        self::selector(given, path, errors);
    }
}

/// Whether a required selector was given. Decoded objects hold an empty one where there was none;
/// one that was given as `{}` is decoded as one with no labels (`matchLabels: {}`).
pub(super) fn given(selector: &LabelSelector) -> bool {
    selector.match_labels.is_some() || selector.match_expressions.is_some()
}

/// Whether a selector selects by nothing at all.
pub(super) fn selects_all(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

/// Whether a selector matches labels; none when the selector itself is wrong. One that was not given matches nothing.
pub(super) fn matches(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
    let mut problems = FieldErrors::new();
    self::selector(selector, &SPEC, &mut problems);
    if !problems.is_empty() {
        return None;
    }
    let value = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = value(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|wanted| wanted == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    });
    Some(given(selector) && equal && expressions)
}

/// The labels of a pod template.
pub(super) fn template_labels(template: &PodTemplateSpec) -> Option<&BTreeMap<String, String>> {
    template.metadata.as_ref().and_then(|meta| meta.labels.as_ref())
}

/// A template that the selector of its owner does not match.
pub(super) fn mismatch(template: &PodTemplateSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let labels = template_labels(template).map_or(serde_json::Value::Null, super::checks::json);
    errors.invalid(&path.field("metadata").field("labels"), labels, "`selector` does not match template `labels`");
}

/// The labels and annotations of a pod template.
pub(super) fn template_metadata(template: &PodTemplateSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(metadata) = &template.metadata else { return };
    if let Some(labels) = &metadata.labels {
        meta::labels(labels, &path.field("labels"), errors);
    }
    if let Some(annotations) = &metadata.annotations {
        meta::annotations(annotations, &path.field("annotations"), errors);
    }
}

/// A pod template without the rules of the workload that holds it.
pub(super) fn pod_template(template: &PodTemplateSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.append(pod_template_spec(template, path));
}

/// A template whose pods its owner keeps running: they restart always, and have no deadline.
pub(super) fn long_running_template(
    template: &PodTemplateSpec,
    owner: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    pod_template(template, path, errors);
    always_running(template, owner, path, errors);
}

/// Pods that restart always, and have no deadline.
pub(super) fn always_running(template: &PodTemplateSpec, owner: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let spec = path.field("spec");
    let pod = template.spec.as_ref();
    let restart = pod.and_then(|pod| pod.restart_policy.as_deref()).unwrap_or_default();
    if restart != "Always" {
        errors.not_supported(&spec.field("restartPolicy"), restart, &["Always"]);
    }
    if pod.is_some_and(|pod| pod.active_deadline_seconds.is_some()) {
        let detail = format!("activeDeadlineSeconds in {owner} is not Supported");
        errors.forbidden(&spec.field("activeDeadlineSeconds"), detail);
    }
}
