//! What disruption budgets have to do with a single pod.
//!
//! **The rule**: a pod that was meant to go (`DisruptionTarget`) and after two minutes is not on its way is meant to go no
//! longer; and people hear of pods that are in more than one budget, which eviction refuses to judge.
//!
//! What its node agent says of a pod does not get stale: between the words and the end any time may pass.

use std::sync::Arc;
use std::time::Duration;

use super::COMPONENT;
use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{
    Change, ConditionKind, ConditionStatus, EventDraft, Object, PodBody, PodCondition, Snapshot, budget_selector,
};
use crate::time::Time;

/// How long a pod is believed to be meant to go.
const STALE_AFTER: Duration = Duration::from_secs(120);
/// The reason of the condition that a node agent sets.
const BY_KUBELET: &str = "TerminationByKubelet";

/// Lets pods stay that were meant to go and did not.
#[derive(Debug)]
pub struct PodDisruptionController;

/// A pod that may be of interest.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    pod: &'w PodBody,
    /// The first budget that it is in, when there are more.
    first_of_many: Option<&'w str>,
}

impl Controller for PodDisruptionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pod-disruption-controller";

    const WATCHED: &'static [Watched] = &[Watched::kind(kind::POD, pod_of_interest)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let pod = object.pod()?;
        Some(Observed { object, pod, first_of_many: first_of_many(snapshot, object) })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let Observed { object, pod, first_of_many } = observed;
        if let Some(budget) = first_of_many {
            let (namespace, name) = (&object.meta.namespace, &object.meta.name);
            let message = format!(
                "Pod \"{namespace}\"/\"{name}\" matches multiple PodDisruptionBudgets.  Chose \"{budget}\" arbitrarily."
            );
            let event = EventDraft::warning(&object.meta, COMPONENT, "MultiplePodDisruptionBudgets", message);
            plan.push(Action::Emit(Box::new(event)));
        }
        let Some(target) = stale_one_day(object, pod) else { return plan };
        let until = target.since.unwrap_or(Time::EPOCH) + STALE_AFTER;
        if until > now {
            plan.wake(until);
            return plan;
        }
        let mut state = pod.state.clone();
        state.set_condition(PodCondition {
            kind: ConditionKind::DisruptionTarget,
            status: ConditionStatus::False,
            since: Some(now.whole_second()),
            observed_generation: object.meta.generation,
            why: None,
        });
        plan.push(Action::UpdatePodState { target: Target::seen(object), state: Box::new(state) });
        plan
    }
}

/// The condition of a pod that is meant to go and is not on its way.
fn stale_one_day<'p>(object: &Object, pod: &'p PodBody) -> Option<&'p PodCondition> {
    let target = pod.state.condition(&ConditionKind::DisruptionTarget)?;
    let by_kubelet = target.why.as_ref().is_some_and(|why| why.reason == BY_KUBELET);
    let is_stale = target.status == ConditionStatus::True && !by_kubelet;
    (is_stale && !object.meta.is_deleting() && !pod.is_finished()).then_some(target)
}

fn first_of_many<'w>(snapshot: &'w Snapshot, pod: &'w Object) -> Option<&'w str> {
    let mut budgets = snapshot
        .list_in(kind::POD_DISRUPTION_BUDGET, &pod.meta.namespace)
        .filter(|budget| budget_selector(budget).is_some_and(|selector| selector.matches(&pod.meta.labels)));
    let first = budgets.next()?;
    budgets.next().map(|_| &*first.meta.name)
}

fn pod_of_interest(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let Some(object) = change.after() else { return };
    let is_target = object.pod().is_some_and(|pod| stale_one_day(object, pod).is_some());
    if is_target || first_of_many(snapshot, object).is_some() {
        keys.push(object.meta.uid);
    }
}
