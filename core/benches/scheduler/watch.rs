//! How long this thread has been on a processor: what it costs, whoever else uses the machine.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// By `/proc`, or by the clock where there is none.
pub(crate) fn now() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = text.as_deref().and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(by_clock, Duration::from_nanos)
}

fn by_clock() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
