//! One door to the rules of all kinds: a new object, a changed one, a changed status, and what to warn of.
//!
//! A kind without rules of its own here is checked for its metadata alone, as all kinds are.

use std::any::Any;

use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling};
use k8s_openapi::api::{
    admissionregistration::v1 as registration, apps::v1 as apps, batch::v1 as batch, certificates::v1 as certificates,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    flowcontrol::v1 as flowcontrol, networking::v1 as networking, node::v1 as node_api, policy::v1 as policy,
    rbac::v1 as rbac_api, resource::v1 as resource, scheduling::v1 as scheduling, storage::v1 as storage,
    storagemigration::v1 as migration,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;

use super::certificate_request::Part;
use super::meta::{self, Scope};
use super::names::name_is_path_segment;
use super::shared::{METADATA, meta_update};
use super::warnings::pod_warnings;
use super::{
    admission, api_service, attributes_class, autoscaler, certificate_request, config_map, controller_revision,
    cron_job, csi, daemon_set, definition, deployment, device_claim, device_class, device_taint, disruption_budget,
    endpoint_slice, endpoints, event, flow_control, ingress, job, lease, limit_range, namespace, network_policy, node,
    persistent_volume, pod, pod_certificate, pod_resize, pod_status, pod_template, pod_update, priority_class, rbac,
    replica_set, replication_controller, resource_quota, resource_slice, runtime_class, secret, service,
    service_account, service_range, stateful_set, storage_class, trust_bundle, version_migration, volume_attachment,
    volume_claim, workload_warnings,
};
use crate::object::field::FieldErrors;
use crate::object::kind::{self, KindId, TypedObject};
use crate::object::prepare::{PodPart, Request};
use crate::time::Time;

/// Tries each type in turn: the first one that the object has decides. The most frequent ones come first.
macro_rules! by_type {
    ($object:expr; $($type:ty => $rule:expr,)*) => {
        $(if let Some(object) = of::<$type>($object) { return Some($rule(object)); })*
    };
    ($new:expr, $old:expr; $($type:ty => $rule:expr,)*) => {
        $(if let (Some(new), Some(old)) = (of::<$type>($new), of::<$type>($old)) { return Some($rule(new, old)); })*
    };
}

fn of<T: Any>(object: &dyn TypedObject) -> Option<&T> {
    object.as_any().downcast_ref()
}

/// What is wrong with a new object, to which defaults and mutation have been applied.
pub fn create(object: &dyn TypedObject) -> FieldErrors {
    create_as(object, &Request::internal(Time::EPOCH))
}

/// As [`create`], by what the request says of the version that the object was written in, and of the cluster.
pub fn create_as(object: &dyn TypedObject, request: &Request<'_>) -> FieldErrors {
    let mut errors = match newer_event(object, request.written_as) {
        Some(event) => event::event_v1(&event),
        None => create_by_kind(object, request).unwrap_or_default(),
    };
    if errors.is_empty() {
        // What holds for all kinds, whatever a kind itself looks at.
        let namespaced = object.kind_id().built_in().is_some_and(|info| info.is_namespaced());
        let scope = if namespaced { Scope::Namespaced } else { Scope::Cluster };
        meta::create(object.metadata(), scope, name_is_path_segment, &METADATA, &mut errors);
    }
    errors
}

fn create_by_kind(object: &dyn TypedObject, request: &Request<'_>) -> Option<FieldErrors> {
    let to_zero = request.scale_to_zero;
    by_type! { object;
        core::Pod => pod::pod,
        apps::ReplicaSet => replica_set::replica_set,
        apps::Deployment => deployment::deployment,
        core::Node => node::node,
        batch::Job => job::job,
        apps::StatefulSet => stateful_set::stateful_set,
        apps::DaemonSet => daemon_set::daemon_set,
        apps::ControllerRevision => controller_revision::controller_revision,
        batch::CronJob => cron_job::cron_job,
        core::Event => event::event,
        events::Event => event::event_v1,
        coordination::Lease => lease::lease,
        core::ConfigMap => config_map::config_map,
        core::Secret => secret::secret,
        core::ServiceAccount => service_account::service_account,
        core::Service => service::service,
        discovery::EndpointSlice => endpoint_slice::endpoint_slice,
        core::Endpoints => endpoints::endpoints,
        core::Namespace => namespace::namespace,
        core::PersistentVolumeClaim => volume_claim::volume_claim,
        core::PersistentVolume => persistent_volume::persistent_volume,
        storage::StorageClass => storage_class::storage_class,
        autoscaling::HorizontalPodAutoscaler => |new| autoscaler::autoscaler(new, to_zero),
        autoscaling_v1::HorizontalPodAutoscaler => |new| autoscaler::autoscaler_v1(new, to_zero),
        policy::PodDisruptionBudget => disruption_budget::disruption_budget,
        scheduling::PriorityClass => priority_class::priority_class,
        core::ResourceQuota => resource_quota::resource_quota,
        core::LimitRange => limit_range::limit_range,
        core::ReplicationController => replication_controller::replication_controller,
        networking::Ingress => ingress::ingress,
        networking::IngressClass => ingress::ingress_class,
        networking::NetworkPolicy => network_policy::network_policy,
        rbac_api::Role => rbac::role,
        rbac_api::RoleBinding => rbac::role_binding,
        rbac_api::ClusterRole => rbac::cluster_role,
        rbac_api::ClusterRoleBinding => rbac::cluster_role_binding,
        node_api::RuntimeClass => runtime_class::runtime_class,
        core::PodTemplate => pod_template::pod_template,
        storage::VolumeAttachment => volume_attachment::volume_attachment,
        storage::VolumeAttributesClass => attributes_class::attributes_class,
        storage::CSIDriver => csi::csi_driver,
        storage::CSINode => csi::csi_node,
        storage::CSIStorageCapacity => csi::storage_capacity,
        networking::ServiceCIDR => service_range::service_range,
        networking::IPAddress => service_range::ip_address,
        flowcontrol::FlowSchema => flow_control::flow_schema,
        flowcontrol::PriorityLevelConfiguration => flow_control::priority_level,
        certificates::CertificateSigningRequest => certificate_request::certificate_request,
        APIService => api_service::api_service,
        CustomResourceDefinition => definition::definition,
        resource::DeviceTaintRule => device_taint::device_taint_rule,
        certificates::ClusterTrustBundle => trust_bundle::trust_bundle,
        certificates::PodCertificateRequest => pod_certificate::pod_certificate_request,
        migration::StorageVersionMigration => version_migration::version_migration,
        resource::ResourceClaim => device_claim::resource_claim,
        resource::ResourceClaimTemplate => device_claim::resource_claim_template,
        resource::DeviceClass => device_class::device_class,
        resource::ResourceSlice => resource_slice::resource_slice,
        registration::ValidatingAdmissionPolicy => admission::validating_policy,
        registration::ValidatingAdmissionPolicyBinding => admission::validating_binding,
        registration::MutatingAdmissionPolicy => admission::mutating_policy,
        registration::MutatingAdmissionPolicyBinding => admission::mutating_binding,
        registration::ValidatingWebhookConfiguration => admission::validating_webhooks,
        registration::MutatingWebhookConfiguration => admission::mutating_webhooks,
    }
    None
}

/// What is wrong with an object that replaces `old`, which is of the same kind.
///
/// Upstream looks at the metadata for all kinds, and most kinds then look once more: such causes stand twice.
pub fn update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    update_as(new, old, &Request::internal(Time::EPOCH))
}

/// As [`update`], by what the request says of the version that the object was written in, and of the cluster.
pub fn update_as(new: &dyn TypedObject, old: &dyn TypedObject, request: &Request<'_>) -> FieldErrors {
    let mut errors = meta_update(new.metadata(), old.metadata());
    errors.append(match (newer_event(new, request.written_as), newer_event(old, request.written_as)) {
        (Some(new), Some(old)) => event::event_v1_update(&new, &old),
        _ => update_by_kind(new, old, request).unwrap_or_default(),
    });
    errors
}

/// An Event that was written in the newer version, as that version has it.
fn newer_event(object: &dyn TypedObject, written_as: Option<KindId>) -> Option<events::Event> {
    if written_as != Some(kind::EVENT_V1) || object.kind_id() != kind::EVENT {
        return None;
    }
    let value = kind::convert(kind::EVENT, kind::EVENT_V1, object.to_value())?;
    serde_json::from_value(value).ok()
}

fn update_by_kind(new: &dyn TypedObject, old: &dyn TypedObject, request: &Request<'_>) -> Option<FieldErrors> {
    let to_zero = request.scale_to_zero;
    by_type! { new, old;
        core::Pod => pod_update::pod_update,
        apps::ReplicaSet => replica_set::replica_set_update,
        apps::Deployment => deployment::deployment_update,
        core::Node => node::node_update,
        batch::Job => job::job_update,
        apps::StatefulSet => stateful_set::stateful_set_update,
        apps::DaemonSet => daemon_set::daemon_set_update,
        apps::ControllerRevision => controller_revision::controller_revision_update,
        batch::CronJob => cron_job::cron_job_update,
        core::Event => event::event_update,
        events::Event => event::event_v1_update,
        coordination::Lease => lease::lease_update,
        core::ConfigMap => config_map::config_map_update,
        core::Secret => secret::secret_update,
        core::ServiceAccount => service_account::service_account_update,
        core::Service => service::service_update,
        discovery::EndpointSlice => endpoint_slice::endpoint_slice_update,
        core::Endpoints => endpoints::endpoints_update,
        core::Namespace => namespace::namespace_update,
        core::PersistentVolumeClaim => volume_claim::volume_claim_update,
        core::PersistentVolume => persistent_volume::persistent_volume_update,
        storage::StorageClass => storage_class::storage_class_update,
        autoscaling::HorizontalPodAutoscaler => |new, old| autoscaler::autoscaler_update(new, old, to_zero),
        autoscaling_v1::HorizontalPodAutoscaler => |new, old| autoscaler::autoscaler_v1_update(new, old, to_zero),
        policy::PodDisruptionBudget => disruption_budget::disruption_budget_update,
        scheduling::PriorityClass => priority_class::priority_class_update,
        core::ResourceQuota => resource_quota::resource_quota_update,
        core::LimitRange => limit_range::limit_range_update,
        core::ReplicationController => replication_controller::replication_controller_update,
        networking::Ingress => ingress::ingress_update,
        networking::IngressClass => ingress::ingress_class_update,
        networking::NetworkPolicy => network_policy::network_policy_update,
        rbac_api::Role => rbac::role_update,
        rbac_api::RoleBinding => rbac::role_binding_update,
        rbac_api::ClusterRole => rbac::cluster_role_update,
        rbac_api::ClusterRoleBinding => rbac::cluster_role_binding_update,
        node_api::RuntimeClass => runtime_class::runtime_class_update,
        core::PodTemplate => pod_template::pod_template_update,
        storage::VolumeAttachment => volume_attachment::volume_attachment_update,
        storage::VolumeAttributesClass => attributes_class::attributes_class_update,
        storage::CSIDriver => csi::csi_driver_update,
        storage::CSINode => csi::csi_node_update,
        storage::CSIStorageCapacity => csi::storage_capacity_update,
        networking::ServiceCIDR => service_range::service_range_update,
        networking::IPAddress => service_range::ip_address_update,
        flowcontrol::FlowSchema => |new, _| flow_control::flow_schema(new),
        flowcontrol::PriorityLevelConfiguration => |new, _| flow_control::priority_level(new),
        certificates::CertificateSigningRequest => |new, old| certificate_request::update(new, old, Part::Request),
        APIService => api_service::api_service_update,
        CustomResourceDefinition => definition::definition_update,
        resource::DeviceTaintRule => device_taint::device_taint_rule_update,
        certificates::ClusterTrustBundle => trust_bundle::trust_bundle_update,
        certificates::PodCertificateRequest => pod_certificate::pod_certificate_request_update,
        migration::StorageVersionMigration => version_migration::version_migration_update,
        resource::ResourceClaim => device_claim::resource_claim_update,
        resource::ResourceClaimTemplate => device_claim::resource_claim_template_update,
        resource::DeviceClass => device_class::device_class_update,
        resource::ResourceSlice => resource_slice::resource_slice_update,
        registration::ValidatingAdmissionPolicy => admission::validating_policy_update,
        registration::ValidatingAdmissionPolicyBinding => admission::validating_binding_update,
        registration::MutatingAdmissionPolicy => admission::mutating_policy_update,
        registration::MutatingAdmissionPolicyBinding => admission::mutating_binding_update,
        registration::ValidatingWebhookConfiguration => admission::validating_webhooks_update,
        registration::MutatingWebhookConfiguration => admission::mutating_webhooks_update,
    }
    None
}

/// What is wrong with an object whose status replaces that of `old`, which is of the same kind.
///
/// As with [`update`], what is wrong with the metadata stands twice for most kinds.
pub fn status_update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    let mut errors = meta_update(new.metadata(), old.metadata());
    errors.append(status_by_kind(new, old).unwrap_or_default());
    errors
}

fn status_by_kind(new: &dyn TypedObject, old: &dyn TypedObject) -> Option<FieldErrors> {
    by_type! { new, old;
        core::Pod => pod_status::pod_status_update,
        apps::ReplicaSet => replica_set::replica_set_status_update,
        apps::Deployment => deployment::deployment_status_update,
        core::Node => node::node_status_update,
        batch::Job => job::job_status_update,
        apps::StatefulSet => stateful_set::stateful_set_status_update,
        apps::DaemonSet => daemon_set::daemon_set_status_update,
        batch::CronJob => cron_job::cron_job_status_update,
        core::Service => service::service_status_update,
        core::Namespace => namespace::namespace_status_update,
        core::PersistentVolumeClaim => volume_claim::volume_claim_status_update,
        core::PersistentVolume => persistent_volume::persistent_volume_status_update,
        autoscaling::HorizontalPodAutoscaler => autoscaler::autoscaler_status_update,
        autoscaling_v1::HorizontalPodAutoscaler => autoscaler::autoscaler_v1_status_update,
        policy::PodDisruptionBudget => disruption_budget::disruption_budget_status_update,
        core::ResourceQuota => resource_quota::resource_quota_status_update,
        core::ReplicationController => replication_controller::replication_controller_status_update,
        networking::Ingress => ingress::ingress_status_update,
        storage::VolumeAttachment => volume_attachment::volume_attachment_update,
        flowcontrol::FlowSchema => |new, _| flow_control::flow_schema_status(new),
        flowcontrol::PriorityLevelConfiguration => |new, _| flow_control::priority_level_status(new),
        certificates::CertificateSigningRequest => |new, old| certificate_request::update(new, old, Part::Status),
        resource::DeviceTaintRule => device_taint::device_taint_rule_status_update,
        certificates::PodCertificateRequest => pod_certificate::pod_certificate_request_status_update,
        migration::StorageVersionMigration => version_migration::version_migration_status_update,
        resource::ResourceClaim => device_claim::resource_claim_status_update,
        APIService => api_service::api_service_status_update,
        CustomResourceDefinition => definition::definition_status_update,
    }
    None
}

/// What is wrong with a pod that brings another part to `old`.
pub fn pod_part_update(new: &dyn TypedObject, old: &dyn TypedObject, part: PodPart) -> FieldErrors {
    let mut errors = meta_update(new.metadata(), old.metadata());
    if let (Some(new), Some(old)) = (of::<core::Pod>(new), of::<core::Pod>(old)) {
        errors.append(match part {
            PodPart::EphemeralContainers => pod_update::pod_ephemeral_containers_update(new, old),
            PodPart::Resources => pod_resize::pod_resize(new, old),
        });
    }
    errors
}

/// What is wrong with a certificate request that brings another decision to `old`.
pub fn approval_update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    let mut errors = meta_update(new.metadata(), old.metadata());
    if let (Some(new), Some(old)) = (of(new), of(old)) {
        errors.append(certificate_request::update(new, old, Part::Approval));
    }
    errors
}

/// What is wrong with a namespace that brings other finalizers to `old`.
pub fn finalizers_update(new: &dyn TypedObject, old: &dyn TypedObject) -> FieldErrors {
    let mut errors = meta_update(new.metadata(), old.metadata());
    if let (Some(new), Some(old)) = (of::<core::Namespace>(new), of::<core::Namespace>(old)) {
        errors.append(namespace::namespace_finalize_update(new, old));
    }
    errors
}

/// What a client is warned of when it writes an object; `old` is what it replaces, when it does.
///
/// An update of a workload is warned of only where it changes what is asked for.
pub fn warnings(object: &dyn TypedObject, old: Option<&dyn TypedObject>) -> Vec<String> {
    if let Some(definition) = of::<CustomResourceDefinition>(object) {
        return definition::definition_warnings(definition, old.and_then(of));
    }
    let unchanged = old.is_some_and(|old| old.metadata().generation == object.metadata().generation);
    let found = if unchanged { None } else { of_workload(object, old.is_none()) };
    found.or_else(|| of_other(object, old.is_none())).unwrap_or_default()
}

fn of_workload(object: &dyn TypedObject, new: bool) -> Option<Vec<String>> {
    if new {
        by_type! { object; core::Pod => pod_warnings, }
    }
    by_type! { object;
        apps::ReplicaSet => |set| workload_warnings::replica_set(set, new),
        apps::Deployment => |deployment| workload_warnings::deployment(deployment, new),
        batch::Job => |job| workload_warnings::job(job, new),
        apps::StatefulSet => workload_warnings::stateful_set,
        apps::DaemonSet => workload_warnings::daemon_set,
        batch::CronJob => |cron_job| workload_warnings::cron_job(cron_job, new),
        core::ReplicationController => |controller| workload_warnings::replication_controller(controller, new),
    }
    None
}

fn of_other(object: &dyn TypedObject, new: bool) -> Option<Vec<String>> {
    if new {
        by_type! { object; networking::Ingress => ingress::ingress_warnings, }
    }
    by_type! { object;
        core::Service => service::service_warnings,
        core::Endpoints => endpoints::endpoints_warnings,
        core::PersistentVolumeClaim => volume_claim::volume_claim_warnings,
        core::ServiceAccount => service_account::service_account_warnings,
        core::PersistentVolume => persistent_volume::persistent_volume_warnings,
        core::Node => node::node_warnings,
        core::PodTemplate => pod_template::warnings,
        discovery::EndpointSlice => endpoint_slice::endpoint_slice_warnings,
        networking::NetworkPolicy => network_policy::network_policy_warnings,
        node_api::RuntimeClass => runtime_class::runtime_class_warnings,
        storage::StorageClass => storage_class::storage_class_warnings,
        storage::CSIStorageCapacity => csi::storage_capacity_warnings,
    }
    None
}

#[cfg(test)]
mod tests;
