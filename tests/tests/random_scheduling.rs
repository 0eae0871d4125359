//! On random clusters the scheduler agrees with the slow, obvious one about every pod: which nodes fit, how many points
//! each has, and why the others are out; while nodes and pods come, change and go.
#![allow(clippy::print_stdout, reason = "the counts are what somebody who runs it wants to see")]

#[path = "random_scheduling/clusters.rs"]
mod clusters;
#[path = "random_scheduling/preemption.rs"]
mod preemption;

use std::time::Duration;

use inboard::k8s_openapi::api::storage::v1::{CSINode, VolumeAttachment};
use inboard::object::kind::{self, KindId};
use inboard::scheduler::Decision;
use inboard::store::{Object, Part, WriteOptions};
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

use self::clusters::{APPS, Dice, ZONES, attachment, limits, node, pod, storage, world_of};

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

fn run(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let mut world = Scheduling::new(seed);
    let labels = json!({"team": "a"});
    world.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": labels}}));
    storage().into_iter().for_each(|object| drop(world.create(object)));
    let mut nodes = 0;
    for _ in 0..3 + dice.roll(6) {
        nodes += 1;
        world.create(node(&mut dice, nodes));
        world.create(limits(&mut dice, &format!("n{nodes}")));
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
        | Decision::Expect { .. }
        | Decision::Allocate { .. }
        | Decision::Failed { .. }
        | Decision::Deallocate { .. }
        | Decision::Unnominate { .. }) => {
            panic!("{context}: {other:?}")
        }
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
    match dice.roll(11) {
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
            let limits = limits(dice, &format!("n{nodes}"));
            world.create(limits);
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
        7 => {
            let path = dice.pick(&known).clone();
            let fresh = limits(dice, &path.1);
            edit(world, KindId::of::<CSINode>(), &path, Part::Main, &|node| {
                node["spec"]["drivers"] = fresh["spec"]["drivers"].clone();
            });
        }
        8 => {
            let (_, node) = dice.pick(&known).clone();
            let number = dice.roll(1_000_000);
            let attached = attachment(dice, &node, number);
            world.create(attached);
        }
        9 => {
            let kind = KindId::of::<VolumeAttachment>();
            let attached: Vec<_> = world.store.snapshot().list(kind).map(path).collect();
            if !attached.is_empty() {
                let (_, name) = dice.pick(&attached).clone();
                world.delete(kind, "", &name);
            }
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
