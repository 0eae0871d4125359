//! The facts of upstream's replica calculator and autoscaler, as tables, and what holds in all of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::ratio::{self, Groups, Tolerance, Values};
use super::*;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerUsage, Draft, PodCondition, PodPhase, PodUsage, Store, WriteOptions,
};

const SYNC: Duration = Duration::from_secs(15);
/// Each pod asks for a core.
const REQUEST: &str = "1";

/// A target with pods, and an autoscaler for it.
struct World {
    store: Store,
    now: Time,
    key: Uid,
}

impl World {
    /// `pods` are words: a letter for the state, and the use of CPU in thousandths of a core, if it was measured. Ready
    /// (`r`), never ready since its start (`u`), ready since a moment (`y`), pending (`p`), failed (`f`).
    fn new(replicas: i32, pods: &str, spec: Value) -> Self {
        let mut store = Store::new(1);
        let now = Time::from_secs(1_000_000);
        store.found(now);
        store.set_autoscaling(AutoscalingSettings::default());
        let mut world = Self { store, now, key: Uid::from_random(0) };
        let template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "web", "resources": {"requests": {"cpu": REQUEST}}}]},
        });
        let deployment: Deployment = read(json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        }));
        world.create(Draft::of(deployment));
        for (index, word) in pods.split_whitespace().enumerate() {
            world.pod(index, word, &template);
        }
        let mut whole = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1, "maxReplicas": 20,
            "metrics": [metric(50)],
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        let autoscaler: HorizontalPodAutoscaler =
            read(json!({"metadata": {"name": "web", "namespace": "default"}, "spec": whole}));
        world.key = world.create(Draft::of(autoscaler));
        let first = world.step();
        assert!(!first.changes_something() && first.wake_at == Some(world.now + SYNC), "a first look changes nothing");
        world
    }

    fn create(&mut self, draft: Draft) -> Uid {
        self.store.create_with(draft, WriteOptions::default(), self.now).expect("created").meta.uid
    }

    fn pod(&mut self, index: usize, word: &str, template: &Value) {
        let mut pod = template.clone();
        pod["metadata"]["name"] = format!("web-{index}").into();
        pod["metadata"]["namespace"] = "default".into();
        let pod: k8s_openapi::api::core::v1::Pod = read(pod);
        let uid = self.create(Draft::of(pod));
        let (letter, amount) = word.split_at(1);
        let hour = Duration::from_secs(3600);
        let (phase, ready, start, since) = match letter {
            "r" => (PodPhase::Running, ConditionStatus::True, self.now.minus(hour), self.now.minus(hour)),
            "u" => (PodPhase::Running, ConditionStatus::False, self.now.minus(hour), self.now.minus(hour)),
            "y" => (PodPhase::Running, ConditionStatus::True, self.now, self.now),
            "p" => (PodPhase::Pending, ConditionStatus::False, self.now, self.now),
            _ => (PodPhase::Failed, ConditionStatus::False, self.now.minus(hour), self.now.minus(hour)),
        };
        let object = self.store.snapshot().get(uid).expect("a pod").clone();
        let mut state = object.pod().expect("a pod").state.clone();
        (state.phase, state.start_time) = (phase, Some(start));
        state.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ready,
            since: Some(since),
            observed_generation: 0,
            why: None,
        });
        let write = Action::UpdatePodState { target: Target::any_version(uid), state: Box::new(state) };
        self.store.commit(vec![write], self.now).expect("written");
        if let Ok(milli) = amount.parse::<u64>() {
            self.measure(uid, milli);
        }
    }

    fn measure(&mut self, pod: Uid, milli: u64) {
        let container = ContainerUsage {
            name: "c".into(),
            cpu_nanocores: Some(milli * 1_000_000),
            cpu_total: Duration::ZERO,
            memory: 0,
        };
        self.store.set_usage(pod, PodUsage { time: self.now, window: SYNC, containers: vec![container] });
    }

    fn step(&mut self) -> Plan {
        let observed = AutoscalerController::observe(self.store.snapshot(), self.key).expect("observed");
        let plan = AutoscalerController::decide(&observed, self.now);
        self.store.commit(plan.actions.clone(), self.now).expect("committed");
        plan
    }

    /// One period later: how many replicas there are then, and the reasons of the conditions.
    fn sync(&mut self) -> (i64, String) {
        self.now = self.now + SYNC;
        let plan = self.step();
        assert_eq!(plan.wake_at, Some(self.now + SYNC), "it looks again");
        let value = |uid: Uid| {
            let snapshot = self.store.snapshot();
            snapshot.get(uid).map(|object| object.to_value(snapshot.kinds_known())).unwrap_or_default()
        };
        let target = self.store.snapshot().find(kind::DEPLOYMENT, "default", "web").expect("the target").meta.uid;
        let conditions = value(self.key)["status"]["conditions"].clone();
        let reasons = conditions.as_array().into_iter().flatten().filter_map(|one| one["reason"].as_str());
        (value(target)["spec"]["replicas"].as_i64().unwrap_or(-1), reasons.collect::<Vec<_>>().join(" "))
    }
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn metric(percent: i32) -> Value {
    json!({"type": "Resource", "resource":
        {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

#[test]
fn use_of_cpu_asks_for_replicas() {
    // What is the case; replicas; pods; target in per cent of the request; replicas that are asked for.
    let facts = [
        ("above the target", 3, "r300 r500 r700", 30, 5),
        ("above, one has never been ready: as idle", 3, "u300 r500 r700", 30, 4),
        ("above, but not with the two that are unready", 3, "r400 u500 u700", 30, 3),
        ("above, one has just become ready: its use says nothing yet", 3, "y300 r500 r700", 30, 4),
        ("above, a pending one takes its share", 2, "r1000 p", 50, 2),
        ("just above", 3, "r1010 r1030 r1020", 100, 3),
        ("just below", 3, "r950 r960 r970", 100, 3),
        ("below the target", 5, "r100 r300 r500 r250 r250", 50, 3),
        ("below, unready ones do not count", 5, "r100 r300 r500 u250 u250", 50, 2),
        ("below, what is missing counts as all of its request", 4, "r r r400 r95", 100, 3),
        ("right, and one is missing", 2, "r1000 r", 100, 2),
        ("above, but not if the missing one is idle", 2, "r1900 r", 100, 2),
        ("below, but not if the missing one is busy", 2, "r600 r", 100, 2),
        ("far above, whatever the unready and the missing one do", 3, "u100 r r2000", 50, 4),
        ("failed ones are left out", 2, "r500 r500 f900", 50, 2),
        ("a target of more than is asked for", 2, "r3000 r3000", 150, 4),
    ];
    for (case, replicas, pods, target, expected) in facts {
        let no_window = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        let mut world = World::new(replicas, pods, json!({"metrics": [metric(target)], "behavior": no_window}));
        let (found, reasons) = world.sync();
        assert_eq!(found, expected, "{case}: {reasons}");
    }
}

#[test]
fn limits_and_their_words() {
    let up = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    let percent = json!({"scaleUp": {"policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}});
    let least = json!({"scaleUp": {"selectPolicy": "Min", "policies": [
        {"type": "Pods", "value": 3, "periodSeconds": 60}, {"type": "Percent", "value": 50, "periodSeconds": 60}]}});
    let never = json!({"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}});
    let slowly = json!({"scaleDown": {"stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    let tolerant = json!({"scaleUp": {"tolerance": "0.5"}});
    let waits = json!({"scaleUp": {"stabilizationWindowSeconds": 60}});
    let (busy, idle) = ("r1000 r1000 r1000 r1000", "r10 r10 r10 r10");
    let facts = [
        ("the most", 4, busy, json!({"maxReplicas": 5}), 5, "SucceededRescale ValidMetricFound TooManyReplicas"),
        (
            "twice as many at once",
            4,
            "r5000 r5000 r5000 r5000",
            json!({}),
            8,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        ("four at once", 1, "r5000", json!({}), 4, "SucceededRescale ValidMetricFound ScaleUpLimit"),
        ("one a minute", 4, busy, json!({"behavior": up}), 5, "SucceededRescale ValidMetricFound ScaleUpLimit"),
        (
            "half as many a minute",
            4,
            busy,
            json!({"behavior": percent}),
            6,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        (
            "the smaller change",
            4,
            busy,
            json!({"behavior": least}),
            6,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        ("never down", 4, idle, json!({"behavior": never}), 4, "ReadyForNewScale ValidMetricFound ScaleDownLimit"),
        (
            "one less a minute",
            4,
            idle,
            json!({"behavior": slowly}),
            3,
            "SucceededRescale ValidMetricFound ScaleDownLimit",
        ),
        (
            "an own tolerance",
            4,
            "r700 r700 r700 r700",
            json!({"behavior": tolerant}),
            4,
            "ReadyForNewScale ValidMetricFound DesiredWithinRange",
        ),
        (
            "not at once",
            4,
            busy,
            json!({"behavior": waits}),
            4,
            "ScaleUpStabilized ValidMetricFound DesiredWithinRange",
        ),
        ("stabilized", 4, idle, json!({}), 4, "ScaleDownStabilized ValidMetricFound DesiredWithinRange"),
        ("more than the most", 4, idle, json!({"maxReplicas": 3}), 3, "SucceededRescale"),
        ("fewer than the least", 1, "r10", json!({"minReplicas": 2}), 2, "SucceededRescale"),
        ("none: somebody switched it off", 0, "", json!({}), 0, "SucceededGetScale ScalingDisabled"),
        ("nothing measured", 2, "r r", json!({}), 2, "SucceededGetScale FailedGetResourceMetric"),
        (
            "one of two metrics cannot be read: still up",
            1,
            "r1000",
            json!({"metrics": [metric(50), {"type": "External", "external":
                {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}),
            2,
            "SucceededRescale ValidMetricFound DesiredWithinRange",
        ),
        (
            "one of two metrics cannot be read: not down",
            4,
            idle,
            json!({"metrics": [metric(50), {"type": "External", "external":
                {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}),
            4,
            "SucceededGetScale FailedGetExternalMetric",
        ),
    ];
    for (case, replicas, pods, spec, expected, reasons) in facts {
        let mut world = World::new(replicas, pods, spec);
        let (found, said) = world.sync();
        assert_eq!((found, &*said), (expected, reasons), "{case}");
    }
}

#[test]
fn idle_replicas_go_when_the_window_is_over() {
    let mut world = World::new(4, "r10 r10 r10 r10", json!({}));
    let mut kept = 0;
    while world.sync().0 == 4 {
        kept += 1;
        assert!(kept < 100, "it never scales down");
    }
    // The recommendation to keep four was noted at the first look; five minutes later it no longer counts.
    assert_eq!(kept, 21);
}

/// Data that is missing never turns the direction round, and no decision leaves the limits.
#[test]
fn missing_data_never_turns_the_direction_round() {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mut roll = |sides: u64| dice.next_u64() % sides;
    let tolerance = Tolerance { up: 0.1, down: 0.1 };
    for _ in 0..20_000 {
        let (known, missing, unready) = (1 + roll(6), roll(4), roll(4));
        let name = |letter: &str, index: u64| Arc::<str>::from(format!("{letter}{index}"));
        let values: Values = (0..known).map(|index| (name("k", index), roll(300) as i64)).collect();
        let groups = Groups {
            ready: values.len(),
            missing: (0..missing).map(|index| name("m", index)).collect(),
            unready: (0..unready).map(|index| name("u", index)).collect(),
            ignored: BTreeSet::new(),
        };
        let current = (known + missing + unready) as i32;
        let average = |values: &Values| values.values().sum::<i64>() as f64 / values.len() as f64 / 100.0;
        let first = average(&values);
        let wanted = ratio::replicas(values.clone(), &groups, current, tolerance, |v| Ok(average(v)), |_| 100);
        let wanted = wanted.expect("a number");
        let turned = (first > 1.0 && wanted < current) || (first < 1.0 && wanted > current);
        let is_conservative = missing > 0 || (unready > 0 && first > 1.0);
        assert!(!turned || !is_conservative, "{values:?} {groups:?}: {first} leads from {current} to {wanted}");
    }
}
