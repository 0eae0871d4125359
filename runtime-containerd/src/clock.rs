//! The only place that reads the wall clock: a runtime reports when things happened, in real time.

use inboard::time::Time;

/// Now.
#[expect(clippy::disallowed_methods, reason = "real containers live in real time; nothing is decided with it")]
pub(crate) fn now() -> Time {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

/// A moment as containerd tells it.
pub(crate) fn from_proto(time: Option<&prost_types::Timestamp>) -> Option<Time> {
    let time = time?;
    let nanos = time.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(time.nanos))?;
    Some(Time::from_nanos(nanos))
}
