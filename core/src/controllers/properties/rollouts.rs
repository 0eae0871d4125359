//! Deployments and their sets: surge and availability are kept by every single write, and a rollout ends as declared.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};

use super::kubelet::report;
use super::{Scenario, Subject, World, hold, subject};
use crate::control::{Action, pods};
use crate::controllers::{DeploymentController, ReplicaSetController};
use crate::object::{int_or_percent, kind};
use crate::store::{DeleteOptions, Draft, PodPhase, Snapshot, WriteOptions};

const SHARES: [&str; 5] = ["0", "1", "2", "25%", "60%"];

/// One Deployment, rolled out by the real controllers.
struct Rollouts;

impl Scenario for Rollouts {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<DeploymentController>(), subject::<ReplicaSetController>()]
    }

    fn begin(&self, world: &mut World) {
        let labels = json!({"app": "web"});
        let template =
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "web:0"}]}});
        let replicas = world.roll(8);
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template});
        let object = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let deployment: Deployment = serde_json::from_value(object).expect("a deployment");
        world.write(format!("a Deployment of {replicas}"), |store, now| {
            store.create_with(Draft::of(deployment), WriteOptions::default(), now).expect("created");
        });
    }

    fn people(&self, world: &mut World) {
        let share = |text: &str| text.parse::<i32>().map_or_else(|_| json!(text), |number| json!(number));
        let edit = match world.roll(7) {
            0 | 1 => json!({"replicas": world.roll(9)}),
            2 | 3 => {
                let image = format!("web:{}", world.roll(4));
                json!({"template": {"spec": {"containers": [{"name": "app", "image": image}]}}})
            }
            4 => {
                let (surge, unavailable) = (world.pick(&SHARES), world.pick(&SHARES));
                json!({"strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": share(surge), "maxUnavailable": share(unavailable)}}})
            }
            5 => json!({"paused": world.roll(3) == 0}),
            _ => json!({"minReadySeconds": world.roll(2) * 10}),
        };
        patch(world, &edit);
    }

    fn kubelet(&self, world: &mut World) {
        let pods = world.objects(kind::POD);
        if pods.is_empty() {
            return;
        }
        let pod = world.pick(&pods);
        match world.roll(6) {
            0..=3 => report(world, &pod, PodPhase::Running, true),
            4 => report(world, &pod, PodPhase::Running, false),
            _ => world.write(format!("{} is lost", pod.meta.name), |store, now| {
                let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
                let _ = store.delete(kind::POD, "default", &pod.meta.name, options, now);
            }),
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        let deployment = world.objects(kind::DEPLOYMENT).remove(0);
        if deployment.typed::<Deployment>().is_some_and(|deployment| deployment.spec.paused == Some(true)) {
            patch(world, &json!({"paused": false}));
            return true;
        }
        let late: Vec<_> = world.objects(kind::POD).into_iter().filter(|pod| !pods::is_ready(pod)).collect();
        for pod in &late {
            report(world, pod, PodPhase::Running, true);
        }
        !late.is_empty()
    }

    /// A write that makes a set smaller leaves as many available pods as the Deployment promises, or as there were.
    fn judge(&self, action: &Action, before: &Snapshot, after: &Snapshot) -> Result<(), String> {
        let Action::Update { target, .. } = action else { return Ok(()) };
        let size =
            |snapshot: &Snapshot| snapshot.get(target.uid).and_then(|set| set.typed::<ReplicaSet>()).map(replicas);
        let (Some(was), Some(is)) = (size(before), size(after)) else { return Ok(()) };
        if is >= was || is_resized(before) {
            return Ok(());
        }
        let deployment = the_deployment(before).ok_or("no Deployment")?;
        let (kept, had) = (covered(after), covered(before));
        let least = promised(deployment);
        if kept < least.min(had) {
            return Err(format!(
                "a set went from {was} to {is}: {kept} available are left of {had}, {least} are promised"
            ));
        }
        Ok(())
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let deployment = the_deployment(snapshot)?;
        let (wanted, status) = (deployment.spec.replicas.unwrap_or(1), deployment.status.clone().unwrap_or_default());
        let counts =
            [status.replicas, status.updated_replicas, status.available_replicas].map(Option::unwrap_or_default);
        let pods = snapshot.list_in(kind::POD, "default").filter(|pod| pods::is_active(pod)).count();
        let whole = counts == [wanted; 3] && usize::try_from(wanted) == Ok(pods);
        (!whole).then(|| format!("{wanted} are wanted, {pods} are there, and the status says {counts:?}"))
    }
}

fn the_deployment(snapshot: &Snapshot) -> Option<&Deployment> {
    snapshot.list_in(kind::DEPLOYMENT, "default").next()?.typed()
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

/// Whether the Deployment's own size was edited since its sets were written: they are resized in proportion then.
fn is_resized(snapshot: &Snapshot) -> bool {
    let Some(deployment) = the_deployment(snapshot) else { return false };
    let wanted = deployment.spec.replicas.unwrap_or(1).to_string();
    let sets = snapshot.list_in(kind::REPLICA_SET, "default");
    deployment.spec.paused == Some(true)
        || sets
            .filter(|set| set.typed::<ReplicaSet>().is_some_and(|set| replicas(set) > 0))
            .any(|set| set.meta.annotations.get("deployment.kubernetes.io/desired-replicas") != Some(&wanted))
}

/// How many available pods the sets keep at their sizes.
fn covered(snapshot: &Snapshot) -> i32 {
    let sets = snapshot.list_in(kind::REPLICA_SET, "default").filter_map(|set| set.typed::<ReplicaSet>());
    let available = |set: &ReplicaSet| set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    sets.map(|set| available(set).min(replicas(set))).sum()
}

fn promised(deployment: &Deployment) -> i32 {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let rolling = deployment.spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let (surge, unavailable) =
        rolling.map_or((None, None), |rolling| (rolling.max_surge.as_ref(), rolling.max_unavailable.as_ref()));
    wanted - int_or_percent::fenceposts(surge, unavailable, wanted).map_or(1, |(_, unavailable)| unavailable)
}

fn patch(world: &mut World, spec: &Value) {
    super::patch(world, kind::DEPLOYMENT, "web", spec);
}

#[test]
fn every_write_of_a_rollout_keeps_surge_and_availability_and_it_ends_as_declared() {
    hold(&Rollouts, 0..250);
}
