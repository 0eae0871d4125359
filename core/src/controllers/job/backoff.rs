//! How long a Job waits before it makes another pod: 10 seconds after a failure, twice as long after each further one in
//! a row, ten minutes at most. A success ends the row.

use std::time::Duration;

use super::Observed;
use super::member::Member;
use crate::time::Time;

/// The wait after the first failure (upstream's `DefaultJobPodFailureBackOff`).
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait (upstream's `MaxJobPodFailureBackOff`).
const LONGEST: Duration = Duration::from_secs(600);

/// When the next pod may be made, after this many failures in a row, the last one then.
pub(super) fn until(failures: usize, last: Time) -> Time {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    if failures == 0 { last } else { last + (FIRST * 2_u32.pow(doublings)).min(LONGEST) }
}

/// When a Job may make its next pod. Worked out from the pods that are there: nobody has to remember anything.
pub(super) fn of_job(observed: &Observed<'_>) -> Option<Time> {
    let pods = || observed.pods.iter().copied();
    let last_success = pods().filter(|pod| pod.succeeded()).map(Member::finished_at).max();
    let failures = pods().filter(|pod| observed.failed(*pod)).map(Member::finished_at);
    let row: Vec<Time> = failures.filter(|at| last_success.is_none_or(|success| *at > success)).collect();
    row.iter().max().map(|last| until(row.len(), *last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_the_longest() {
        let last = Time::from_secs(1000);
        let waits: Vec<u64> = [0, 1, 2, 3, 6, 7, 8, 1_000_000].map(|row| (until(row, last) - last).as_secs()).into();
        assert_eq!(waits, [0, 10, 20, 40, 320, 600, 600, 600]);
    }
}
