//! What the tests share.

#[cfg(feature = "containerd")]
pub mod containerd;
pub mod oracle;
pub mod reference_scheduler;
pub mod scheduling;
