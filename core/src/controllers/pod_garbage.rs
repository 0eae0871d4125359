//! The pod garbage collector (`pkg/controller/podgc`).
//!
//! **The rule**: a pod goes when nobody else will ever see to it: because its node is gone, because its node was
//! declared out of service, or because there are too many that have ended.
//!
//! The stages of a decision about one pod; the first that applies:
//! 1. its node does not exist, and did not come back within [`QUARANTINE`]: it has failed and goes;
//! 2. it is being deleted on a node that is not ready and out of service: it has failed and goes;
//! 3. it is being deleted before it had a node, and something holds it: it has failed;
//! 4. more than [`ENDED_MAX`] pods have ended: the oldest of them go. Its key is the namespace [`ROUND_KEY`], so that a
//!    crowd of pods that end is counted once a [`PERIOD`].

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;

use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::store::{
    Change, ConditionKind, ConditionStatus, Object, PodBody, PodCondition, PodPhase, PodState, Snapshot, Why,
};
use crate::time::Time;

/// How long the pods of a node that is gone are left alone: it may come back (`quarantineTime`).
const QUARANTINE: Duration = Duration::from_secs(40);
/// How often upstream makes its round (`gcCheckPeriod`).
const PERIOD: Duration = Duration::from_secs(20);
/// How many pods that have ended are kept (`--terminated-pod-gc-threshold`).
const ENDED_MAX: usize = 12_500;
/// The taint by which an administrator says that a node is off for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// The namespace whose key stands for the count of pods that have ended: it is always there.
const ROUND_KEY: &str = "kube-system";

/// Collects pods that nobody sees to.
#[derive(Debug)]
pub struct PodGarbageCollector;

/// What there is to judge.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A pod whose node is gone.
    Orphan(&'w Arc<Object>, &'w PodBody),
    /// A pod that is being deleted, on a node out of service or before it had one.
    Stuck(&'w Arc<Object>, &'w PodBody),
    /// More pods than are kept have ended: the surplus, the oldest first.
    Ended(Vec<&'w Arc<Object>>),
}

impl Controller for PodGarbageCollector {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pod-garbage-collector-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::NODE, pods_of_gone_node).after(QUARANTINE),
        Watched::kind(kind::POD, pod_on_missing_node).after(QUARANTINE),
        Watched::kind(kind::NODE, stuck_pods_of_node).after(PERIOD),
        Watched::kind(kind::POD, stuck_pod).after(PERIOD),
        Watched::kind(kind::POD, held_without_node).after(PERIOD),
        Watched::kind(kind::POD, one_more_ended).after(PERIOD),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        if object.meta.kind == kind::NAMESPACE {
            return surplus(snapshot).map(Observed::Ended);
        }
        let pod = object.pod()?;
        let Some(node) = &pod.node else {
            return object.meta.is_deleting().then_some(Observed::Stuck(object, pod));
        };
        match node_object(snapshot, node) {
            None => Some(Observed::Orphan(object, pod)),
            Some(node) if object.meta.is_deleting() && is_out_of_service(node) => Some(Observed::Stuck(object, pod)),
            Some(_) => None,
        }
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        match observed {
            Observed::Orphan(object, pod) => {
                let mut state = failed(pod);
                if !pod.is_finished() {
                    state.set_condition(PodCondition {
                        kind: ConditionKind::DisruptionTarget,
                        status: ConditionStatus::True,
                        since: Some(now.whole_second()),
                        observed_generation: object.meta.generation,
                        why: Why::new("DeletionByPodGC", "PodGC: node no longer exists"),
                    });
                }
                end(object, pod, state, &mut plan);
            }
            Observed::Stuck(object, pod) => end(object, pod, failed(pod), &mut plan),
            Observed::Ended(surplus) => {
                plan.more = surplus.len() > CREATES_AND_DELETES_MAX;
                for object in surplus.iter().take(CREATES_AND_DELETES_MAX) {
                    plan.push(delete(object));
                }
            }
        }
        plan
    }
}

/// A pod that nobody can ask any more has failed, unless it had ended before.
fn failed(pod: &PodBody) -> PodState {
    let mut state = pod.state.clone();
    if !pod.is_finished() {
        state.phase = PodPhase::Failed;
    }
    state
}

fn end(object: &Arc<Object>, pod: &PodBody, state: PodState, plan: &mut Plan) {
    if state != pod.state {
        plan.push(Action::UpdatePodState { target: Target::seen(object), state: Box::new(state) });
    }
    plan.push(delete(object));
}

fn delete(object: &Arc<Object>) -> Action {
    let (target, propagation) = (Target::seen(object), Propagation::Background);
    Action::Delete { target, grace_seconds: Some(0), propagation, announce: None }
}

/// The pods that have ended, are not going yet, and are beyond those that are kept: the evicted first, then the oldest.
fn surplus(snapshot: &Snapshot) -> Option<Vec<&Arc<Object>>> {
    let mut ended: Vec<_> =
        snapshot.list(kind::POD).filter(|object| is_ended(object) && !object.meta.is_deleting()).collect();
    let count = ended.len().checked_sub(ENDED_MAX).filter(|count| *count > 0)?;
    // Those that their node sent away go before all others.
    let stays = |object: &Object| {
        object.pod().is_none_or(|pod| pod.state.why.as_ref().is_none_or(|why| why.reason != "Evicted"))
    };
    ended.sort_by_key(|object| (stays(object), object.meta.created, Arc::clone(&object.meta.name)));
    ended.truncate(count);
    Some(ended)
}

fn is_ended(object: &Object) -> bool {
    object.pod().is_some_and(PodBody::is_finished)
}

fn node_object<'w>(snapshot: &'w Snapshot, node: &NodeName) -> Option<&'w Arc<Object>> {
    snapshot.find(kind::NODE, "", node.as_str())
}

fn is_out_of_service(object: &Object) -> bool {
    let Some(node) = object.typed::<Node>() else { return false };
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    !is_ready && taints.iter().any(|taint| taint.key == OUT_OF_SERVICE)
}

fn pods_of_gone_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if change.after().is_none() {
        let name = NodeName::new(Arc::clone(&change.object.meta.name));
        keys.extend(snapshot.pods_on(&name).map(|pod| pod.meta.uid));
    }
}

/// Only when a pod comes to a node: later the node is what changes.
fn pod_on_missing_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let Some(node) = change.after().and_then(|pod| pod.node()) else { return };
    let was_bound = change.before.as_ref().is_some_and(|pod| pod.node().is_some());
    if !was_bound && !snapshot.has_node(node.as_str()) {
        keys.push(change.object.meta.uid);
    }
}

fn stuck_pods_of_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if let Some(node) = change.after().filter(|node| is_out_of_service(node)) {
        let name = NodeName::new(Arc::clone(&node.meta.name));
        keys.extend(snapshot.pods_on(&name).filter(|pod| pod.meta.is_deleting()).map(|pod| pod.meta.uid));
    }
}

fn stuck_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let is_new = change.before.as_ref().is_some_and(|before| !before.meta.is_deleting());
    let Some(object) = change.after().filter(|object| is_new && object.meta.is_deleting()) else { return };
    let node = object.pod().and_then(|pod| pod.node.as_ref()).and_then(|node| node_object(snapshot, node));
    if node.is_some_and(|node| is_out_of_service(node)) {
        keys.push(object.meta.uid);
    }
}

fn held_without_node(change: &Change, _: &Snapshot, keys: &mut Keys) {
    let is_new = change.before.as_ref().is_none_or(|before| !before.meta.is_deleting());
    let held = change.after().filter(|object| is_new && object.meta.is_deleting() && object.node().is_none());
    keys.extend(held.map(|object| object.meta.uid));
}

/// Counting is worth its while only when there can be that many.
fn one_more_ended(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let before = change.before.as_ref().is_some_and(|before| is_ended(before));
    if snapshot.len() > ENDED_MAX && !before && change.after().is_some_and(|object| is_ended(object)) {
        keys.extend(snapshot.find(kind::NAMESPACE, "", ROUND_KEY).map(|namespace| namespace.meta.uid));
    }
}
