//! The taint eviction controller (`pkg/controller/tainteviction`).
//!
//! **The rule**: a pod leaves a node with a `NoExecute` taint at once if it does not tolerate it, or when the time is
//! over for which it does.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::object::taint::tolerates_one;
use crate::store::{
    Change, ConditionKind, ConditionStatus, EventDraft, Object, PodBody, PodCondition, Snapshot, Why, evicting_taints,
};
use crate::time::Time;

/// Sends pods away from tainted nodes.
#[derive(Debug)]
pub struct TaintEvictionController;

/// A node with taints that send pods away, and its pods.
#[derive(Debug)]
pub struct Observed<'w> {
    taints: Vec<&'w Taint>,
    pods: Vec<&'w Arc<Object>>,
}

impl Controller for TaintEvictionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "taint-eviction-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::NODE), Watched::kind(kind::POD, node_of_new_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let taints: Vec<&Taint> = evicting_taints(object.typed()?).collect();
        if taints.is_empty() {
            return None;
        }
        let name = NodeName::new(Arc::clone(&object.meta.name));
        let pods = snapshot.pods_on(&name).filter(|pod| !is_evicted(pod)).collect();
        Some(Observed { taints, pods })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        for object in &observed.pods {
            let Some(pod) = object.pod() else { continue };
            match leaves_at(pod, &observed.taints) {
                Some(at) if at <= now => evict(object, pod, now, &mut plan),
                Some(at) => plan.wake(at),
                None => {}
            }
        }
        plan
    }
}

/// Whether a pod is on its way already, and says why.
fn is_evicted(object: &Object) -> bool {
    object.meta.is_deleting() && object.pod().is_some_and(|pod| pod.state.is_true(&ConditionKind::DisruptionTarget))
}

/// When a pod must leave: the earliest end of what it tolerates; `None` when it may stay for good.
fn leaves_at(pod: &PodBody, taints: &[&Taint]) -> Option<Time> {
    let tolerations = pod.spec.tolerations.as_deref().unwrap_or_default();
    taints.iter().filter_map(|taint| tolerated_until(tolerations, taint)).min()
}

/// Until when a taint is tolerated: [`Time::EPOCH`] for not at all, `None` for ever.
fn tolerated_until(tolerations: &[Toleration], taint: &Taint) -> Option<Time> {
    let mut matching = tolerations.iter().filter(|toleration| tolerates_one(toleration, taint)).peekable();
    if matching.peek().is_none() {
        return Some(Time::EPOCH);
    }
    let shortest = matching.filter_map(|toleration| toleration.toleration_seconds).min()?;
    let since = taint.time_added.as_ref().map_or(Time::EPOCH, Time::from_api);
    Some(since + Duration::from_secs(u64::try_from(shortest).unwrap_or(0)))
}

fn evict(object: &Arc<Object>, pod: &PodBody, now: Time, plan: &mut Plan) {
    let target = Target::seen(object);
    let mut state = pod.state.clone();
    state.set_condition(PodCondition {
        kind: ConditionKind::DisruptionTarget,
        status: ConditionStatus::True,
        since: Some(now.whole_second()),
        observed_generation: object.meta.generation,
        why: Why::new("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
    });
    let message = format!("Marking for deletion Pod {}", object.meta.path());
    let event = EventDraft::normal(&object.meta, TaintEvictionController::NAME, "TaintManagerEviction", message);
    plan.push(Action::Emit(Box::new(event)));
    plan.push(Action::UpdatePodState { target, state: Box::new(state) });
    plan.push(Action::Delete { target, grace_seconds: None, propagation: Propagation::Background, announce: None });
}

/// A pod that comes to a node which has such a taint.
fn node_of_new_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let Some(node) = change.after().and_then(|pod| pod.node()) else { return };
    if change.before.as_ref().and_then(|pod| pod.node()) != Some(node) {
        keys.extend(snapshot.evicting_node(node).map(|node| node.meta.uid));
    }
}
