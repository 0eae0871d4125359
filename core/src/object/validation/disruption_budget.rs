//! PodDisruptionBudgets: either how many must stay or how many may go, and a selector.
//!
//! Upstream has no rules of their own for their metadata: those for all kinds hold, so that names may have capitals.
//!
//! Source: `pkg/apis/policy/validation`.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};

use super::checks::{self, json, nonnegative_if};
use super::conditions;
use super::fields::{list, one_of};
use super::shared::{self, SPEC, STATUS};
use crate::object::field::FieldErrors;

/// What is wrong with a new PodDisruptionBudget.
pub fn disruption_budget(budget: &PodDisruptionBudget) -> FieldErrors {
    let mut errors = FieldErrors::new();
    spec(budget.spec.as_ref().unwrap_or(&PodDisruptionBudgetSpec::default()), &mut errors);
    errors
}

/// What is wrong with a changed PodDisruptionBudget.
pub fn disruption_budget_update(new: &PodDisruptionBudget, _old: &PodDisruptionBudget) -> FieldErrors {
    disruption_budget(new)
}

/// What is wrong with a changed status of a PodDisruptionBudget.
pub fn disruption_budget_status_update(new: &PodDisruptionBudget, _old: &PodDisruptionBudget) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let Some(status) = &new.status else { return errors };
    conditions::all(list(&status.conditions), &STATUS.field("conditions"), &mut errors);
    nonnegative_if(status.disruptions_allowed, &STATUS.field("disruptionsAllowed"), &mut errors);
    nonnegative_if(status.current_healthy, &STATUS.field("currentHealthy"), &mut errors);
    nonnegative_if(status.desired_healthy, &STATUS.field("desiredHealthy"), &mut errors);
    nonnegative_if(status.expected_pods, &STATUS.field("expectedPods"), &mut errors);
    errors
}

fn spec(spec: &PodDisruptionBudgetSpec, errors: &mut FieldErrors) {
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        let selector = spec.selector.as_ref().map_or_else(|| "null".to_owned(), checks::selector_text);
        let shown = format!(
            "{{\"MinAvailable\":{},\"Selector\":{selector},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":{}}}",
            json(&spec.min_available),
            json(&spec.max_unavailable),
            json(&spec.unhealthy_pod_eviction_policy)
        );
        errors.invalid_json(&SPEC, shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        if let Some(value) = value {
            checks::int_or_percent(value, &SPEC.field(field), errors);
            checks::at_most_100_percent(value, &SPEC.field(field), errors);
        }
    }
    shared::selector_if(&spec.selector, &SPEC.field("selector"), errors);
    if let Some(policy) = &spec.unhealthy_pod_eviction_policy {
        let path = SPEC.field("unhealthyPodEvictionPolicy");
        one_of(policy, &["AlwaysAllow", "IfHealthyBudget"], &path, errors);
    }
}
