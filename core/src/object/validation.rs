//! Whether an object may be stored: the rules of upstream's `pkg/apis/*/validation`, with its paths, texts and order.
//!
//! A check takes the (already defaulted) value, the path at which it stands and the list to which it adds what is wrong.
//! Paths live on the stack and texts are made only for errors, so that a valid object costs no allocation.

pub mod admission;
pub mod affinity;
pub mod api_service;
pub mod attributes_class;
pub mod autoscaler;
pub mod certificate_request;
pub mod claim_spec;
pub mod config_map;
pub mod container;
pub mod controller_revision;
pub mod cron_job;
pub mod csi;
pub mod daemon_set;
pub mod definition;
pub mod deployment;
pub mod device_claim;
pub mod device_class;
pub mod device_taint;
pub mod disruption_budget;
pub mod endpoint_slice;
pub mod endpoints;
pub mod event;
pub mod flow_control;
pub mod go_type;
pub mod ingress;
pub mod job;
pub mod lease;
pub mod limit_range;
pub mod meta;
pub mod names;
pub mod namespace;
pub mod network_policy;
pub mod node;
pub mod persistent_volume;
pub mod pod;
pub mod pod_certificate;
pub mod pod_template;
pub mod priority_class;
pub mod probe;
pub mod rbac;
pub mod replica_set;
pub mod replication_controller;
pub mod resource_quota;
pub mod resource_slice;
pub mod resources;
pub mod runtime_class;
pub mod secret;
pub mod selector;
pub mod service;
pub mod service_account;
pub mod service_range;
pub mod stateful_set;
pub mod storage_class;
pub mod text_diff;
pub mod trust_bundle;
pub mod version_migration;
pub mod volume;
pub mod volume_attachment;
pub mod volume_claim;
pub mod volume_plugin;

mod addresses;
mod checks;
mod conditions;
mod device_allocation;
mod dispatch;
mod env;
mod fields;
mod go;
pub(crate) mod go_json;
mod mount;
mod pod_resize;
mod pod_resources;
mod pod_status;
mod pod_update;
mod projected;
mod request_policy;
mod security;
mod shared;
#[cfg(test)]
mod testing;
mod visit;
mod volume_paths;
mod warnings;
mod windows;
mod workload_warnings;

pub use dispatch::{
    approval_update, create, create_as, finalizers_update, pod_part_update, status_update, update, update_as, warnings,
};
pub use pod::{pod, pod_template_spec};
pub use pod_resize::pod_resize;
pub use pod_status::pod_status_update;
pub use pod_update::{pod_binding, pod_ephemeral_containers_update, pod_update};
pub use warnings::{pod_template_warnings, pod_warnings};
