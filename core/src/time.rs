//! The kernel's own time: an integer that comes in as an argument and is never read from a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

/// A moment, in nanoseconds since the Unix epoch.
///
/// Kubernetes keeps most timestamps in whole seconds ([`Time::to_api`] drops the rest); decisions inside the cluster
/// are made with the full precision.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Time {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than any other moment (the year 2262).
    pub const MAX: Self = Self(i64::MAX);

    /// The moment this many nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The moment this many whole seconds after the epoch; seconds out of range saturate.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: what Kubernetes stores.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// The same moment without its fraction of a second.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self::from_secs(self.as_secs())
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment `duration` earlier, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// As a jiff timestamp.
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::MAX)
    }

    /// From a jiff timestamp, saturating.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(i64::try_from(timestamp.as_nanosecond()).unwrap_or(i64::MAX))
    }

    /// As an API timestamp (`metav1.Time`): whole seconds.
    pub fn to_api(self) -> meta::Time {
        meta::Time(self.whole_second().to_timestamp())
    }

    /// As an API timestamp with microseconds (`metav1.MicroTime`).
    pub fn to_api_micro(self) -> meta::MicroTime {
        meta::MicroTime(Self(self.0.div_euclid(1000) * 1000).to_timestamp())
    }

    /// From an API timestamp.
    pub fn from_api(time: &meta::Time) -> Self {
        Self::from_timestamp(time.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// Saturates at [`Time::MAX`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// See [`Time::since`].
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_timestamp().fmt(f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_timestamp().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_api_times_are_whole_seconds() {
        let time = Time::from_nanos(1_500_000_000);
        assert_eq!(time.to_api().0.to_string(), "1970-01-01T00:00:01Z");
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::EPOCH - time, Duration::ZERO);
        assert_eq!(Time::from_api(&time.to_api()), Time::from_secs(1));
    }
}
