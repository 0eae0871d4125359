//! The facts of upstream's replica calculator and autoscaler, as tables.

mod cpu;
mod kinds;
mod limits;
mod targets;
mod zero;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use serde_json::{Value, json};

use super::*;
use crate::object::kind::KindId;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerUsage, Draft, MetricAnswer, MetricQuery, MetricSample, Part, PodCondition,
    PodPhase, PodUsage, Store, WriteOptions,
};

const SYNC: Duration = Duration::from_secs(15);
const CONTAINERS: [&str; 2] = ["c", "side"];

/// A target with pods, and an autoscaler for it.
struct World {
    store: Store,
    now: Time,
    key: Uid,
}

impl World {
    /// `pods` are words: a letter for the state, and the use of CPU of each container in thousandths of a core, joined by
    /// `+`, if it was measured; then of memory in MiB behind a colon. Ready (`r`), never ready since its start (`u`), ready
    /// since a moment (`y`), started a minute ago and measured since it is ready (`w`), not ready any more (`l`), pending
    /// (`p`), failed (`f`), succeeded (`s`), without a word of whether it is ready (`n`), on its way out (`d`). Each container
    /// asks for a core, if `podSpec` in `spec` says nothing else. Where `spec` says that there may be no replicas, there may.
    fn new(replicas: i32, pods: &str, mut spec: Value) -> Self {
        let mut store = Store::new(1);
        let now = Time::from_secs(1_000_000);
        store.found(now);
        let scale_to_zero = spec["minReplicas"] == 0;
        store.set_autoscaling(AutoscalingSettings { scale_to_zero, ..AutoscalingSettings::default() });
        let mut world = Self { store, now, key: Uid::from_random(0) };
        let has_side = pods.contains('+');
        let containers = CONTAINERS.iter().take(1 + usize::from(has_side));
        let containers = containers.map(
            |name| json!({"name": name, "image": "web", "resources": {"requests": {"cpu": "1", "memory": "100Mi"}}}),
        );
        let mut template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": containers.collect::<Vec<_>>()},
        });
        let own = spec.as_object_mut().and_then(|spec| spec.remove("podSpec"));
        for (field, value) in own.iter().flat_map(|own| own.as_object().into_iter().flatten()) {
            template["spec"][field] = value.clone();
        }
        let deployment: Deployment = read(json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        }));
        world.create(Draft::of(deployment));
        for (index, word) in pods.split_whitespace().enumerate() {
            world.pod(index, word, &template);
        }
        world.key = world.autoscaler("web", spec);
        world
    }

    /// Makes an autoscaler, and takes the first look, which only says when the next one is.
    fn autoscaler(&mut self, name: &str, spec: Value) -> Uid {
        let mut whole = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1, "maxReplicas": 20,
            "metrics": [metric(50)],
        });
        for (field, value) in spec.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        let autoscaler: HorizontalPodAutoscaler =
            read(json!({"metadata": {"name": name, "namespace": "default"}, "spec": whole}));
        let key = self.create(Draft::of(autoscaler));
        let first = self.step(key);
        assert!(!first.changes_something() && first.wake_at == Some(self.now + SYNC), "a first look changes nothing");
        key
    }

    /// Somebody writes another number into an object's spec.
    fn write(&mut self, kind: KindId, field: &str, number: i32) {
        let edit = |mut value: Value| {
            value["spec"][field] = number.into();
            Ok(value)
        };
        let part = Part::Main;
        self.store.edit(kind, ("default", "web"), part, WriteOptions::default(), self.now, edit).expect("written");
    }

    fn create(&mut self, draft: Draft) -> Uid {
        self.store.create_with(draft, WriteOptions::default(), self.now).expect("created").meta.uid
    }

    fn pod(&mut self, index: usize, word: &str, template: &Value) {
        let mut pod = template.clone();
        pod["metadata"]["name"] = format!("web-{index}").into();
        pod["metadata"]["namespace"] = "default".into();
        if word.starts_with('d') {
            pod["metadata"]["finalizers"] = json!(["example.com/kept"]);
        }
        let pod: k8s_openapi::api::core::v1::Pod = read(pod);
        let uid = self.create(Draft::of(pod));
        let (letter, amounts) = word.split_at(1);
        let ago = |seconds| self.now.minus(Duration::from_secs(seconds));
        let (ready, unready) = (Some(ConditionStatus::True), Some(ConditionStatus::False));
        let (phase, ready, start, since) = match letter {
            "r" | "d" => (PodPhase::Running, ready, ago(3600), ago(3600)),
            "u" => (PodPhase::Running, unready, ago(3600), ago(3600)),
            "l" => (PodPhase::Running, unready, ago(3600), ago(3570)),
            "y" => (PodPhase::Running, ready, ago(0), ago(0)),
            "w" => (PodPhase::Running, ready, ago(60), ago(30)),
            "n" => (PodPhase::Running, None, ago(3600), ago(3600)),
            "p" => (PodPhase::Pending, unready, ago(0), ago(0)),
            "s" => (PodPhase::Succeeded, unready, ago(3600), ago(60)),
            _ => (PodPhase::Failed, unready, ago(3600), ago(3600)),
        };
        let object = self.store.snapshot().get(uid).expect("a pod").clone();
        let mut state = object.pod().expect("a pod").state.clone();
        (state.phase, state.start_time) = (phase, Some(start));
        if let Some(status) = ready {
            let (kind, since) = (ConditionKind::Ready, Some(since));
            state.set_condition(PodCondition { kind, status, since, observed_generation: 0, why: None });
        }
        let write = Action::UpdatePodState { target: Target::any_version(uid), state: Box::new(state) };
        self.store.commit(vec![write], self.now).expect("written");
        if letter == "d" {
            self.store
                .delete(kind::POD, "default", &format!("web-{index}"), Default::default(), self.now)
                .expect("it is there");
        }
        if !amounts.is_empty() {
            self.measure(uid, amounts);
        }
    }

    fn measure(&mut self, pod: Uid, amounts: &str) {
        let (cpu, memory) = amounts.split_once(':').unwrap_or((amounts, "0"));
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let containers = CONTAINERS.iter().zip(cpu.split('+')).map(|(name, milli)| ContainerUsage {
            name: (*name).into(),
            cpu_nanocores: Some(number(milli) * 1_000_000),
            cpu_total: Duration::ZERO,
            memory: number(memory) << 20,
        });
        self.store.set_usage(pod, PodUsage { time: self.now, window: SYNC, containers: containers.collect() });
    }

    /// The embedder's metrics say so: `object=value` for each.
    fn answer(&mut self, query: MetricQuery, samples: &str) {
        let samples = samples.split_whitespace().map(|sample| {
            let (object, value) = sample.split_once('=').unwrap_or(("", sample));
            MetricSample { object: object.to_owned(), value: value.parse().expect("a quantity") }
        });
        let answer: MetricAnswer = Ok(samples.collect());
        self.store.answered(query, answer);
    }

    fn answer_queue(&mut self, length: &str) {
        let query =
            MetricQuery::External { namespace: "default".into(), metric: "queue".into(), selector: String::new() };
        self.answer(query, length);
    }

    fn step(&mut self, key: Uid) -> Plan {
        let observed = AutoscalerController::observe(self.store.snapshot(), key).expect("observed");
        let plan = AutoscalerController::decide(&observed, self.now);
        self.store.commit(plan.actions.clone(), self.now).expect("committed");
        plan
    }

    /// One period later: how many replicas there are then, all of them up, and the reasons of the conditions.
    fn sync(&mut self) -> (i64, String) {
        let look = self.look();
        (look.replicas, look.reasons)
    }

    fn look(&mut self) -> Look {
        self.now = self.now + SYNC;
        let plan = self.step(self.key);
        assert_eq!(plan.wake_at, Some(self.now + SYNC), "it looks again");
        let events = plan.actions.iter().filter_map(|action| match action {
            Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
            _ => None,
        });
        let events = events.collect();
        let replicas = self.value(kind::DEPLOYMENT, "web")["spec"]["replicas"].as_i64().unwrap_or(-1);
        self.report_replicas(replicas);
        let value = self.store.snapshot().get(self.key).expect("it is there").clone();
        let status = self.value(kind::HORIZONTAL_POD_AUTOSCALER, &value.meta.name)["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<_> = conditions.iter().filter_map(|one| one["reason"].as_str()).collect();
        let active = conditions.iter().find(|one| one["type"] == "ScalingActive");
        let active = active.and_then(|active| active["message"].as_str()).unwrap_or_default().to_owned();
        Look { replicas, reasons: reasons.join(" "), active, events, metrics: status["currentMetrics"].clone() }
    }

    fn value(&self, kind: KindId, name: &str) -> Value {
        let snapshot = self.store.snapshot();
        snapshot.find(kind, "default", name).expect("it is there").to_value(snapshot.kinds_known())
    }

    fn report_replicas(&mut self, replicas: i64) {
        let edit = |mut value: Value| {
            value["status"]["replicas"] = replicas.into();
            Ok(value)
        };
        let target = (kind::DEPLOYMENT, ("default", "web"));
        self.store.edit(target.0, target.1, Part::Status, WriteOptions::default(), self.now, edit).expect("written");
    }
}

/// What came of a look.
struct Look {
    replicas: i64,
    /// Of all conditions.
    reasons: String,
    /// The message of `ScalingActive`.
    active: String,
    events: Vec<String>,
    /// `status.currentMetrics`
    metrics: Value,
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn metric(percent: i32) -> Value {
    json!({"type": "Resource", "resource":
        {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

/// A queue outside of the cluster, with so much for each pod.
fn queue(each: &str) -> Value {
    json!({"type": "External", "external":
        {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": each}}})
}
