//! Who waits, for how long, and what wakes whom.

use std::time::Duration;

use inboard::object::kind;
use inboard::scheduler::Decision;
use inboard::store::Part;
use serde_json::{Value, json};

use super::{important, node, placed, pod, tries, world};

#[test]
fn a_waiting_pod_is_woken_by_what_may_cure_it_and_by_nothing_else() {
    let mut world = world(&[("n1", "2"), ("n2", "1")]);
    world.create(pod("a", "2"));
    world.settle();
    world.create(pod("b", "2"));
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "a@n1 b@-");

    // A heartbeat, a small pod and some minutes are no cure.
    world.edit_named(kind::NODE, "", "n1", Part::Status, |node| {
        node["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    });
    world.create(pod("c", "1"));
    world.advance(Duration::from_secs(299));
    assert_eq!(tries(&mut world), 1, "only the small pod is tried");

    world.delete(kind::POD, "test", "a");
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "b@n1 c@n2");
    world.create(pod("d", "2"));
    world.settle();
    world.create(node("n3", "4"));
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "b@n1 c@n2 d@n3");
}

#[test]
fn a_pod_that_nothing_cures_is_tried_again_after_five_minutes() {
    let mut world = world(&[("n1", "1")]);
    world.create(pod("large", "2"));
    assert_eq!(tries(&mut world), 1);
    for _ in 0..3 {
        let at = world.scheduler.next_wake().expect("it is not forgotten");
        assert_eq!(at, world.now + Duration::from_secs(300));
        world.advance(Duration::from_secs(299));
        assert!(!world.scheduler.has_work(world.now));
        world.advance(Duration::from_secs(1));
        assert_eq!(tries(&mut world), 1);
    }
    let kinds = inboard::object::kind::Kinds::built_in();
    let told = world.store.snapshot().events().map(|event| event.to_value(&kinds)["series"].clone());
    let last = format!("{}.000000Z", world.now.to_string().trim_end_matches('Z'));
    assert_eq!(told.collect::<Vec<_>>(), [json!({"count": 4, "lastObservedTime": last})]);
    world.delete(kind::POD, "test", "large");
    assert_eq!(world.scheduler.next_wake(), None);
}

#[test]
fn of_those_whose_backoff_ends_in_the_same_second_the_important_go_first() {
    let mut world = world(&[("n1", "1")]);
    for (name, pod) in [("low", pod("low", "2")), ("high", important(pod("high", "2"), 10))] {
        world.create(pod);
        assert_eq!(tries(&mut world), 1, "{name} does not fit");
        world.advance(Duration::from_millis(300));
    }
    world.create(node("n2", "2"));
    world.settle();
    assert_eq!(placed(&world), "high@n2 low@-");
}

#[test]
fn images_that_come_to_a_node_wake_nobody() {
    let mut world = world(&[("n1", "1")]);
    world.create(pod("large", "2"));
    world.settle();
    world.edit_named(kind::NODE, "", "n1", Part::Status, |node| {
        node["status"]["images"] = json!([{"names": ["pause:1"], "sizeBytes": 1}]);
    });
    assert_eq!(tries(&mut world), 0);
    world.edit_named(kind::NODE, "", "n1", Part::Status, |node| {
        node["status"]["allocatable"]["cpu"] = "2".into();
    });
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "large@n1");
}

/// One of those that may not be one more on a node than on another.
fn spread(name: &str) -> Value {
    let mut pod = pod(name, "1");
    pod["metadata"]["labels"]["app"] = "web".into();
    pod["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }]);
    pod
}

fn cordoned(name: &str) -> Value {
    let mut node = node(name, "4");
    node["spec"]["unschedulable"] = true.into();
    node
}

fn bound(mut pod: Value, node: &str) -> Value {
    pod["spec"]["nodeName"] = node.into();
    pod
}

#[test]
fn who_is_spread_evenly_waits_for_pods_that_count_and_for_no_others() {
    let mut world = world(&[("n1", "4")]);
    world.create(cordoned("n2"));
    world.create(spread("a"));
    world.create(spread("b"));
    world.settle();
    assert_eq!(placed(&world), "a@n1 b@-");
    world.create(bound(pod("other", "1"), "n2"));
    assert_eq!(tries(&mut world), 0);
    world.create(bound(spread("c"), "n2"));
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "a@n1 b@n1 c@n2 other@n2");
}

#[test]
fn a_domain_that_goes_holds_back_nobody() {
    let mut world = world(&[("n1", "4")]);
    world.create(cordoned("n2"));
    world.create(spread("a"));
    world.create(spread("b"));
    world.settle();
    assert_eq!(placed(&world), "a@n1 b@-");
    world.delete(kind::NODE, "", "n2");
    assert_eq!(tries(&mut world), 1);
    assert_eq!(placed(&world), "a@n1 b@n1");
}

#[test]
fn what_is_only_wished_of_others_is_no_cure() {
    let mut world = world(&[("n1", "4")]);
    let mut wishes = spread("large");
    wishes["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "5".into();
    wishes["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"] = "ScheduleAnyway".into();
    world.create(wishes);
    world.settle();
    let mut web = pod("web", "1");
    web["metadata"]["labels"]["app"] = "web".into();
    world.create(web);
    assert_eq!(tries(&mut world), 1, "only the pod that came");
    assert_eq!(placed(&world), "large@- web@n1");
}

#[test]
fn a_pod_that_was_held_back_keeps_its_place_in_the_line() {
    let mut world = world(&[("n1", "1")]);
    let mut gated = pod("gated", "1");
    gated["spec"]["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    world.create(gated);
    world.advance(Duration::from_secs(5));
    world.create(pod("later", "1"));
    world.edit_named(kind::POD, "test", "gated", Part::Main, |pod| pod["spec"]["schedulingGates"] = Value::Null);
    world.settle();
    assert_eq!(placed(&world), "gated@n1 later@-");
}

#[test]
fn room_that_is_promised_no_longer_is_told_to_those_who_are_not_more_important() {
    for (moved, what) in
        [(json!("elsewhere"), "it is promised room on another node"), (Value::Null, "it is promised none")]
    {
        let mut world = world(&[("n1", "4")]);
        world.create(important(bound(pod("there", "2"), "n1"), 20));
        world.create(important(pod("promised", "3"), 10));
        world.settle();
        let promise = |node: Value| move |pod: &mut Value| pod["status"]["nominatedNodeName"] = node;
        world.edit_named(kind::POD, "test", "promised", Part::Status, promise(json!("n1")));
        world.create(pod("less", "2"));
        let more = world.create(important(pod("more", "3"), 20)).meta.uid;
        world.settle();
        assert_eq!(placed(&world), "less@- more@- promised@- there@n1", "{what}");
        world.edit_named(kind::POD, "test", "promised", Part::Status, promise(moved));
        world.decisions.clear();
        world.settle();
        let is_of_more = |decision: &Decision| matches!(decision, Decision::Unschedulable { pod, .. } if *pod == more);
        assert!(!world.decisions.iter().any(is_of_more), "{what}: who is more important had it open before");
        assert_eq!(placed(&world), "less@n1 more@- promised@- there@n1", "{what}");
    }
}
