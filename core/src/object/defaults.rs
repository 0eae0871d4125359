//! Defaults: what the server fills in before anything else looks at an object.
//!
//! One function a kind, over the `k8s-openapi` types, with the values of Kubernetes 1.36 and all its feature gates at
//! their defaults. They are pure and idempotent: what is set stays, and a second call changes nothing. An empty text,
//! and a zero where upstream's field is no pointer, count as absent. [`apply`] finds the function for a kind.
//!
//! Values that depend on more than the object itself (a class, a service account, an address) are not defaults.

mod admission;
mod autoscaling;
mod batch;
mod cluster;
mod container;
mod definition;
mod image;
mod network;
mod pod;
mod resources;
mod storage;
mod volume;
mod workload;

use std::any::Any;

pub use admission::{
    flow_schema, mutating_admission_policy, mutating_admission_policy_binding, mutating_webhook_configuration,
    priority_level_configuration, resource_claim, resource_claim_template, validating_admission_policy,
    validating_admission_policy_binding, validating_webhook_configuration,
};
pub use autoscaling::{horizontal_pod_autoscaler, horizontal_pod_autoscaler_v1};
pub use batch::{cron_job, job};
pub use cluster::{
    NAMESPACE_NAME_LABEL, cluster_role_binding, limit_range, namespace, node, priority_class, resource_quota,
    role_binding, secret,
};
pub use definition::{api_service, custom_resource_definition};
pub use network::{endpoint_slice, endpoints, ingress_class, network_policy, service};
pub use pod::{pod, pod_template, pod_template_spec};
pub use storage::{csi_driver, persistent_volume, persistent_volume_claim, storage_class};
pub use workload::{daemon_set, deployment, replica_set, replication_controller, stateful_set};

/// Fills in the defaults of an object of any kind; one that has none is left alone.
pub fn apply(object: &mut dyn Any) {
    // Each arm tries one type; the most frequent ones come first.
    let _ = with(object, pod)
        || with(object, replica_set)
        || with(object, deployment)
        || with(object, node)
        || with(object, job)
        || with(object, stateful_set)
        || with(object, daemon_set)
        || with(object, cron_job)
        || with(object, service)
        || with(object, endpoint_slice)
        || with(object, endpoints)
        || with(object, namespace)
        || with(object, secret)
        || with(object, persistent_volume_claim)
        || with(object, persistent_volume)
        || with(object, storage_class)
        || with(object, csi_driver)
        || with(object, horizontal_pod_autoscaler)
        || with(object, horizontal_pod_autoscaler_v1)
        || with(object, replication_controller)
        || with(object, pod_template)
        || with(object, limit_range)
        || with(object, resource_quota)
        || with(object, priority_class)
        || with(object, role_binding)
        || with(object, cluster_role_binding)
        || with(object, ingress_class)
        || with(object, network_policy)
        || with(object, mutating_webhook_configuration)
        || with(object, validating_webhook_configuration)
        || with(object, validating_admission_policy)
        || with(object, validating_admission_policy_binding)
        || with(object, mutating_admission_policy)
        || with(object, mutating_admission_policy_binding)
        || with(object, flow_schema)
        || with(object, priority_level_configuration)
        || with(object, resource_claim)
        || with(object, resource_claim_template)
        || with(object, custom_resource_definition)
        || with(object, api_service);
}

fn with<K: Any>(object: &mut dyn Any, defaults: fn(&mut K)) -> bool {
    object.downcast_mut().map(defaults).is_some()
}

/// Fills in a text that is absent or empty; true when it was.
fn text(field: &mut Option<String>, value: &str) -> bool {
    let absent = field.as_ref().is_none_or(|text| text.is_empty());
    if absent {
        *field = Some(value.to_owned());
    }
    absent
}

/// Fills in a number that is absent or zero.
fn number(field: &mut Option<i32>, value: i32) {
    if field.unwrap_or_default() == 0 {
        *field = Some(value);
    }
}

/// The items of an optional list.
fn each<T>(list: &mut Option<Vec<T>>) -> impl Iterator<Item = &mut T> {
    list.iter_mut().flatten()
}
