//! DaemonSets: a selector that fits the template and never changes, and an update that either takes away or adds.
//!
//! Source: `pkg/apis/apps/validation`.

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy, RollingUpdateDaemonSet,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::checks::{self, nonnegative, nonnegative_if};
use super::fields::text;
use super::names::name_is_dns_subdomain;
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{go_type, replica_set};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new DaemonSet.
pub fn daemon_set(set: &DaemonSet) -> FieldErrors {
    let mut errors = shared::namespaced(&set.metadata, name_is_dns_subdomain);
    spec(&set.spec, &mut errors);
    errors
}

/// What is wrong with a changed DaemonSet.
pub fn daemon_set_update(new: &DaemonSet, old: &DaemonSet) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = daemon_set(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let (new, old) = (&new.spec, &old.spec);
    replica_set::same_selector(&new.selector, &old.selector, &mut errors);
    spec(new, &mut errors);
    errors
}

/// What is wrong with a changed status of a DaemonSet.
pub fn daemon_set_status_update(new: &DaemonSet, old: &DaemonSet) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = DaemonSetStatus::default();
    let (new, old) = (new.status.as_ref().unwrap_or(&default), old.status.as_ref().unwrap_or(&default));
    nonnegative(new.current_number_scheduled, &STATUS.field("currentNumberScheduled"), &mut errors);
    nonnegative(new.number_misscheduled, &STATUS.field("numberMisscheduled"), &mut errors);
    nonnegative(new.desired_number_scheduled, &STATUS.field("desiredNumberScheduled"), &mut errors);
    nonnegative(new.number_ready, &STATUS.field("numberReady"), &mut errors);
    nonnegative_if(new.observed_generation, &STATUS.field("observedGeneration"), &mut errors);
    nonnegative_if(new.updated_number_scheduled, &STATUS.field("updatedNumberScheduled"), &mut errors);
    nonnegative_if(new.number_available, &STATUS.field("numberAvailable"), &mut errors);
    nonnegative_if(new.number_unavailable, &STATUS.field("numberUnavailable"), &mut errors);
    let collisions = STATUS.field("collisionCount");
    nonnegative_if(new.collision_count, &collisions, &mut errors);
    checks::collision_count(new.collision_count, old.collision_count, &collisions, &mut errors);
    errors
}

fn spec(spec: &DaemonSetSpec, errors: &mut FieldErrors) {
    let selector = SPEC.field("selector");
    shared::selector(&spec.selector, &selector, errors);
    let template = SPEC.field("template");
    if shared::matches(&spec.selector, shared::template_labels(&spec.template)) == Some(false) {
        shared::mismatch(&spec.template, &template, errors);
    }
    if shared::given(&spec.selector) && shared::selects_all(&spec.selector) {
        errors.invalid_json(&selector, "{}", "empty selector is invalid for daemonset");
    }
    shared::long_running_template(&spec.template, "DaemonSet", &template, errors);
    nonnegative_if(spec.min_ready_seconds, &SPEC.field("minReadySeconds"), errors);
    let default = DaemonSetUpdateStrategy::default();
    strategy(spec.update_strategy.as_ref().unwrap_or(&default), &SPEC.field("updateStrategy"), errors);
    nonnegative_if(spec.revision_history_limit, &SPEC.field("revisionHistoryLimit"), errors);
}

fn strategy(strategy: &DaemonSetUpdateStrategy, path: &Path<'_>, errors: &mut FieldErrors) {
    let rolling = path.field("rollingUpdate");
    match (text(&strategy.type_), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", Some(update)) => rolling_update(update, &rolling, errors),
        ("RollingUpdate", None) => errors.required(&rolling, ""),
        _ => errors.not_supported_json(
            path,
            go_type::compact(strategy, "DaemonSetUpdateStrategy"),
            &["RollingUpdate", "OnDelete"],
        ),
    }
}

fn rolling_update(update: &RollingUpdateDaemonSet, path: &Path<'_>, errors: &mut FieldErrors) {
    let none = IntOrString::Int(0);
    let unavailable = update.max_unavailable.as_ref().unwrap_or(&none);
    let surge = update.max_surge.as_ref().unwrap_or(&none);
    let (unavailable_path, surge_path) = (path.field("maxUnavailable"), path.field("maxSurge"));
    checks::int_or_percent(unavailable, &unavailable_path, errors);
    checks::int_or_percent(surge, &surge_path, errors);
    checks::at_most_100_percent(unavailable, &unavailable_path, errors);
    checks::at_most_100_percent(surge, &surge_path, errors);
    match (checks::int_or_percent_value(unavailable) != 0, checks::int_or_percent_value(surge) != 0) {
        (true, true) => {
            errors.invalid(&surge_path, checks::json(surge), "may not be set when maxUnavailable is non-zero");
        }
        (false, false) => errors.required(&unavailable_path, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}
