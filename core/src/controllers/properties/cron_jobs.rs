//! CronJobs: at most one Job for one time, whatever is cut short, and the limits of the history are kept.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};
use serde_json::json;

use super::{Scenario, Subject, World, hold, subject};
use crate::control::{Action, Target};
use crate::controllers::CronJobController;
use crate::object::kind;
use crate::store::{DeleteOptions, Draft, Object, Snapshot, WriteOptions};

/// One CronJob, whose Jobs end as chance has it.
#[derive(Default)]
struct CronJobs {
    /// The names of all Jobs that were ever made.
    made: RefCell<BTreeSet<String>>,
}

impl Scenario for CronJobs {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<CronJobController>()]
    }

    fn begin(&self, world: &mut World) {
        self.made.borrow_mut().clear();
        let mut spec = json!({
            "schedule": world.pick(&["* * * * *", "*/2 * * * *", "@every 90s"]),
            "concurrencyPolicy": world.pick(&["Allow", "Forbid", "Replace"]),
            "successfulJobsHistoryLimit": world.roll(3),
            "failedJobsHistoryLimit": world.roll(2),
            "jobTemplate": {"spec": {"template": {"spec":
                {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app"}]}}}},
        });
        if world.roll(2) == 0 {
            spec["startingDeadlineSeconds"] = json!(world.roll(100));
        }
        let object = json!({"metadata": {"name": "cron", "namespace": "default"}, "spec": spec});
        let cron: CronJob = serde_json::from_value(object.clone()).expect("a CronJob");
        world.write(object.to_string(), |store, now| {
            store.create_with(Draft::of(cron), WriteOptions::default(), now).expect("created");
        });
    }

    fn people(&self, world: &mut World) {
        match world.roll(4) {
            0 => {
                let suspend = world.roll(2) == 0;
                super::patch(world, kind::CRON_JOB, "cron", &json!({"suspend": suspend}));
            }
            1 => {
                // One that has not been written down yet would be made again, as it is upstream.
                let cron = world.objects(kind::CRON_JOB).remove(0);
                let listed = cron.typed::<CronJob>().and_then(|cron| cron.status.clone()?.active).unwrap_or_default();
                let is_listed = |name: &str| listed.iter().any(|job| job.name.as_deref() == Some(name));
                let jobs: Vec<_> =
                    world.objects(kind::JOB).into_iter().filter(|job| is_listed(&job.meta.name)).collect();
                if !jobs.is_empty() {
                    let job = world.pick(&jobs);
                    world.write(format!("{} is deleted", job.meta.name), |store, now| {
                        let _ = store.delete(kind::JOB, "default", &job.meta.name, DeleteOptions::default(), now);
                    });
                }
            }
            _ => world.now = world.now + Duration::from_secs(u64::from(world.roll(300))),
        }
    }

    fn kubelet(&self, world: &mut World) {
        let jobs: Vec<_> = world.objects(kind::JOB).into_iter().filter(|job| !is_finished(job)).collect();
        if !jobs.is_empty() {
            let job = world.pick(&jobs);
            let outcome = if world.roll(3) == 0 { "Failed" } else { "Complete" };
            end(world, &job, outcome);
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        let cron = world.objects(kind::CRON_JOB).remove(0);
        if cron.typed::<CronJob>().is_some_and(|cron| cron.spec.suspend != Some(true)) {
            // An end, or time would go on for ever.
            super::patch(world, kind::CRON_JOB, "cron", &json!({"suspend": true}));
            return true;
        }
        let open: Vec<_> = world.objects(kind::JOB).into_iter().filter(|job| !is_finished(job)).collect();
        for job in &open {
            end(world, job, "Complete");
        }
        !open.is_empty()
    }

    fn judge(&self, action: &Action, before: &Snapshot, _: &Snapshot) -> Result<(), String> {
        let Action::Create { draft, .. } = action else { return Ok(()) };
        let name = draft.meta.name.to_string();
        if !self.made.borrow_mut().insert(name.clone()) {
            return Err(format!("{name} was made a second time"));
        }
        let open = || before.list_in(kind::JOB, "default").find(|job| !is_finished(job));
        let cron = before.list_in(kind::CRON_JOB, "default").next().and_then(|cron| cron.typed::<CronJob>());
        let forbids = cron.is_some_and(|cron| cron.spec.concurrency_policy.as_deref() == Some("Forbid"));
        match open().filter(|_| forbids) {
            Some(other) => Err(format!("{name} was made while {} runs", other.meta.name)),
            None => Ok(()),
        }
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let cron: &CronJob = snapshot.list_in(kind::CRON_JOB, "default").next()?.typed()?;
        let active = cron.status.as_ref().and_then(|status| status.active.as_ref()).map_or(0, Vec::len);
        let ended = |wanted: &str| {
            snapshot.list_in(kind::JOB, "default").filter(|job| outcome(job).as_deref() == Some(wanted)).count()
        };
        let limit = |limit: Option<i32>| usize::try_from(limit.unwrap_or(0)).unwrap_or(0);
        let counts = (active, ended("Complete"), ended("Failed"));
        let limits = (0, limit(cron.spec.successful_jobs_history_limit), limit(cron.spec.failed_jobs_history_limit));
        let within = counts.0 == limits.0 && counts.1 <= limits.1 && counts.2 <= limits.2;
        (!within).then(|| format!("active, complete and failed: {counts:?}, allowed are {limits:?}"))
    }
}

fn outcome(job: &Object) -> Option<String> {
    let status = job.typed::<Job>()?.status.as_ref()?;
    let mut ends = status.conditions.iter().flatten().filter(|found| found.status == "True");
    ends.next().map(|found| found.type_.clone())
}

fn is_finished(job: &std::sync::Arc<Object>) -> bool {
    outcome(job).is_some()
}

fn end(world: &mut World, object: &std::sync::Arc<Object>, outcome: &str) {
    world.write(format!("{} ends as {outcome}", object.meta.name), |store, now| {
        let Some(mut job) = object.typed::<Job>().cloned() else { return };
        let status = job.status.get_or_insert_default();
        status.completion_time = (outcome == "Complete").then(|| now.to_api());
        status.conditions = Some(vec![JobCondition {
            last_transition_time: Some(now.to_api()),
            status: "True".to_owned(),
            type_: outcome.to_owned(),
            ..JobCondition::default()
        }]);
        let target = Target::any_version(object.meta.uid);
        let _ = store.commit(vec![Action::UpdateStatus { target, object: std::sync::Arc::new(job) }], now);
    });
}

#[test]
fn one_time_of_a_schedule_gets_one_job_at_most_and_the_history_keeps_to_its_limits() {
    hold(&CronJobs::default(), 0..300);
}
