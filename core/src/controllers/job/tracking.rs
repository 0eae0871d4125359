//! Counting: each pod that ends is counted once, and the status says what will be true once the plan is carried out.
//!
//! In this order: pods that were let go of since are counted; those that have ended are written down as uncounted, with
//! why the Job ends; their finalizers go; they are counted; the Job is finished when nothing is left to count or to end.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{JobCondition, JobStatus, UncountedTerminatedPods};

use super::failure_policy::Meaning;
use super::member::{Member, named};
use super::scale::{self, Work};
use super::verdict::{self, End, Verdict};
use super::{JobController, Observed, let_go};
use crate::control::{Action, Controller, Plan, Target};
use crate::ids::Uid;
use crate::store::EventDraft;
use crate::time::Time;

/// Most pods that are written down as uncounted at a time: it keeps the status small (upstream's `MaxUncountedPods`).
const UNCOUNTED_MAX: usize = 500;
/// The reasons with which Jobs fail, as events name them.
const REASONS: [&str; 5] =
    ["BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded", "PodFailurePolicy"];

/// Adds what counting writes to a plan.
pub(super) fn count(observed: &Observed<'_>, verdict: Verdict, work: Work, now: Time, plan: &mut Plan) {
    let before = observed.job.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let (active, terminating) = numbers(observed, &work, &mut status);
    if status.start_time.is_none() && !observed.is_suspended() {
        status.start_time = Some(now.to_api());
    }
    let mut held: BTreeSet<Uid> = observed.pods.iter().filter(|pod| pod.is_tracked()).map(|pod| pod.uid()).collect();
    count_released(&mut status, &held);

    let complete = || {
        let end = End::success("CompletionsReached", "Reached expected number of succeeded pods");
        verdict::is_complete(observed, active).then_some(end)
    };
    let end = match verdict {
        Verdict::Ends(end) => Some(end),
        Verdict::Runs { .. } => complete(),
    };
    if end.is_some() && status.start_time.is_none() {
        // It ends while it is suspended: what has ended has begun.
        status.start_time = Some(now.to_api());
    }
    let (released, all) = write_down(observed, end.as_ref(), &mut status);
    plan.more |= !all;
    match &end {
        Some(end) => announce_end(&mut status, end, now),
        None => note_suspension(observed, &mut status, now, plan),
    }
    if !released.is_empty() {
        write(observed, &before, &status, plan);
        for pod in &released {
            plan.push(let_go(pod.0));
            held.remove(&pod.uid());
        }
    }
    let noted = if released.is_empty() { before } else { status.clone() };
    count_released(&mut status, &held);
    let all_counted = uncounted(&status) == 0 && all;
    if let Some(end) = end.filter(|_| all_counted && terminating == 0) {
        finish(observed, &mut status, &end, now, plan);
    }
    write(observed, &noted, &status, plan);
}

fn write(observed: &Observed<'_>, before: &JobStatus, status: &JobStatus, plan: &mut Plan) {
    if before != status {
        let mut job = observed.job.clone();
        job.status = Some(status.clone());
        plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(job) });
    }
}

/// The numbers of pods as they will be; returns how many are active, and how many are on their way out.
fn numbers(observed: &Observed<'_>, work: &Work, status: &mut JobStatus) -> (usize, usize) {
    let (mut active, mut ready) = (observed.active().count(), verdict::ready(observed));
    let mut terminating = scale::terminating(observed);
    match work {
        Work::Creates(count) => active += count,
        Work::Deletes { count, ready: were_ready } => {
            active -= count;
            ready -= were_ready;
            terminating += count;
        }
        // As upstream has it: none counts as active while no other may be made.
        Work::Waits(_) => active = 0,
    }
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    status.active = Some(number(active)).filter(|count| *count != 0);
    status.ready = Some(number(ready));
    status.terminating = Some(number(terminating));
    status.uncounted_terminated_pods.get_or_insert_default();
    if observed.is_indexed() {
        let succeeded = observed.succeeded_indexes();
        status.succeeded = Some(number(succeeded.len())).filter(|count| *count != 0);
        status.completed_indexes = Some(succeeded.to_string()).filter(|text| !text.is_empty());
        status.failed_indexes = observed.failed_indexes().map(|indexes| indexes.to_string());
    }
    (active, terminating)
}

/// Counts the pods that were written down and are not held any more.
fn count_released(status: &mut JobStatus, held: &BTreeSet<Uid>) {
    let pods = status.uncounted_terminated_pods.get_or_insert_default();
    for (list, counter) in [(&mut pods.succeeded, &mut status.succeeded), (&mut pods.failed, &mut status.failed)] {
        let Some(uids) = list else { continue };
        let before = uids.len();
        uids.retain(|uid| uid.parse().is_ok_and(|uid| held.contains(&uid)));
        let counted = i32::try_from(before - uids.len()).unwrap_or(i32::MAX);
        if counted > 0 {
            *counter = Some(counter.unwrap_or(0).saturating_add(counted));
        }
        if uids.is_empty() {
            *list = None;
        }
    }
}

fn uncounted(status: &JobStatus) -> usize {
    let length = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
    status.uncounted_terminated_pods.as_ref().map_or(0, |pods| length(&pods.succeeded) + length(&pods.failed))
}

/// Writes down the pods that have ended. Returns those that may be let go of, and whether these are all.
fn write_down<'w>(observed: &Observed<'w>, end: Option<&End>, status: &mut JobStatus) -> (Vec<Member<'w>>, bool) {
    let fails = end.is_some_and(|end| !end.success);
    let waiting = scale::last_failed(observed);
    let may_go = |pod: Member<'_>| {
        let waits =
            || observed.index_of(pod).and_then(|index| waiting.get(&index)).is_some_and(|last| last.uid() == pod.uid());
        observed.object.meta.is_deleting() || end.is_some() || pod.succeeded() || (observed.failed(pod) && !waits())
    };
    let listed = status.uncounted_terminated_pods.get_or_insert_default();
    let mut noted = Noted { succeeded: named(listed.succeeded.as_ref()), failed: named(listed.failed.as_ref()) };
    let mut released = Vec::new();
    for pod in observed.pods.iter().copied().filter(|pod| pod.is_tracked() && may_go(*pod)) {
        if uncounted(status) >= UNCOUNTED_MAX {
            return (released, false);
        }
        released.push(pod);
        let pods = status.uncounted_terminated_pods.get_or_insert_default();
        note(observed, pod, fails, &mut noted, pods);
    }
    (released, true)
}

/// The pods that are written down already.
struct Noted {
    succeeded: BTreeSet<Uid>,
    failed: BTreeSet<Uid>,
}

fn note(
    observed: &Observed<'_>,
    pod: Member<'_>,
    job_fails: bool,
    noted: &mut Noted,
    pods: &mut UncountedTerminatedPods,
) {
    let uid = pod.uid();
    if pod.succeeded() && !noted.failed.contains(&uid) {
        // The index of a success is written down already.
        if !observed.is_indexed() && noted.succeeded.insert(uid) {
            pods.succeeded.get_or_insert_default().push(uid.to_string());
        }
        return;
    }
    // In a Job that has failed, what has not ended has failed too.
    let counts = (observed.failed(pod) || job_fails) && observed.counts(pod);
    if counts && observed.meaning(pod) != Meaning::Ignored && noted.failed.insert(uid) {
        pods.failed.get_or_insert_default().push(uid.to_string());
    }
}

/// Says that a Job will end, and why, before it has.
fn announce_end(status: &mut JobStatus, end: &End, now: Time) {
    let kind = if end.success { "SuccessCriteriaMet" } else { "FailureTarget" };
    set(status, condition(kind, true, &end.reason, &end.message, now));
}

fn finish(observed: &Observed<'_>, status: &mut JobStatus, end: &End, now: Time, plan: &mut Plan) {
    let kind = if end.success { "Complete" } else { "Failed" };
    set(status, condition(kind, true, &end.reason, &end.message, now));
    let meta = &observed.object.meta;
    let mut emit = |event: EventDraft| plan.push(Action::Emit(Box::new(event)));
    if end.success {
        status.completion_time = Some(now.to_api());
        if observed.spec.completions.is_some_and(|wanted| status.succeeded.unwrap_or(0) > wanted) {
            let message = "Too many succeeded pods running after completion count reached";
            emit(EventDraft::warning(meta, JobController::NAME, "TooManySucceededPods", message));
        }
        emit(EventDraft::normal(meta, JobController::NAME, "Completed", "Job completed"));
    } else {
        let reason = REASONS.into_iter().find(|reason| *reason == end.reason).unwrap_or("Failed");
        emit(EventDraft::warning(meta, JobController::NAME, reason, end.message.clone()));
    }
}

fn note_suspension(observed: &Observed<'_>, status: &mut JobStatus, now: Time, plan: &mut Plan) {
    if observed.object.meta.is_deleting() {
        return;
    }
    let suspended = observed.is_suspended();
    let (reason, event, message) = if suspended {
        ("JobSuspended", "Suspended", "Job suspended")
    } else {
        ("JobResumed", "Resumed", "Job resumed")
    };
    if suspended {
        // It is started anew when it is resumed.
        status.start_time = None;
    }
    if set(status, condition("Suspended", suspended, reason, message, now)) {
        if !suspended {
            // The deadline counts from here.
            status.start_time = Some(now.to_api());
        }
        let event = EventDraft::normal(&observed.object.meta, JobController::NAME, event, message);
        plan.push(Action::Emit(Box::new(event)));
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str, now: Time) -> JobCondition {
    JobCondition {
        last_probe_time: Some(now.to_api()),
        last_transition_time: Some(now.to_api()),
        message: Some(message.to_owned()),
        reason: Some(reason.to_owned()),
        status: if holds { "True" } else { "False" }.to_owned(),
        type_: kind.to_owned(),
    }
}

/// Adds a condition, or changes one whose status is another. What never held is not said not to hold.
fn set(status: &mut JobStatus, next: JobCondition) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    let changed = match conditions.iter_mut().find(|found| found.type_ == next.type_) {
        Some(found) if found.status == next.status => false,
        Some(found) => {
            *found = next;
            true
        }
        None if next.status == "False" => false,
        None => {
            conditions.push(next);
            true
        }
    };
    if conditions.is_empty() {
        status.conditions = None;
    }
    changed
}
