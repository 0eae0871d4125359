//! Disruption budgets: an eviction that a budget allows leaves as many pods healthy as it asks for.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use super::kubelet::{go, report};
use super::{Scenario, Subject, World, hold, subject};
use crate::control::{Action, Controller, Plan, pods};
use crate::controllers::{DisruptionController, PodDisruptionController, ReplicaSetController};
use crate::object::int_or_percent::{Rounding, scaled};
use crate::object::kind::{self, BuiltInKind};
use crate::store::{DeleteOptions, Draft, Object, PodPhase, Snapshot, WriteOptions};

/// One set, and one budget for its pods.
struct Budgets;

impl Scenario for Budgets {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<ReplicaSetController>(), subject::<DisruptionController>(), subject::<PodDisruptionController>()]
    }

    fn begin(&self, world: &mut World) {
        let spec = json!({
            "replicas": 1 + world.roll(6),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        });
        create::<ReplicaSet>(world, &json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}));
        let mut spec = demand(world);
        spec["selector"] = json!({"matchLabels": {"app": "web"}});
        if world.roll(3) == 0 {
            spec["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
        }
        let meta = json!({"name": "guard", "namespace": "default"});
        create::<PodDisruptionBudget>(world, &json!({"metadata": meta, "spec": spec}));
    }

    fn people(&self, world: &mut World) {
        if world.roll(3) == 0 {
            let spec = json!({"replicas": world.roll(7)});
            super::patch(world, kind::REPLICA_SET, "web", &spec);
        } else {
            let mut spec = json!({"minAvailable": null, "maxUnavailable": null});
            for (field, share) in demand(world).as_object().expect("a map") {
                spec[field] = share.clone();
            }
            super::patch(world, kind::POD_DISRUPTION_BUDGET, "guard", &spec);
        }
    }

    fn kubelet(&self, world: &mut World) {
        let all = world.objects(kind::POD);
        if all.is_empty() {
            return;
        }
        let pod = world.pick(&all);
        match world.roll(10) {
            0 | 1 => all.iter().for_each(|pod| report(world, pod, PodPhase::Running, true)),
            2 | 3 => report(world, &pod, PodPhase::Running, true),
            4 => report(world, &pod, PodPhase::Running, false),
            5 => report(world, &pod, PodPhase::Failed, false),
            6 if pod.meta.is_deleting() => go(world, &pod, Some(0)),
            _ => evict(world, &pod),
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        let mut changed = false;
        for pod in world.objects(kind::POD) {
            if pod.meta.is_deleting() {
                go(world, &pod, Some(0));
                changed = true;
            } else if pod.pod().is_some_and(|body| !body.is_finished()) && !pods::is_ready(&pod) {
                report(world, &pod, PodPhase::Running, true);
                changed = true;
            }
        }
        changed
    }

    fn judge(&self, _: &Action, _: &Snapshot, _: &Snapshot) -> Result<(), String> {
        Ok(())
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let (budget, healthy) = (the_budget(snapshot)?, healthy(snapshot));
        let status = budget.typed::<PodDisruptionBudget>()?.status.clone().unwrap_or_default();
        let needed = needed(snapshot)?;
        let there = snapshot.list_in(kind::POD, "default").next().is_some();
        let allowed = if there { (healthy - needed).max(0) } else { 0 };
        let said = (status.current_healthy, status.disruptions_allowed, status.disrupted_pods);
        let right = (Some(healthy), Some(allowed), None);
        (said != right).then(|| format!("{healthy} are healthy, {needed} are needed, and it says {said:?}"))
    }
}

fn demand(world: &mut World) -> Value {
    let field = world.pick(&["minAvailable", "maxUnavailable"]);
    json!({ field: world.pick(&[json!(0), json!(1), json!(2), json!(4), json!("30%"), json!("70%"), json!("100%")]) })
}

/// Evicts some pods before any controller looks. When the controller had nothing to do for the budget, it must still hold
/// afterwards, unless only pods went that did not count.
fn evict(world: &mut World, first: &Arc<Object>) {
    let is_judged = the_budget(world.store.snapshot()).is_some_and(|budget| is_up_to_date(world, &budget));
    let needed = needed(world.store.snapshot()).unwrap_or(0);
    let pods = world.objects(kind::POD);
    let others: Vec<_> = (0..world.roll(3)).map(|_| world.pick(&pods)).collect();
    for pod in std::iter::once(first).chain(&others) {
        let before = healthy(world.store.snapshot());
        let was_counted = world.store.snapshot().get(pod.meta.uid).is_some_and(|pod| counts(pod));
        let mut allowed = false;
        world.write(format!("evict {}", pod.meta.name), |store, now| {
            allowed = store.evict("default", &pod.meta.name, DeleteOptions::default(), now).is_ok();
        });
        let after = healthy(world.store.snapshot());
        if is_judged && allowed && was_counted {
            assert!(after >= needed, "{} went: {before} were healthy, {after} are, {needed} are needed", pod.meta.name);
        }
        assert!(allowed || before == after, "a refusal ends nothing");
    }
}

fn is_up_to_date(world: &World, budget: &Object) -> bool {
    let observed = DisruptionController::observe(world.store.snapshot(), budget.meta.uid);
    observed.is_none_or(|observed| !Plan::changes_something(&DisruptionController::decide(&observed, world.now)))
}

fn the_budget(snapshot: &Snapshot) -> Option<Arc<Object>> {
    snapshot.find(kind::POD_DISRUPTION_BUDGET, "default", "guard").cloned()
}

fn counts(pod: &Object) -> bool {
    pods::is_ready(pod) && !pod.meta.is_deleting() && pod.pod().is_some_and(|pod| pod.state.phase == PodPhase::Running)
}

fn healthy(snapshot: &Snapshot) -> i32 {
    let healthy = snapshot.list_in(kind::POD, "default").filter(|pod| pods::is_ready(pod) && !pod.meta.is_deleting());
    i32::try_from(healthy.count()).expect("few")
}

/// How many must be healthy: a share is of what the set wants.
fn needed(snapshot: &Snapshot) -> Option<i32> {
    let spec = the_budget(snapshot)?.typed::<PodDisruptionBudget>()?.spec.clone()?;
    let set: &ReplicaSet = snapshot.find(kind::REPLICA_SET, "default", "web")?.typed()?;
    let there = snapshot.list_in(kind::POD, "default").next().is_some();
    let wanted = if there { set.spec.replicas.unwrap_or(1) } else { 0 };
    let share = |share| scaled(share, wanted, Rounding::Up).expect("a share");
    match (&spec.min_available, &spec.max_unavailable) {
        (Some(least), _) => Some(share(least)),
        (None, Some(most)) => Some((wanted - share(most)).max(0)),
        (None, None) => None,
    }
}

fn create<K: BuiltInKind>(world: &mut World, object: &Value) {
    let object: K = serde_json::from_value(object.clone()).expect("an object");
    world.write(format!("create {}", K::KIND), |store, now| {
        store.create_with(Draft::of(object), WriteOptions::default(), now).expect("created");
    });
}

#[test]
fn an_eviction_that_is_allowed_leaves_as_many_healthy_pods_as_the_budget_asks_for() {
    hold(&Budgets, 0..150);
}
