//! The only place that reads a clock: tokio's, so that a paused test runs the whole cluster in virtual time.

use std::time::Duration;

use crate::time::Time;

/// Wall time as it was at the start, plus what tokio's clock has counted since: it never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Time,
    origin: tokio::time::Instant,
}

impl Clock {
    /// A clock that shows `start` now.
    pub(crate) fn starting_at(start: Time) -> Self {
        Self { start, origin: tokio::time::Instant::now() }
    }

    /// A clock that shows the machine's time.
    #[allow(clippy::disallowed_methods)]
    pub(crate) fn of_the_machine() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::starting_at(Time::EPOCH + since_epoch)
    }

    /// What it shows.
    pub(crate) fn now(&self) -> Time {
        self.start + self.origin.elapsed()
    }

    /// The moment of tokio's clock at which it will show `time`.
    pub(crate) fn instant(&self, time: Time) -> tokio::time::Instant {
        self.origin.checked_add(time - self.start).unwrap_or_else(|| self.origin + FAR_FUTURE)
    }
}

/// Further ahead than anybody waits, and still representable.
const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
