//! What a CronJob does, as tables: the CronJob and its Jobs in, what is made, deleted and said out.
//!
//! It was made at 10:00, and its schedule is hourly where nothing else is said.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::{Value, json};

use super::{CronJobController, SCHEDULED_AT};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Plan, Propagation, Target};
use crate::error::{ApiError, Reason};
use crate::object::kind;
use crate::store::{DeleteOptions, Draft, Object, Store, WriteOptions};
use crate::time::Time;

/// A time of day, or a day after as `1d10:00`.
fn at(text: &str) -> Time {
    let (days, clock) = text.split_once('d').unwrap_or(("0", text));
    let (hours, minutes) = clock.split_once(':').expect("hours and minutes");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let midnight = Time::from_timestamp("2026-03-02T00:00:00Z".parse().expect("a time"));
    midnight + Duration::from_secs(number(days) * 86_400 + number(hours) * 3600 + number(minutes) * 60)
}

struct World {
    store: Store,
}

impl World {
    /// A CronJob that is described as `Forbid deadline=60 last=11:00`, and its Jobs as `11:00=active 10:00=done`.
    fn new(cron: &str, jobs: &str) -> Self {
        let mut world = Self { store: Store::new(7) };
        world.store.found(at("10:00"));
        let container = json!({"name": "c", "image": "app"});
        let template = json!({"metadata": {"labels": {"of": "tick"}},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}});
        let mut spec = json!({"schedule": "0 * * * *", "jobTemplate": template});
        let mut last = None;
        for word in cron.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || json!(value.parse::<i64>().expect("a number"));
            match key {
                "Allow" | "Forbid" | "Replace" => spec["concurrencyPolicy"] = json!(key),
                "deadline" => spec["startingDeadlineSeconds"] = number(),
                "suspend" => spec["suspend"] = json!(true),
                "zone" => spec["timeZone"] = json!(value),
                "schedule" => spec["schedule"] = json!(value.replace('_', " ")),
                "successes" => spec["successfulJobsHistoryLimit"] = number(),
                "failures" => spec["failedJobsHistoryLimit"] = number(),
                "last" => last = Some(at(value).to_api()),
                other => panic!("{other} says nothing about a CronJob"),
            }
        }
        let object = json!({"metadata": {"name": "tick", "namespace": "default"}, "spec": spec});
        world.create(serde_json::from_value::<CronJob>(object).expect("a CronJob"), at("10:00"));
        let listed = jobs.split_whitespace().filter_map(|word| world.job(word));
        let active: Vec<ObjectReference> = listed.collect();
        let mut cron = world.cron();
        let active = (!active.is_empty()).then_some(active);
        cron.status = Some(CronJobStatus { active, last_schedule_time: last, ..CronJobStatus::default() });
        let write = Action::UpdateStatus { target: Target::seen(&world.object()), object: Arc::new(cron) };
        world.store.commit(vec![write], at("10:00")).expect("no conflict");
        world
    }

    fn create<K: crate::object::kind::BuiltInKind>(&mut self, object: K, now: Time) -> Arc<Object> {
        self.store.create_with(Draft::of(object), WriteOptions::default(), now).expect("it is admitted")
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::CRON_JOB, "default", "tick").expect("the CronJob"))
    }

    fn cron(&self) -> CronJob {
        self.object().typed::<CronJob>().expect("a CronJob").clone()
    }

    /// Adds a Job of this time; gives what the list of active ones says of it, if it is on it.
    fn job(&mut self, word: &str) -> Option<ObjectReference> {
        let (time, state) = word.split_once('=').expect("a state");
        let name = format!("tick-{}", at(time).as_secs() / 60);
        let reference =
            |uid: String| ObjectReference { name: Some(name.clone()), uid: Some(uid), ..Default::default() };
        if state == "gone" {
            return Some(reference("gone".to_owned()));
        }
        let annotations = if state == "manual" { json!({}) } else { json!({SCHEDULED_AT: "then"}) };
        let meta = json!({"name": name, "namespace": "default", "annotations": annotations,
            "ownerReferences": [controller_reference(&self.object().meta)]});
        let spec = self.cron().spec.job_template.spec;
        let job: Job = serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a Job");
        let object = self.create(job, at(time));
        let mut job = object.typed::<Job>().expect("a Job").clone();
        let condition = |kind: &str| json!([{"type": kind, "status": "True"}]);
        let conditions = match state {
            "done" | "ended" => condition("Complete"),
            "failed" | "broken" => condition("Failed"),
            _ => Value::Null,
        };
        let end = (at(time) + Duration::from_secs(60)).to_api();
        let status = json!({"startTime": at(time).to_api(), "completionTime": end, "conditions": conditions});
        job.status = Some(serde_json::from_value(status).expect("a status"));
        let write = Action::UpdateStatus { target: Target::seen(&object), object: Arc::new(job) };
        self.store.commit(vec![write], at(time)).expect("no conflict");
        matches!(state, "active" | "ended" | "broken").then(|| reference(object.meta.uid.to_string()))
    }

    fn decide(&self, now: &str) -> Plan {
        let observed = CronJobController::observe(self.store.snapshot(), self.object().meta.uid);
        CronJobController::decide(&observed.expect("it is there"), at(now))
    }

    /// What a plan makes and deletes, by the times of Jobs, the reasons of its events, and when it looks again.
    fn told(&self, plan: &Plan) -> String {
        let time = |name: &str| {
            let minutes: u64 = name.trim_start_matches("tick-").parse().expect("minutes");
            let minutes = minutes - at("00:00").as_secs().cast_unsigned() / 60;
            let days = if minutes < 1440 { String::new() } else { format!("{}d", minutes / 1440) };
            format!("{days}{:02}:{:02}", minutes / 60 % 24, minutes % 60)
        };
        let told = plan.actions.iter().filter_map(|action| match action {
            Action::Create { draft, .. } => Some(format!("+{}", time(&draft.meta.name))),
            Action::Delete { target, .. } => {
                self.store.snapshot().get(target.uid).map(|job| format!("-{}", time(&job.meta.name)))
            }
            Action::Emit(event) => Some(event.reason.to_owned()),
            _ => None,
        });
        let wake = plan.wake_at.map(|at| format!("@{}", time(&format!("tick-{}", at.as_secs() / 60))));
        told.chain(wake).collect::<Vec<_>>().join(" ")
    }
}

/// The CronJob, its Jobs, the time, and what is done.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

fn check(rows: &[Row<'_>]) {
    for (cron, jobs, now, expected) in rows {
        let world = World::new(cron, jobs);
        assert_eq!(world.told(&world.decide(now)), *expected, "{cron}, with {jobs}, at {now}");
    }
}

#[test]
fn at_each_time_a_job_is_made() {
    check(&[
        ("", "", "10:59", "@11:00"),
        ("", "", "11:00", "+11:00 @12:00"),
        ("", "", "11:05", "+11:00 @12:00"),
        ("last=11:00", "11:00=done", "11:30", "@12:00"),
        ("last=11:00", "11:00=done", "12:00", "+12:00 @13:00"),
        ("suspend", "", "11:00", ""),
        // Late, and too late.
        ("deadline=600", "", "11:09", "+11:00 @12:00"),
        ("deadline=600", "", "11:11", "@12:00"),
        // Of those that were missed the last one, with a word when they were many.
        ("last=11:00", "11:00=done", "15:30", "+15:00 @16:00"),
        ("last=11:00", "11:00=done", "7d11:30", "TooManyMissedTimes +7d11:00 @7d12:00"),
        ("last=11:00 deadline=600", "11:00=done", "7d11:05", "+7d11:00 @7d12:00"),
        ("last=11:00 deadline=600", "11:00=done", "7d11:30", "@7d12:00"),
        ("schedule=0_0_31_2_*", "", "11:00", "InvalidSchedule"),
        ("schedule=30_5_*_*_* zone=Asia/Kolkata", "", "1d00:00", "+1d00:00 @2d00:00"),
        // It was made, and not written down.
        ("", "11:00=forgotten", "11:00", "@12:00"),
    ]);
}

#[test]
fn a_job_that_still_runs_is_let_run_waited_for_or_replaced() {
    check(&[
        ("Allow last=11:00", "11:00=active", "12:00", "+12:00 @13:00"),
        ("Forbid last=11:00", "11:00=active", "12:00", "JobAlreadyActive @13:00"),
        ("Forbid last=11:00", "11:00=active", "11:59", "@12:00"),
        ("Forbid last=11:00", "11:00=ended", "12:00", "SawCompletedJob +12:00 @13:00"),
        ("Forbid last=11:00", "11:00=gone", "12:00", "MissingJob +12:00 @13:00"),
        ("Replace last=11:00", "11:00=active", "12:00", "-11:00 +12:00 @13:00"),
        ("Replace last=11:00", "10:00=active 11:00=active", "12:00", "-10:00 -11:00 +12:00 @13:00"),
        ("Replace last=11:00", "11:00=done", "12:00", "+12:00 @13:00"),
        ("Replace last=11:00 suspend", "11:00=active", "12:00", ""),
    ]);
}

#[test]
fn what_becomes_of_jobs_is_said_and_old_ones_go() {
    check(&[
        ("last=11:00", "11:00=ended", "11:30", "SawCompletedJob @12:00"),
        ("last=11:00", "11:00=broken", "11:30", "SawCompletedJob @12:00"),
        ("last=11:00", "11:00=manual", "11:30", "UnexpectedJob @12:00"),
        ("last=11:00 suspend", "11:00=ended", "11:30", "SawCompletedJob"),
        // Three successes and one failure are kept, if nothing else is said: the latest.
        ("last=11:00", "07:00=done 10:00=done 09:00=done 08:00=done", "11:30", "-07:00 @12:00"),
        ("last=11:00", "07:00=failed 08:00=failed 09:00=done", "11:30", "-07:00 @12:00"),
        ("last=11:00 successes=1 failures=0", "07:00=done 08:00=done 09:00=failed", "11:30", "-07:00 -09:00 @12:00"),
        // One that goes at once is not said to have ended.
        ("last=11:00 successes=0", "11:00=ended", "11:30", "-11:00 @12:00"),
    ]);
    let listed = |cron: &str, jobs: &str, now: &str| {
        let mut world = World::new(cron, jobs);
        let plan = world.decide(now);
        world.store.commit(plan.actions, at(now)).expect("no conflict");
        let status = world.cron().status.unwrap_or_default();
        (status.active.map_or(0, |active| active.len()), status.last_successful_time.map(|time| Time::from_api(&time)))
    };
    assert_eq!(listed("last=11:00", "11:00=active", "11:30"), (1, None));
    assert_eq!(listed("last=11:00", "11:00=ended 10:00=done", "11:30"), (0, Some(at("11:01"))));
    assert_eq!(listed("last=11:00", "11:00=broken 10:00=done", "11:30"), (0, Some(at("10:01"))));
    assert_eq!(listed("last=11:00", "11:00=forgotten", "11:30"), (1, None));
    assert_eq!(listed("last=11:00", "11:00=manual 10:00=gone", "11:30"), (0, None));
}

#[test]
fn one_that_is_deleted_only_keeps_its_list() {
    let mut world = World::new("last=11:00", "11:00=ended");
    let options = DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
    world.store.delete(kind::CRON_JOB, "default", "tick", options, at("11:30")).expect("it is there");
    assert_eq!(world.told(&world.decide("12:00")), "SawCompletedJob");
}

#[test]
fn a_job_is_as_its_template_and_says_its_time() {
    let made = |cron: &str, now: &str| {
        let plan = World::new(cron, "").decide(now);
        plan.actions.into_iter().find_map(|action| match action {
            Action::Create { draft, .. } => Some(draft.meta),
            _ => None,
        })
    };
    let meta = made("", "11:00").expect("a Job");
    assert_eq!(meta.labels.get("of").map(String::as_str), Some("tick"));
    assert_eq!(meta.annotations.get(SCHEDULED_AT).map(String::as_str), Some("2026-03-02T11:00:00Z"));
    let meta = made("zone=Asia/Kolkata schedule=30_5_*_*_*", "1d00:00").expect("a Job");
    assert_eq!(meta.annotations.get(SCHEDULED_AT).map(String::as_str), Some("2026-03-03T05:30:00+05:30"));
}

#[test]
fn a_job_that_cannot_be_made_is_told_unless_its_name_is_taken() {
    let told = |error: ApiError| {
        let world = World::new("", "");
        let observed = CronJobController::observe(world.store.snapshot(), world.object().meta.uid);
        world.told(&CronJobController::refused(&observed.expect("it is there"), &error, at("11:00")))
    };
    assert_eq!(told(ApiError::new(Reason::Forbidden, "no room")), "FailedCreate");
    assert_eq!(told(ApiError::new(Reason::AlreadyExists, "it is there")), "");
}
