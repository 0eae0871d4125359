//! ReplicationControllers: a plain selector that fits the template.
//!
//! Source: `pkg/apis/core/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PodTemplateSpec, ReplicationController, ReplicationControllerSpec, ReplicationControllerStatus,
};

use super::checks::{nonnegative, nonnegative_if};
use super::names::name_is_dns_subdomain;
use super::replica_set::Counts;
use super::shared::{self, SPEC, meta_update};
use crate::object::field::FieldErrors;

/// What is wrong with a new ReplicationController.
pub fn replication_controller(controller: &ReplicationController) -> FieldErrors {
    let mut errors = shared::namespaced(&controller.metadata, name_is_dns_subdomain);
    spec(controller.spec.as_ref().unwrap_or(&ReplicationControllerSpec::default()), &mut errors);
    errors
}

/// What is wrong with a changed ReplicationController.
pub fn replication_controller_update(new: &ReplicationController, old: &ReplicationController) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = replication_controller(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    spec(new.spec.as_ref().unwrap_or(&ReplicationControllerSpec::default()), &mut errors);
    errors
}

/// What is wrong with a changed status of a ReplicationController.
pub fn replication_controller_status_update(new: &ReplicationController, old: &ReplicationController) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = ReplicationControllerStatus::default();
    let status = new.status.as_ref().unwrap_or(&default);
    let counts = Counts {
        replicas: status.replicas,
        labeled: status.fully_labeled_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        observed: status.observed_generation,
        terminating: None,
    };
    counts.check(&mut errors);
    errors
}

fn spec(spec: &ReplicationControllerSpec, errors: &mut FieldErrors) {
    nonnegative_if(spec.min_ready_seconds, &SPEC.field("minReadySeconds"), errors);
    let labels = spec.selector.as_ref().filter(|labels| !labels.is_empty());
    if labels.is_none() {
        errors.required(&SPEC.field("selector"), "");
    }
    match spec.replicas {
        Some(replicas) => nonnegative(replicas, &SPEC.field("replicas"), errors),
        None => errors.required(&SPEC.field("replicas"), ""),
    }
    match &spec.template {
        Some(given) => template(given, labels, errors),
        None => errors.required(&SPEC.field("template"), ""),
    }
}

fn template(template: &PodTemplateSpec, selector: Option<&BTreeMap<String, String>>, errors: &mut FieldErrors) {
    let path = SPEC.field("template");
    let labels = shared::template_labels(template);
    let fits = |key: &str, value: &String| labels.and_then(|labels| labels.get(key)) == Some(value);
    if selector.is_some_and(|selector| !selector.iter().all(|(key, value)| fits(key, value))) {
        shared::mismatch(template, &path, errors);
    }
    shared::long_running_template(template, "ReplicationController", &path, errors);
}
