//! The one loop that all controllers share.
//!
//! A controller is two functions: [`Controller::observe`] joins what it may look at, from one snapshot;
//! [`Controller::decide`] judges it, purely. The loop takes a key from the queue, observes, decides, and commits the
//! plan as one transaction; a conflict puts the key back at once, a refusal with backoff.

pub mod claim;
mod controller;
pub mod crew;
pub mod plan;
pub mod pods;
mod queue;
pub mod rank;
mod reconcile;
pub mod revisions;

pub use self::controller::{Controller, Keys, Watched};
pub use self::plan::{Action, MetaEdit, Plan, Propagation, Target, WaitingOn};
pub(crate) use self::reconcile::{AnyLoop, Loop, Turn};
pub use self::reconcile::{ControllerMetrics, ControllerMode};
