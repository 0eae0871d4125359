//! `successfulJobsHistoryLimit` and `failedJobsHistoryLimit`: the oldest finished Jobs beyond them go.

use super::{Child, Outcome, Work};
use crate::time::Time;

/// Deletes what is beyond the limits.
pub(super) fn forget(work: &mut Work<'_, '_>) {
    let spec = &work.observed.cron.spec;
    let limits =
        [(Outcome::Complete, spec.successful_jobs_history_limit), (Outcome::Failed, spec.failed_jobs_history_limit)];
    for (outcome, limit) in limits {
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { continue };
        let going = |child: &&Child<'_>| !child.object.meta.is_deleting();
        let mut ended: Vec<Child<'_>> =
            work.observed.jobs.iter().filter(going).filter(|child| child.outcome() == Some(outcome)).copied().collect();
        ended.sort_by(|a, b| (started(a), a.name()).cmp(&(started(b), b.name())));
        let surplus = ended.len().saturating_sub(limit);
        for child in ended.into_iter().take(surplus) {
            work.delete(child);
        }
    }
}

/// When a Job was started; one that never was comes last.
fn started(child: &Child<'_>) -> Time {
    let start = child.job.status.as_ref().and_then(|status| status.start_time.as_ref());
    start.map_or(Time::MAX, Time::from_api)
}
