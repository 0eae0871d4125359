//! Exponential delay between tries: doubles with each failure, forgotten after a long success.

use std::time::Duration;

use crate::time::Time;

/// The first delay of crashing containers and failing pulls, in upstream's kubelet.
pub(super) const BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// The longest delay (`MaxContainerBackOff`).
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A failure this long after the last try starts from the first delay again: twice the longest delay.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// How long the agent waits after a failed step that has no delay of its own (`backOffPeriod`).
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The delay after the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    delay: Duration,
    tried_at: Time,
}

impl Backoff {
    /// The state after a try now, of something that failed at `failed_at` before.
    pub(super) fn after_try(earlier: Option<Self>, failed_at: Time, now: Time) -> Self {
        let delay = match earlier {
            Some(earlier) if failed_at.since(earlier.tried_at) <= FORGET_AFTER => (earlier.delay * 2).min(BACKOFF_MAX),
            Some(_) | None => BACKOFF_FIRST,
        };
        Self { delay, tried_at: now }
    }

    /// Until when a failure at `failed_at` must not be followed by a try.
    pub(super) fn until(self, failed_at: Time) -> Option<Time> {
        (failed_at.since(self.tried_at) <= FORGET_AFTER).then(|| failed_at + self.delay)
    }

    /// When the next try may be, counted from the last one.
    pub(super) fn next_try(self) -> Time {
        self.tried_at + self.delay
    }

    /// The delay itself.
    pub(super) const fn delay(self) -> Duration {
        self.delay
    }
}
