//! On random clusters the scheduler agrees with the slow, obvious one about every pod: which nodes fit, how many points
//! each has, and why the others are out; while nodes and pods come, change and go.
#![allow(clippy::print_stdout, reason = "the counts are what somebody who runs it wants to see")]

use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::{Namespace, Node, Service};
use inboard::object::kind::{self, KindId};
use inboard::scheduler::Decision;
use inboard::store::{Object, Part, WriteOptions};
use inboard_tests::reference_scheduler::World;
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

/// How many clusters are tried; `INBOARD_SEED` tries the one with that seed alone.
const CLUSTERS: u64 = 20;
const STEPS: usize = 60;

#[test]
fn the_scheduler_agrees_with_the_obvious_one_on_random_clusters() {
    let only = std::env::var("INBOARD_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(0..CLUSTERS, |seed| seed..seed + 1);
    let mut placed = 0;
    for seed in seeds {
        placed += run(seed);
    }
    println!("{placed} pods were placed");
    assert!(placed > 0, "nothing was placed");
}

/// Numbers as good as random, always the same for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len() as u64) as usize]
    }
}

fn run(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let mut world = Scheduling::new(seed);
    let labels = json!({"team": "a"});
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": labels}}));
    let mut nodes = 0;
    for _ in 0..3 + dice.roll(6) {
        nodes += 1;
        world.create(node(&mut dice, nodes));
    }
    let mut placed = 0;
    for step in 0..STEPS {
        if dice.one_in(4) {
            disturb(&mut world, &mut dice, &mut nodes);
        }
        let pod = world.create(pod(&mut dice, step));
        placed += usize::from(check(&mut world, &pod, seed, step));
    }
    placed
}

/// Schedules one pod and compares; says whether it was placed.
fn check(world: &mut Scheduling, pod: &Object, seed: u64, step: usize) -> bool {
    let context = format!("INBOARD_SEED={seed} step {step}: {}", pod.to_value(world.store.kinds())["spec"]);
    let verdict = world_of(world).judge(&pod.to_pod().expect("it is a pod"));
    let ranking = world.scheduler.ranking(pod, world.store.snapshot());
    let ranking = ranking.into_iter().map(|(node, points)| (node.to_string(), points)).collect();
    assert_eq!(verdict.points, ranking, "{context}");
    world.decisions.clear();
    world.step(1);
    let decided = world.decisions.last().expect("the pod was tried").clone();
    match decided {
        Decision::Bind { pod: uid, node, .. } => {
            assert_eq!(uid, pod.meta.uid, "{context}");
            assert!(verdict.best().contains(&node.as_str()), "{context}: {node} is not among {:?}", verdict.best());
            true
        }
        Decision::Unschedulable { event, .. } => {
            assert!(
                event.message.starts_with(&verdict.sentence()),
                "{context}: {} is not {}",
                event.message,
                verdict.sentence()
            );
            // Those that wait would be tried again and again.
            world.delete(kind::POD, &pod.meta.namespace, &pod.meta.name);
            false
        }
        other @ (Decision::Preempt { .. }
        | Decision::SelectNode { .. }
        | Decision::Reserve { .. }
        | Decision::Unnominate { .. }) => {
            panic!("{context}: {other:?}")
        }
    }
}

fn world_of(world: &Scheduling) -> World {
    let snapshot = world.store.snapshot();
    World {
        nodes: snapshot.list(kind::NODE).filter_map(|object| object.typed::<Node>().cloned()).collect(),
        pods: snapshot.list(kind::POD).filter_map(|object| object.to_pod()).collect(),
        namespaces: snapshot
            .list(KindId::of::<Namespace>())
            .filter_map(|object| object.typed::<Namespace>().cloned())
            .collect(),
        services: snapshot.list(KindId::of::<Service>()).filter_map(|object| object.typed().cloned()).collect(),
    }
}

/// Something changes: a pod goes or ends, a node comes, goes or changes, a service appears.
fn disturb(world: &mut Scheduling, dice: &mut Dice, nodes: &mut u64) {
    let path = |object: &std::sync::Arc<Object>| (object.meta.namespace.to_string(), object.meta.name.to_string());
    let pods: Vec<_> = world.store.snapshot().list(kind::POD).map(path).collect();
    let known: Vec<_> = world.store.snapshot().list(kind::NODE).map(path).collect();
    let edit =
        |world: &mut Scheduling, kind, (namespace, name): &(String, String), part, change: &dyn Fn(&mut Value)| {
            let now = world.now;
            let edited = world.store.edit(kind, (namespace, name), part, WriteOptions::default(), now, |mut value| {
                change(&mut value);
                Ok(value)
            });
            edited.expect("the change is admitted");
            world.pass_on();
        };
    match dice.roll(8) {
        0 | 1 if !pods.is_empty() => {
            let (namespace, name) = dice.pick(&pods).clone();
            world.delete(kind::POD, &namespace, &name);
        }
        2 if !pods.is_empty() => {
            let pod = dice.pick(&pods).clone();
            edit(world, kind::POD, &pod, Part::Status, &|pod| pod["status"]["phase"] = "Succeeded".into());
        }
        3 if known.len() > 2 => {
            let (_, name) = dice.pick(&known).clone();
            world.delete(kind::NODE, "", &name);
        }
        4 => {
            *nodes += 1;
            let fresh = node(dice, *nodes);
            world.create(fresh);
        }
        5 => {
            let path = dice.pick(&known).clone();
            let fresh = node(dice, 0);
            edit(world, kind::NODE, &path, Part::Main, &|node| {
                node["spec"]["taints"] = fresh["spec"]["taints"].clone();
                node["metadata"]["labels"]["disk"] = fresh["metadata"]["labels"]["disk"].clone();
            });
        }
        6 => {
            let name = format!("s{}", dice.roll(1_000_000));
            let app = *dice.pick(&APPS);
            world.create(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "test"},
                "spec": {"selector": {"app": app}, "ports": [{"port": 80}], "clusterIP": "None"},
            }));
        }
        _ => {
            let path = dice.pick(&known).clone();
            let zone = *dice.pick(&ZONES);
            edit(world, kind::NODE, &path, Part::Main, &|node| {
                node["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone.into();
            });
        }
    }
    world.advance(Duration::from_secs(1));
}

const APPS: [&str; 3] = ["web", "db", "cache"];
const ZONES: [&str; 3] = ["za", "zb", "zc"];
const KEYS: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

fn node(dice: &mut Dice, number: u64) -> Value {
    let name = format!("n{number}");
    let mut labels =
        json!({"kubernetes.io/hostname": name, "disk": dice.pick(&["ssd", "hdd"]), "gen": dice.roll(9).to_string()});
    if !dice.one_in(6) {
        labels["topology.kubernetes.io/zone"] = (*dice.pick(&ZONES)).into();
    }
    if dice.one_in(12) {
        labels.as_object_mut().expect("labels").remove("kubernetes.io/hostname");
    } else if dice.one_in(12) {
        labels["kubernetes.io/hostname"] = "n1".into();
    }
    let mut taints = Vec::new();
    for (key, effect) in [("k", "NoSchedule"), ("soft", "PreferNoSchedule"), ("softer", "PreferNoSchedule")] {
        if dice.one_in(6) {
            taints.push(json!({"key": key, "value": "v", "effect": effect}));
        }
    }
    let room = json!({
        "cpu": (1 + dice.roll(8)).to_string(), "memory": format!("{}Gi", 1 + dice.roll(16)),
        "ephemeral-storage": "20Gi", "pods": (3 + dice.roll(10)).to_string(), "example.com/gpu": dice.roll(3).to_string(),
    });
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints, "unschedulable": dice.one_in(15)},
        "status": {"allocatable": room, "capacity": room},
    })
}

fn pod(dice: &mut Dice, number: usize) -> Value {
    let app = *dice.pick(&APPS);
    let mut requests = serde_json::Map::new();
    for (resource, amount) in
        [("cpu", format!("{}m", 100 * dice.roll(12))), ("memory", format!("{}Mi", 128 * dice.roll(10)))]
    {
        if !dice.one_in(4) {
            requests.insert(resource.to_owned(), amount.into());
        }
    }
    if dice.one_in(10) {
        requests.insert("example.com/gpu".to_owned(), "1".into());
    }
    let mut resources = json!({"requests": requests});
    if let Some(gpu) = requests.get("example.com/gpu") {
        resources["limits"] = json!({"example.com/gpu": gpu});
    }
    let mut container = json!({"name": "c", "image": "pause:1", "resources": resources});
    if dice.one_in(6) {
        let ip = *dice.pick(&["", "127.0.0.1", "10.0.0.1"]);
        let port = 8000 + dice.roll(2);
        container["ports"] = json!([{"containerPort": port, "hostPort": port, "hostIP": ip, "protocol": "TCP"}]);
    }
    let mut spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    if dice.one_in(6) {
        let restart = if dice.one_in(2) { json!("Always") } else { Value::Null };
        let requests = json!({"cpu": format!("{}m", 100 * dice.roll(15))});
        spec["initContainers"] =
            json!([{"name": "i", "image": "x", "restartPolicy": restart, "resources": {"requests": requests}}]);
    }
    if dice.one_in(3) {
        let key = *dice.pick(&["k", "soft"]);
        spec["tolerations"] = json!([{"key": key, "operator": "Exists"}]);
    }
    if dice.one_in(6) {
        spec["nodeSelector"] = json!({"disk": dice.pick(&["ssd", "hdd"])});
    }
    let affinity = affinity(dice);
    if affinity.as_object().is_some_and(|all| !all.is_empty()) {
        spec["affinity"] = affinity;
    }
    if dice.one_in(3) {
        spec["topologySpreadConstraints"] =
            Value::Array((0..1 + dice.roll(2)).map(|index| spread(dice, app, index)).collect());
    }
    let namespace = if dice.one_in(5) { "other" } else { "test" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{number}"), "namespace": namespace, "labels": {"app": app, "v": dice.roll(2).to_string(), "pod": format!("p{number}")}},
        "spec": spec,
    })
}

fn spread(dice: &mut Dice, app: &str, index: u64) -> Value {
    let mut constraint = json!({
        "maxSkew": 1 + dice.roll(2), "topologyKey": KEYS[index as usize],
        "whenUnsatisfiable": dice.pick(&["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": {"matchLabels": {"app": app}},
        "nodeAffinityPolicy": dice.pick(&["Honor", "Ignore"]), "nodeTaintsPolicy": dice.pick(&["Honor", "Ignore"]),
    });
    if constraint["whenUnsatisfiable"] == "DoNotSchedule" && dice.one_in(4) {
        constraint["minDomains"] = (1 + dice.roll(4)).into();
    }
    if dice.one_in(4) {
        constraint["matchLabelKeys"] = json!(["v"]);
    }
    constraint
}

fn affinity(dice: &mut Dice) -> Value {
    let mut affinity = json!({});
    if dice.one_in(5) {
        let values = [
            json!({"key": "gen", "operator": "Gt", "values": ["3"]}),
            json!({"key": "disk", "operator": "NotIn", "values": ["ssd"]}),
        ];
        let preference = json!({"matchExpressions": [dice.pick(&values)]});
        let weight = 1 + dice.roll(100);
        affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] =
            json!([{"weight": weight, "preference": preference}]);
        if dice.one_in(2) {
            let term = json!({"matchExpressions": [dice.pick(&values)]});
            affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
                json!({"nodeSelectorTerms": [term]});
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        if dice.one_in(6) {
            let terms: Vec<Value> = (0..1 + dice.roll(2)).map(|_| pod_term(dice)).collect();
            affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"] = json!(terms);
        }
        if dice.one_in(5) {
            let term = pod_term(dice);
            let weight = 1 + dice.roll(100);
            affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"] =
                json!([{"weight": weight, "podAffinityTerm": term}]);
        }
    }
    affinity
}

fn pod_term(dice: &mut Dice) -> Value {
    let mut term =
        json!({"topologyKey": dice.pick(&KEYS), "labelSelector": {"matchLabels": {"app": dice.pick(&APPS)}}});
    match dice.roll(6) {
        0 => term["namespaces"] = json!(["other"]),
        1 => term["namespaceSelector"] = json!({"matchLabels": {"team": "a"}}),
        2 => term["namespaceSelector"] = json!({}),
        3 => term["labelSelector"] = json!({"matchExpressions": [{"key": "v", "operator": "NotIn", "values": ["0"]}]}),
        _ => {}
    }
    term
}
