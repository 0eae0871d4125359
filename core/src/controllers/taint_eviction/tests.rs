//! How long pods stay on nodes with taints, and what is said of it: tables.

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::*;
use crate::store::{DeleteOptions, Draft, Part, Store, WriteOptions};

/// For how long a pod with these tolerations stays on a node with these taints, the pod being there for so long already:
/// it is looked at once a second. `None` for an hour.
fn stays(tolerations: Value, taints: Value, pod_first: u64) -> Option<u64> {
    let (mut store, start) = (Store::new(1), Time::from_secs(1_000));
    store.found(start);
    let node =
        json!({"metadata": {"name": "n"}, "spec": {"taints": if pod_first > 0 { json!([]) } else { taints.clone() }}});
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
    let key = store.create_with(Draft::of(node.clone()), WriteOptions::default(), Time::EPOCH).expect("room").meta.uid;
    let seen =
        |store: &Store| store.snapshot().taint_memory(key).and_then(|memory| memory.since.values().next().copied());
    look(&mut store, key, Time::from_secs(5));
    look(&mut store, key, Time::from_secs(6));
    assert_eq!(seen(&store), Some(Time::from_secs(5)));
    for (taints, at, expected) in [(None, 7, None), (node.spec.and_then(|spec| spec.taints), 8, Some(8))] {
        let mut next = store.snapshot().get(key).expect("a node").typed::<Node>().expect("a node").clone();
        next.spec.get_or_insert_default().taints = taints;
        let write = Action::Update { target: Target::any_version(key), object: Arc::new(next), spec_changed: false };
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

#[test]
fn a_pod_that_goes_while_its_time_is_running_is_told_too() {
    let tolerates = |seconds: Value| json!([{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]);
    let cancelled = "Cancelling deletion of Pod default/p";
    // What it tolerates besides from then on; `None` where it goes. Of several times the shortest counts.
    let rows = [
        (json!(60), None, vec![cancelled]),
        (json!(60), Some(json!([{"operator": "Exists"}])), vec![]),
        (json!(60), Some(tolerates(json!(90))), vec![]),
        (Value::Null, None, vec![]),
    ];
    for (seconds, becomes, expected) in rows {
        let mut store = Store::new(1);
        store.found(Time::EPOCH);
        let node = json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}});
        let node: Node = serde_json::from_value(node).expect("a node");
        let node = store.create_with(Draft::of(node), WriteOptions::default(), Time::EPOCH).expect("room").meta.uid;
        let pod = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": {
            "nodeName": "n", "tolerations": tolerates(seconds.clone()), "containers": [{"name": "c", "image": "web"}]}});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        store.create_with(Draft::of(pod), WriteOptions::default(), Time::EPOCH).expect("room");
        look(&mut store, node, Time::from_secs(5));
        let mut changes = Vec::new();
        store.move_changes(&mut changes);
        let (kind, key) = (kind::POD, ("default", "p"));
        match &becomes {
            Some(tolerations) => {
                let edit = |mut pod: Value| {
                    pod["spec"]["tolerations"]
                        .as_array_mut()
                        .expect("some")
                        .extend(tolerations.as_array().cloned().unwrap_or_default());
                    Ok(pod)
                };
                store.edit(kind, key, Part::Main, WriteOptions::default(), Time::from_secs(6), edit).expect("it may");
            }
            None => {
                let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
                store.delete(kind, key.0, key.1, at_once, Time::from_secs(6)).expect("it is there");
            }
        }
        changes.clear();
        store.move_changes(&mut changes);
        let mut keys = Keys::new();
        changes.iter().for_each(|change| node_of_pod(change, store.snapshot(), &mut keys));
        let observed = keys.first().and_then(|key| TaintEvictionController::observe(store.snapshot(), *key));
        let plan = observed.map(|observed| TaintEvictionController::decide(&observed, Time::from_secs(7)));
        let told = plan.unwrap_or_default().actions.into_iter().filter_map(|action| match action {
            Action::Emit(event) => Some(event.message.to_string()),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{seconds}: {becomes:?}");
    }
}
