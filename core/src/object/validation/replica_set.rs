//! ReplicaSets: a selector that fits the template and never changes, and counts that add up.
//!
//! Source: `pkg/apis/apps/validation`.

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::checks::{self, nonnegative, nonnegative_if};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::FieldErrors;

/// What is wrong with a new ReplicaSet.
pub fn replica_set(set: &ReplicaSet) -> FieldErrors {
    let mut errors = shared::namespaced(&set.metadata, name_is_dns_subdomain);
    spec(&set.spec, &mut errors);
    errors
}

/// What is wrong with a changed ReplicaSet.
pub fn replica_set_update(new: &ReplicaSet, old: &ReplicaSet) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = replica_set(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let (new, old) = (&new.spec, &old.spec);
    spec(new, &mut errors);
    same_selector(&new.selector, &old.selector, &mut errors);
    errors
}

/// What is wrong with a changed status of a ReplicaSet.
pub fn replica_set_status_update(new: &ReplicaSet, old: &ReplicaSet) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = ReplicaSetStatus::default();
    let status = new.status.as_ref().unwrap_or(&default);
    let (ready, available) = (status.ready_replicas.unwrap_or(0), status.available_replicas.unwrap_or(0));
    let labeled = status.fully_labeled_replicas.unwrap_or(0);
    nonnegative(status.replicas, &STATUS.field("replicas"), &mut errors);
    nonnegative(labeled, &STATUS.field("fullyLabeledReplicas"), &mut errors);
    nonnegative(ready, &STATUS.field("readyReplicas"), &mut errors);
    nonnegative(available, &STATUS.field("availableReplicas"), &mut errors);
    nonnegative_if(status.observed_generation, &STATUS.field("observedGeneration"), &mut errors);
    nonnegative_if(status.terminating_replicas, &STATUS.field("terminatingReplicas"), &mut errors);
    let counts = [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)];
    checks::not_above_replicas(status.replicas, &counts, &STATUS, &mut errors);
    available_are_ready(available, ready, &mut errors);
    errors
}

fn spec(spec: &ReplicaSetSpec, errors: &mut FieldErrors) {
    nonnegative_if(spec.replicas, &SPEC.field("replicas"), errors);
    nonnegative_if(spec.min_ready_seconds, &SPEC.field("minReadySeconds"), errors);
    let none = PodTemplateSpec::default();
    selector_and_template(&spec.selector, spec.template.as_ref().unwrap_or(&none), errors);
}

/// The selector and the template of a Deployment or a ReplicaSet; upstream says "deployment" for both.
pub(super) fn selector_and_template(selector: &LabelSelector, template: &PodTemplateSpec, errors: &mut FieldErrors) {
    let path = SPEC.field("selector");
    if shared::given(selector) {
        shared::selector(selector, &path, errors);
        if shared::selects_all(selector) {
            errors.invalid_json(&path, "{}", "empty selector is invalid for deployment");
        }
    } else {
        errors.required(&path, "");
    }
    let Some(matches) = shared::matches(selector, shared::template_labels(template)) else {
        return errors.invalid_json(&path, checks::selector_text(selector), "invalid label selector");
    };
    let template_path = SPEC.field("template");
    if !matches {
        shared::mismatch(template, &template_path, errors);
    }
    shared::long_running_template(template, "ReplicaSet", &template_path, errors);
}

/// A selector never changes.
pub(super) fn same_selector(new: &LabelSelector, old: &LabelSelector, errors: &mut FieldErrors) {
    if !checks::same(new, old) {
        errors.invalid_json(&SPEC.field("selector"), checks::selector_text(new), names::IMMUTABLE);
    }
}

/// What is available is ready.
pub(super) fn available_are_ready(available: i32, ready: i32, errors: &mut FieldErrors) {
    if available > ready {
        errors.invalid(&STATUS.field("availableReplicas"), available, "cannot be greater than readyReplicas");
    }
}
