//! The CronJob controller (`pkg/controller/cronjob`).
//!
//! **The rule**: at each time of `spec.schedule` one Job is created, named by that time, unless the last one is still
//! running and `concurrencyPolicy` forbids it. Of several times that were missed only the last is made up for, and only
//! within `startingDeadlineSeconds`.
//!
//! The stages of a decision, all in one plan:
//! 1. [`history`]: finished Jobs beyond the limits go;
//! 2. [`settle`]: the list of active Jobs is put right;
//! 3. [`start`]: the Job of the time that is [`due`] is created.
//!
//! A Job's name says its time, so that no time gets two, whatever happens between creating it and writing that down.

mod due;
mod history;
mod settle;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus, Job};

pub(crate) use self::start::SCHEDULED_AT;
use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::error::{ApiError, Reason};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::time::Time;

/// Creates Jobs by the clock.
#[derive(Debug)]
pub struct CronJobController;

/// A CronJob and its Jobs.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    cron: &'w CronJob,
    /// The Jobs that it controls.
    jobs: Vec<Child<'w>>,
}

/// A Job of a CronJob.
#[derive(Clone, Copy, Debug)]
struct Child<'w> {
    object: &'w Arc<Object>,
    job: &'w Job,
}

/// How a Job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    Failed,
}

impl Child<'_> {
    fn name(&self) -> &str {
        &self.object.meta.name
    }

    fn uid(&self) -> String {
        self.object.meta.uid.to_string()
    }

    fn outcome(&self) -> Option<Outcome> {
        let conditions = self.job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.filter(|found| found.status == "True").find_map(|found| match &*found.type_ {
            "Complete" => Some(Outcome::Complete),
            "Failed" => Some(Outcome::Failed),
            _ => None,
        })
    }
}

/// A decision in the making: the status as it shall be, beside the plan.
#[derive(Debug)]
struct Work<'o, 'w> {
    observed: &'o Observed<'w>,
    now: Time,
    status: CronJobStatus,
    plan: Plan,
}

impl Work<'_, '_> {
    fn emit(&mut self, event: EventDraft) {
        self.plan.push(Action::Emit(Box::new(event)));
    }

    fn normal(&mut self, reason: &'static str, message: String) {
        self.emit(EventDraft::normal(&self.observed.object.meta, CronJobController::NAME, reason, message));
    }

    fn warn(&mut self, reason: &'static str, message: String) {
        self.emit(EventDraft::warning(&self.observed.object.meta, CronJobController::NAME, reason, message));
    }

    fn is_active(&self, uid: &str) -> bool {
        self.status.active.iter().flatten().any(|job| job.uid.as_deref() == Some(uid))
    }

    fn forget_active(&mut self, uid: &str) {
        if let Some(active) = &mut self.status.active {
            active.retain(|job| job.uid.as_deref() != Some(uid));
            if active.is_empty() {
                self.status.active = None;
            }
        }
    }

    /// Deletes a Job with its pods, and says so.
    fn delete(&mut self, child: Child<'_>) {
        let meta = &self.observed.object.meta;
        let event = EventDraft::normal(meta, CronJobController::NAME, "SuccessfulDelete", "Deleted job ");
        self.plan.push(Action::Delete {
            target: Target::seen(child.object),
            grace_seconds: None,
            propagation: crate::control::Propagation::Background,
            announce: Some(Box::new(event)),
        });
        self.forget_active(&child.uid());
    }

    fn into_plan(mut self) -> Plan {
        if self.observed.cron.status.clone().unwrap_or_default() != self.status {
            let mut cron = self.observed.cron.clone();
            cron.status = Some(self.status);
            let target = Target::seen(self.observed.object);
            self.plan.push(Action::UpdateStatus { target, object: Arc::new(cron) });
        }
        self.plan
    }
}

impl Controller for CronJobController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "cronjob-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::CRON_JOB), Watched::kind(kind::JOB, cron_job_of_job)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let cron: &CronJob = object.typed()?;
        let owned = snapshot.owned_by(key).filter(|job| job.meta.controller_uid() == Some(key));
        let jobs = owned.filter_map(|object| Some(Child { object, job: object.typed()? })).collect();
        Some(Observed { object, cron, jobs })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let status = observed.cron.status.clone().unwrap_or_default();
        let mut work = Work { observed, now, status, plan: Plan::nothing() };
        history::forget(&mut work);
        settle::active(&mut work);
        if !observed.object.meta.is_deleting() {
            start::what_is_due(&mut work);
        }
        work.into_plan()
    }

    /// A Job could not be created: it is said. Somebody else's of that name was made in its place, for all that is known.
    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        if error.is_namespace_terminating() || error.reason() == Reason::AlreadyExists {
            return Plan::nothing();
        }
        let message = format!("Error creating job: {error}");
        let event = EventDraft::warning(&observed.object.meta, Self::NAME, "FailedCreate", message);
        let mut plan = Plan::nothing();
        plan.push(Action::Emit(Box::new(event)));
        plan
    }
}

/// The CronJob that a Job concerns: its controller, now and before.
fn cron_job_of_job(change: &Change, _: &Snapshot, keys: &mut Keys) {
    let controller = change.object.meta.controller_uid();
    keys.extend(controller);
    let before = change.before.as_ref().and_then(|before| before.meta.controller_uid());
    keys.extend(before.filter(|uid| Some(*uid) != controller));
}
