//! Creating the Job of the time that is due, as far as deadline and concurrency policy allow.

use std::time::Duration;

use jiff::tz::Offset;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::due::{Due, due};
use super::{Child, CronJobController, Work};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, WaitingOn};
use crate::object::cron::{Schedule, TimeZone, Utc, Zone};
use crate::store::{Draft, EventDraft};
use crate::time::Time;

/// The annotation with the time that a Job was created for.
pub(crate) const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// Creates the Job that is due, or says when to look again.
pub(super) fn what_is_due(work: &mut Work<'_, '_>) {
    let spec = &work.observed.cron.spec;
    if spec.suspend == Some(true) {
        return;
    }
    let zone = match spec.time_zone.as_deref() {
        None => None,
        Some(name) => match Zone::named(name) {
            Some(zone) => Some(zone),
            None => {
                let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
                return work.warn("UnknownTimeZone", message);
            }
        },
    };
    let schedule = match Schedule::parse(&spec.schedule) {
        Ok(schedule) => schedule,
        Err(error) => {
            let message = format!("unparseable schedule: {:?} : {error}", spec.schedule);
            return work.warn("UnparseableSchedule", message);
        }
    };
    match &zone {
        Some(zone) => by(work, &schedule, zone),
        None => by(work, &schedule, &Utc),
    }
}

fn by(work: &mut Work<'_, '_>, schedule: &Schedule, zone: &impl TimeZone) {
    let (observed, now) = (work.observed, work.now);
    let deadline = observed.cron.spec.starting_deadline_seconds;
    let deadline = deadline.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    let last = work.status.last_schedule_time.as_ref().map(Time::from_api);
    let (at, next) = match due(schedule, zone, last.unwrap_or(observed.object.meta.created), deadline, now) {
        Due::Later(next) => {
            if let Some(next) = next {
                work.plan.wake(next);
            }
            return;
        }
        Due::Never => {
            let why = "time difference between two schedules is less than 1 second";
            return work.warn("InvalidSchedule", format!("invalid schedule: {} : {why}", observed.cron.spec.schedule));
        }
        Due::Now { at, many_missed, next } => {
            if many_missed {
                let advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                work.warn("TooManyMissedTimes", format!("too many missed start times. {advice}"));
            }
            (at, next)
        }
    };
    if let Some(next) = next {
        work.plan.wake(next);
    }
    if deadline.is_some_and(|deadline| at + deadline < now) {
        let when = at.to_timestamp().strftime("%a, %d %b %Y %H:%M:%S +0000");
        return work.warn("MissSchedule", format!("Missed scheduled time to start a job: {when}"));
    }
    let name = format!("{}-{}", observed.object.meta.name, at.as_secs() / 60);
    if observed.jobs.iter().any(|job| job.name() == name) {
        work.status.last_schedule_time = Some(at.to_api());
        return;
    }
    if may_start(work) {
        create(work, &name, at, zone);
    }
}

/// What the concurrency policy says while a Job is active.
fn may_start(work: &mut Work<'_, '_>) -> bool {
    let active: Vec<String> = work.status.active.iter().flatten().filter_map(|job| job.uid.clone()).collect();
    match work.observed.cron.spec.concurrency_policy.as_deref() {
        Some("Forbid") if !active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
            work.normal("JobAlreadyActive", message.to_owned());
            work.plan.waiting_on = Some(WaitingOn::new("the active Job to end: the concurrency policy is Forbid"));
            false
        }
        Some("Replace") => {
            let replaced: Vec<Child<'_>> =
                work.observed.jobs.iter().filter(|job| active.contains(&job.uid())).copied().collect();
            for child in replaced {
                work.delete(child);
            }
            true
        }
        _ => true,
    }
}

fn create(work: &mut Work<'_, '_>, name: &str, at: Time, zone: &impl TimeZone) {
    let (meta, template) = (&work.observed.object.meta, &work.observed.cron.spec.job_template);
    let asked = template.metadata.clone().unwrap_or_default();
    let mut annotations = asked.annotations.unwrap_or_default();
    annotations.insert(SCHEDULED_AT.to_owned(), written(at, zone));
    let job = Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(meta.namespace.to_string()),
            annotations: Some(annotations),
            labels: asked.labels,
            owner_references: Some(vec![controller_reference(meta)]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    };
    let event = EventDraft::normal(meta, CronJobController::NAME, "SuccessfulCreate", "Created job ");
    work.plan.push(Action::Create { draft: Box::new(Draft::of(job)), announce: Some(Box::new(event)) });
    work.status.last_schedule_time = Some(at.to_api());
}

/// A time as the zone's clocks show it: `2026-01-01T05:30:00+05:30`.
fn written(at: Time, zone: &impl TimeZone) -> String {
    let offset = Offset::from_seconds(zone.offset(at)).unwrap_or(Offset::UTC);
    let text = at.to_timestamp().display_with_offset(offset).to_string();
    text.strip_suffix("+00:00").map_or_else(|| text.clone(), |utc| format!("{utc}Z"))
}
