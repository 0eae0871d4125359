//! What holds of DaemonSets, Jobs and CronJobs after every step.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::batch::v1::{CronJob, Job, JobStatus};

use super::Step;
use super::step::{created_pods, versions};
use crate::control::pods::is_active;
use crate::controllers::{SCHEDULED_AT, daemons_surge};
use crate::store::{ChangeKind, Object, node_of_daemon};

pub(super) fn daemons_do_not_crowd(step: &Step<'_>) -> Result<(), String> {
    for (pod, owner) in created_pods(step) {
        let Some(node) = owner.typed::<DaemonSet>().and(node_of_daemon(pod)) else { continue };
        let uid = owner.meta.uid;
        let pods = step.snapshot.owned_by(uid).filter(|pod| pod.meta.controller_uid() == Some(uid) && is_active(pod));
        let crowd = pods.filter(|other| node_of_daemon(other).as_ref() == Some(&node)).count();
        let allowed =
            if versions(step, uid).filter_map(|set| set.typed::<DaemonSet>()).any(|set| daemons_surge(&set.spec)) {
                2
            } else {
                1
            };
        if crowd > allowed {
            return Err(format!("{} was made, and {node} has {crowd} pods of its set", pod.meta.path()));
        }
    }
    Ok(())
}

pub(super) fn jobs_keep_to_parallelism(step: &Step<'_>) -> Result<(), String> {
    for (pod, owner) in created_pods(step) {
        if owner.typed::<Job>().is_none() {
            continue;
        }
        let uid = owner.meta.uid;
        let parallelism = |object: &Arc<Object>| Some(object.typed::<Job>()?.spec.as_ref()?.parallelism.unwrap_or(1));
        let allowed = versions(step, uid).filter_map(parallelism).max().unwrap_or(0);
        let pods = step.snapshot.owned_by(uid).filter(|pod| pod.meta.controller_uid() == Some(uid) && is_active(pod));
        let active = pods.count();
        if active > usize::try_from(allowed).unwrap_or(0) {
            let (pod, job) = (pod.meta.path(), owner.meta.path());
            return Err(format!("{pod} was made, and {job} has {active} active pods, {allowed} may be"));
        }
    }
    Ok(())
}

pub(super) fn what_jobs_count_stays(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes {
        let status = |object: &Object| object.typed::<Job>().map(|job| job.status.clone().unwrap_or_default());
        let Some(was) = change.before.as_ref().and_then(|before| status(before)) else { continue };
        let Some(is) = status(&change.object) else { continue };
        let path = change.object.meta.path();
        if is.failed < was.failed || (is.succeeded < was.succeeded && !shrank(&change.object)) {
            return Err(format!(
                "{path} counted {:?}/{:?}, and now {:?}/{:?}",
                was.succeeded, was.failed, is.succeeded, is.failed
            ));
        }
        if end(&was).is_some() && end(&was) != end(&is) {
            return Err(format!("{path} ended as {:?}, and now as {:?}", end(&was), end(&is)));
        }
    }
    Ok(())
}

/// Whether indexes that have succeeded may be none of the job's any more: its completions can be changed.
fn shrank(job: &Object) -> bool {
    let spec = job.typed::<Job>().and_then(|job| job.spec.as_ref());
    spec.is_some_and(|spec| spec.completion_mode.as_deref() == Some("Indexed"))
}

fn end(status: &JobStatus) -> Option<&str> {
    let conditions = status.conditions.iter().flatten();
    let mut ends = conditions.filter(|found| matches!(&*found.type_, "Complete" | "Failed") && found.status == "True");
    ends.next().map(|found| &*found.type_)
}

pub(super) fn times_get_one_job(step: &Step<'_>) -> Result<(), String> {
    let added = step.changes.iter().filter(|change| change.kind == ChangeKind::Added);
    for job in added.map(|change| &change.object) {
        let Some(cron) = job.meta.controller_uid().and_then(|uid| step.snapshot.get(uid)) else { continue };
        let Some(cron_job) = cron.typed::<CronJob>() else { continue };
        let siblings = || step.snapshot.owned_by(cron.meta.uid).filter(|other| other.meta.uid != job.meta.uid);
        let time = |job: &Object| job.meta.annotations.get(SCHEDULED_AT).cloned();
        if let Some(twin) = siblings().find(|other| time(other) == time(job)) {
            return Err(format!("{} and {} are both for {:?}", job.meta.path(), twin.meta.path(), time(job)));
        }
        let policy = cron_job.spec.concurrency_policy.as_deref();
        let always_forbids = policy == Some("Forbid") && versions(step, cron.meta.uid).count() == 1;
        let ended = |job: &Object| {
            job.typed::<Job>().and_then(|job| job.status.as_ref()).is_some_and(|status| end(status).is_some())
        };
        if let Some(running) = siblings().find(|other| always_forbids && !ended(other)) {
            return Err(format!("{} was made while {} is under way", job.meta.path(), running.meta.path()));
        }
    }
    Ok(())
}
