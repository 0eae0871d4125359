//! What becomes of a node that is silent, under pressure or closed, as tables.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::store::{ConditionKind, ConditionStatus, Draft, PodCondition, PodPhase, PodState, Store, WriteOptions};

const BORN: Time = Time::from_secs(1_000_000);
const NOW: Time = Time::from_secs(1_001_000);

struct World {
    store: Store,
    node: Uid,
}

impl World {
    /// A node with these conditions, as `Ready=True MemoryPressure=False`, and what its metadata and spec say besides.
    fn new(conditions: &str, more: &Value) -> Self {
        let mut store = Store::new(1);
        store.found(BORN);
        let mut node = json!({"metadata": {"name": "n"}});
        for part in ["metadata", "spec"] {
            for (field, value) in more[part].as_object().into_iter().flatten() {
                node[part][field] = value.clone();
            }
        }
        let node: Node = serde_json::from_value(node).expect("a node");
        let made = store.create_with(Draft::of(node), WriteOptions::default(), BORN).expect("room for it");
        let mut next = made.typed::<Node>().expect("a node").clone();
        let conditions = conditions.split_whitespace().filter_map(|word| word.split_once('='));
        let since = BORN.to_string();
        let conditions: Vec<Value> = conditions
            .map(|(kind, status)| {
                json!({"type": kind, "status": status, "reason": "Said", "message": "", "lastTransitionTime": since})
            })
            .collect();
        next.status = serde_json::from_value(json!({"conditions": conditions})).expect("a status");
        if let Some(spec) = &mut next.spec {
            // What a new node has until it is looked at.
            spec.taints = serde_json::from_value(more["spec"]["taints"].clone()).expect("taints");
        }
        let write = Action::Update { target: Target::seen(&made), object: Arc::new(next), spec_changed: false };
        store.commit(vec![write], BORN).expect("nobody else writes");
        Self { store, node: made.meta.uid }
    }

    /// Its agent left so many seconds ago, or is there.
    fn lease(&mut self, ago: Option<u64>) {
        let renewed = ago.map(|ago| format!("{}", NOW.minus(Duration::from_secs(ago))).replace('Z', ".000000Z"));
        let metadata = json!({"name": "n", "namespace": LEASE_NAMESPACE});
        let lease = json!({"metadata": metadata, "spec": {"holderIdentity": "n", "renewTime": renewed}});
        let lease: Lease = serde_json::from_value(lease).expect("a lease");
        self.store.create_with(Draft::of(lease), WriteOptions::default(), BORN).expect("room for it");
    }

    fn look(&mut self) -> Plan {
        let observed = NodeLifecycleController::observe(self.store.snapshot(), self.node).expect("a node");
        let plan = NodeLifecycleController::decide(&observed, NOW);
        self.store.commit(plan.actions.clone(), NOW).expect("nobody else writes");
        plan
    }

    fn node(&self) -> &Node {
        self.store.snapshot().get(self.node).and_then(|object| object.typed()).expect("a node")
    }

    /// `Ready=Unknown/NodeStatusUnknown`, with a star where it has been so only since now.
    fn conditions(&self) -> String {
        let conditions = self.node().status.iter().flat_map(|status| status.conditions.iter().flatten());
        let told = conditions.map(|condition| {
            let since = condition.last_transition_time.as_ref().map(Time::from_api);
            let star = if since == Some(NOW) { "*" } else { "" };
            let reason = condition.reason.as_deref().unwrap_or_default();
            format!("{}={}/{reason}{star}", condition.type_, condition.status)
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn taints(&self) -> String {
        let taints = self.node().spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        let told =
            taints.map(|taint| format!("{}:{}", taint.key.trim_start_matches("node.kubernetes.io/"), taint.effect));
        told.collect::<Vec<_>>().join(" ")
    }
}

fn events(plan: &Plan) -> Vec<String> {
    let events = plan.actions.iter().filter_map(|action| match action {
        Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_node_that_has_been_silent_for_too_long_is_unknown() {
    let well = "Ready=True MemoryPressure=False DiskPressure=False PIDPressure=False";
    let never = "Ready=Unknown/NodeStatusNeverUpdated* MemoryPressure=Unknown/NodeStatusNeverUpdated* \
                 DiskPressure=Unknown/NodeStatusNeverUpdated* PIDPressure=Unknown/NodeStatusNeverUpdated*";
    let stopped = "Ready=Unknown/NodeStatusUnknown* MemoryPressure=Unknown/NodeStatusUnknown* \
                   DiskPressure=Unknown/NodeStatusUnknown* PIDPressure=Unknown/NodeStatusUnknown*";
    let half = "Ready=Unknown/NodeStatusUnknown* MemoryPressure=Unknown/NodeStatusNeverUpdated* \
                DiskPressure=Unknown/NodeStatusNeverUpdated* PIDPressure=Unknown/NodeStatusNeverUpdated*";
    let as_it_was = "Ready=True/Said MemoryPressure=False/Said DiskPressure=False/Said PIDPressure=False/Said";
    let said = Some("NodeNotReady: Node n status is now: NodeNotReady");
    for (case, conditions, ago, expected, taints, event) in [
        ("its agent is there", well, Some(None), as_it_was, "", None),
        ("somebody else keeps it", well, None, as_it_was, "", None),
        ("not for long", well, Some(Some(49)), as_it_was, "", None),
        ("for too long", well, Some(Some(50)), stopped, "unreachable:NoSchedule", said),
        ("never heard of", "", Some(Some(60)), never, "unreachable:NoSchedule", None),
        ("it has time to start", "", Some(Some(59)), "", "", None),
        ("only some of it was ever said", "Ready=True", Some(Some(500)), half, "unreachable:NoSchedule", said),
        ("it was not ready before", "Ready=False", Some(Some(50)), half, "unreachable:NoSchedule", None),
    ] {
        let mut world = World::new(conditions, &json!({}));
        if let Some(ago) = ago {
            world.lease(ago);
        }
        let plan = world.look();
        assert_eq!((world.conditions().as_str(), world.taints().as_str()), (expected, taints), "{case}");
        assert_eq!(events(&plan).first().map(String::as_str), event, "{case}");
        let grace = if conditions.is_empty() { 60 } else { 50 };
        let waits = ago.flatten().filter(|ago| *ago < grace).map(|ago| NOW + Duration::from_secs(grace - ago));
        assert_eq!(plan.wake_at, waits, "{case}: it looks again when its grace is over");
        assert!(!world.look().changes_something(), "{case}: once");
    }
    let mut world = World::new("", &json!({}));
    world.lease(Some(100));
    let _ = world.look();
    let mut conditions = world.node().status.iter().flat_map(|status| status.conditions.iter().flatten());
    let born = |condition: &k8s_openapi::api::core::v1::NodeCondition| {
        condition.last_heartbeat_time.as_ref().map(Time::from_api)
    };
    assert!(conditions.all(|condition| born(condition) == Some(BORN)), "the last that was heard was that it is there");
}

#[test]
fn a_status_that_was_reported_later_than_the_lease_was_renewed_is_a_sign_of_life() {
    for (heard_ago, renewed_ago, status) in
        [(10, 500, "True"), (500, 10, "True"), (60, 500, "Unknown"), (500, 60, "Unknown")]
    {
        let mut world = World::new("Ready=True", &json!({}));
        world.lease(Some(renewed_ago));
        let object = world.store.snapshot().get(world.node).expect("the node");
        let mut node = object.typed::<Node>().expect("a node").clone();
        for condition in node.status.iter_mut().flat_map(|status| status.conditions.iter_mut().flatten()) {
            condition.last_heartbeat_time = Some(NOW.minus(Duration::from_secs(heard_ago)).to_api());
        }
        let write = Action::UpdateStatus { target: Target::seen(object), object: Arc::new(node) };
        world.store.commit(vec![write], NOW).expect("nobody else writes");
        let plan = world.look();
        let case = format!("heard of {heard_ago} s ago, renewed {renewed_ago} s ago");
        assert_eq!(ready_of(world.node()).map(|ready| &*ready.status), Some(status), "{case}");
        let again = (status == "True").then_some(NOW + Duration::from_secs(40));
        assert_eq!(plan.wake_at, again, "{case}");
    }
}

#[test]
fn pods_of_a_silent_node_are_not_ready() {
    let mut world = World::new("Ready=True", &json!({}));
    world.lease(Some(60));
    for (name, phase, ready) in [
        ("serves", PodPhase::Running, ConditionStatus::True),
        ("starts", PodPhase::Running, ConditionStatus::False),
        ("ended", PodPhase::Succeeded, ConditionStatus::True),
    ] {
        let spec = json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}]});
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a pod");
        let pod = world.store.create_with(Draft::of(pod), WriteOptions::default(), BORN).expect("room for it");
        let mut state = PodState { phase, ..pod.pod().expect("a pod").state.clone() };
        let (kind, since) = (ConditionKind::Ready, Some(BORN));
        state.set_condition(PodCondition { kind, status: ready, since, observed_generation: 0, why: None });
        let write = Action::UpdatePodState { target: Target::seen(&pod), state: Box::new(state) };
        world.store.commit(vec![write], BORN).expect("nobody else writes");
    }
    let plan = world.look();
    let told = ["NodeNotReady: Node n status is now: NodeNotReady", "NodeNotReady: Node is not ready"];
    assert_eq!(events(&plan), told);
    let ready = world.store.snapshot().list(kind::POD).filter(|pod| pod.pod().is_some_and(|pod| pod.is_ready()));
    let ready: Vec<&str> = ready.map(|pod| &*pod.meta.name).collect();
    assert_eq!(ready, ["ended"]);
}

#[test]
fn conditions_and_closing_are_taints() {
    let own = json!({"key": "team", "effect": "NoSchedule", "value": "a"});
    let stale = json!({"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"});
    let leaving = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"});
    for (conditions, more, expected) in [
        ("Ready=True", json!({}), ""),
        ("Ready=False", json!({}), "not-ready:NoSchedule"),
        ("Ready=Unknown", json!({}), "unreachable:NoSchedule"),
        ("Ready=True NetworkUnavailable=True", json!({}), "network-unavailable:NoSchedule"),
        (
            "Ready=True MemoryPressure=True DiskPressure=True",
            json!({}),
            "memory-pressure:NoSchedule disk-pressure:NoSchedule",
        ),
        ("Ready=True PIDPressure=True MemoryPressure=Unknown", json!({}), "pid-pressure:NoSchedule"),
        ("Ready=False NetworkUnavailable=True", json!({}), "not-ready:NoSchedule network-unavailable:NoSchedule"),
        ("Ready=True", json!({"spec": {"unschedulable": true}}), "unschedulable:NoSchedule"),
        ("Ready=True", json!({"spec": {"taints": [own, stale]}}), "team:NoSchedule"),
        // Whoever sends pods away already goes on with it under the right name, until the node is well.
        ("Ready=Unknown", json!({"spec": {"taints": [leaving]}}), "unreachable:NoSchedule unreachable:NoExecute"),
        ("Ready=True", json!({"spec": {"taints": [leaving]}}), ""),
    ] {
        let mut world = World::new(conditions, &more);
        let _ = world.look();
        assert_eq!(world.taints(), expected, "{conditions} {more}");
        assert!(!world.look().changes_something(), "{conditions} {more}: once");
    }
}

#[test]
fn old_names_of_labels_follow_the_new_ones() {
    for (labels, expected) in [
        (json!({"kubernetes.io/os": "linux"}), Some("linux")),
        (json!({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux"}), Some("linux")),
        (json!({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "minix"}), Some("linux")),
        (json!({"beta.kubernetes.io/os": "minix"}), Some("minix")),
        (json!({"team": "a"}), None),
    ] {
        let mut world = World::new("Ready=True", &json!({"metadata": {"labels": labels}}));
        let _ = world.look();
        let found = world.node().metadata.labels.iter().flatten().find(|(name, _)| *name == "beta.kubernetes.io/os");
        assert_eq!(found.map(|(_, value)| value.as_str()), expected, "{labels}");
    }
}
