//! Placeholder.

pub mod scheduling;
