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
    let counts = Counts {
        replicas: status.replicas,
        labeled: status.fully_labeled_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        observed: status.observed_generation,
        terminating: status.terminating_replicas,
    };
    counts.check(&mut errors);
    errors
}

/// The counts of a status: those of a ReplicaSet, and of its elder, the ReplicationController.
pub(super) struct Counts {
    pub(super) replicas: i32,
    pub(super) labeled: i32,
    pub(super) ready: i32,
    pub(super) available: i32,
    pub(super) observed: Option<i64>,
    pub(super) terminating: Option<i32>,
}

impl Counts {
    pub(super) fn check(&self, errors: &mut FieldErrors) {
        nonnegative(self.replicas, &STATUS.field("replicas"), errors);
        nonnegative(self.labeled, &STATUS.field("fullyLabeledReplicas"), errors);
        nonnegative(self.ready, &STATUS.field("readyReplicas"), errors);
        nonnegative(self.available, &STATUS.field("availableReplicas"), errors);
        nonnegative_if(self.observed, &STATUS.field("observedGeneration"), errors);
        nonnegative_if(self.terminating, &STATUS.field("terminatingReplicas"), errors);
        let parts = [
            ("fullyLabeledReplicas", self.labeled),
            ("readyReplicas", self.ready),
            ("availableReplicas", self.available),
        ];
        checks::not_above_replicas(self.replicas, &parts, &STATUS, errors);
        available_are_ready(self.available, self.ready, errors);
    }
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
        let shown = if shared::given(new) { checks::selector_text(new) } else { "null".to_owned() };
        errors.invalid_json(&SPEC.field("selector"), shown, names::IMMUTABLE);
    }
}

/// What is available is ready.
pub(super) fn available_are_ready(available: i32, ready: i32, errors: &mut FieldErrors) {
    if available > ready {
        errors.invalid(&STATUS.field("availableReplicas"), available, "cannot be greater than readyReplicas");
    }
}
