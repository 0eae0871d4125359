//! The taint eviction controller (`pkg/controller/tainteviction`).
//!
//! **The rule**: a pod leaves a node with a `NoExecute` taint at once if it does not tolerate it, or when the time is
//! over for which it does. That time begins when both are there, the pod and the taint.
//!
//! Since when a taint is there it may say itself; where it does not, it counts from when this controller first saw it. That is
//! kept in mind beside the objects, and whose time is running: where it stops running, because the taints are others or the
//! pod is gone, an event says so.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::object::taint::tolerates_one;
use crate::store::{
    Change, ConditionKind, ConditionStatus, EventDraft, EventType, Involved, Object, PodBody, PodCondition, Snapshot,
    TaintMemory, Why, evicting_taints,
};
use crate::time::Time;

/// The reason of all its events.
const REASON: &str = "TaintManagerEviction";

/// Sends pods away from tainted nodes.
#[derive(Debug)]
pub struct TaintEvictionController;

/// A node with taints that send pods away, and its pods.
#[derive(Debug)]
pub struct Observed<'w> {
    node: Uid,
    taints: Vec<&'w Taint>,
    memory: Option<&'w Arc<TaintMemory>>,
    pods: Vec<&'w Arc<Object>>,
    /// The pods whose time was running when they went.
    gone: Vec<&'w Involved>,
}

impl Controller for TaintEvictionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "taint-eviction-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::NODE), Watched::kind(kind::POD, node_of_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let taints: Vec<&Taint> = evicting_taints(object.typed()?).collect();
        let memory = snapshot.taint_memory(key);
        if taints.is_empty() && memory.is_none() {
            return None;
        }
        let name = NodeName::new(Arc::clone(&object.meta.name));
        let counted = memory.into_iter().flat_map(|memory| &memory.counting);
        let gone = counted.filter(|(pod, _)| snapshot.get(**pod).is_none()).map(|(_, involved)| involved).collect();
        Some(Observed { node: key, taints, memory, pods: snapshot.pods_on(&name).collect(), gone })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let before = observed.memory.map(|memory| (**memory).clone()).unwrap_or_default();
        let since = seen(observed, now);
        let mut counting = BTreeMap::new();
        observed.gone.iter().for_each(|pod| cancel((*pod).clone(), &mut plan));
        for object in &observed.pods {
            let Some(pod) = object.pod() else { continue };
            let counted = before.counting.get(&object.meta.uid);
            if is_evicted(object) {
                counting.extend(counted.map(|pod| (object.meta.uid, pod.clone())));
                continue;
            }
            let stay = stay(object, pod, &observed.taints, &since);
            if let Some(involved) = counted
                && !matches!(stay, Stay::Until(_))
            {
                cancel(involved.clone(), &mut plan);
            }
            match stay {
                Stay::Forever => {}
                Stay::Until(at) if at > now => {
                    plan.wake(at);
                    counting.insert(object.meta.uid, Involved::object(&object.meta));
                }
                Stay::Until(_) | Stay::Never => evict(object, pod, now, &mut plan),
            }
        }
        let after = TaintMemory { since, counting };
        if after != before {
            plan.push(Action::Notice { of: observed.node, memory: Arc::new(after) });
        }
        plan
    }
}

/// For how long a pod tolerates what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    Never,
    Until(Time),
    Forever,
}

/// Whether a pod is on its way already, and says why.
fn is_evicted(object: &Object) -> bool {
    object.meta.is_deleting() && object.pod().is_some_and(|pod| pod.state.is_true(&ConditionKind::DisruptionTarget))
}

/// Since when the taints are there.
fn seen(observed: &Observed<'_>, now: Time) -> BTreeMap<(String, String), Time> {
    let known = |key: &(String, String)| observed.memory.and_then(|memory| memory.since.get(key).copied());
    let since = |taint: &Taint| {
        let said = taint.time_added.as_ref().map(Time::from_api);
        said.or_else(|| known(&key(taint))).unwrap_or(now)
    };
    observed.taints.iter().map(|taint| (key(taint), since(taint))).collect()
}

fn cancel(pod: Involved, plan: &mut Plan) {
    let message = format!("Cancelling deletion of Pod {}/{}", pod.namespace, pod.name);
    plan.push(Action::Emit(Box::new(EventDraft {
        involved: pod,
        event_type: EventType::Normal,
        reason: REASON,
        message: message.into(),
        component: TaintEvictionController::NAME.into(),
        host: None,
        series: None,
    })));
}

fn key(taint: &Taint) -> (String, String) {
    (taint.key.clone(), taint.value.clone().unwrap_or_default())
}

/// Until the earliest end of what the pod tolerates.
fn stay(object: &Object, pod: &PodBody, taints: &[&Taint], seen: &BTreeMap<(String, String), Time>) -> Stay {
    let tolerations = pod.spec.tolerations.as_deref().unwrap_or_default();
    let placed = pod.state.condition(&ConditionKind::PodScheduled).and_then(|placed| placed.since);
    let placed = placed.unwrap_or(object.meta.created);
    let mut earliest = Stay::Forever;
    for taint in taints {
        let since = seen.get(&key(taint)).copied().unwrap_or(Time::EPOCH).max(placed);
        match (tolerated(tolerations, taint, since), earliest) {
            (Stay::Never, _) => return Stay::Never,
            (Stay::Forever, _) => {}
            (Stay::Until(end), Stay::Until(known)) => earliest = Stay::Until(end.min(known)),
            (until @ Stay::Until(_), _) => earliest = until,
        }
    }
    earliest
}

/// For how long a taint is tolerated that is there since then.
fn tolerated(tolerations: &[Toleration], taint: &Taint, since: Time) -> Stay {
    let mut matching = tolerations.iter().filter(|toleration| tolerates_one(toleration, taint)).peekable();
    if matching.peek().is_none() {
        return Stay::Never;
    }
    match matching.filter_map(|toleration| toleration.toleration_seconds).min() {
        Some(shortest) => Stay::Until(since + Duration::from_secs(u64::try_from(shortest).unwrap_or(0))),
        None => Stay::Forever,
    }
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
    let event = EventDraft::normal(&object.meta, TaintEvictionController::NAME, REASON, message);
    plan.push(Action::Emit(Box::new(event)));
    plan.push(Action::UpdatePodState { target, state: Box::new(state) });
    plan.push(Action::Delete { target, grace_seconds: None, propagation: Propagation::Background, announce: None });
}

/// A pod that comes to a node with such a taint, or tolerates other things than before; and one that is gone while its time
/// was running.
fn node_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let Some(pod) = change.after() else {
        let node = change.object.node().and_then(|node| snapshot.find(kind::NODE, "", node.as_str()));
        let counts = |node: &&Arc<Object>| {
            let memory = snapshot.taint_memory(node.meta.uid);
            memory.is_some_and(|memory| memory.counting.contains_key(&change.object.meta.uid))
        };
        keys.extend(node.filter(counts).map(|node| node.meta.uid));
        return;
    };
    let Some(node) = pod.node() else { return };
    let tolerations = |object: &Object| object.pod().map(|pod| pod.spec.tolerations.clone());
    let before = change.before.as_ref();
    if before.is_none_or(|before| before.node() != Some(node) || tolerations(before) != tolerations(pod)) {
        keys.extend(snapshot.evicting_node(node).map(|node| node.meta.uid));
    }
}
