//! What holds of disruption budgets.

use std::sync::Arc;

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};

use super::Step;
use crate::object::kind;
use crate::store::{Change, ConditionKind, Object, PodPhase, budget_selector};

/// A budget allows no more than is healthy above what must be, and never fewer than none. A pod that is evicted while it
/// is ready is written down in its budget, which allows one less from then on.
pub(super) fn evictions_take_one(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes {
        budget_adds_up(change)?;
        if is_eviction_from_service(change) {
            is_written_down(step, change)?;
        }
    }
    Ok(())
}

fn budget_adds_up(change: &Change) -> Result<(), String> {
    let Some(after) = status(&change.object) else { return Ok(()) };
    let number = |number: Option<i32>| number.unwrap_or(0);
    let spare = number(after.current_healthy) - number(after.desired_healthy);
    let (allowed, path) = (number(after.disruptions_allowed), change.object.meta.path());
    if allowed < 0 || allowed > spare.max(0) {
        return Err(format!("{path} allows {allowed}, and {spare} are to spare"));
    }
    let Some(before) = change.before.as_ref().and_then(status) else { return Ok(()) };
    let known = |name: &String| before.disrupted_pods.as_ref().is_some_and(|pods| pods.contains_key(name));
    let new = after.disrupted_pods.iter().flatten().filter(|(name, _)| !known(name)).count();
    let given = number(before.disruptions_allowed) - allowed;
    if new > 0 && i32::try_from(new) != Ok(given) {
        return Err(format!("{path} allows {given} less after {new} evictions"));
    }
    Ok(())
}

/// Whether a pod that serves was marked by an eviction.
fn is_eviction_from_service(change: &Change) -> bool {
    let Some((before, pod)) = change.before.as_ref().and_then(|before| Some((before, before.pod()?))) else {
        return false;
    };
    let is_target = |object: &Object| {
        let state = object.pod().map(|pod| &pod.state);
        state
            .and_then(|state| state.condition(&ConditionKind::DisruptionTarget))
            .is_some_and(|condition| condition.why.as_ref().is_some_and(|why| why.reason == "EvictionByEvictionAPI"))
    };
    pod.is_ready()
        && pod.state.phase == PodPhase::Running
        && !before.meta.is_deleting()
        && !is_target(before)
        && is_target(&change.object)
}

/// In some version that was current during the step. A budget that came with the step or is another since is left out.
fn is_written_down(step: &Step<'_>, eviction: &Change) -> Result<(), String> {
    let pod = &eviction.object.meta;
    for budget in step.snapshot.list_in(kind::POD_DISRUPTION_BUDGET, &pod.namespace) {
        let mut versions = step.changes.iter().filter(|change| change.object.meta.uid == budget.meta.uid);
        let is_another = |change: &&Change| {
            change.before.as_ref().is_none_or(|before| before.meta.generation != change.object.meta.generation)
        };
        let covers = budget_selector(budget).is_some_and(|selector| selector.matches(&pod.labels));
        if !covers || versions.clone().any(|change| is_another(&change)) {
            continue;
        }
        let names = |object: &Arc<Object>| {
            status(object).and_then(|status| status.disrupted_pods).is_some_and(|pods| pods.contains_key(&*pod.name))
        };
        if !versions.any(|change| names(&change.object)) {
            return Err(format!("{} was evicted, and {} does not know", pod.path(), budget.meta.path()));
        }
    }
    Ok(())
}

fn status(object: &Arc<Object>) -> Option<PodDisruptionBudgetStatus> {
    object.typed::<PodDisruptionBudget>()?.status.clone()
}
