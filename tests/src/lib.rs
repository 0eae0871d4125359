//! What the tests share.

pub mod oracle;
#[cfg(feature = "containerd")]
pub mod containerd;
pub mod scheduling;
