//! The disruption controller (`pkg/controller/disruption`).
//!
//! **The rule**: a PodDisruptionBudget says at any time how many of its pods may go: those that are healthy above those
//! that must be, where a pod that was evicted counts as gone from that moment on.
//!
//! The stages of a decision:
//! 1. [`expected`]: how many pods there should be and how many of them must be healthy;
//! 2. [`disrupted`]: evictions that the pods have not followed yet, each for two minutes at most;
//! 3. the status, when it is another than before. A budget that cannot be worked out allows nothing.
//!
//! What single pods have to do with it is [`pod`]'s business.

mod expected;
mod pod;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time as ApiTime};

pub use self::pod::PodDisruptionController;

use self::expected::Expected;
use crate::control::{Action, Controller, Keys, Plan, Target, Watched, pods};
use crate::ids::Uid;
use crate::object::condition;
use crate::object::kind;
use crate::store::{
    Change, DISRUPTION_ALLOWED, EventDraft, Object, SYNC_FAILED, Snapshot, budget_selector, say_what_is_allowed,
};
use crate::time::Time;

/// Who says what happened, in events.
const COMPONENT: &str = "controllermanager";
/// How long an evicted pod counts as gone though it is not being deleted.
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);

/// Says how many pods of a PodDisruptionBudget may go.
#[derive(Debug)]
pub struct DisruptionController;

/// A budget and its pods.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    budget: &'w PodDisruptionBudget,
    pods: Vec<&'w Arc<Object>>,
    expected: Result<Expected, String>,
}

impl Controller for DisruptionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "disruption-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::POD_DISRUPTION_BUDGET),
        Watched::kind(kind::POD, budgets_of_pod),
        Watched::every_kind(budgets_of_scale),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let budget: &PodDisruptionBudget = object.typed()?;
        let selector = budget_selector(object)?;
        let namespace: &'w str = &object.meta.namespace;
        let labels = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()?.match_labels.as_ref());
        let pods: Vec<_> = match labels.filter(|labels| !labels.is_empty()) {
            Some(labels) => {
                snapshot.pods_with_labels(namespace, labels).filter(|pod| selector.matches(&pod.meta.labels)).collect()
            }
            None => {
                let all = snapshot.list_in(kind::POD, namespace);
                all.filter(|pod| selector.matches(&pod.meta.labels)).collect()
            }
        };
        let expected = expected::of(snapshot, namespace, budget, &pods);
        Some(Observed { object, budget, pods, expected })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let before = observed.budget.status.clone().unwrap_or_default();
        let after = match &observed.expected {
            Ok(expected) => counted(observed, expected, &before, now, &mut plan),
            Err(why) => failed(before.clone(), why, now),
        };
        report(observed, &mut plan);
        if after == before {
            return plan;
        }
        let mut budget = observed.budget.clone();
        budget.status = Some(after);
        plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(budget) });
        plan
    }
}

fn counted(
    observed: &Observed<'_>,
    expected: &Expected,
    before: &PodDisruptionBudgetStatus,
    now: Time,
    plan: &mut Plan,
) -> PodDisruptionBudgetStatus {
    let disrupted = disrupted(observed, before, now, plan);
    let healthy = observed
        .pods
        .iter()
        .filter(|pod| !pod.meta.is_deleting() && !disrupted.contains_key(&*pod.meta.name) && pods::is_ready(pod));
    let healthy = i32::try_from(healthy.count()).unwrap_or(i32::MAX);
    let spare = healthy.saturating_sub(expected.healthy);
    let mut after = PodDisruptionBudgetStatus {
        conditions: before.conditions.clone(),
        current_healthy: Some(healthy),
        desired_healthy: Some(expected.healthy),
        disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
        disruptions_allowed: Some(if expected.pods > 0 { spare.max(0) } else { 0 }),
        expected_pods: Some(expected.pods),
        observed_generation: Some(observed.object.meta.generation),
    };
    say_what_is_allowed(&mut after, now);
    after
}

/// The pods that were evicted and are not being deleted yet; one for which that takes too long is no longer believed to go.
fn disrupted(
    observed: &Observed<'_>,
    before: &PodDisruptionBudgetStatus,
    now: Time,
    plan: &mut Plan,
) -> BTreeMap<String, ApiTime> {
    let mut disrupted = BTreeMap::new();
    let Some(evicted) = &before.disrupted_pods else { return disrupted };
    for pod in observed.pods.iter().filter(|pod| !pod.meta.is_deleting()) {
        let Some(since) = evicted.get(&*pod.meta.name) else { continue };
        let until = Time::from_api(since) + DELETION_TIMEOUT;
        if until > now {
            plan.wake(until);
            disrupted.insert(pod.meta.name.to_string(), since.clone());
        } else {
            let namespace = &observed.object.meta.namespace;
            // Upstream names the namespace where the budget's name is meant.
            let message = format!("Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't");
            plan.push(Action::Emit(Box::new(EventDraft::warning(&pod.meta, COMPONENT, "NotDeleted", message))));
        }
    }
    disrupted
}

/// A budget that cannot be worked out allows nothing.
fn failed(mut status: PodDisruptionBudgetStatus, why: &str, now: Time) -> PodDisruptionBudgetStatus {
    status.disruptions_allowed = Some(0);
    let next = Condition {
        last_transition_time: now.to_api(),
        message: why.to_owned(),
        observed_generation: status.observed_generation,
        reason: SYNC_FAILED.to_owned(),
        status: "False".to_owned(),
        type_: DISRUPTION_ALLOWED.to_owned(),
    };
    condition::set(status.conditions.get_or_insert_default(), next, now);
    status
}

/// What people should know of the pods.
fn report(observed: &Observed<'_>, plan: &mut Plan) {
    let meta = &observed.object.meta;
    let mut say = |event: EventDraft| plan.push(Action::Emit(Box::new(event)));
    if observed.pods.is_empty() {
        say(EventDraft::normal(meta, COMPONENT, "NoPods", "No matching pods found"));
    }
    match &observed.expected {
        Ok(expected) if expected.unmanaged => {
            let selector = observed.budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            say(EventDraft::warning(meta, COMPONENT, "UnmanagedPods", expected::unmanaged_message(selector)));
        }
        Ok(_) => {}
        Err(why) => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            say(EventDraft::warning(meta, COMPONENT, "CalculateExpectedPodCountFailed", message));
        }
    }
}

/// The budgets that a pod concerns, by its labels now and before.
fn budgets_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let before = change.before.as_ref().map(|before| &before.meta.labels);
    for budget in snapshot.list_in(kind::POD_DISRUPTION_BUDGET, &meta.namespace) {
        let Some(selector) = budget_selector(budget) else { continue };
        if selector.matches(&meta.labels) || before.is_some_and(|labels| selector.matches(labels)) {
            keys.push(budget.meta.uid);
        }
    }
}

/// The budgets near something with a scale, when its wanted number of pods may be another.
fn budgets_of_scale(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    if meta.kind == kind::POD
        || !snapshot.kinds_known().info(meta.kind).is_some_and(|info| info.has_subresource("scale"))
    {
        return;
    }
    let same = change.before.as_ref().is_some_and(|before| {
        before.meta.generation == meta.generation && before.meta.owners == meta.owners && change.after().is_some()
    });
    if !same {
        keys.extend(snapshot.list_in(kind::POD_DISRUPTION_BUDGET, &meta.namespace).map(|budget| budget.meta.uid));
    }
}

#[cfg(test)]
mod tests;
