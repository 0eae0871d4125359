//! Eviction (`pods/eviction`): a deletion that disruption budgets may forbid.
//!
//! **The rule**: a pod may go when it is not in service any more (it has ended, has not begun, or is being deleted),
//! when no budget is for it, or when the one budget that is for it allows one more disruption. What it allows is then
//! one less, in the same write. The disruption controller works out anew what is allowed once the pod is on its way.

use std::sync::Arc;

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, StatusCause};
use serde_json::Value;

use super::commit::Store;
use super::deletion::DeleteOptions;
use super::object::Object;
use super::pod::{ConditionKind, ConditionStatus, PodBody, PodCondition, PodPhase, Why};
use super::policing::{Author, of_pod};
use super::snapshot::Snapshot;
use crate::control::plan::{Action, Target};
use crate::error::{ApiError, Reason, Subject};
use crate::object::condition::{self, Truth};
use crate::object::kind;
use crate::object::selector::Selector;
use crate::time::Time;

/// Evictions that a budget may have allowed without the controller having seen the pods go; more are refused.
const DISRUPTED_PODS_MAX: usize = 2000;
/// The condition that says whether a budget allows anything.
pub(crate) const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";
/// Its reason while the budget cannot be worked out.
pub(crate) const SYNC_FAILED: &str = "SyncFailed";
const REFUSAL: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// When to ask again while the controller has not looked at the budget yet, in seconds.
const UNOBSERVED_RETRY_SECONDS: i32 = 10;

/// What a budget has to say about one pod.
enum Judgement {
    /// It does not count this pod: nothing is taken from it.
    Uncounted,
    /// It allows the disruption, and is so afterwards.
    Allowed(Box<PodDisruptionBudget>),
}

impl Store {
    /// Evicts a pod, if the disruption budgets let it go.
    ///
    /// # Errors
    /// `NotFound`; `TooManyRequests` when the budget does not allow it now; an error without a reason when two budgets are for the
    /// pod; `Conflict` when what was expected does not hold.
    pub fn evict(&mut self, namespace: &str, name: &str, options: DeleteOptions, now: Time) -> Result<(), ApiError> {
        if options.dry_run {
            return self.rehearse(|store| store.evict_now(namespace, name, options, now));
        }
        self.evict_now(namespace, name, options, now)
    }

    fn evict_now(&mut self, namespace: &str, name: &str, options: DeleteOptions, now: Time) -> Result<(), ApiError> {
        let object = self.live.find(kind::POD, namespace, name).cloned();
        let object = object.ok_or_else(|| ApiError::not_found(self.subject(kind::POD, name)))?;
        let Some(pod) = object.pod() else { return Err(ApiError::internal("a pod that is not a pod")) };
        let changed = self.pass_beside(&object, "eviction", || {
            let mut eviction = of_pod(&object, "policy/v1", "Eviction");
            let asked = options.to_json();
            if asked.as_object().is_some_and(|asked| !asked.is_empty()) {
                eviction["deleteOptions"] = asked;
            }
            eviction
        })?;
        let options = match changed {
            Some(changed) => DeleteOptions::read(&changed["deleteOptions"])?,
            None => options,
        };
        let mut actions = Vec::new();
        if is_in_service(&object, pod)
            && let Some(budget) = the_budget(&self.live, &object)?
            && let Some(typed) = budget.typed::<PodDisruptionBudget>()
            && let Judgement::Allowed(after) = judge(typed, budget.meta.generation, &object, pod, now)?
        {
            actions.push(Action::UpdateStatus { target: Target::seen(&budget), object: Arc::new(*after) });
        }
        options.check(&object, |_| self.kind_subject(kind::POD, name))?;
        let mut state = pod.state.clone();
        state.set_condition(PodCondition {
            kind: ConditionKind::DisruptionTarget,
            status: ConditionStatus::True,
            since: Some(now.whole_second()),
            observed_generation: object.meta.generation,
            why: Why::new("EvictionByEvictionAPI", "Eviction API: evicting"),
        });
        actions.push(Action::UpdatePodState { target: Target::seen(&object), state: Box::new(state) });
        self.by(Author::Inside, Value::Null, |store| store.commit(actions, now)).0.map_err(ApiError::internal)?;
        if let Some(current) = self.live.get(object.meta.uid).cloned() {
            self.delete_object(&current, options.grace_seconds, options.propagation, now);
        }
        Ok(())
    }
}

/// Whether the end of a pod would be felt.
fn is_in_service(object: &Object, pod: &PodBody) -> bool {
    !object.meta.is_deleting() && !pod.is_finished() && pod.state.phase != PodPhase::Pending
}

/// The one budget that is for a pod. Only here a budget that selects everything is for none, as upstream has it.
fn the_budget(snapshot: &Snapshot, pod: &Object) -> Result<Option<Arc<Object>>, ApiError> {
    let mut budgets = snapshot.list_in(kind::POD_DISRUPTION_BUDGET, &pod.meta.namespace).filter(|budget| {
        budget_selector(budget).is_some_and(|selector| !selector.is_everything() && selector.matches(&pod.meta.labels))
    });
    let first = budgets.next().cloned();
    if budgets.next().is_some() {
        let message =
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(ApiError::new(Reason::Unknown, message));
    }
    Ok(first)
}

/// The pods that a budget is for.
pub(crate) fn budget_selector(budget: &Object) -> Option<Selector> {
    let spec = budget.typed::<PodDisruptionBudget>()?.spec.as_ref()?;
    Selector::compile(spec.selector.as_ref()).ok()
}

fn judge(
    budget: &PodDisruptionBudget,
    generation: i64,
    object: &Object,
    pod: &PodBody,
    now: Time,
) -> Result<Judgement, ApiError> {
    let name = budget.metadata.name.as_deref().unwrap_or_default();
    let status = budget.status.clone().unwrap_or_default();
    let (healthy, desired) = (status.current_healthy.unwrap_or(0), status.desired_healthy.unwrap_or(0));
    if !pod.is_ready() {
        let policy = budget.spec.as_ref().and_then(|spec| spec.unhealthy_pod_eviction_policy.as_deref());
        if policy == Some("AlwaysAllow") || healthy >= desired && desired > 0 {
            return Ok(Judgement::Uncounted);
        }
    }
    if status.observed_generation.unwrap_or(0) < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(why).retry_after(UNOBSERVED_RETRY_SECONDS));
    }
    let forbidden = |detail: &str| ApiError::forbidden(Subject::new("policy", "poddisruptionbudget", name), detail);
    let allowed = status.disruptions_allowed.unwrap_or(0);
    if allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    if status.disrupted_pods.as_ref().map_or(0, std::collections::BTreeMap::len) > DISRUPTED_PODS_MAX {
        return Err(forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
    }
    if allowed == 0 {
        return Err(too_many(why_none(name, &status)));
    }
    let mut after = budget.clone();
    let mut status = status;
    status.disruptions_allowed = Some(allowed - 1);
    status.disrupted_pods.get_or_insert_default().insert(object.meta.name.to_string(), now.to_api());
    if allowed == 1 {
        say_what_is_allowed(&mut status, now);
    }
    after.status = Some(status);
    Ok(Judgement::Allowed(Box::new(after)))
}

fn why_none(name: &str, status: &PodDisruptionBudgetStatus) -> String {
    let failed = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == DISRUPTION_ALLOWED && condition.status == "False" && condition.reason == SYNC_FAILED
    });
    match failed {
        Some(condition) => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
            condition.message
        ),
        None => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status.desired_healthy.unwrap_or(0),
            status.current_healthy.unwrap_or(0)
        ),
    }
}

fn too_many(why: String) -> ApiError {
    let cause = StatusCause { field: None, message: Some(why), reason: Some("DisruptionBudget".to_owned()) };
    ApiError::new(Reason::TooManyRequests, REFUSAL).cause(cause)
}

/// Sets the condition `DisruptionAllowed` as the number of allowed disruptions has it.
pub(crate) fn say_what_is_allowed(status: &mut PodDisruptionBudgetStatus, now: Time) {
    let allowed = status.disruptions_allowed.unwrap_or(0) > 0;
    let (truth, reason) = if allowed { (Truth::True, "SufficientPods") } else { (Truth::False, "InsufficientPods") };
    let next = Condition {
        last_transition_time: now.to_api(),
        message: String::new(),
        observed_generation: status.observed_generation,
        reason: reason.to_owned(),
        status: truth.to_string(),
        type_: DISRUPTION_ALLOWED.to_owned(),
    };
    condition::set(status.conditions.get_or_insert_default(), next, now);
}
