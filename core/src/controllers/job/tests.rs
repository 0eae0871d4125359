//! What a Job does, as tables: the Job and its pods in; pods made and deleted, counts and conditions out.

mod failures;
mod indexes;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::member::{FAILURES, INDEX, TRACKING};
use super::{JobController, Subject};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Plan, Target};
use crate::error::{ApiError, Reason};
use crate::object::kind;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, DeleteOptions, Draft, ExitRecord, Given, Object,
    PodCondition, PodPhase, Store, WriteOptions,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
    now: Time,
}

impl World {
    /// A Job that is described as `parallelism=2 completions=5 indexed`.
    fn new(job: &str) -> Self {
        let mut world = Self { store: Store::new(7), now: NOW };
        world.store.found(NOW);
        let container = json!({"name": "c", "image": "app"});
        let mut spec = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
        let mut status = json!({"startTime": NOW.minus(Duration::from_secs(5000)).to_api()});
        for word in job.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || json!(value.parse::<i32>().expect("a number"));
            match key {
                "parallelism" => spec["parallelism"] = number(),
                "completions" => spec["completions"] = number(),
                "limit" => spec["backoffLimit"] = number(),
                "perindex" => spec["backoffLimitPerIndex"] = number(),
                "maxfailed" => spec["maxFailedIndexes"] = number(),
                "deadline" => spec["activeDeadlineSeconds"] = number(),
                "indexed" => spec["completionMode"] = json!("Indexed"),
                "inplace" => spec["template"]["spec"]["restartPolicy"] = json!("OnFailure"),
                "suspend" => spec["suspend"] = json!(true),
                "replaces" => spec["podReplacementPolicy"] = json!(value),
                "rule" => spec["podFailurePolicy"] = policy(value),
                "successes" => spec["successPolicy"] = json!({"rules": [{"succeededIndexes": value}]}),
                "new" => status = Value::Null,
                "was" => status = serde_json::from_str(value).expect("a status"),
                "condition" => {
                    let (kind, holds) = value.split_once(':').expect("a status");
                    status["conditions"] =
                        json!([{"type": kind, "status": holds, "reason": "Before", "message": "before"}]);
                }
                other => panic!("{other} says nothing about a Job"),
            }
        }
        let object = json!({"metadata": {"name": "job", "namespace": "default"}, "spec": spec});
        let job: Job = serde_json::from_value(object).expect("a Job");
        world.store.create_with(Draft::of(job), WriteOptions::default(), NOW).expect("it is admitted");
        let mut job = world.job();
        job.status = serde_json::from_value(status).expect("a status");
        let write = Action::UpdateStatus { target: Target::seen(&world.object()), object: Arc::new(job) };
        world.store.commit(vec![write], NOW).expect("no conflict");
        world
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::JOB, "default", "job").expect("the Job"))
    }

    fn job(&self) -> Job {
        self.object().typed::<Job>().expect("a Job").clone()
    }

    /// Adds pods that are described as `ready succeeded*2`, with an index as `0=ready`, with the failures of the index before it
    /// as `0=failed#1`, and with an exit code as `failed!42`.
    fn pods(&mut self, pods: &str) {
        for (place, word) in pods.split_whitespace().enumerate() {
            let (word, count) = word.split_once('*').unwrap_or((word, "1"));
            for copy in 0..count.parse().expect("a number") {
                self.pod(&format!("p-{place}-{copy}"), word);
            }
        }
    }

    fn pod(&mut self, name: &str, word: &str) {
        let (index, word) = word.split_once('=').map_or((None, word), |(index, word)| (Some(index), word));
        let (word, code) = word.split_once('!').unwrap_or((word, "1"));
        let (state, failures) = word.split_once('#').unwrap_or((word, ""));
        let labels = self.job().spec.and_then(|spec| spec.template.metadata?.labels);
        let mut annotations = serde_json::Map::new();
        if let Some(index) = index {
            annotations.insert(INDEX.to_owned(), json!(index));
        }
        if !failures.is_empty() {
            annotations.insert(FAILURES.to_owned(), json!(failures));
        }
        let meta = json!({"name": name, "namespace": "default", "labels": labels, "annotations": annotations,
            "finalizers": if state == "counted" { json!([]) } else { json!([TRACKING]) },
            "ownerReferences": [controller_reference(&self.object().meta)]});
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "app"}]});
        let pod: Pod = serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a pod");
        let pod = self.store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("it is admitted");
        let mut next = pod.pod().expect("a pod").state.clone();
        next.phase = match state {
            "pending" => PodPhase::Pending,
            "succeeded" | "counted" => PodPhase::Succeeded,
            "failed" | "fresh" => PodPhase::Failed,
            _ => PodPhase::Running,
        };
        next.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ConditionStatus::from(state == "ready"),
            since: Some(NOW.minus(Duration::from_secs(4000))),
            observed_generation: 0,
            why: None,
        });
        let ended = if state == "fresh" { NOW } else { NOW.minus(Duration::from_secs(4000)) };
        next.containers = Box::new([container(next.phase, code.parse().expect("a code"), ended, state == "restarted")]);
        let action = Action::UpdatePodState { target: Target::any_version(pod.meta.uid), state: Box::new(next) };
        self.store.commit(vec![action], NOW).expect("no conflict");
        if state == "going" {
            self.store.delete(kind::POD, "default", name, DeleteOptions::default(), NOW).expect("it is there");
        }
    }

    fn observe<T>(&self, decide: impl FnOnce(&Subject<'_>) -> T) -> T {
        decide(&JobController::observe(self.store.snapshot(), self.object().meta.uid).expect("it is looked after"))
    }

    fn decide(&self) -> Plan {
        self.observe(|subject| JobController::decide(subject, self.now))
    }

    fn status(&self) -> JobStatus {
        self.job().status.unwrap_or_default()
    }

    /// Carries a plan out, and tells it: how many pods it makes or with which indexes, how many it deletes, and what the status
    /// says then: active, ready, terminating, succeeded, failed; indexes and conditions, where there are any.
    fn told(&mut self, plan: Plan) -> String {
        let made = |action: &Action| match action {
            Action::Create { draft, .. } => Some(draft.meta.annotations.get(INDEX).cloned()),
            _ => None,
        };
        let made: Vec<_> = plan.actions.iter().filter_map(made).collect();
        let deleted = plan.actions.iter().filter(|action| matches!(action, Action::Delete { .. })).count();
        let indexes: Option<Vec<String>> = made.iter().cloned().collect();
        let mut told = match (made.len(), indexes) {
            (0, _) => String::new(),
            (count, None) => format!("+{count} "),
            (_, Some(indexes)) => format!("+{} ", indexes.join(",")),
        };
        told += &if deleted > 0 { format!("-{deleted} ") } else { String::new() };
        self.store.commit(plan.actions, self.now).expect("no conflict");
        let status = self.status();
        let counts = [status.active, status.ready, status.terminating, status.succeeded, status.failed];
        told += &counts.map(|count| count.unwrap_or(0).to_string()).join("/");
        for (name, indexes) in [("done", &status.completed_indexes), ("failed", &status.failed_indexes)] {
            told += &indexes.as_ref().map_or(String::new(), |indexes| format!(" {name}={indexes}"));
        }
        for condition in status.conditions.iter().flatten() {
            let sign = if condition.status == "True" { "" } else { "!" };
            told += &format!(" {sign}{}:{}", condition.type_, condition.reason.as_deref().unwrap_or_default());
        }
        told
    }
}

/// A policy of one rule: `Ignore:3` for the exit code 3.
fn policy(rule: &str) -> Value {
    let (action, code) = rule.split_once(':').expect("a code");
    let codes = json!({"operator": "In", "values": [code.parse::<i32>().expect("a code")]});
    json!({"rules": [{"action": action, "onExitCodes": codes}]})
}

fn container(phase: PodPhase, code: i32, at: Time, restarted: bool) -> ContainerRecord {
    let exit = ExitRecord {
        exit_code: if phase == PodPhase::Failed { code } else { 0 },
        signal: None,
        reason: "".into(),
        message: "".into(),
        started_at: Some(at),
        finished_at: Some(at),
        container_id: "mock://1".into(),
    };
    let ended = matches!(phase, PodPhase::Failed | PodPhase::Succeeded);
    ContainerRecord {
        name: "c".into(),
        phase: if ended { ContainerPhase::Terminated(Box::new(exit)) } else { ContainerPhase::Running(at) },
        last: None,
        ready: false,
        started: Some(!ended),
        restart_count: i32::from(restarted),
        image: "app".into(),
        image_id: "".into(),
        container_id: None,
        given: Given::Unsaid,
    }
}

/// The Job, its pods, and what is done.
type Row<'a> = (&'a str, &'a str, &'a str);

fn check(rows: &[Row<'_>]) {
    for (job, pods, expected) in rows {
        let mut world = World::new(job);
        world.pods(pods);
        let plan = world.decide();
        assert_eq!(world.told(plan), *expected, "{job}, with {pods}");
    }
}

#[test]
fn as_many_pods_are_active_as_may_be_and_as_are_still_wanted() {
    check(&[
        ("parallelism=2 completions=5", "", "+2 2/0/0/0/0"),
        ("parallelism=2", "", "+2 2/0/0/0/0"),
        ("parallelism=2 completions=5", "pending*2", "2/0/0/0/0"),
        ("parallelism=3 completions=5", "run ready*2", "3/2/0/0/0"),
        ("parallelism=2 completions=5", "run succeeded", "+1 2/0/0/1/0"),
        ("parallelism=2", "run", "+1 2/0/0/0/0"),
        // After the first success nobody else is started, and those that run may end.
        ("parallelism=2", "run succeeded", "1/0/0/1/0"),
        ("parallelism=2 completions=5", "run*3", "-1 2/0/1/0/0"),
        ("parallelism=2 completions=5", "ready*3", "-1 2/2/1/0/0"),
        ("parallelism=2 completions=5", "run*10", "-8 2/0/8/0/0"),
        ("parallelism=3 completions=4", "run*3 succeeded*2", "-1 2/0/1/2/0"),
        ("parallelism=2 completions=5", "run*2 succeeded*2", "2/0/0/2/0"),
        ("parallelism=0 completions=5", "run*2", "-2 0/0/2/0/0"),
        // A failed pod has a successor, and not at once unless another has succeeded since.
        ("parallelism=2 completions=5", "run failed", "+1 2/0/0/0/1"),
        ("parallelism=2 completions=5", "run fresh", "0/0/0/0/1"),
        ("parallelism=2 completions=5", "ready fresh", "0/0/0/0/0"),
    ]);
}

#[test]
fn a_pod_that_is_being_deleted_has_failed_or_is_waited_for() {
    check(&[
        ("parallelism=1 replaces=Failed", "run failed going", "1/0/1/0/1"),
        ("parallelism=1 replaces=TerminatingOrFailed", "run failed going", "1/0/1/0/2"),
        ("parallelism=1 completions=1", "run failed going", "1/0/1/0/2"),
        ("parallelism=1 completions=1 replaces=Failed", "run*2 going*4", "-1 1/0/5/0/0"),
        ("parallelism=1 completions=1 rule=Ignore:9", "run*2 going*4", "-1 1/0/5/0/0"),
        ("parallelism=2 completions=5 replaces=Failed", "going", "+1 1/0/1/0/0"),
    ]);
}

#[test]
fn a_job_ends_when_enough_have_succeeded_or_too_many_have_failed() {
    let complete = "SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached";
    let limit = "FailureTarget:BackoffLimitExceeded Failed:BackoffLimitExceeded";
    check(&[
        ("parallelism=2 completions=5", "succeeded*5", &format!("0/0/0/5/0 {complete}")),
        ("parallelism=2", "succeeded*2", &format!("0/0/0/2/0 {complete}")),
        ("parallelism=2", "succeeded failed", &format!("0/0/0/1/1 {complete}")),
        ("parallelism=2 completions=0", "", &format!("0/0/0/0/0 {complete}")),
        ("parallelism=2 completions=5 limit=0", "failed", &format!("0/0/0/0/1 {limit}")),
        ("parallelism=2 completions=5 limit=1", "failed*2", &format!("0/0/0/0/2 {limit}")),
        // Those that run are sent away, and have failed; the end waits until they are gone.
        ("parallelism=2 completions=5 limit=0", "ready*2 failed", "-2 0/0/2/0/3 FailureTarget:BackoffLimitExceeded"),
        ("parallelism=2 completions=5 limit=0 condition=FailureTarget:True", "going", "0/0/1/0/1 FailureTarget:Before"),
        (
            "parallelism=2 completions=5 condition=FailureTarget:True",
            "",
            "0/0/0/0/0 FailureTarget:Before Failed:Before",
        ),
        (
            "parallelism=2 completions=5 condition=SuccessCriteriaMet:True",
            "run",
            "-1 0/0/1/0/0 SuccessCriteriaMet:Before",
        ),
        // Conditions that somebody says not to hold do not.
        ("parallelism=1 completions=1 condition=FailureTarget:False", "ready", "1/1/0/0/0 !FailureTarget:Before"),
        (
            "parallelism=1 completions=1 condition=SuccessCriteriaMet:False",
            "ready",
            "1/1/0/0/0 !SuccessCriteriaMet:Before",
        ),
        // In place: what was restarted counts while it is there.
        ("parallelism=1 completions=1 limit=0 inplace", "restarted", "-1 0/0/1/0/1 FailureTarget:BackoffLimitExceeded"),
        ("parallelism=1 completions=1 limit=1 inplace", "restarted", "-1 0/0/1/0/1 FailureTarget:BackoffLimitExceeded"),
        ("parallelism=1 completions=1 limit=2 inplace", "restarted", "1/0/0/0/0"),
        ("parallelism=1 completions=1 limit=0", "restarted", "1/0/0/0/0"),
        ("parallelism=1 completions=1 deadline=5000", "run", "-1 0/0/1/0/1 FailureTarget:DeadlineExceeded"),
        ("parallelism=1 completions=1 deadline=5001", "run", "1/0/0/0/0"),
        ("parallelism=1 completions=1 deadline=1 suspend", "", "0/0/0/0/0 Suspended:JobSuspended"),
        (
            "parallelism=1 completions=1 deadline=0 new",
            "",
            "0/0/0/0/0 FailureTarget:DeadlineExceeded Failed:DeadlineExceeded",
        ),
    ]);
}

#[test]
fn a_suspended_job_has_no_pods_and_no_start() {
    check(&[
        ("parallelism=2 completions=4 suspend", "ready*2", "-2 0/0/2/0/0 Suspended:JobSuspended"),
        ("parallelism=2 completions=4 suspend new", "", "0/0/0/0/0 Suspended:JobSuspended"),
        ("parallelism=2 completions=4 condition=Suspended:True", "", "+2 2/0/0/0/0 !Suspended:JobResumed"),
        // What has happened still counts, and may be the end.
        ("parallelism=2 completions=4 suspend", "succeeded failed", "0/0/0/1/1 Suspended:JobSuspended"),
        (
            "parallelism=2 completions=1 suspend",
            "succeeded",
            "0/0/0/1/0 SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached",
        ),
    ]);
    check(&[(
        "completions=0 suspend new",
        "",
        "0/0/0/0/0 SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached",
    )]);
    let start = |job: &str| {
        let mut world = World::new(job);
        let plan = world.decide();
        world.told(plan);
        world.status().start_time.map(|at| (NOW - Time::from_api(&at)).as_secs())
    };
    assert_eq!(start("parallelism=1 completions=4"), Some(5000));
    assert_eq!(start("parallelism=1 completions=4 new"), Some(0));
    assert_eq!(start("completions=0 suspend new"), Some(0));
    assert_eq!(start("parallelism=1 completions=4 suspend"), None);
    assert_eq!(start("parallelism=1 completions=4 suspend new"), None);
    assert_eq!(start("parallelism=1 completions=4 condition=Suspended:True"), Some(0));
}

#[test]
fn policies_say_what_a_failure_means_and_what_is_success_enough() {
    check(&[
        ("completions=2 limit=0 rule=Ignore:3", "failed!3", "+1 1/0/0/0/0"),
        (
            "completions=2 limit=0 rule=Ignore:3",
            "failed!4",
            "0/0/0/0/1 FailureTarget:BackoffLimitExceeded Failed:BackoffLimitExceeded",
        ),
        ("completions=2 limit=5 rule=Count:3", "failed!3", "+1 1/0/0/0/1"),
        (
            "parallelism=2 completions=2 limit=5 rule=FailJob:3",
            "failed!3 run",
            "-1 0/0/1/0/2 FailureTarget:PodFailurePolicy",
        ),
        (
            "completions=2 limit=5 rule=FailJob:3",
            "failed!3",
            "0/0/0/0/1 FailureTarget:PodFailurePolicy Failed:PodFailurePolicy",
        ),
        // A pod that goes has not failed yet.
        ("parallelism=2 completions=2 limit=0 rule=FailJob:3", "going", "+1 1/0/1/0/0"),
        ("parallelism=2 completions=3 indexed successes=1", "0=succeeded 2=run", "+1 2/0/0/1/0 done=0"),
        (
            "parallelism=2 completions=3 indexed successes=1",
            "1=succeeded 2=run",
            "-1 0/0/1/1/0 done=1 SuccessCriteriaMet:SuccessPolicy",
        ),
        (
            "parallelism=2 completions=3 indexed successes=1",
            "1=succeeded 2=failed",
            "0/0/0/1/1 done=1 SuccessCriteriaMet:SuccessPolicy Complete:SuccessPolicy",
        ),
        // Failure comes first.
        (
            "parallelism=2 completions=3 limit=0 indexed successes=1",
            "1=succeeded 2=failed",
            "0/0/0/1/1 done=1 FailureTarget:BackoffLimitExceeded Failed:BackoffLimitExceeded",
        ),
    ]);
}

#[test]
fn a_job_that_is_deleted_counts_and_lets_go() {
    for (job, expected) in
        [("parallelism=2 completions=5", "2/0/0/1/0"), ("parallelism=2 completions=5 suspend", "2/0/0/1/0")]
    {
        let mut world = World::new(job);
        world.pods("run*2 succeeded");
        let foreground = crate::control::Propagation::Foreground;
        let options = DeleteOptions { propagation: Some(foreground), ..DeleteOptions::default() };
        world.store.delete(kind::JOB, "default", "job", options, NOW).expect("it is there");
        let plan = world.decide();
        assert_eq!(world.told(plan), expected, "{job}");
        let held = world.store.snapshot().list_in(kind::POD, "default").filter(|pod| !pod.meta.finalizers.is_empty());
        assert_eq!(held.count(), 0, "{job}");
    }
}

#[test]
fn a_pod_that_was_counted_is_not_counted_again() {
    check(&[
        (
            "parallelism=1 completions=3 was={\"succeeded\":1,\"startTime\":\"2026-01-01T00:00:00Z\"}",
            "counted run",
            "1/0/0/1/0",
        ),
        (
            // Written down before, and let go of since.
            "parallelism=1 completions=3 was={\"uncountedTerminatedPods\":{\"succeeded\":[\"a\"],\"failed\":[\"b\",\"c\"]},\"startTime\":\"2026-01-01T00:00:00Z\"}",
            "run",
            "1/0/0/1/2",
        ),
    ]);
}

#[test]
fn pods_that_cannot_be_made_are_told_unless_the_namespace_goes() {
    let refused = |error: &ApiError| {
        let mut world = World::new("parallelism=3 completions=5");
        world.pods("run succeeded");
        let plan = world.observe(|subject| JobController::refused(subject, error, NOW));
        let told = plan.actions.iter().filter_map(|action| match action {
            Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
            _ => None,
        });
        let told = told.collect::<Vec<_>>().join("; ");
        (told, world.told(plan))
    };
    let forbidden = ApiError::new(Reason::Forbidden, "no room");
    assert_eq!(refused(&forbidden), ("FailedCreate: Error creating: no room".to_owned(), "1/0/0/1/0".to_owned()));
}
