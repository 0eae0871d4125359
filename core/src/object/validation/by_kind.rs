//! One entry for all kinds: which checks a write of an object must pass.
//!
//! Kinds without rules of their own have their metadata checked.

use std::any::Any;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling_v2};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController,
    ResourceQuota, Secret, Service,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;

use super::names::{name_is_dns_subdomain, name_is_path_segment};
use super::shared::{cluster_wide, meta_update, namespaced};
use super::{
    autoscaler, config_map, controller_revision, cron_job, daemon_set, deployment, disruption_budget, job, limit_range,
    namespace, node, persistent_volume, pod, pod_status, pod_update, priority_class, replica_set,
    replication_controller, resource_quota, secret, service, stateful_set, storage_class, volume_claim,
};
use crate::object::field::FieldErrors;
use crate::object::kind::{self, TypedObject};

macro_rules! by_kind {
    ($(#[$doc:meta])* $function:ident, new only: $($kind:ty => $check:expr,)*) => {
        $(#[$doc])*
        fn $function(object: &dyn Any) -> Option<FieldErrors> {
            $(if let Some(object) = object.downcast_ref::<$kind>() {
                return Some($check(object));
            })*
            None
        }
    };
    ($(#[$doc:meta])* $function:ident, new and old: $($kind:ty => $check:expr,)*) => {
        $(#[$doc])*
        fn $function(new: &dyn Any, old: &dyn Any) -> Option<FieldErrors> {
            $(if let (Some(new), Some(old)) = (new.downcast_ref::<$kind>(), old.downcast_ref::<$kind>()) {
                return Some($check(new, old));
            })*
            None
        }
    };
}

by_kind! { created, new only:
    Pod => pod::pod,
    ReplicaSet => replica_set::replica_set,
    Deployment => deployment::deployment,
    StatefulSet => stateful_set::stateful_set,
    DaemonSet => daemon_set::daemon_set,
    Job => job::job,
    CronJob => cron_job::cron_job,
    ReplicationController => replication_controller::replication_controller,
    ControllerRevision => controller_revision::controller_revision,
    Service => service::service,
    ConfigMap => config_map::config_map,
    Secret => secret::secret,
    Namespace => namespace::namespace,
    Node => node::node,
    PersistentVolume => persistent_volume::persistent_volume,
    PersistentVolumeClaim => volume_claim::volume_claim,
    StorageClass => storage_class::storage_class,
    PriorityClass => priority_class::priority_class,
    PodDisruptionBudget => disruption_budget::disruption_budget,
    ResourceQuota => resource_quota::resource_quota,
    LimitRange => limit_range::limit_range,
    autoscaling_v2::HorizontalPodAutoscaler => autoscaler::autoscaler,
    autoscaling_v1::HorizontalPodAutoscaler => autoscaler::autoscaler_v1,
}

by_kind! { updated, new and old:
    Pod => pod_update::pod_update,
    ReplicaSet => replica_set::replica_set_update,
    Deployment => deployment::deployment_update,
    StatefulSet => stateful_set::stateful_set_update,
    DaemonSet => daemon_set::daemon_set_update,
    Job => job::job_update,
    CronJob => cron_job::cron_job_update,
    ReplicationController => replication_controller::replication_controller_update,
    ControllerRevision => controller_revision::controller_revision_update,
    Service => service::service_update,
    ConfigMap => config_map::config_map_update,
    Secret => secret::secret_update,
    Namespace => namespace::namespace_update,
    Node => node::node_update,
    PersistentVolume => persistent_volume::persistent_volume_update,
    PersistentVolumeClaim => volume_claim::volume_claim_update,
    StorageClass => storage_class::storage_class_update,
    PriorityClass => priority_class::priority_class_update,
    PodDisruptionBudget => disruption_budget::disruption_budget_update,
    ResourceQuota => resource_quota::resource_quota_update,
    LimitRange => limit_range::limit_range_update,
    autoscaling_v2::HorizontalPodAutoscaler => autoscaler::autoscaler_update,
    autoscaling_v1::HorizontalPodAutoscaler => autoscaler::autoscaler_v1_update,
}

by_kind! { status_updated, new and old:
    Pod => pod_status::pod_status_update,
    ReplicaSet => replica_set::replica_set_status_update,
    Deployment => deployment::deployment_status_update,
    StatefulSet => stateful_set::stateful_set_status_update,
    DaemonSet => daemon_set::daemon_set_status_update,
    Job => job::job_status_update,
    CronJob => cron_job::cron_job_status_update,
    ReplicationController => replication_controller::replication_controller_status_update,
    Service => service::service_status_update,
    Namespace => namespace::namespace_status_update,
    Node => node::node_status_update,
    PersistentVolume => persistent_volume::persistent_volume_status_update,
    PersistentVolumeClaim => volume_claim::volume_claim_status_update,
    PodDisruptionBudget => disruption_budget::disruption_budget_status_update,
    ResourceQuota => resource_quota::resource_quota_status_update,
    autoscaling_v2::HorizontalPodAutoscaler => autoscaler::autoscaler_status_update,
    autoscaling_v1::HorizontalPodAutoscaler => autoscaler::autoscaler_v1_status_update,
}

/// What is wrong with a new object, of any kind. Defaults must be filled in, name and namespace be set.
pub fn on_create(object: &dyn TypedObject) -> FieldErrors {
    created(object.as_any()).unwrap_or_else(|| {
        // These names stand in URLs only, and may hold colons.
        let loose = [
            kind::ROLE,
            kind::ROLE_BINDING,
            kind::CLUSTER_ROLE,
            kind::CLUSTER_ROLE_BINDING,
            kind::CERTIFICATE_SIGNING_REQUEST,
            kind::CLUSTER_TRUST_BUNDLE,
            kind::IP_ADDRESS,
        ];
        let rule = if loose.contains(&object.kind_id()) { name_is_path_segment } else { name_is_dns_subdomain };
        let cluster = object.kind_id().built_in().is_some_and(|info| !info.is_namespaced());
        if cluster { cluster_wide(object.metadata(), rule) } else { namespaced(object.metadata(), rule) }
    })
}

/// What is wrong with an object that replaces another of its kind.
pub fn on_update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    updated(new.as_any(), old.as_any()).unwrap_or_else(|| meta_update(new.metadata(), old.metadata()))
}

/// What is wrong with an object whose status replaces that of another.
pub fn on_status_update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    status_updated(new.as_any(), old.as_any()).unwrap_or_else(|| meta_update(new.metadata(), old.metadata()))
}
