//! The conditions of a Deployment: `Available`, `Progressing`, `ReplicaFailure`.
//!
//! ```text
//! Progressing:  NewReplicaSetCreated / FoundNewReplicaSet ─► ReplicaSetUpdated ─► NewReplicaSetAvailable
//!                         └──────────── nothing moves for progressDeadlineSeconds ─► ProgressDeadlineExceeded
//!               DeploymentPaused ◄─► DeploymentResumed
//! ```

use std::time::Duration;

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};

use super::status;
use super::work::Work;
use crate::error::ApiError;
use crate::time::Time;

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";

const DONE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";
const CREATE_ERROR: &str = "ReplicaSetCreateError";

/// Writes down that enough pods are available, or not.
pub(super) fn set_available(work: &mut Work<'_, '_>, enough: bool) {
    let (status, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(work, AVAILABLE, status, reason, message.to_owned());
}

/// Writes down that the Deployment was paused or resumed: the clock of its deadline stops meanwhile.
pub(super) fn note_pausing(work: &mut Work<'_, '_>) {
    let Some(_) = deadline(work) else { return };
    let reason = get(work, PROGRESSING).and_then(|condition| condition.reason.clone());
    if reason.as_deref() == Some(TIMED_OUT) {
        return;
    }
    let paused = reason.as_deref() == Some(PAUSED);
    if work.observed.is_paused() && !paused {
        set(work, PROGRESSING, "Unknown", PAUSED, "Deployment is paused".to_owned());
    } else if !work.observed.is_paused() && paused {
        set(work, PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed".to_owned());
    }
}

/// Writes down that a set of the current template was there already.
pub(super) fn found(work: &mut Work<'_, '_>) {
    let Some(name) = work.current().map(|row| row.name().to_owned()) else { return };
    if deadline(work).is_some() && get(work, PROGRESSING).is_none() {
        set(work, PROGRESSING, "True", "FoundNewReplicaSet", format!("Found new replica set \"{name}\""));
    }
}

/// Writes down that the set of the current template was made.
pub(super) fn created(work: &mut Work<'_, '_>, name: &str) {
    if deadline(work).is_some() {
        set(work, PROGRESSING, "True", "NewReplicaSetCreated", format!("Created new replica set \"{name}\""));
    }
}

/// Writes down that the set of the current template could not be made.
pub(super) fn report_failed_create(work: &mut Work<'_, '_>, name: &str, error: &ApiError) {
    let message = format!("Failed to create new replica set \"{name}\": {error}");
    if deadline(work).is_some() {
        set(work, PROGRESSING, "False", CREATE_ERROR, message.clone());
    }
    work.warn(CREATE_ERROR, message);
}

/// Compares the counts with those before and writes down how the rollout is going.
pub(super) fn report(work: &mut Work<'_, '_>) {
    report_progress(work);
    copy_failures(work);
}

fn report_progress(work: &mut Work<'_, '_>) {
    let Some(deadline) = deadline(work) else {
        remove(work, PROGRESSING);
        return;
    };
    let before = work.observed.deployment.status.clone().unwrap_or_default();
    let after = work.deployment.status.clone().unwrap_or_default();
    let current = get(work, PROGRESSING).cloned();
    let reason = current.as_ref().and_then(|condition| condition.reason.as_deref());
    let was_done = reason == Some(DONE) && after.replicas == after.updated_replicas;
    let subject = subject(work);
    if was_done {
        return;
    }
    if status::complete(&after, work.replicas(), work.observed.object.meta.generation) {
        set(work, PROGRESSING, "True", DONE, format!("{subject} has successfully progressed."));
    } else if moved(&before, &after) {
        note_progress(work, current.as_ref(), format!("{subject} is progressing."));
    } else if has_timed_out(current.as_ref(), deadline, work.now) {
        set(work, PROGRESSING, "False", TIMED_OUT, format!("{subject} has timed out progressing."));
    }
    watch_deadline(work, deadline);
}

/// Progress moves the time of the condition, even when nothing else of it changes: the deadline runs from there.
fn note_progress(work: &mut Work<'_, '_>, current: Option<&DeploymentCondition>, message: String) {
    let since = current
        .filter(|condition| condition.status.as_deref() == Some("True"))
        .and_then(|condition| condition.last_transition_time.clone());
    remove(work, PROGRESSING);
    set(work, PROGRESSING, "True", "ReplicaSetUpdated", message);
    if let (Some(since), Some(condition)) = (since, get_mut(work, PROGRESSING)) {
        condition.last_transition_time = Some(since);
    }
}

fn subject(work: &Work<'_, '_>) -> String {
    match work.current() {
        Some(row) => format!("ReplicaSet \"{}\"", row.name()),
        None => format!("Deployment \"{}\"", work.observed.object.meta.name),
    }
}

/// More pods of the new template, fewer old ones, more ready or more available ones.
fn moved(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let updated = |status: &DeploymentStatus| status.updated_replicas.unwrap_or(0);
    let old = |status: &DeploymentStatus| status.replicas.unwrap_or(0) - updated(status);
    updated(after) > updated(before)
        || old(after) < old(before)
        || after.ready_replicas.unwrap_or(0) > before.ready_replicas.unwrap_or(0)
        || after.available_replicas.unwrap_or(0) > before.available_replicas.unwrap_or(0)
}

fn has_timed_out(current: Option<&DeploymentCondition>, deadline: Duration, now: Time) -> bool {
    let Some(condition) = current else { return false };
    match condition.reason.as_deref() {
        Some(DONE) => false,
        Some(TIMED_OUT) => true,
        _ => condition.last_update_time.as_ref().is_some_and(|at| now > Time::from_api(at) + deadline),
    }
}

/// Looks again a second after the deadline, unless the rollout is over or has timed out already.
fn watch_deadline(work: &mut Work<'_, '_>, deadline: Duration) {
    let Some(condition) = get(work, PROGRESSING) else { return };
    if status::is_complete(work) || matches!(condition.reason.as_deref(), Some(DONE | TIMED_OUT)) {
        return;
    }
    if let Some(at) = condition.last_update_time.as_ref().map(Time::from_api) {
        work.wake(at + deadline + Duration::from_secs(1));
    }
}

/// `ReplicaFailure` is that of the new set, or else of an old one.
fn copy_failures(work: &mut Work<'_, '_>) {
    let rows = work.current().into_iter().chain(work.old().map(|index| &work.rows[index]));
    let failure = rows
        .flat_map(|row| row.status().conditions.unwrap_or_default())
        .find(|condition| condition.type_.as_deref() == Some(REPLICA_FAILURE));
    match failure {
        Some(failure) => set(
            work,
            REPLICA_FAILURE,
            failure.status.as_deref().unwrap_or("True"),
            failure.reason.as_deref().unwrap_or_default(),
            failure.message.clone().unwrap_or_default(),
        ),
        None => remove(work, REPLICA_FAILURE),
    }
}

/// The progress deadline; `None` when there is none (not set, or the largest number).
fn deadline(work: &Work<'_, '_>) -> Option<Duration> {
    let seconds = work.deployment.spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn get<'a>(work: &'a Work<'_, '_>, kind: &str) -> Option<&'a DeploymentCondition> {
    let conditions = work.deployment.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_.as_deref() == Some(kind))
}

fn get_mut<'a>(work: &'a mut Work<'_, '_>, kind: &str) -> Option<&'a mut DeploymentCondition> {
    let conditions = work.deployment.status.as_mut()?.conditions.as_mut()?;
    conditions.iter_mut().find(|condition| condition.type_.as_deref() == Some(kind))
}

fn remove(work: &mut Work<'_, '_>, kind: &str) {
    let Some(status) = &mut work.deployment.status else { return };
    let Some(conditions) = &mut status.conditions else { return };
    conditions.retain(|condition| condition.type_.as_deref() != Some(kind));
    if conditions.is_empty() {
        status.conditions = None;
    }
}

/// Sets a condition; the same status and reason leave it as it is, whatever the message.
fn set(work: &mut Work<'_, '_>, kind: &str, status: &str, reason: &str, message: String) {
    let now = Some(work.now.to_api());
    let current = get(work, kind);
    let same_status = current.is_some_and(|current| current.status.as_deref() == Some(status));
    if same_status && current.is_some_and(|current| current.reason.as_deref() == Some(reason)) {
        return;
    }
    let since = current.filter(|_| same_status).and_then(|current| current.last_transition_time.clone());
    remove(work, kind);
    let condition = DeploymentCondition {
        last_transition_time: since.or_else(|| now.clone()),
        last_update_time: now,
        message: Some(message),
        reason: Some(reason.to_owned()),
        status: Some(status.to_owned()),
        type_: Some(kind.to_owned()),
    };
    work.deployment.status.get_or_insert_default().conditions.get_or_insert_default().push(condition);
}
