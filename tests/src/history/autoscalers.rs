//! What people do with autoscalers, and how those must be in the end.

use std::sync::atomic::Ordering;

use inboard::k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use inboard::object::kind::{self, KindId};
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Object};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

const AUTOSCALERS: [&str; 2] = ["h0", "h1"];
const TARGETS: [(KindId, &str, &str); 4] = [
    (kind::DEPLOYMENT, "Deployment", "d0"),
    (kind::DEPLOYMENT, "Deployment", "d1"),
    (kind::REPLICA_SET, "ReplicaSet", "s0"),
    (kind::STATEFUL_SET, "StatefulSet", "q0"),
];

impl History {
    pub(super) fn use_autoscalers(&mut self) {
        let name = self.dice.pick(&AUTOSCALERS);
        match self.dice.roll(7) {
            0..3 => {
                let spec = self.autoscaler();
                let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create autoscaler {object}"));
                let object: HorizontalPodAutoscaler = serde_json::from_value(object).expect("an autoscaler");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            3 => {
                let patch = json!({"spec": self.autoscaler()});
                self.note(format!("patch {name}: {patch}"));
                let result = self.cluster.patch(kind::HORIZONTAL_POD_AUTOSCALER, name, Patch::Merge(patch));
                self.accept(result.map(|_| ()));
            }
            4 | 5 => {
                let length = self.dice.pick(&[0, 0, 3, 14]);
                self.note(format!("the queue is {length} long"));
                self.queue.store(length, Ordering::Relaxed);
            }
            _ => {
                self.note(format!("delete {name}"));
                let result = self.cluster.delete(kind::HORIZONTAL_POD_AUTOSCALER, name, DeleteOptions::default());
                self.accept(result);
            }
        }
    }

    /// After this there is something to do.
    pub(super) fn fill_queue(&self) {
        self.queue.store(3, Ordering::Relaxed);
    }

    fn autoscaler(&mut self) -> Value {
        let (_, kind, target) = self.dice.pick(&TARGETS);
        let percent = self.dice.pick(&[20, 60, 200]);
        let cpu = json!({"type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}});
        let target_of_queue = self
            .dice
            .pick(&[json!({"type": "Value", "value": "5"}), json!({"type": "AverageValue", "averageValue": "5"})]);
        let queue = json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": target_of_queue}});
        let (metrics, least) = match self.dice.roll(4) {
            0 | 1 => (json!([cpu]), 1 + self.dice.roll(2)),
            2 => (json!([queue]), self.dice.roll(2)),
            _ => (json!([cpu, queue]), self.dice.roll(2)),
        };
        let policy = json!({"type": "Pods", "value": 1, "periodSeconds": 30});
        let behavior = self.dice.pick(&[
            Value::Null,
            json!({"scaleDown": {"stabilizationWindowSeconds": 0}}),
            json!({"scaleUp": {"policies": [policy], "stabilizationWindowSeconds": 30}}),
        ]);
        json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": target},
            "minReplicas": least, "maxReplicas": least.max(1) + self.dice.roll(4), "metrics": metrics, "behavior": behavior,
        })
    }
}

/// An autoscaler that does not say what it found, or whose target is not within its limits though it can be scaled.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    cluster.snapshot().list(kind::HORIZONTAL_POD_AUTOSCALER).find_map(|object| autoscaler_missing(cluster, object))
}

fn autoscaler_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let autoscaler: &HorizontalPodAutoscaler = object.typed()?;
    let (spec, path) = (&autoscaler.spec, object.meta.path());
    let (of, _, name) = TARGETS
        .iter()
        .find(|(_, kind, name)| spec.scale_target_ref.kind == *kind && spec.scale_target_ref.name == *name)?;
    let conditions = autoscaler.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let able = conditions.iter().find(|condition| condition.type_ == "AbleToScale");
    let Some(able) = able else { return Some(format!("autoscaler {path} has not looked yet")) };
    let target = cluster.snapshot().find(*of, "default", name);
    if target.is_some() != (able.status == "True") {
        return Some(format!("autoscaler {path} says {able:?}, and its target is there: {}", target.is_some()));
    }
    let value = target?.to_value(cluster.kernel().store().kinds());
    let replicas = value["spec"]["replicas"].as_i64().and_then(|replicas| i32::try_from(replicas).ok())?;
    let within = (spec.min_replicas.unwrap_or(1)..=spec.max_replicas).contains(&replicas);
    // None means that somebody switched it off, unless it says so itself; two autoscalers of one target may have limits that contradict each other.
    let is_alone = cluster.snapshot().list(kind::HORIZONTAL_POD_AUTOSCALER).all(|other| {
        let other_spec = other.typed::<HorizontalPodAutoscaler>().map(|other| &other.spec);
        other.meta.uid == object.meta.uid
            || other_spec.is_none_or(|other| other.scale_target_ref != spec.scale_target_ref)
    });
    let mut conditions = conditions.iter();
    let sleeps = conditions.any(|condition| condition.type_ == "ScaledToZero" && condition.status == "True");
    if replicas == 0 && sleeps && is_alone && goes_by_queue(spec) {
        return Some(format!("autoscaler {path} sleeps, and there is something in the queue"));
    }
    (replicas != 0 && !within && is_alone)
        .then(|| format!("autoscaler {path} leaves {replicas} replicas of {name}: {spec:?}"))
}

fn goes_by_queue(spec: &HorizontalPodAutoscalerSpec) -> bool {
    spec.metrics.iter().flatten().any(|metric| metric.external.is_some())
}
