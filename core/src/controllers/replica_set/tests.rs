//! What a set does, as tables: the set and its pods in, what is made and deleted and the counts out.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use serde_json::json;

use super::ReplicaSetController;
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Plan, Propagation, Target};
use crate::error::{ApiError, Reason};
use crate::object::kind;
use crate::store::{
    ConditionKind, ConditionStatus, DeleteOptions, Draft, Object, PodCondition, PodPhase, Store, WriteOptions,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
}

impl World {
    /// A set of so many replicas, that are available once they are ready for so many seconds.
    fn new(replicas: i32, min_ready: i32) -> Self {
        let mut world = Self { store: Store::new(7) };
        world.store.found(NOW);
        let labels = json!({"app": "web", "tier": "front"});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web"}]}});
        let spec = json!({"replicas": replicas, "minReadySeconds": min_ready, "template": template,
            "selector": {"matchLabels": {"app": "web"}}});
        let object = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        let set: ReplicaSet = serde_json::from_value(object).expect("a set");
        world.store.create_with(Draft::of(set), WriteOptions::default(), NOW).expect("it is admitted");
        world
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::REPLICA_SET, "default", "web").expect("the set"))
    }

    fn status(&self) -> ReplicaSetStatus {
        self.object().typed::<ReplicaSet>().and_then(|set| set.status.clone()).unwrap_or_default()
    }

    /// Adds pods that are described as `ready*2 pending`.
    fn pods(&mut self, pods: &str) {
        for (place, word) in pods.split_whitespace().enumerate() {
            let (state, count) = word.split_once('*').unwrap_or((word, "1"));
            for copy in 0..count.parse().expect("a number") {
                self.pod(&format!("{state}-{place}-{copy}"), state);
            }
        }
    }

    fn pod(&mut self, name: &str, state: &str) {
        let labels = match state {
            "stray" | "strayed" => json!({"app": "other"}),
            "bare" => json!({"app": "web"}),
            _ => json!({"app": "web", "tier": "front"}),
        };
        let owners = match state {
            "orphan" | "stray" => json!([]),
            "foreign" => json!([{"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o", "controller": true}]),
            _ => json!([controller_reference(&self.object().meta)]),
        };
        let finalizers = if state == "going" { json!(["example.com/held"]) } else { json!([]) };
        let meta = json!({"name": name, "namespace": "default", "labels": labels, "ownerReferences": owners, "finalizers": finalizers});
        let spec = json!({"containers": [{"name": "c", "image": "web"}]});
        let pod: Pod = serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a pod");
        let pod = self.store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("it is admitted");
        let mut next = pod.pod().expect("a pod").state.clone();
        next.phase = match state {
            "pending" => PodPhase::Pending,
            "failed" => PodPhase::Failed,
            "succeeded" => PodPhase::Succeeded,
            _ => PodPhase::Running,
        };
        next.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ConditionStatus::from(matches!(state, "ready" | "fresh" | "bare")),
            since: Some(if state == "fresh" { NOW } else { NOW.minus(Duration::from_secs(600)) }),
            observed_generation: 0,
            why: None,
        });
        let action = Action::UpdatePodState { target: Target::any_version(pod.meta.uid), state: Box::new(next) };
        self.store.commit(vec![action], NOW).expect("no conflict");
        if state == "going" {
            self.store.delete(kind::POD, "default", name, DeleteOptions::default(), NOW).expect("it is there");
        }
    }

    fn decide(&self) -> Plan {
        let observed = ReplicaSetController::observe(self.store.snapshot(), self.object().meta.uid);
        ReplicaSetController::decide(&observed.expect("it is there"), NOW)
    }

    fn refused(&self, error: &ApiError) -> Plan {
        let observed = ReplicaSetController::observe(self.store.snapshot(), self.object().meta.uid);
        ReplicaSetController::refused(&observed.expect("it is there"), error, NOW)
    }

    /// Carries a plan out, and tells it: how many pods it makes and deletes, and whose owners it edits; then the counts of all,
    /// of those that have all labels, of ready, available and terminating ones; then conditions.
    fn told(&mut self, plan: Plan) -> String {
        let count = |is: fn(&Action) -> bool| plan.actions.iter().filter(|action| is(action)).count();
        let made = count(|action| matches!(action, Action::Create { .. }));
        let deleted = count(|action| matches!(action, Action::Delete { .. }));
        let edited = count(|action| matches!(action, Action::EditMeta { .. }));
        let mut told: Vec<String> = [("+", made), ("-", deleted), ("~", edited)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(sign, count)| format!("{sign}{count}"))
            .collect();
        self.store.commit(plan.actions, NOW).expect("no conflict");
        let status = self.status();
        let counts = [
            Some(status.replicas),
            status.fully_labeled_replicas,
            status.ready_replicas,
            status.available_replicas,
            status.terminating_replicas,
        ];
        told.push(counts.map(|count| count.unwrap_or(0).to_string()).join("/"));
        let conditions = status.conditions.into_iter().flatten();
        told.extend(conditions.map(|condition| condition.reason.unwrap_or_default()));
        told.join(" ")
    }
}

/// How many there shall be, the pods, and what is done.
type Row<'a> = (i32, &'a str, &'a str);

#[test]
fn there_are_as_many_active_pods_as_shall_be() {
    let rows: &[Row<'_>] = &[
        (2, "ready*2", "2/2/2/2/0"),
        (2, "", "+2 0/0/0/0/0"),
        (2, "running", "+1 1/1/0/0/0"),
        (1, "ready*3", "-2 3/3/3/3/0"),
        (0, "pending", "-1 1/1/0/0/0"),
        // Pods that have ended or go do not count as there.
        (2, "ready failed succeeded", "+1 1/1/1/1/0"),
        (2, "ready going", "+1 1/1/1/1/1"),
        // Labels of the template that a pod lacks.
        (2, "ready bare", "2/1/2/2/0"),
        (3, "ready running pending", "3/3/1/1/0"),
        // What nobody controls is adopted, what matches no more let go of, and what others control left alone.
        (2, "ready orphan", "~1 2/2/1/1/0"),
        (1, "orphan*2", "-1 ~2 2/2/0/0/0"),
        (1, "strayed", "+1 ~1 0/0/0/0/0"),
        (1, "stray foreign", "+1 0/0/0/0/0"),
        (1000, "", "+500 0/0/0/0/0"),
    ];
    for (replicas, pods, expected) in rows {
        let mut world = World::new(*replicas, 0);
        world.pods(pods);
        let plan = world.decide();
        assert_eq!(world.told(plan), *expected, "{replicas}, with {pods}");
    }
}

#[test]
fn a_pod_is_available_once_it_has_been_ready_for_long_enough() {
    let mut world = World::new(3, 30);
    world.pods("ready fresh running");
    let plan = world.decide();
    assert_eq!(plan.wake_at, Some(NOW + Duration::from_secs(30)));
    assert_eq!(world.told(plan), "3/3/2/1/0");
}

#[test]
fn a_set_that_is_deleted_only_counts() {
    let mut world = World::new(3, 0);
    world.pods("ready orphan strayed");
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    world.store.delete(kind::REPLICA_SET, "default", "web", options, NOW).expect("it is there");
    let plan = world.decide();
    assert_eq!(world.told(plan), "1/1/1/1/0");
}

#[test]
fn what_was_refused_is_told_until_it_succeeds() {
    let forbidden = ApiError::new(Reason::Forbidden, "no");
    for (replicas, expected, reason) in [
        (3, "1/1/1/1/0 FailedCreate", "FailedCreate: Error creating: no"),
        (0, "1/1/1/1/0 FailedDelete", "FailedDelete: Error deleting: no"),
    ] {
        let mut world = World::new(replicas, 0);
        world.pods("ready");
        let plan = world.refused(&forbidden);
        let told = plan.actions.iter().find_map(|action| match action {
            Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
            _ => None,
        });
        assert_eq!(told.as_deref(), Some(reason));
        assert_eq!(world.told(plan), expected);
        let plan = world.decide();
        assert!(!world.told(plan).contains("Failed"));
    }
    let cause = StatusCause { reason: Some("NamespaceTerminating".to_owned()), ..StatusCause::default() };
    let mut world = World::new(3, 0);
    let plan = world.refused(&forbidden.cause(cause));
    assert!(!plan.actions.iter().any(|action| matches!(action, Action::Emit(_))));
    assert_eq!(world.told(plan), "0/0/0/0/0");
}
