//! A runtime in virtual time: what the simulation drives instead of a [`Runtime`](super::Runtime).

use std::fmt;

use super::{Call, Inventory, Reply, RuntimeError, RuntimeEvent};
use crate::time::Time;

/// When a call is answered, and how.
#[derive(Debug)]
pub struct Completion {
    /// When the answer arrives; [`Time::MAX`] when it never does.
    pub at: Time,
    /// The answer.
    pub result: Result<Reply, RuntimeError>,
}

/// A runtime as a plain state machine: no threads, no clock, no I/O. Time comes in as an argument and never goes back.
///
/// The effect of a call is there at once for the calls after it; only its answer takes time.
pub trait SimulatedRuntime: fmt::Debug + Send {
    /// Makes a call at this moment.
    fn call(&mut self, now: Time, call: &Call) -> Completion;

    /// When something will happen by itself: a container that exits.
    fn next_event_at(&self) -> Option<Time>;

    /// What has happened by itself until now, in order, each told once.
    fn take_events(&mut self, now: Time) -> Vec<RuntimeEvent>;

    /// All that it holds at this moment, without a call: what a test looks at. What has happened by itself was taken
    /// before.
    fn held(&self, now: Time) -> Inventory;
}
