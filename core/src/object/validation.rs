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

pub mod autoscaler;
pub mod config_map;
pub mod controller_revision;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod disruption_budget;
pub mod job;
pub mod limit_range;
pub mod namespace;
pub mod node;
pub mod persistent_volume;
pub mod priority_class;
pub mod replica_set;
pub mod replication_controller;
pub mod resource_quota;
pub mod secret;
pub mod service;
pub mod stateful_set;
pub mod storage_class;
pub mod volume_claim;

mod addresses;
mod checks;
mod conditions;
mod go;
mod go_json;
mod shared;
