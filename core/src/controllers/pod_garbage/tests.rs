//! Which pods the collector ends, as upstream's tests have it: how the node of a pod stands, how the pod stands, and what
//! becomes of it.
//!
//! The node: `gone`, `ready`, `unready`, `out` (of service, and not ready), `out-but-ready`, or `none` that the pod has. The pod:
//! its phase, and perhaps `going` (its deletion was asked for). Something holds each pod, so that it can be looked at.

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;

use super::*;
use crate::store::{DeleteOptions, Draft, Store, WriteOptions};

const NOW: Time = Time::from_secs(1_000);

/// The phase of the pod after a look at it, whether it is going, and why it was meant to go.
fn after(node: &str, pod: &str) -> String {
    let mut store = Store::new(1);
    store.found(NOW);
    let status = if matches!(node, "ready" | "out-but-ready") { "True" } else { "False" };
    let taint = json!({"key": OUT_OF_SERVICE, "effect": "NoExecute"});
    let taints = if node.starts_with("out") { json!([taint]) } else { json!([]) };
    let value = json!({
        "metadata": {"name": "n"}, "spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": status}]},
    });
    let written: Node = serde_json::from_value(value).expect("a node");
    let made = store.create_with(Draft::of(written.clone()), WriteOptions::default(), NOW).expect("room for it");
    let next = Node { metadata: made.meta.to_api(), ..written };
    let target = Target::any_version(made.meta.uid);
    store.commit(vec![Action::UpdateStatus { target, object: Arc::new(next) }], NOW).expect("nobody else writes");

    let (phase, is_going) = pod.strip_suffix(" going").map_or((pod, false), |phase| (phase, true));
    let mut value = json!({
        "metadata": {"name": "p", "namespace": "default", "finalizers": ["example.com/hold"]},
        "spec": {"containers": [{"name": "c", "image": "web"}]},
    });
    if node != "none" {
        value["spec"]["nodeName"] = "n".into();
    }
    let value: Pod = serde_json::from_value(value).expect("a pod");
    let made = store.create_with(Draft::of(value), WriteOptions::default(), NOW).expect("room for it");
    let mut state = made.pod().expect("a pod").state.clone();
    let phases = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed];
    state.phase = phases.into_iter().find(|known| known.as_str() == phase).expect("a phase");
    let target = Target::any_version(made.meta.uid);
    store.commit(vec![Action::UpdatePodState { target, state: Box::new(state) }], NOW).expect("nobody else writes");
    if is_going {
        store.delete(kind::POD, "default", "p", DeleteOptions::default(), NOW).expect("it may go");
    }
    if node == "gone" {
        store.delete(kind::NODE, "", "n", DeleteOptions::default(), NOW).expect("it may go");
    }

    let key = made.meta.uid;
    let observed = PodGarbageCollector::observe(store.snapshot(), key);
    let plan = observed.map(|observed| PodGarbageCollector::decide(&observed, NOW)).unwrap_or_default();
    store.commit(plan.actions, NOW).expect("nobody else writes");
    let object = store.snapshot().get(key).expect("it is held");
    let state = &object.pod().expect("a pod").state;
    let going = if object.meta.is_deleting() { " going" } else { "" };
    let why = if state.is_true(&ConditionKind::DisruptionTarget) { " by PodGC" } else { "" };
    format!("{}{going}{why}", state.phase.as_str())
}

#[test]
fn pods_that_nobody_sees_to_end_and_no_others() {
    let rows = [
        ("ready", "Running", "Running"),
        ("unready", "Running", "Running"),
        ("ready", "Running going", "Running going"),
        ("gone", "Running", "Failed going by PodGC"),
        ("gone", "Pending", "Failed going by PodGC"),
        ("gone", "Succeeded", "Succeeded going"),
        ("gone", "Failed", "Failed going"),
        ("out", "Running", "Running"),
        ("out", "Running going", "Failed going"),
        ("out", "Succeeded going", "Succeeded going"),
        ("out-but-ready", "Running going", "Running going"),
        ("none", "Pending", "Pending"),
        ("none", "Pending going", "Failed going"),
    ];
    for (node, pod, expected) in rows {
        assert_eq!(after(node, pod), expected, "{node}: {pod}");
    }
}
