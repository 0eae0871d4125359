//! StatefulSets: pods come and go in their order, a rollout keeps to what may be down, and claims outlive their pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::kubelet::{go, report};
use super::{Scenario, Subject, World, hold, subject};
use crate::control::{Action, MetaEdit, Target, pods};
use crate::controllers::StatefulSetController;
use crate::object::kind;
use crate::store::{Draft, Object, PodPhase, Snapshot, WriteOptions};

const IMAGES: [&str; 3] = ["db:1", "db:2", "db:3"];

/// One StatefulSet and its pods.
struct Sets;

impl Scenario for Sets {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<StatefulSetController>()]
    }

    fn begin(&self, world: &mut World) {
        let claim = json!({"metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        let mut spec = json!({
            "serviceName": "db",
            "replicas": world.roll(5),
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "db:0"}]}},
            "podManagementPolicy": world.pick(&["OrderedReady", "Parallel"]),
        });
        if world.roll(2) == 0 {
            spec["volumeClaimTemplates"] = json!([claim]);
        }
        let object = json!({"metadata": {"name": "db", "namespace": "default"}, "spec": spec});
        let set: StatefulSet = serde_json::from_value(object.clone()).expect("a set");
        world.write(object.to_string(), |store, now| {
            store.create_with(Draft::of(set), WriteOptions::default(), now).expect("created");
        });
    }

    fn people(&self, world: &mut World) {
        let edit = match world.roll(8) {
            6 | 7 => return meddle(world),
            0 | 1 => json!({"replicas": world.roll(6)}),
            2 | 3 => json!({"template": {"spec": {"containers": [{"name": "c", "image": world.pick(&IMAGES)}]}}}),
            4 => {
                let unavailable = world.pick(&[json!(null), json!(1), json!(2), json!("50%")]);
                let rolling = json!({"partition": world.roll(4), "maxUnavailable": unavailable});
                json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}})
            }
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
        match world.roll(9) {
            0..=3 => report(world, &pod, PodPhase::Running, true),
            4 => report(world, &pod, PodPhase::Running, false),
            5 => report(world, &pod, PodPhase::Failed, false),
            6 if pod.meta.is_deleting() => go(world, &pod, Some(0)),
            6 | 7 => go(world, &pod, None),
            _ => go(world, &pod, Some(0)),
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        let mut changed = false;
        for pod in world.objects(kind::POD) {
            // One that the set has let go of is in the way until somebody takes it out.
            let is_stray = pod.meta.labels.get("app").is_none_or(|app| app != "db");
            if pod.meta.is_deleting() || is_stray {
                go(world, &pod, Some(0));
                changed = true;
            } else if !is_finished(&pod) && !pods::is_ready(&pod) {
                report(world, &pod, PodPhase::Running, true);
                changed = true;
            }
        }
        changed
    }

    fn judge(&self, action: &Action, before: &Snapshot, after: &Snapshot) -> Result<(), String> {
        let Some(set) = the_set(before) else { return Ok(()) };
        match action {
            Action::Create { draft, .. } if draft.meta.kind == kind::POD => {
                let ordinal = ordinal(&draft.meta.name);
                let below = (0..ordinal).find(|below| !is_up(before, *below));
                match below.filter(|_| is_ordered(set)) {
                    Some(below) => Err(format!("db-{ordinal} was made, and db-{below} is not ready")),
                    None => Ok(()),
                }
            }
            Action::Delete { target, .. } => {
                let Some(pod) = before.get(target.uid).filter(|pod| pod.meta.kind == kind::POD) else { return Ok(()) };
                left_in_order(set, pod, before, after)
            }
            Action::Create { .. }
            | Action::CreateWithStatus { .. }
            | Action::Update { .. }
            | Action::UpdateStatus { .. }
            | Action::UpdatePodState { .. }
            | Action::Bind { .. }
            | Action::EditMeta { .. }
            | Action::Scale { .. }
            | Action::Remember { .. }
            | Action::Notice { .. }
            | Action::BackOff { .. }
            | Action::Emit(_) => Ok(()),
        }
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let set = the_set(snapshot)?;
        let (wanted, status) = (replicas(set), set.status.clone().unwrap_or_default());
        let pods: BTreeMap<i32, &Arc<Object>> =
            snapshot.list_in(kind::POD, "default").map(|pod| (ordinal(&pod.meta.name), pod)).collect();
        if !pods.keys().copied().eq(0..wanted) || status.available_replicas.unwrap_or(0) != wanted {
            return Some(format!("{wanted} are wanted, {:?} are there: {status:?}", pods.keys()));
        }
        let update = status.update_revision.unwrap_or_default();
        let old = pods.iter().find(|(ordinal, pod)| **ordinal >= partition(set) && revision(pod) != update);
        if let Some((ordinal, _)) = old {
            return Some(format!("db-{ordinal} is not of {update}"));
        }
        let has_claims = set.spec.volume_claim_templates.is_some();
        let claimless = pods.keys().find(|ordinal| {
            snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, "default", &format!("data-db-{ordinal}")).is_none()
        });
        claimless.filter(|_| has_claims).map(|ordinal| format!("db-{ordinal} has no claim"))
    }
}

/// A pod goes because it has ended, because it is one too many and the last, or to be rolled within what may be down.
fn left_in_order(set: &StatefulSet, pod: &Object, before: &Snapshot, after: &Snapshot) -> Result<(), String> {
    let number = ordinal(&pod.meta.name);
    if is_finished(pod) {
        return Ok(());
    }
    if number >= replicas(set) {
        let is_its_own = |other: &&Arc<Object>| other.meta.controller_uid() == pod.meta.controller_uid();
        let mut others = before.list_in(kind::POD, "default").filter(is_its_own);
        let above = others.find(|other| ordinal(&other.meta.name) > number);
        return match above.filter(|_| is_ordered(set)) {
            Some(above) => Err(format!("db-{number} goes before {}", above.meta.name)),
            None => Ok(()),
        };
    }
    if number < partition(set) {
        return Err(format!("db-{number} goes, below the partition"));
    }
    let rolling = set.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let limit = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    let limit = limit.map(|limit| {
        crate::object::int_or_percent::scaled(limit, replicas(set), crate::object::int_or_percent::Rounding::Down)
            .map_or(1, |limit| limit.max(1))
    });
    let may = match limit {
        Some(limit) => limit,
        None if is_ordered(set) => 1,
        // A parallel set without a limit looks only at the pods above the one that goes.
        None => return Ok(()),
    };
    let down = |snapshot: &Snapshot| (0..replicas(set)).filter(|ordinal| !is_up(snapshot, *ordinal)).count();
    let (was, is) = (down(before), down(after));
    let fits = i32::try_from(is).is_ok_and(|is| is <= may) || is == was;
    if fits { Ok(()) } else { Err(format!("db-{number} goes: {is} are down, {may} may be")) }
}

fn the_set(snapshot: &Snapshot) -> Option<&StatefulSet> {
    snapshot.find(kind::STATEFUL_SET, "default", "db")?.typed()
}

fn replicas(set: &StatefulSet) -> i32 {
    set.spec.replicas.unwrap_or(1)
}

fn partition(set: &StatefulSet) -> i32 {
    let rolling = set.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    rolling.and_then(|rolling| rolling.partition).unwrap_or(0)
}

fn is_ordered(set: &StatefulSet) -> bool {
    set.spec.pod_management_policy.as_deref() != Some("Parallel")
}

fn ordinal(name: &str) -> i32 {
    name.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a pod of the set")
}

fn revision(pod: &Object) -> &str {
    pod.meta.labels.get("controller-revision-hash").map_or("", String::as_str)
}

/// Whether the pod of an ordinal is ready and stays.
fn is_up(snapshot: &Snapshot, ordinal: i32) -> bool {
    let pod = snapshot.find(kind::POD, "default", &format!("db-{ordinal}"));
    pod.is_some_and(|pod| pods::is_ready(pod) && pods::is_active(pod))
}

fn is_finished(pod: &Object) -> bool {
    pod.pod().is_none_or(crate::store::PodBody::is_finished)
}

/// Edits what a set knows its pods by: their labels and owners.
fn meddle(world: &mut World) {
    let pods = world.objects(kind::POD);
    if pods.is_empty() {
        return;
    }
    let pod = world.pick(&pods);
    let labels = |key: &str, value: Option<&str>| MetaEdit {
        labels: vec![(key.to_owned(), value.map(str::to_owned))],
        ..MetaEdit::default()
    };
    let edit = match world.roll(4) {
        0 => labels("app", Some("other")),
        1 => labels("apps.kubernetes.io/pod-index", None),
        2 => labels("statefulset.kubernetes.io/pod-name", Some("db-7")),
        _ => MetaEdit { owners: Some(Vec::new()), ..MetaEdit::default() },
    };
    world.write(format!("{edit:?} of {}", pod.meta.name), |store, now| {
        let action = Action::EditMeta { target: Target::any_version(pod.meta.uid), edit };
        store.commit(vec![action], now).expect("nobody forbids it");
    });
}

fn patch(world: &mut World, spec: &Value) {
    super::patch(world, kind::STATEFUL_SET, "db", spec);
}

/// Asks for a pod's deletion, or says that it is gone.
#[test]
fn pods_of_a_set_come_and_go_in_order_and_it_ends_as_declared() {
    hold(&Sets, 0..300);
}
