//! Deployments: a selector that fits the template and never changes, and a strategy that can make progress.
//!
//! Source: `pkg/apis/apps/validation`.

use k8s_openapi::api::apps::v1::RollingUpdateDeployment;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, DeploymentStrategy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::checks::{self, nonnegative, nonnegative_if};
use super::fields::text;
use super::names::name_is_dns_subdomain;
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{go_type, replica_set};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new Deployment.
pub fn deployment(deployment: &Deployment) -> FieldErrors {
    let mut errors = shared::namespaced(&deployment.metadata, name_is_dns_subdomain);
    spec(&deployment.spec, &mut errors);
    errors
}

/// What is wrong with a changed Deployment.
pub fn deployment_update(new: &Deployment, old: &Deployment) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (new, old) = (&new.spec, &old.spec);
    spec(new, &mut errors);
    replica_set::same_selector(&new.selector, &old.selector, &mut errors);
    errors
}

/// What is wrong with a changed status of a Deployment.
pub fn deployment_status_update(new: &Deployment, old: &Deployment) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = DeploymentStatus::default();
    let (new, old) = (new.status.as_ref().unwrap_or(&default), old.status.as_ref().unwrap_or(&default));
    status(new, &mut errors);
    checks::collision_count(new.collision_count, old.collision_count, &STATUS.field("collisionCount"), &mut errors);
    errors
}

fn spec(spec: &DeploymentSpec, errors: &mut FieldErrors) {
    nonnegative_if(spec.replicas, &SPEC.field("replicas"), errors);
    replica_set::selector_and_template(&spec.selector, &spec.template, errors);
    match &spec.strategy {
        Some(given) => strategy(given, &SPEC.field("strategy"), errors),
        None => strategy(&DeploymentStrategy::default(), &SPEC.field("strategy"), errors),
    }
    let min_ready = spec.min_ready_seconds.unwrap_or(0);
    nonnegative(min_ready, &SPEC.field("minReadySeconds"), errors);
    nonnegative_if(spec.revision_history_limit, &SPEC.field("revisionHistoryLimit"), errors);
    if let Some(deadline) = spec.progress_deadline_seconds {
        let path = SPEC.field("progressDeadlineSeconds");
        nonnegative(deadline, &path, errors);
        if deadline <= min_ready {
            errors.invalid(&path, deadline, "must be greater than minReadySeconds");
        }
    }
}

fn strategy(strategy: &DeploymentStrategy, path: &Path<'_>, errors: &mut FieldErrors) {
    let rolling = path.field("rollingUpdate");
    match (text(&strategy.type_), &strategy.rolling_update) {
        ("Recreate", Some(_)) => errors.forbidden(&rolling, "may not be specified when strategy `type` is 'Recreate'"),
        ("Recreate", None) => {}
        ("RollingUpdate", Some(update)) => rolling_update(update, &rolling, errors),
        ("RollingUpdate", None) => errors.required(&rolling, "this should be defaulted and never be nil"),
        _ => errors.not_supported_json(
            path,
            go_type::compact(strategy, "DeploymentStrategy"),
            &["Recreate", "RollingUpdate"],
        ),
    }
}

fn rolling_update(update: &RollingUpdateDeployment, path: &Path<'_>, errors: &mut FieldErrors) {
    let none = IntOrString::Int(0);
    let unavailable = update.max_unavailable.as_ref().unwrap_or(&none);
    let surge = update.max_surge.as_ref().unwrap_or(&none);
    let unavailable_path = path.field("maxUnavailable");
    checks::int_or_percent(unavailable, &unavailable_path, errors);
    checks::int_or_percent(surge, &path.field("maxSurge"), errors);
    if checks::int_or_percent_value(unavailable) == 0 && checks::int_or_percent_value(surge) == 0 {
        errors.invalid(&unavailable_path, checks::json(unavailable), "may not be 0 when `maxSurge` is 0");
    }
    checks::at_most_100_percent(unavailable, &unavailable_path, errors);
}

fn status(status: &DeploymentStatus, errors: &mut FieldErrors) {
    let replicas = status.replicas.unwrap_or(0);
    let (ready, available) = (status.ready_replicas.unwrap_or(0), status.available_replicas.unwrap_or(0));
    let updated = status.updated_replicas.unwrap_or(0);
    nonnegative_if(status.observed_generation, &STATUS.field("observedGeneration"), errors);
    nonnegative(replicas, &STATUS.field("replicas"), errors);
    nonnegative(updated, &STATUS.field("updatedReplicas"), errors);
    nonnegative(ready, &STATUS.field("readyReplicas"), errors);
    nonnegative(available, &STATUS.field("availableReplicas"), errors);
    nonnegative_if(status.unavailable_replicas, &STATUS.field("unavailableReplicas"), errors);
    nonnegative_if(status.terminating_replicas, &STATUS.field("terminatingReplicas"), errors);
    nonnegative_if(status.collision_count, &STATUS.field("collisionCount"), errors);
    let counts = [("updatedReplicas", updated), ("readyReplicas", ready), ("availableReplicas", available)];
    checks::not_above_replicas(replicas, &counts, &STATUS, errors);
    replica_set::available_are_ready(available, ready, errors);
}
