//! What the failure of a pod means to its Job, and when it was, as tables.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::PodFailurePolicy;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::super::failure_policy::{Meaning, meaning};
use super::super::member::Member;
use super::{NOW, World, container};
use crate::control::{Action, Target};
use crate::ids::NodeName;
use crate::object::kind;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, DeleteOptions, Draft, Object, PodCondition,
    PodPhase, WriteOptions,
};
use crate::time::Time;

/// So many seconds before [`NOW`].
fn ago(seconds: u64) -> Time {
    NOW.minus(Duration::from_secs(seconds))
}

/// A pod that has failed. Its containers are words: `main!2` ended with the code 2 just now, `main!2@30` half a minute ago,
/// `main` runs; `init:` makes it an init container, `side:` a sidecar. So are its conditions: `DisruptionTarget=True`, a
/// quarter of an hour old.
fn failed(containers: &str, conditions: &str) -> (World, Arc<Object>) {
    let mut world = World::new("");
    let words = || containers.split_whitespace().map(|word| word.split_once(':').unwrap_or(("", word)));
    let spec = |wanted: &[&str]| {
        let of_kind = words().filter(|(kind, _)| wanted.contains(kind));
        let specs = of_kind.map(|(kind, word)| {
            let name = word.split(['!', '@']).next().unwrap_or_default();
            let mut spec = json!({"name": name, "image": "app"});
            if kind == "side" {
                spec["restartPolicy"] = "Always".into();
            }
            spec
        });
        specs.collect::<Vec<Value>>()
    };
    let mut regular = spec(&[""]);
    if regular.is_empty() {
        regular.push(json!({"name": "unsaid", "image": "app"}));
    }
    let spec = json!({"restartPolicy": "Never", "containers": regular, "initContainers": spec(&["init", "side"])});
    let metadata = json!({"name": "p", "namespace": "default", "finalizers": ["example.com/kept"]});
    let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("a pod");
    let made = world.store.create_with(Draft::of(pod), WriteOptions::default(), ago(5000)).expect("it is admitted");
    let mut state = made.pod().expect("a pod").state.clone();
    state.phase = PodPhase::Failed;
    let records = |wanted: &[&str]| {
        let of_kind = words().filter(|(kind, _)| wanted.contains(kind));
        of_kind.map(|(_, word)| record(word)).collect::<Box<[ContainerRecord]>>()
    };
    (state.containers, state.init_containers) = (records(&[""]), records(&["init", "side"]));
    for (kind, status) in conditions.split_whitespace().filter_map(|word| word.split_once('=')) {
        let status = match status {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        };
        let kind = if kind == "Ready" { ConditionKind::Ready } else { ConditionKind::DisruptionTarget };
        state.set_condition(PodCondition { kind, status, since: Some(ago(900)), observed_generation: 0, why: None });
    }
    let target = Target::any_version(made.meta.uid);
    let actions = vec![
        Action::Bind { target, node: NodeName::from("n") },
        Action::UpdatePodState { target, state: Box::new(state) },
    ];
    world.store.commit(actions, NOW).expect("no conflict");
    let pod = Arc::clone(world.store.snapshot().get(made.meta.uid).expect("the pod"));
    (world, pod)
}

fn record(word: &str) -> ContainerRecord {
    let (word, seconds) = word.split_once('@').unwrap_or((word, "0"));
    let at = ago(seconds.parse().expect("a number"));
    let (name, code) = word.split_once('!').map_or((word, None), |(name, code)| (name, Some(code)));
    let ended = code.map(|code| container(PodPhase::Failed, code.parse().expect("a code"), at, false));
    let record = ended.unwrap_or_else(|| container(PodPhase::Running, 0, at, false));
    ContainerRecord { name: name.into(), ..record }
}

/// A policy in words: `FailJob of=main in 1,2; Ignore when DisruptionTarget=True; Count notin 3`.
fn policy(rules: &str) -> PodFailurePolicy {
    let rules = rules.split("; ").filter(|rule| !rule.is_empty()).map(|rule| {
        let words: Vec<&str> = rule.split(' ').collect();
        let mut made = json!({"action": words[0]});
        for pair in words.windows(2) {
            let codes = || pair[1].split(',').map(|code| code.parse::<i32>().expect("a code")).collect::<Vec<_>>();
            match pair[0] {
                "in" => made["onExitCodes"] = json!({"operator": "In", "values": codes()}),
                "notin" => made["onExitCodes"] = json!({"operator": "NotIn", "values": codes()}),
                "when" => {
                    let (kind, status) = pair[1].split_once('=').unwrap_or((pair[1], ""));
                    let status = Some(status).filter(|status| !status.is_empty());
                    made["onPodConditions"] = json!([{"type": kind, "status": status}]);
                }
                _ => {}
            }
        }
        if let Some(name) = words.iter().find_map(|word| word.strip_prefix("of=")) {
            made["onExitCodes"]["containerName"] = name.into();
        }
        made
    });
    serde_json::from_value(json!({"rules": rules.collect::<Vec<_>>()})).expect("a policy")
}

#[test]
fn the_first_rule_that_a_failure_matches_says_what_it_means() {
    let fails = |what: &str, place: usize| format!("fails the job: {what} matching FailJob rule at index {place}");
    let ended = |name: &str, code: i32| format!("Container {name} for pod default/p failed with exit code {code}");
    for (rules, containers, conditions, expected) in [
        ("", "main!2", "", "counts".to_owned()),
        ("Ignore in 1,2,3", "main!2", "", "is ignored".to_owned()),
        ("Ignore in 1,3", "main!2", "", "counts".to_owned()),
        ("Ignore in -1073741676,-1073741510", "main!-1073741510", "", "is ignored".to_owned()),
        ("FailJob in 1,2,3", "main!2", "", fails(&ended("main", 2), 0)),
        ("FailIndex in 1,2,3", "main!2", "", "fails its index".to_owned()),
        ("Count in 1,2,3", "main!2", "", "counts".to_owned()),
        ("Count in 1,2; FailJob in 2,3", "main!2", "", "counts".to_owned()),
        ("Count in 1,2,3; FailJob in 4,5,6", "main!6", "", fails(&ended("main", 6), 1)),
        // What has ended well, and what has not ended, is passed by.
        ("FailJob notin 111", "init:setup!0 main!111 support!0", "", "counts".to_owned()),
        ("FailJob notin 0", "main!1 support!0", "", fails(&ended("main", 1), 0)),
        ("FailJob in 2", "first second!2", "", fails(&ended("second", 2), 0)),
        ("FailJob in 5", "main init:setup!5", "", fails(&ended("setup", 5), 0)),
        // A rule for one container leaves the others.
        ("FailJob of=main in 2", "support!2 main!3", "", "counts".to_owned()),
        ("FailJob of=main in 2", "support!3 main!2", "", fails(&ended("main", 2), 0)),
        ("FailJob of=main notin 2", "support!3 main!2", "", "counts".to_owned()),
        // A condition without a say is to be true.
        ("Ignore when DisruptionTarget=True", "main!1", "DisruptionTarget=True", "is ignored".to_owned()),
        ("Ignore when DisruptionTarget=True", "main!1", "DisruptionTarget=False", "counts".to_owned()),
        ("Ignore when DisruptionTarget=False", "main!1", "DisruptionTarget=True", "counts".to_owned()),
        ("Ignore when DisruptionTarget=False", "main!1", "DisruptionTarget=False", "is ignored".to_owned()),
        ("Ignore when DisruptionTarget=Unknown", "main!1", "DisruptionTarget=Unknown", "is ignored".to_owned()),
        ("Ignore when DisruptionTarget", "main!1", "DisruptionTarget=True", "is ignored".to_owned()),
        ("Ignore when DisruptionTarget", "main!1", "DisruptionTarget=False", "counts".to_owned()),
        ("FailIndex when DisruptionTarget=True", "main!1", "DisruptionTarget=True", "fails its index".to_owned()),
        (
            "Ignore in 3; FailJob when DisruptionTarget=True",
            "main!1",
            "Ready=False DisruptionTarget=True",
            fails("Pod default/p has condition DisruptionTarget", 1),
        ),
    ] {
        let (_, pod) = failed(containers, conditions);
        let told = match meaning(Some(&policy(rules)), Member(&pod)) {
            Meaning::Counts => "counts".to_owned(),
            Meaning::Ignored => "is ignored".to_owned(),
            Meaning::FailsIndex => "fails its index".to_owned(),
            Meaning::FailsJob(why) => format!("fails the job: {why}"),
        };
        assert_eq!(told, expected, "{rules}: {containers} {conditions}");
    }
    assert_eq!(meaning(None, Member(&failed("main!2", "").1)), Meaning::Counts);
}

#[test]
fn a_pod_has_ended_with_its_last_container_or_else_when_it_went() {
    for (case, containers, conditions, deleted, expected) in [
        ("the last of several", "a!1@2 b!0@1 c!0@3", "", false, 1),
        ("a sidecar ends after the others", "a!1@9 side:log!0@4", "", false, 4),
        ("an init container has nothing to say", "a!1@9 init:setup!0@4", "", false, 9),
        ("one of them runs: when it was deleted", "a!1@9 b c!0@3", "", true, 0),
        ("a sidecar runs: when it was deleted", "a!1@9 side:log", "", true, 0),
        ("nothing is known of the end: when it was not ready any more", "a", "Ready=False", true, 900),
        ("it is still ready: when it was deleted", "a", "Ready=True", true, 0),
        ("nothing is known at all: when it was made", "a", "", false, 5000),
    ] {
        let (mut world, mut pod) = failed(containers, conditions);
        if deleted {
            // With half a minute to go: what counts is when it was asked for.
            let options = DeleteOptions { grace_seconds: Some(30), ..DeleteOptions::default() };
            world.store.delete(kind::POD, "default", "p", options, NOW).expect("it is there");
            pod = Arc::clone(world.store.snapshot().get(pod.meta.uid).expect("the pod"));
        }
        assert_eq!((NOW - Member(&pod).finished_at()).as_secs(), expected, "{case}");
        let runs = |record: &ContainerRecord| matches!(record.phase, ContainerPhase::Running(_));
        let state = &pod.pod().expect("a pod").state;
        assert_eq!(
            state.containers.iter().any(runs),
            containers.split(' ').any(|word| !word.contains(['!', ':'])),
            "{case}"
        );
    }
}
