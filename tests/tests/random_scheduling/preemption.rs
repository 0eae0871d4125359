//! On random clusters the scheduler ends the same pods for a more important one as the obvious scheduler would: budgets,
//! promised nodes and pods that take long to go included.

use std::sync::Arc;
use std::time::Duration;

use inboard::ids::Uid;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::object::kind;
use inboard::scheduler::{Decision, Nomination};
use inboard::store::{Object, Part};
use inboard_tests::reference_scheduler::{Eviction, Outlook, World};
use inboard_tests::scheduling::Scheduling;
use serde_json::json;

use super::clusters::{APPS, Dice, limits, node, pod, storage, world_of};

const CLUSTERS: u64 = 12;
const STEPS: usize = 50;
const PRIORITIES: [i32; 4] = [-10, 0, 10, 100];

/// What was seen, so that somebody notices when a case is never tried.
#[derive(Debug, Default)]
struct Seen {
    placed: usize,
    promised: usize,
    preempted: usize,
    victims: usize,
    hopeless: usize,
    waits: usize,
}

#[test]
fn the_scheduler_ends_the_pods_that_the_obvious_one_would() {
    let only = std::env::var("INBOARD_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(0..CLUSTERS, |seed| seed..seed + 1);
    let mut seen = Seen::default();
    for seed in seeds {
        run(seed, &mut seen);
    }
    println!("{seen:?}");
    let tried = [seen.placed, seen.promised, seen.preempted, seen.hopeless, seen.waits];
    assert!(only.is_some() || tried.iter().all(|count| *count > 10), "{seen:?}");
}

fn run(seed: u64, seen: &mut Seen) {
    let mut dice = Dice(seed ^ 0x5eed);
    let mut world = Scheduling::new(seed);
    world.create(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": {"team": "a"}}}),
    );
    world
        .create(json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "patient"},
        "value": 50, "preemptionPolicy": "Never"}));
    for value in PRIORITIES {
        let name = format!("class{value}").replace('-', "minus");
        world.create(json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value}));
    }
    storage().into_iter().for_each(|object| drop(world.create(object)));
    for number in 0..2 + dice.roll(4) {
        let mut node = node(&mut dice, number);
        node["spec"] = json!({});
        world.create(node);
        world.create(limits(&mut dice, &format!("n{number}")));
    }
    for number in 0..dice.roll(4) {
        world.create(budget(&mut dice, number));
    }
    for step in 0..STEPS {
        disturb(&mut world, &mut dice);
        let mut pod = pod(&mut dice, step);
        let value = *dice.pick(&PRIORITIES);
        pod["spec"]["priorityClassName"] = json!(format!("class{value}").replace('-', "minus"));
        if dice.one_in(8) {
            pod["spec"]["priorityClassName"] = json!("patient");
        }
        // Who holds on stays for a while after it was ended.
        if dice.one_in(3) {
            pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
        }
        if dice.one_in(2) {
            // Without conditions that have to do with others, room is all that counts.
            for field in ["affinity", "topologySpreadConstraints"] {
                pod["spec"].as_object_mut().expect("a spec").remove(field);
            }
        }
        world.create(pod);
        while world.scheduler.has_work(world.now) {
            try_one(&mut world, &format!("INBOARD_SEED={seed} step {step}"), seen);
        }
    }
}

/// One pod is tried, and the obvious scheduler is asked what should come of it.
fn try_one(world: &mut Scheduling, context: &str, seen: &mut Seen) {
    let before = world_of(world);
    world.decisions.clear();
    world.step(1);
    let Some(last) = world.decisions.last() else { return };
    let uid = match last {
        Decision::Bind { pod, .. } | Decision::Unschedulable { pod, .. } => *pod,
        other => panic!("{context}: {other:?} is not what a try ends with"),
    };
    let pod =
        before.pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(&*uid.to_string())).expect("it was there");
    let context = format!("{context}: {}", serde_json::to_string(pod).expect("JSON"));
    let verdict = before.judge(pod);
    match last {
        Decision::Bind { node, .. } => {
            seen.placed += 1;
            let promised = pod.status.as_ref().and_then(|status| status.nominated_node_name.as_deref());
            match promised.filter(|node| verdict.points.contains_key(*node)) {
                Some(promised) => {
                    seen.promised += 1;
                    assert_eq!(node.as_str(), promised, "{context}: what was promised is kept");
                }
                None => assert!(verdict.best().contains(&node.as_str()), "{context}: {node}, not {verdict:?}"),
            }
        }
        Decision::Unschedulable { nomination, event, .. } => {
            assert!(verdict.points.is_empty(), "{context}: it would fit {:?}", verdict.points);
            let sentence = verdict.sentence();
            assert!(event.message.starts_with(&sentence), "{context}: {} is not {sentence}", event.message);
            judge_outlook(&before, pod, nomination, &world.decisions, &context, seen);
        }
        _ => {}
    }
}

fn judge_outlook(
    before: &World,
    pod: &Pod,
    nomination: &Nomination,
    decisions: &[Decision],
    context: &str,
    seen: &mut Seen,
) {
    let victims: Vec<Uid> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Preempt { victim, .. } => Some(*victim),
            _ => None,
        })
        .collect();
    match before.outlook(pod) {
        Outlook::Waits => {
            seen.waits += 1;
            assert_eq!((nomination, victims.len()), (&Nomination::Keep, 0), "{context}");
        }
        Outlook::Hopeless => {
            seen.hopeless += 1;
            assert_eq!((nomination, victims.len()), (&Nomination::Clear, 0), "{context}");
        }
        Outlook::Evicts(evictions) => {
            seen.preempted += 1;
            seen.victims += victims.len();
            let Nomination::Set(node) = nomination else { panic!("{context}: {nomination:?}, not {evictions:?}") };
            let mut names: Vec<String> = victims.iter().map(|uid| name_of(before, *uid)).collect();
            names.sort();
            // Those that are going already are told nothing.
            let told = |eviction: &Eviction| {
                let mut told = eviction.clone();
                told.victims.retain(|name| !is_going(before, name));
                told
            };
            let decided = Eviction { node: node.to_string(), victims: names };
            assert!(evictions.iter().map(told).any(|one| one == decided), "{context}: {decided:?}, not {evictions:?}");
        }
    }
}

fn name_of(world: &World, uid: Uid) -> String {
    let uid = uid.to_string();
    let pod = world.pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(&*uid)).expect("it was there");
    format!(
        "{}/{}",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default()
    )
}

fn is_going(world: &World, name: &str) -> bool {
    let is = |pod: &&Pod| {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        format!("{namespace}/{}", pod.metadata.name.as_deref().unwrap_or_default()) == name
    };
    world.pods.iter().find(is).is_some_and(|pod| pod.metadata.deletion_timestamp.is_some())
}

/// Pods start, let go, or go; time passes.
fn disturb(world: &mut Scheduling, dice: &mut Dice) {
    world.advance(Duration::from_secs(1 + dice.roll(100)));
    let pods: Vec<Arc<Object>> = world.store.snapshot().list(kind::POD).cloned().collect();
    for pod in pods {
        let (namespace, name) = (pod.meta.namespace.to_string(), pod.meta.name.to_string());
        let body = pod.pod().expect("a pod");
        if body.node.is_some() && body.state.start_time.is_none() && dice.one_in(2) {
            let now = world.now.to_string();
            world.edit_named(kind::POD, &namespace, &name, Part::Status, |pod| pod["status"]["startTime"] = json!(now));
        } else if pod.meta.is_deleting() && dice.one_in(6) {
            world.edit_named(kind::POD, &namespace, &name, Part::Main, |pod| pod["metadata"]["finalizers"] = json!([]));
        } else if !pod.meta.is_deleting() && dice.one_in(40) {
            world.delete(kind::POD, &namespace, &name);
        }
    }
}

fn budget(dice: &mut Dice, number: u64) -> serde_json::Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": format!("b{number}"), "namespace": dice.pick(&["test", "other"])},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": dice.pick(&APPS)}}},
        "status": {"disruptionsAllowed": dice.roll(3), "currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3},
    })
}
