//! Whether an object may be stored: the rules of upstream's `pkg/apis/*/validation`, with its paths, texts and order.
//!
//! A check takes the (already defaulted) value, the path at which it stands and the list to which it adds what is wrong.
//! Paths live on the stack and texts are made only for errors, so that a valid object costs no allocation.

pub mod affinity;
pub mod claim_spec;
pub mod container;
pub mod go_type;
pub mod meta;
pub mod names;
pub mod pod;
pub mod probe;
pub mod resources;
pub mod selector;
pub mod text_diff;
pub mod volume;
pub mod volume_plugin;

mod env;
mod fields;
mod mount;
mod pod_resources;
mod projected;
mod security;
mod visit;
mod windows;

pub use pod::{pod, pod_template_spec};
