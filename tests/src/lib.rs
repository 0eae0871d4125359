//! What the tests share.

#[cfg(feature = "containerd")]
pub mod containerd;
pub mod dice;
pub mod fuzz;
pub mod history;
pub mod kubectl;
pub mod oracle;
pub mod recorded;
pub mod reference_scheduler;
pub mod scheduling;
pub mod story;
pub mod typed;
