//! The taint eviction controller (`pkg/controller/tainteviction`).
//!
//! **The rule**: a pod leaves a node with a `NoExecute` taint at once if it does not tolerate it, or when the time is
//! over for which it does. That time begins when both are there, the pod and the taint.
//!
//! Since when a taint is there it may say itself; where it does not, it counts from when this controller first saw it. Both
//! are kept in mind beside the objects: a pod whose time was running before the taints changed, and is not any more, is told
//! so.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::object::taint::tolerates_one;
use crate::store::{
    Change, ConditionKind, ConditionStatus, EventDraft, Object, PodBody, PodCondition, Snapshot, TaintTimes, Why,
    evicting_taints,
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
    times: Option<&'w Arc<TaintTimes>>,
    pods: Vec<&'w Arc<Object>>,
}

impl Controller for TaintEvictionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "taint-eviction-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::NODE), Watched::kind(kind::POD, node_of_new_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let taints: Vec<&Taint> = evicting_taints(object.typed()?).collect();
        let times = snapshot.taint_times(key);
        if taints.is_empty() && times.is_none() {
            return None;
        }
        let name = NodeName::new(Arc::clone(&object.meta.name));
        let pods = snapshot.pods_on(&name).filter(|pod| !is_evicted(pod)).collect();
        Some(Observed { node: key, taints, times, pods })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let seen = seen(observed, now);
        if observed.times.map_or(!seen.is_empty(), |times| **times != seen) {
            plan.push(Action::Notice { node: observed.node, taints: Arc::new(seen.clone()) });
        }
        let before = remembered(observed);
        for object in &observed.pods {
            let Some(pod) = object.pod() else { continue };
            if is_counting_down(pod, &before) && !is_counting_down(pod, &observed.taints) {
                cancel(object, &mut plan);
            }
            match leaves_at(object, pod, &observed.taints, &seen) {
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

/// Since when the taints are there.
fn seen(observed: &Observed<'_>, now: Time) -> TaintTimes {
    let known = |key: &(String, String)| observed.times.and_then(|times| times.get(key).copied());
    let since = |taint: &Taint| {
        let said = taint.time_added.as_ref().map(Time::from_api);
        said.or_else(|| known(&key(taint))).unwrap_or(now)
    };
    observed.taints.iter().map(|taint| (key(taint), since(taint))).collect()
}

/// The taints that were there at the last look.
fn remembered(observed: &Observed<'_>) -> Vec<Taint> {
    let keys = observed.times.into_iter().flat_map(|times| times.keys().cloned());
    let taint = |(key, value)| Taint { key, value: Some(value), effect: "NoExecute".to_owned(), time_added: None };
    keys.map(taint).collect()
}

/// Whether a pod tolerates all these taints, and not for ever.
fn is_counting_down<T: Borrow<Taint>>(pod: &PodBody, taints: &[T]) -> bool {
    let tolerations = pod.spec.tolerations.as_deref().unwrap_or_default();
    let ends = taints.iter().map(|taint| tolerated_until(tolerations, taint.borrow(), Time::MAX));
    let (mut all, mut ends_once) = (true, false);
    for end in ends {
        all &= end != Some(Time::EPOCH);
        ends_once |= end.is_some();
    }
    all && ends_once
}

fn cancel(object: &Object, plan: &mut Plan) {
    let message = format!("Cancelling deletion of Pod {}", object.meta.path());
    let event = EventDraft::normal(&object.meta, TaintEvictionController::NAME, REASON, message);
    plan.push(Action::Emit(Box::new(event)));
}

fn key(taint: &Taint) -> (String, String) {
    (taint.key.clone(), taint.value.clone().unwrap_or_default())
}

/// When a pod must leave: the earliest end of what it tolerates; `None` when it may stay for good.
fn leaves_at(object: &Object, pod: &PodBody, taints: &[&Taint], seen: &TaintTimes) -> Option<Time> {
    let tolerations = pod.spec.tolerations.as_deref().unwrap_or_default();
    let placed = pod.state.condition(&ConditionKind::PodScheduled).and_then(|placed| placed.since);
    let placed = placed.unwrap_or(object.meta.created);
    let since = |taint: &Taint| seen.get(&key(taint)).copied().unwrap_or(Time::EPOCH).max(placed);
    taints.iter().filter_map(|taint| tolerated_until(tolerations, taint, since(taint))).min()
}

/// Until when a taint is tolerated: [`Time::EPOCH`] for not at all, `None` for ever.
fn tolerated_until(tolerations: &[Toleration], taint: &Taint, since: Time) -> Option<Time> {
    let mut matching = tolerations.iter().filter(|toleration| tolerates_one(toleration, taint)).peekable();
    if matching.peek().is_none() {
        return Some(Time::EPOCH);
    }
    let shortest = matching.filter_map(|toleration| toleration.toleration_seconds).min()?;
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
    let event = EventDraft::normal(&object.meta, TaintEvictionController::NAME, REASON, message);
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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Node, Pod};
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{Draft, Store, WriteOptions};

    /// For how long a pod with these tolerations stays on a node with these taints, the pod being there for so long already:
    /// it is looked at once a second. `None` for an hour.
    fn stays(tolerations: Value, taints: Value, pod_first: u64) -> Option<u64> {
        let (mut store, start) = (Store::new(1), Time::from_secs(1_000));
        store.found(start);
        let node = json!({"metadata": {"name": "n"}, "spec": {"taints": if pod_first > 0 { json!([]) } else { taints.clone() }}});
        let node: Node = serde_json::from_value(node).expect("a node");
        let node = store.create_with(Draft::of(node), WriteOptions::default(), start).expect("room for it").meta.uid;
        let pod = json!({"metadata": {"name": "p", "namespace": "default"},
            "spec": {"nodeName": "n", "tolerations": tolerations, "containers": [{"name": "c", "image": "web"}]}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let created = if pod_first > 0 { start } else { start + Duration::from_secs(100) };
        look(&mut store, node, start);
        let pod = store.create_with(Draft::of(pod), WriteOptions::default(), created).expect("room for it").meta.uid;
        let begin = created + Duration::from_secs(pod_first);
        if pod_first > 0 {
            let mut next = store.snapshot().get(node).expect("a node").typed::<Node>().expect("a node").clone();
            next.spec.get_or_insert_default().taints = Some(serde_json::from_value(taints).expect("taints"));
            let target = Target::any_version(node);
            let write = Action::Update { target, object: Arc::new(next), spec_changed: false };
            store.commit(vec![write], begin).expect("nobody else writes");
        }
        (0..3600).find(|second| {
            look(&mut store, node, begin + Duration::from_secs(*second));
            store.snapshot().get(pod).is_none_or(|pod| pod.meta.is_deleting())
        })
    }

    fn look(store: &mut Store, node: Uid, now: Time) {
        let observed = TaintEvictionController::observe(store.snapshot(), node);
        let plan = observed.map(|observed| TaintEvictionController::decide(&observed, now)).unwrap_or_default();
        store.commit(plan.actions, now).expect("nobody else writes");
    }

    #[test]
    fn a_pod_stays_for_as_long_as_it_tolerates_what_is_there() {
        let taint = |key: &str| json!({"key": key, "effect": "NoExecute"});
        let dated = json!({"key": "k", "effect": "NoExecute", "timeAdded": "1970-01-01T00:16:50Z"});
        let tolerates = |key: &str, seconds: Value| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        let rows = [
            (json!([]), json!([taint("k")]), 10, Some(0)),
            (json!([tolerates("k", Value::Null)]), json!([taint("k")]), 10, None),
            // From when the taint is there, which may be before the pod.
            (json!([tolerates("k", json!(7))]), json!([taint("k")]), 10, Some(7)),
            (json!([tolerates("k", json!(7))]), json!([taint("k")]), 0, Some(7)),
            (json!([tolerates("k", json!(7))]), json!([dated]), 20, Some(0)),
            (json!([tolerates("k", json!(7))]), json!([dated]), 12, Some(5)),
            (json!([tolerates("k", json!(7)), tolerates("l", json!(3))]), json!([taint("k"), taint("l")]), 10, Some(3)),
            (json!([tolerates("k", json!(7))]), json!([taint("k"), taint("l")]), 10, Some(0)),
            (json!([tolerates("k", json!(7)), tolerates("k", json!(30))]), json!([taint("k")]), 10, Some(7)),
            (json!([tolerates("k", json!(0))]), json!([taint("k")]), 10, Some(0)),
        ];
        for (tolerations, taints, pod_first, expected) in rows {
            assert_eq!(stays(tolerations.clone(), taints.clone(), pod_first), expected, "{tolerations} {taints}");
        }
    }

    #[test]
    fn a_taint_that_comes_back_is_a_new_one() {
        let mut store = Store::new(1);
        store.found(Time::EPOCH);
        let node = json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}});
        let node: Node = serde_json::from_value(node).expect("a node");
        let key =
            store.create_with(Draft::of(node.clone()), WriteOptions::default(), Time::EPOCH).expect("room").meta.uid;
        let seen = |store: &Store| store.snapshot().taint_times(key).and_then(|times| times.values().next().copied());
        look(&mut store, key, Time::from_secs(5));
        look(&mut store, key, Time::from_secs(6));
        assert_eq!(seen(&store), Some(Time::from_secs(5)));
        for (taints, at, expected) in [(None, 7, None), (node.spec.and_then(|spec| spec.taints), 8, Some(8))] {
            let mut next = store.snapshot().get(key).expect("a node").typed::<Node>().expect("a node").clone();
            next.spec.get_or_insert_default().taints = taints;
            let write =
                Action::Update { target: Target::any_version(key), object: Arc::new(next), spec_changed: false };
            store.commit(vec![write], Time::from_secs(at)).expect("nobody else writes");
            look(&mut store, key, Time::from_secs(at));
            assert_eq!(seen(&store), expected.map(Time::from_secs));
        }
    }

    #[test]
    fn a_pod_whose_time_was_running_is_told_when_it_is_not_any_more() {
        let tolerates = |key: &str, seconds: Value| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds});
        let taint = |key: &str| json!({"key": key, "effect": "NoExecute"});
        let dated = json!({"key": "k", "effect": "NoExecute", "timeAdded": "1970-01-01T00:00:01Z"});
        let (cancelled, marked) = ("Cancelling deletion of Pod default/p", "Marking for deletion Pod default/p");
        let rows = [
            // The taints are gone, or tolerated for ever, or not tolerated any more.
            (json!([tolerates("k", json!(60))]), json!([taint("k")]), json!([]), vec![cancelled]),
            (json!([tolerates("k", json!(60))]), json!([dated]), json!([]), vec![cancelled]),
            (
                json!([tolerates("k", json!(60)), tolerates("l", Value::Null)]),
                json!([taint("k")]),
                json!([taint("l")]),
                vec![cancelled],
            ),
            (
                json!([tolerates("k", json!(60))]),
                json!([taint("k")]),
                json!([taint("k"), taint("l")]),
                vec![cancelled, marked],
            ),
            // It still runs, or never did.
            (
                json!([tolerates("k", json!(60)), tolerates("l", json!(60))]),
                json!([taint("k")]),
                json!([taint("l")]),
                vec![],
            ),
            (json!([tolerates("k", Value::Null)]), json!([taint("k")]), json!([]), vec![]),
            (json!([]), json!([]), json!([taint("k")]), vec![marked]),
        ];
        for (tolerations, before, after, expected) in rows {
            let mut store = Store::new(1);
            store.found(Time::EPOCH);
            let node = json!({"metadata": {"name": "n"}, "spec": {"taints": before}});
            let node: Node = serde_json::from_value(node).expect("a node");
            let node = store.create_with(Draft::of(node), WriteOptions::default(), Time::EPOCH).expect("room").meta.uid;
            let pod = json!({"metadata": {"name": "p", "namespace": "default"},
                "spec": {"nodeName": "n", "tolerations": tolerations, "containers": [{"name": "c", "image": "web"}]}});
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            store.create_with(Draft::of(pod), WriteOptions::default(), Time::EPOCH).expect("room");
            look(&mut store, node, Time::from_secs(5));
            let mut next = store.snapshot().get(node).expect("a node").typed::<Node>().expect("a node").clone();
            next.spec.get_or_insert_default().taints = serde_json::from_value(after.clone()).expect("taints");
            let target = Target::any_version(node);
            let write = Action::Update { target, object: Arc::new(next), spec_changed: false };
            store.commit(vec![write], Time::from_secs(6)).expect("nobody else writes");
            let observed = TaintEvictionController::observe(store.snapshot(), node);
            let plan = observed.map(|observed| TaintEvictionController::decide(&observed, Time::from_secs(7)));
            let told = plan.unwrap_or_default().actions.into_iter().filter_map(|action| match action {
                Action::Emit(event) => Some(event.message.to_string()),
                _ => None,
            });
            assert_eq!(told.collect::<Vec<_>>(), expected, "{tolerations}: {before}, then {after}");
        }
    }
}
