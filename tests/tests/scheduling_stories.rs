//! What the scheduler does over time: who goes first, who wakes whom, who must go for whom.

#[path = "scheduling_stories/hints.rs"]
mod hints;
#[path = "scheduling_stories/storage.rs"]
mod storage;
#[path = "scheduling_stories/waking.rs"]
mod waking;

use inboard::ids::Uid;
use inboard::k8s_openapi::api::core::v1::TopologySpreadConstraint;
use inboard::object::kind;
use inboard::scheduler::{Decision, Profile, SchedulerConfig, ScoringStrategy};
use inboard::store::{ConditionKind, Part};
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

fn node(name: &str, cpu: &str) -> Value {
    let room = json!({"cpu": cpu, "memory": "8Gi", "pods": "110"});
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": room, "capacity": room},
    })
}

fn pod(name: &str, cpu: &str) -> Value {
    let container = json!({"name": "c", "image": "pause:1", "resources": {"requests": {"cpu": cpu}}});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "test", "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    })
}

fn important(mut pod: Value, value: i32) -> Value {
    pod["spec"]["priorityClassName"] = format!("p{value}").into();
    pod
}

fn world(nodes: &[(&str, &str)]) -> Scheduling {
    let mut world = Scheduling::new(1);
    for value in [10, 20] {
        world.create(json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": format!("p{value}")}, "value": value,
        }));
    }
    for (name, cpu) in nodes {
        world.create(node(name, cpu));
    }
    world
}

/// The pods and their nodes, `name@node`, or `name@-` for those that wait.
fn placed(world: &Scheduling) -> String {
    let one = |object: &std::sync::Arc<inboard::store::Object>| {
        let node = object.pod().and_then(|pod| pod.node.clone());
        format!("{}@{}", object.meta.name, node.as_ref().map_or("-", |node| node.as_str()))
    };
    world.store.snapshot().list(kind::POD).map(one).collect::<Vec<_>>().join(" ")
}

fn tries(world: &mut Scheduling) -> usize {
    world.decisions.clear();
    world.settle();
    world.decisions.len()
}

#[test]
fn the_important_go_first_and_gated_and_foreign_pods_do_not_go_at_all() {
    let mut world = world(&[("n1", "1")]);
    world.create(pod("early", "1"));
    world.create(important(pod("late-but-important", "1"), 10));
    let mut gated = pod("gated", "0");
    gated["spec"]["schedulingGates"] = json!([{"name": "example.com/gate"}]);
    world.create(gated);
    let mut foreign = pod("foreign", "0");
    foreign["spec"]["schedulerName"] = "mine".into();
    world.create(foreign);
    world.settle();
    assert_eq!(placed(&world), "early@- foreign@- gated@- late-but-important@n1");

    world.edit_named(kind::POD, "test", "gated", Part::Main, |pod| pod["spec"]["schedulingGates"] = Value::Null);
    world.settle();
    assert_eq!(placed(&world), "early@- foreign@- gated@n1 late-but-important@n1");
}

#[test]
fn room_that_victims_leave_is_kept_for_the_pod_that_ended_them() {
    let mut world = world(&[("n1", "2")]);
    let mut victim = pod("victim", "2");
    victim["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(victim);
    world.settle();
    let preemptor = world.create(important(pod("preemptor", "2"), 20)).meta.uid;
    world.settle();
    assert_eq!(nominated(&world, preemptor).as_deref(), Some("n1"));

    // The victim is held; a pod of lower priority must not take the room, one that asks for it later neither.
    world.create(important(pod("rival", "1"), 10));
    world.settle();
    world.edit_named(kind::POD, "test", "victim", Part::Main, |pod| pod["metadata"]["finalizers"] = json!([]));
    world.settle();
    assert_eq!(placed(&world), "preemptor@n1 rival@-");
}

fn nominated(world: &Scheduling, pod: Uid) -> Option<String> {
    world.pod(pod)?.pod()?.state.nominated_node.as_ref().map(ToString::to_string)
}

#[test]
fn victims_that_a_budget_protects_are_spared_where_others_will_do() {
    let mut world = world(&[("n1", "2"), ("n2", "2")]);
    for name in ["guarded", "free"] {
        world.create(pod(name, "2"));
    }
    world.settle();
    world.create(json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    }));
    world.create(important(pod("preemptor", "2"), 10));
    world.settle();
    let names: Vec<_> = world.store.snapshot().list(kind::POD).map(|pod| pod.meta.name.to_string()).collect();
    assert_eq!(names, ["guarded", "preemptor"]);

    // Where there is no other, the budget does not help.
    world.create(important(pod("second", "2"), 10));
    world.settle();
    let names: Vec<_> = world.store.snapshot().list(kind::POD).map(|pod| pod.meta.name.to_string()).collect();
    assert_eq!(names, ["preemptor", "second"]);
}

#[test]
fn a_node_where_no_budget_is_violated_is_found_among_many() {
    for seed in 0..3 {
        let names: Vec<String> = (0..150).map(|number| format!("n{number:03}")).collect();
        let nodes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "2")).collect();
        let mut world = world(&nodes);
        for name in &names {
            let mut pod = pod(&format!("on-{name}"), "2");
            pod["spec"]["nodeName"] = name.as_str().into();
            let guarded = name != &names[seed * 40 + 5];
            pod["metadata"]["labels"]["app"] = if guarded { "guarded" } else { "free" }.into();
            world.create(pod);
        }
        world.create(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": "test"},
            "spec": {"minAvailable": 149, "selector": {"matchLabels": {"app": "guarded"}}},
        }));
        let preemptor = world.create(important(pod("preemptor", "2"), 10)).meta.uid;
        world.settle();
        let node = world.node_of(preemptor).map(|node| node.to_string());
        assert_eq!(node.as_ref(), Some(&names[seed * 40 + 5]), "more than a hundred others would do worse");
    }
}

#[test]
fn a_profile_says_how_long_preemption_looks_for_something_better() {
    let victims = |profile: Profile| {
        let mut world = Scheduling::with(SchedulerConfig { profiles: vec![profile.into()], ..Default::default() });
        for value in [10, 20] {
            world.create(json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": format!("p{value}")}, "value": value,
            }));
        }
        for number in 0..40 {
            world.create(node(&format!("n{number:02}"), "2"));
            let name = format!("{}-{number:02}", if number == 20 { "low" } else { "high" });
            let mut pod = if number == 20 { pod(&name, "2") } else { important(pod(&name, "2"), 10) };
            pod["spec"]["nodeName"] = format!("n{number:02}").into();
            world.create(pod);
        }
        for number in 0..4 {
            world.create(important(pod(&format!("preemptor-{number}"), "2"), 20));
            world.step(1);
        }
        let left = world.store.snapshot().list(kind::POD).any(|pod| pod.meta.name.starts_with("low-"));
        !left
    };
    assert!(victims(Profile::default()), "all nodes are looked at: the least important pod goes first");
    let hasty = Profile::default().preemption_candidates(0, 1).expect("good numbers");
    assert!(!victims(hasty), "the first find is taken, wherever that is");
}

#[test]
fn victims_are_told_once_why_they_go_and_those_of_low_rank_lose_what_they_were_promised() {
    let mut world = world(&[("n1", "2")]);
    let mut victim = pod("victim", "2");
    victim["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let victim = world.create(victim).meta.uid;
    world.settle();
    let first = world.create(important(pod("first", "2"), 10)).meta.uid;
    world.settle();
    assert_eq!(nominated(&world, first).as_deref(), Some("n1"));
    let second = world.create(important(pod("second", "2"), 20)).meta.uid;
    world.settle();
    assert_eq!((nominated(&world, first), nominated(&world, second).as_deref()), (None, Some("n1")));

    let events = world.store.snapshot().events().filter_map(|object| match &object.body {
        inboard::store::Body::Event(event) if event.draft.involved.uid == victim => Some(event),
        _ => None,
    });
    let told: Vec<_> = events.filter(|event| event.draft.reason == "Preempted").collect();
    let message = format!("Preempted by pod {first} on node n1");
    assert_eq!(told.iter().map(|event| (&*event.draft.message, event.count)).collect::<Vec<_>>(), [(&*message, 1)]);
    let kinds = inboard::object::kind::Kinds::built_in();
    let about = |event: &std::sync::Arc<inboard::store::Object>| {
        let event = event.to_value(&kinds);
        (event["reason"] == "Preempted").then(|| (event["action"].clone(), event["related"]["uid"].clone()))
    };
    let about: Vec<_> = world.store.snapshot().events().filter_map(about).collect();
    assert_eq!(about, [(json!("Preempting"), json!(first.to_string()))], "and for whose sake");
    let pod = world.pod(victim).expect("it is held");
    let target = pod.pod().and_then(|pod| pod.state.condition(&ConditionKind::DisruptionTarget)).expect("a condition");
    let why = target.why.as_ref().expect("a reason");
    let expected = ("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod");
    assert_eq!((why.reason.as_str(), why.message.as_str()), expected);
}

#[test]
fn what_promised_pods_say_of_others_counts() {
    let mut world = world(&[("n1", "4")]);
    let mut victim = pod("victim", "4");
    victim["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(victim);
    world.settle();
    let mut loner = important(pod("loner", "1"), 20);
    let away = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {}});
    loner["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!([away]);
    world.create(loner);
    world.settle();
    let friend = world.create(important(pod("friend", "1"), 20)).meta.uid;
    world.settle();
    assert_eq!(nominated(&world, friend), None, "there is room for both, but one of them wants none beside it");
    world.edit_named(kind::POD, "test", "victim", Part::Main, |pod| pod["metadata"]["finalizers"] = json!([]));
    world.settle();
    assert_eq!(placed(&world), "friend@- loner@n1");
}

#[test]
fn who_waits_for_promised_room_gets_it_when_the_promise_is_not_taken_up() {
    let mut world = world(&[("n1", "4")]);
    let at_port = |mut pod: Value| {
        pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
        pod
    };
    let mut victim = at_port(pod("victim", "2"));
    victim["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(victim);
    world.settle();
    let preemptor = world.create(important(at_port(pod("preemptor", "2")), 20)).meta.uid;
    world.settle();
    assert_eq!(nominated(&world, preemptor).as_deref(), Some("n1"));
    world.create(important(pod("rival", "2"), 10));
    world.settle();
    assert_eq!(placed(&world), "preemptor@- rival@- victim@n1", "what is left is promised");
    world.delete(kind::POD, "test", "preemptor");
    world.settle();
    assert_eq!(placed(&world), "rival@n1 victim@n1");
}

#[test]
fn a_binding_that_is_refused_is_tried_again_and_counts_once() {
    let mut world = world(&[("n1", "1")]);
    let pod = world.create(pod("a", "1")).meta.uid;
    let mut decisions = Vec::new();
    world.scheduler.step(world.store.snapshot(), world.now, 1, &mut decisions);
    assert!(matches!(decisions[..], [Decision::Bind { .. }]), "{decisions:?}");
    // Who came too late for the room hears that it is free again, and comes after the other.
    world.create(self::pod("late", "1"));
    world.step(1);
    assert!(!world.scheduler.has_work(world.now));
    world.scheduler.refused(pod, world.now);
    world.settle();
    assert_eq!(placed(&world), "a@n1 late@-");
    world.delete(kind::POD, "test", "late");
    world.delete(kind::POD, "test", "a");
    world.create(self::pod("b", "1"));
    world.settle();
    assert_eq!(placed(&world), "b@n1");
}

/// Three nodes of which one is half full, and pods that name their scheduler.
fn profiled(profile: Profile, scheduler: &str) -> String {
    let profiles = vec![Profile::default().into(), profile.into()];
    let mut world = Scheduling::with(SchedulerConfig { profiles, ..SchedulerConfig::default() });
    for name in ["n1", "n2", "n3"] {
        world.create(node(name, "4"));
    }
    let mut first = pod("first", "2");
    first["spec"]["nodeName"] = "n2".into();
    world.create(first);
    let mut named = pod("pod", "1");
    named["spec"]["schedulerName"] = scheduler.into();
    let uid = world.create(named).meta.uid;
    let snapshot = world.store.snapshot();
    let ranked = world.scheduler.ranking(snapshot.get(uid).expect("the pod"), snapshot);
    let best = ranked.iter().map(|(_, points)| *points).max();
    let best = ranked.iter().filter(|(_, points)| Some(*points) == best).map(|(name, _)| name.to_string());
    best.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_pod_is_placed_by_the_rules_of_the_profile_it_names() {
    let packing = || Profile::new("packing").scoring_strategy(ScoringStrategy::MostAllocated);
    let alone = |profile: Profile| profile.without("NodeResourcesBalancedAllocation").expect("a plugin");
    assert_eq!(profiled(packing(), "default-scheduler"), "n1 n3");
    assert_eq!(profiled(alone(packing()), "packing"), "n2");
    let blind = alone(packing()).weight("NodeResourcesFit", 0).expect("a plugin that gives points");
    assert_eq!(profiled(blind, "packing"), "n1 n2 n3");
    assert_eq!(profiled(packing(), "somebody-else"), "", "it is left to others");
}

#[test]
fn a_profile_tells_in_its_own_name_what_becomes_of_its_pods() {
    let profiles = vec![Profile::default().into(), Profile::new("packing").into()];
    let mut world = Scheduling::with(SchedulerConfig { profiles, ..SchedulerConfig::default() });
    world.create(node("n1", "4"));
    for (name, scheduler, cpu) in
        [("small", "packing", "1"), ("large", "packing", "9"), ("plain", "default-scheduler", "1")]
    {
        let mut pod = pod(name, cpu);
        pod["spec"]["schedulerName"] = scheduler.into();
        world.create(pod);
    }
    world.settle();
    let kinds = inboard::object::kind::Kinds::built_in();
    let told = world.store.snapshot().events().map(|event| {
        let event = event.to_value(&kinds);
        let text = |path: &str| event.pointer(path).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        assert_eq!(text("/reportingInstance"), format!("{}-inboard", text("/reportingComponent")));
        assert!(event["lastTimestamp"].is_null() && event["eventTime"].is_string() && event["series"].is_null());
        [text("/involvedObject/name"), text("/reason"), text("/action"), text("/reportingComponent")].join(" ")
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    let expected = [
        "large FailedScheduling Scheduling packing",
        "plain Scheduled Binding default-scheduler",
        "small Scheduled Binding packing",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_profile_without_a_filter_does_not_put_nodes_out_by_it() {
    let careless = Profile::new("careless").without("NodeUnschedulable").expect("a plugin");
    let careless = careless.without("TaintToleration").expect("a plugin");
    let profiles = vec![Profile::default().into(), careless.into()];
    let mut world = Scheduling::with(SchedulerConfig { profiles, ..SchedulerConfig::default() });
    let mut cordoned = node("n1", "4");
    cordoned["spec"]["unschedulable"] = true.into();
    world.create(cordoned);
    let mut named = pod("b", "1");
    named["spec"]["schedulerName"] = "careless".into();
    world.create(pod("a", "1"));
    world.create(named);
    world.settle();
    assert_eq!(placed(&world), "a@- b@n1");
}

#[test]
fn a_profile_spreads_the_pods_of_a_service_by_its_own_default_constraints() {
    let apart = TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".into(),
        when_unsatisfiable: "DoNotSchedule".into(),
        ..Default::default()
    };
    let profiles = vec![Profile::default().default_constraints([apart]).expect("a good constraint").into()];
    let mut world = Scheduling::with(SchedulerConfig { profiles, ..SchedulerConfig::default() });
    world.create(node("n1", "9"));
    world.create(node("n2", "1"));
    world.create(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "test"},
        "spec": {"selector": {"of": "s"}, "clusterIP": "None", "ports": [{"port": 80}]},
    }));
    for name in ["a", "b", "c", "d"] {
        let mut pod = pod(name, "1");
        pod["metadata"]["labels"]["of"] = "s".into();
        world.create(pod);
    }
    world.create(pod("e", "1"));
    world.settle();
    // Two on the large node and one on the small one; the fourth may not be a second more. The last is of no Service.
    let placed = placed(&world);
    assert_eq!(placed.matches("@n1").count(), 3, "{placed}");
    assert_eq!(placed.matches("@n2").count(), 1, "{placed}");
    assert!(placed.contains("d@-") && placed.contains("e@n1"), "{placed}");
}

#[test]
fn a_profile_names_only_plugins_that_there_are() {
    let refused = Profile::new("x").without("NodeFit").expect_err("no such plugin").to_string();
    assert!(refused.starts_with("\"NodeFit\" is no plugin; there are NodeUnschedulable, NodeName,"), "{refused}");
    let refused = Profile::new("x").weight("NodeName", 2).expect_err("it only filters").to_string();
    assert!(refused.starts_with("\"NodeName\" is no plugin of this profile that gives points"), "{refused}");
}
