//! An autoscaler and its target: it never leaves its limits, and in the end there are as many pods as the load asks for.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use serde_json::json;

use super::{Scenario, Subject, World, hold, patch, subject};
use crate::control::{Action, Target, pods};
use crate::controllers::{AutoscalerController, ReplicaSetController};
use crate::object::kind;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerUsage, DeleteOptions, Draft, Object, PodCondition, PodPhase, PodUsage,
    Snapshot, WriteOptions,
};

/// What each pod asks for, in thousandths of a core, and how much of it is right.
const REQUEST: u64 = 1000;
const TARGET_PERCENT: u64 = 50;

/// A ReplicaSet whose pods share a load evenly.
#[derive(Default)]
struct Autoscaled {
    /// Thousandths of a core.
    load: Cell<u64>,
}

impl Scenario for Autoscaled {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<ReplicaSetController>(), subject::<AutoscalerController>()]
    }

    fn begin(&self, world: &mut World) {
        let labels = json!({"app": "web"});
        let container =
            json!({"name": "app", "image": "web:0", "resources": {"requests": {"cpu": format!("{REQUEST}m")}}});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": 1 + world.roll(4), "selector": {"matchLabels": labels}, "template": template});
        let set = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let set: ReplicaSet = serde_json::from_value(set).expect("a set");
        let metric = json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": TARGET_PERCENT}}});
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web"},
            "minReplicas": 1, "maxReplicas": 8, "metrics": [metric],
        });
        let autoscaler = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let autoscaler: HorizontalPodAutoscaler = serde_json::from_value(autoscaler).expect("an autoscaler");
        world.write("a set and its autoscaler", |store, now| {
            for draft in [Draft::of(set), Draft::of(autoscaler)] {
                store.create_with(draft, WriteOptions::default(), now).expect("created");
            }
        });
        self.load.set(u64::from(world.roll(6000)));
    }

    fn people(&self, world: &mut World) {
        match world.roll(6) {
            0 | 1 => self.load.set(u64::from(world.roll(6000))),
            2 => {
                let least = 1 + world.roll(4);
                let most = least + world.roll(5);
                patch(
                    world,
                    kind::HORIZONTAL_POD_AUTOSCALER,
                    "web",
                    &json!({"minReplicas": least, "maxReplicas": most}),
                );
            }
            3 => {
                let policy = json!({"type": "Pods", "value": 1 + world.roll(2), "periodSeconds": 60});
                let windows = [0, 30, 120];
                let rules = |window: i32| json!({"stabilizationWindowSeconds": window, "policies": [policy]});
                let behavior =
                    json!({"scaleUp": rules(world.pick(&windows)), "scaleDown": rules(world.pick(&windows))});
                patch(world, kind::HORIZONTAL_POD_AUTOSCALER, "web", &json!({ "behavior": behavior }));
            }
            4 => patch(world, kind::HORIZONTAL_POD_AUTOSCALER, "web", &json!({"behavior": null})),
            _ => {
                let replicas = world.roll(10);
                patch(world, kind::REPLICA_SET, "web", &json!({ "replicas": replicas }));
            }
        }
    }

    fn kubelet(&self, world: &mut World) {
        let pods = world.objects(kind::POD);
        if pods.is_empty() {
            return;
        }
        let pod = world.pick(&pods);
        match world.roll(6) {
            0..=2 => set_ready(world, &pod, true),
            3 => set_ready(world, &pod, false),
            4 => {
                let each = self.load.get() / pods.len() as u64;
                measure(world, &pod, each);
            }
            _ => world.write(format!("{} is lost", pod.meta.name), |store, now| {
                let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
                let _ = store.delete(kind::POD, "default", &pod.meta.name, options, now);
            }),
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        // What people switched off stays off; here they switch it on again.
        if the_set(world.store.snapshot()).is_some_and(|set| set.spec.replicas == Some(0)) {
            patch(world, kind::REPLICA_SET, "web", &json!({"replicas": 1}));
            return true;
        }
        let all = world.objects(kind::POD);
        let late: Vec<_> = all.iter().filter(|pod| !pods::is_ready(pod)).cloned().collect();
        for pod in &late {
            set_ready(world, pod, true);
        }
        for pod in &all {
            measure(world, pod, self.load.get() / all.len() as u64);
        }
        !late.is_empty()
    }

    /// Its writes keep within the limits.
    fn judge(&self, action: &Action, before: &Snapshot, _: &Snapshot) -> Result<(), String> {
        let Action::Scale { replicas, .. } = action else { return Ok(()) };
        let Some((least, most)) = limits(before) else { return Ok(()) };
        let within = (least..=most).contains(replicas);
        if within { Ok(()) } else { Err(format!("{replicas} replicas, and there shall be {least} to {most}")) }
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let replicas = the_set(snapshot)?.spec.replicas.unwrap_or(1);
        let (least, most) = limits(snapshot)?;
        let each = REQUEST * TARGET_PERCENT / 100;
        let load = self.load.get() as f64 / each as f64;
        // What is just right is left alone; percentages are cut off.
        let is_right = (load / f64::from(replicas) - 1.0).abs() <= 0.13;
        let wanted = (load.ceil() as i32).clamp(least, most);
        let is_clamped = (wanted == least || wanted == most) && replicas == wanted;
        let whole = is_right || is_clamped || (replicas - wanted).abs() <= 1;
        (!whole).then(|| format!("{replicas} replicas for a load that asks for {load}, within {least} to {most}"))
    }
}

fn the_set(snapshot: &Snapshot) -> Option<&ReplicaSet> {
    snapshot.find(kind::REPLICA_SET, "default", "web")?.typed()
}

fn limits(snapshot: &Snapshot) -> Option<(i32, i32)> {
    let autoscaler = snapshot.find(kind::HORIZONTAL_POD_AUTOSCALER, "default", "web")?;
    let spec = &autoscaler.typed::<HorizontalPodAutoscaler>()?.spec;
    Some((spec.min_replicas.unwrap_or(1), spec.max_replicas))
}

fn set_ready(world: &mut World, pod: &Arc<Object>, ready: bool) {
    let Some(body) = pod.pod() else { return };
    let mut state = body.state.clone();
    let uid = pod.meta.uid;
    world.write(format!("{} ready {ready}", pod.meta.name), |store, now| {
        state.phase = PodPhase::Running;
        state.start_time.get_or_insert(now.minus(Duration::from_secs(3600)));
        state.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: if ready { ConditionStatus::True } else { ConditionStatus::False },
            since: Some(now),
            observed_generation: 0,
            why: None,
        });
        let write = Action::UpdatePodState { target: Target::any_version(uid), state: Box::new(state) };
        let _ = store.commit(vec![write], now);
    });
}

fn measure(world: &mut World, pod: &Arc<Object>, millis: u64) {
    let container = ContainerUsage {
        name: "app".into(),
        cpu_nanocores: Some(millis * 1_000_000),
        cpu_total: Duration::ZERO,
        memory: 0,
    };
    let uid = pod.meta.uid;
    world.write(format!("{} uses {millis}m", pod.meta.name), |store, now| {
        let usage = PodUsage { time: now, window: Duration::from_secs(15), containers: vec![container] };
        store.set_usage(uid, usage);
    });
}

#[test]
fn an_autoscaler_keeps_its_limits_and_follows_the_load() {
    hold(&Autoscaled::default(), 0..30);
}
