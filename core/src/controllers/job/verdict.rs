//! Whether a Job goes on, and if not, why: the first reason that holds.
//!
//! In upstream's order: what was decided before; a pod that fails the Job by policy; too many failures; the deadline; too
//! many failed indexes; the success policy.

use super::failure_policy::Meaning;
use super::member::named;
use super::{Observed, success_policy};
use crate::control::pods;
use crate::time::Time;

/// How a Job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Whether it has succeeded.
    pub(super) success: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on; its deadline is then.
    Runs { wake_at: Option<Time> },
    /// It ends.
    Ends(End),
}

impl End {
    fn failure(reason: &str, message: impl Into<String>) -> Self {
        Self { success: false, reason: reason.to_owned(), message: message.into() }
    }

    pub(super) fn success(reason: &str, message: impl Into<String>) -> Self {
        Self { success: true, reason: reason.to_owned(), message: message.into() }
    }
}

/// The verdict on a Job.
pub(super) fn of(observed: &Observed<'_>, now: Time) -> Verdict {
    let deadline = deadline(observed, now);
    let end = decided_before(observed)
        .or_else(|| failed_by_policy(observed))
        .or_else(|| past_limit(observed))
        .or_else(|| {
            let late = deadline.is_some_and(|at| at <= now);
            late.then(|| End::failure("DeadlineExceeded", "Job was active longer than specified deadline"))
        })
        .or_else(|| by_indexes(observed));
    end.map_or(Verdict::Runs { wake_at: deadline }, Verdict::Ends)
}

fn decided_before(observed: &Observed<'_>) -> Option<End> {
    let condition = observed.condition("SuccessCriteriaMet").map(|condition| (true, condition));
    let (success, condition) = condition.or_else(|| Some((false, observed.condition("FailureTarget")?)))?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(End { success, reason: text(&condition.reason), message: text(&condition.message) })
}

fn failed_by_policy(observed: &Observed<'_>) -> Option<End> {
    let failed = observed.pods.iter().copied().filter(|pod| observed.failed(*pod));
    let mut messages = failed.filter_map(|pod| match observed.meaning(pod) {
        Meaning::FailsJob(message) => Some(message),
        Meaning::Counts | Meaning::Ignored | Meaning::FailsIndex => None,
    });
    messages.next().map(|message| End::failure("PodFailurePolicy", message))
}

fn past_limit(observed: &Observed<'_>) -> Option<End> {
    let limit = i64::from(observed.spec.backoff_limit.unwrap_or(6));
    let restarts_in_place = || {
        let in_place = observed.spec.template.spec.as_ref().and_then(|pod| pod.restart_policy.as_deref());
        let restarts: i64 = observed.pods.iter().map(|pod| pod.restarts()).sum();
        in_place == Some("OnFailure") && if limit == 0 { restarts > 0 } else { restarts >= limit }
    };
    let exceeded = failures(observed) > limit || restarts_in_place();
    exceeded.then(|| End::failure("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
}

/// All failures that count: those counted, those written down to be counted, and those of pods that have just ended.
fn failures(observed: &Observed<'_>) -> i64 {
    let status = observed.job.status.as_ref();
    let listed = status.and_then(|status| status.uncounted_terminated_pods.as_ref()?.failed.as_ref());
    let uncounted = named(listed);
    let new = observed.pods.iter().copied().filter(|pod| {
        pod.is_tracked()
            && observed.failed(*pod)
            && observed.counts(*pod)
            && !uncounted.contains(&pod.uid())
            && observed.meaning(*pod) != Meaning::Ignored
    });
    let counted = status.and_then(|status| status.failed).unwrap_or(0);
    i64::from(counted) + (listed.map_or(0, Vec::len) + new.count()) as i64
}

/// A Job that has not been started is started now; one that is suspended has no deadline.
fn deadline(observed: &Observed<'_>, now: Time) -> Option<Time> {
    let start = observed.job.status.as_ref().and_then(|status| status.start_time.as_ref());
    let seconds = u64::try_from(observed.spec.active_deadline_seconds?).ok()?;
    let start = start.map_or(now, Time::from_api);
    (!observed.is_suspended()).then(|| start + std::time::Duration::from_secs(seconds))
}

fn by_indexes(observed: &Observed<'_>) -> Option<End> {
    if !observed.is_indexed() {
        return None;
    }
    let completions = observed.completions().unwrap_or(0);
    let succeeded = observed.succeeded_indexes();
    if let Some(failed) = observed.failed_indexes() {
        let most = observed.spec.max_failed_indexes.map(|most| usize::try_from(most).unwrap_or(0));
        if most.is_some_and(|most| failed.len() > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(End::failure("MaxFailedIndexesExceeded", message));
        }
        if failed.len() > 0 && failed.len() + succeeded.len() >= completions {
            return Some(End::failure("FailedIndexes", "Job has failed indexes"));
        }
    }
    let met = success_policy::met(observed.spec.success_policy.as_ref(), completions, &succeeded)?;
    Some(End::success("SuccessPolicy", met))
}

/// Whether a Job that runs is complete: enough pods have succeeded, and none is active any more.
pub(super) fn is_complete(observed: &Observed<'_>, active: usize) -> bool {
    let succeeded = succeeded(observed);
    active == 0 && observed.completions().map_or(succeeded > 0, |completions| succeeded >= completions)
}

/// All successes: those counted, those written down to be counted, and those of pods that have just ended.
pub(super) fn succeeded(observed: &Observed<'_>) -> usize {
    if observed.is_indexed() {
        return observed.succeeded_indexes().len();
    }
    let status = observed.job.status.as_ref();
    let listed = status.and_then(|status| status.uncounted_terminated_pods.as_ref()?.succeeded.as_ref());
    let uncounted = named(listed);
    let new = observed.pods.iter().filter(|pod| pod.is_tracked() && pod.succeeded() && !uncounted.contains(&pod.uid()));
    let counted = status.and_then(|status| status.succeeded).unwrap_or(0);
    usize::try_from(counted).unwrap_or(0) + listed.map_or(0, Vec::len) + new.count()
}

/// The active pods that are ready.
pub(super) fn ready(observed: &Observed<'_>) -> usize {
    observed.active().filter(|pod| pods::is_ready(pod.0)).count()
}
