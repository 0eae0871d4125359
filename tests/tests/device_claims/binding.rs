//! Devices that are made ready after they were given, before their pod is bound (`bindingConditions`).

use std::time::Duration;

use inboard::object::kind;
use inboard::scheduler::Decision;
use inboard::store::Part;
use inboard_tests::scheduling::Scheduling;
use serde_json::json;

use super::words::{devices_of, pod, put};

const THERE: [&str; 4] = ["node n", "class gpu", "slice s on=n g0,~ready", "claim a r=gpu"];

/// A pod that has been given a device, and waits.
fn waiting() -> Scheduling {
    let mut world = Scheduling::new(1);
    THERE.iter().for_each(|line| put(&mut world, line));
    world.create(pod("p", "a"));
    world.settle();
    assert_eq!(stands(&world), "waits for n, has r=g0");
    assert_eq!(told(&world), ["waiting for binding conditions for device on node n"]);
    world
}

/// How the pod and its claim stand.
fn stands(world: &Scheduling) -> String {
    let pod = world.store.snapshot().find(kind::POD, "test", "p").and_then(|pod| pod.pod()).expect("the pod");
    let has = devices_of(world, "a");
    match (&pod.node, &pod.state.nominated_node) {
        (Some(node), _) => format!("runs on {node}, has {has}"),
        (None, Some(node)) => format!("waits for {node}, has {has}"),
        (None, None) => format!("waits, has {has}"),
    }
}

/// What people were told, the latest last.
fn told(world: &Scheduling) -> Vec<String> {
    let text = |decision: &Decision| match decision {
        Decision::Allocate { event, .. } | Decision::Unschedulable { event, .. } | Decision::Failed { event, .. } => {
            Some(event.message.to_string())
        }
        _ => None,
    };
    world.decisions.iter().filter_map(text).collect()
}

/// The driver says that a condition holds.
fn say(world: &mut Scheduling, condition: &str) {
    let condition = json!({
        "type": condition, "status": "True", "reason": "Said", "message": "so",
        "lastTransitionTime": world.now.to_string(),
    });
    world.edit_named(kind::RESOURCE_CLAIM, "test", "a", Part::Status, |claim| {
        claim["status"]["devices"] = json!([{"driver": "d", "pool": "p", "device": "g0", "conditions": [condition]}]);
    });
}

#[test]
fn a_pod_is_bound_when_its_devices_are_ready() {
    let mut world = waiting();
    say(&mut world, "nearly");
    world.settle();
    assert_eq!(stands(&world), "waits for n, has r=g0", "something else holds");
    assert_eq!(told(&world).len(), 1, "it is said once");
    say(&mut world, "ready");
    world.settle();
    assert_eq!(stands(&world), "runs on n, has r=g0");
}

#[test]
fn devices_that_cannot_be_made_ready_are_given_back() {
    const GIVEN_BACK: &str = "0/1 nodes are available: 1 resourceclaim not available on the node. deallocation of \
                              ResourceClaim completed, preemption: 0/1 nodes are available: 1 Preemption is not helpful \
                              for scheduling.";
    const BROKEN: &str =
        "running PreBind plugin \"DynamicResources\": claim a binding failed: reason=Said, message=\"so\"";
    const LATE: &str = "running PreBind plugin \"DynamicResources\": device binding timeout";
    for (is_broken, expected) in [(true, BROKEN), (false, LATE)] {
        let mut world = waiting();
        if is_broken {
            say(&mut world, "broken");
        } else {
            world.advance(Duration::from_secs(300));
            world.settle();
            assert_eq!(told(&world).len(), 1);
            world.advance(Duration::from_secs(300));
        }
        world.step(1);
        assert_eq!(told(&world)[1..], [expected]);
        assert_eq!(stands(&world), "waits, has r=g0");
        assert!(!world.scheduler.has_work(world.now), "it is not tried again at once");
        world.advance(Duration::from_secs(2));
        world.step(1);
        assert_eq!(told(&world)[2..], [GIVEN_BACK]);
        assert_eq!(stands(&world), "waits, has ");
    }
}

#[test]
fn nobody_else_gets_what_is_being_made_ready() {
    let mut world = waiting();
    put(&mut world, "claim b r=gpu");
    world.create(pod("q", "b"));
    world.settle();
    assert_eq!(devices_of(&world, "b"), "");
    // Claims for extended resources get none of the kind.
    put(&mut world, "class other as=example.com/gpu");
    world.delete(kind::POD, "test", "q");
    put(&mut world, "slice t on=n pool=q g0,~ready");
    let requests = json!({"example.com/gpu": "1"});
    let container = json!({"name": "c", "image": "i", "resources": {"requests": requests, "limits": requests}});
    let uid = world.create(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "test"},
        "spec": {"containers": [container]},
    }));
    world.settle();
    assert_eq!(world.node_of(uid.meta.uid), None);
}
