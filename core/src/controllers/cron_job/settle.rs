//! `status.active`: Jobs that have ended or are gone leave it; one that was created and not written down joins it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ObjectReference;

use super::start::SCHEDULED_AT;
use super::{Child, Outcome, Work};
use crate::time::Time;

/// Puts the list of active Jobs right, and the time of the last success.
pub(super) fn active(work: &mut Work<'_, '_>) {
    let children = work.observed.jobs.clone();
    for child in &children {
        note(work, *child);
    }
    let known: BTreeSet<String> = children.iter().map(Child::uid).collect();
    for job in work.status.active.clone().unwrap_or_default() {
        let uid = job.uid.unwrap_or_default();
        if !known.contains(&uid) {
            work.normal("MissingJob", format!("Active job went missing: {}", job.name.unwrap_or_default()));
            work.forget_active(&uid);
        }
    }
}

fn note(work: &mut Work<'_, '_>, child: Child<'_>) {
    let (listed, outcome) = (work.is_active(&child.uid()), child.outcome());
    match outcome {
        None if listed => {}
        // This controller made it, and could not write it down in the same breath.
        None if child.object.meta.annotations.contains_key(SCHEDULED_AT) => {
            if !child.object.meta.is_deleting() {
                work.status.active.get_or_insert_default().push(reference(child));
            }
        }
        None => {
            let text = "Saw a job that the controller did not create or forgot: ";
            work.warn("UnexpectedJob", format!("{text}{}", child.name()));
        }
        Some(outcome) if listed => {
            let condition = if outcome == Outcome::Complete { "Complete" } else { "Failed" };
            work.normal("SawCompletedJob", format!("Saw completed job: {}, condition: {condition}", child.name()));
            work.forget_active(&child.uid());
        }
        Some(_) => {}
    }
    if outcome == Some(Outcome::Complete)
        && let Some(at) = child.job.status.as_ref().and_then(|status| status.completion_time.clone())
        && work.status.last_successful_time.as_ref().is_none_or(|last| Time::from_api(last) < Time::from_api(&at))
    {
        work.status.last_successful_time = Some(at);
    }
}

fn reference(child: Child<'_>) -> ObjectReference {
    let meta = &child.object.meta;
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        name: Some(meta.name.to_string()),
        namespace: Some(meta.namespace.to_string()),
        resource_version: Some(meta.revision.to_string()),
        uid: Some(meta.uid.to_string()),
        ..ObjectReference::default()
    }
}
