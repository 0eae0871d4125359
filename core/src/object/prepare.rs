//! Preparation: what the server clears, keeps and computes on a write, whatever the client sent.
//!
//! 1. **Create** ([`for_create`]): a client cannot set a status; a new object starts with the one that its kind starts
//!    with, at generation 1 if its kind counts generations. Some fields follow from others (a Job's selector from its
//!    uid, a claim's data source from its reference).
//! 2. **Update** ([`for_update`]): the status, and what else only its own subresource may change, stays as it was. The
//!    generation goes up by one when what the user asks for has changed ([`same`](super::wire::same) says not).
//! 3. **Status update** ([`for_status_update`]): everything but the status stays.
//!
//! It runs after defaults and mutation and before validation. Which kinds have a status of their own and count
//! generations is in [`has_status`] and [`has_generation`].

mod cluster;
mod definition;
mod devices;
mod disabled;
mod job;
mod metadata;
mod pod;
mod pod_part;
mod service;
mod standard;
mod storage;
mod workload;

use std::any::Any;

use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling};
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::certificates::v1 as certificates;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::flowcontrol::v1 as flowcontrol;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::resource::v1 as resource;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as csi;
use k8s_openapi::api::storagemigration::v1 as migration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;

use super::kind::{self, KindId, TypedObject};
use crate::time::Time;

pub use cluster::NAMESPACE_FINALIZER;
pub use metadata::{for_create as metadata_for_create, for_update as metadata_for_update};
pub(crate) use pod::app_armor_notes;
pub use pod::qos_class;
pub use pod_part::{PodPart, for_pod_part_update};
pub use service::{families as service_families, keep_allocations};
pub(crate) use service::{needs_health_check, needs_node_ports};

/// What a write comes with, besides the object.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The moment of the write.
    pub now: Time,
    /// Who writes; `None` for the cluster itself. Certificate requests record it.
    pub user: Option<&'r UserInfo>,
    /// The version that the object was written in, where that is another than its own.
    pub written_as: Option<KindId>,
    /// Whether autoscalers may take all replicas away in this cluster.
    pub scale_to_zero: bool,
}

impl Request<'_> {
    /// A write by the cluster itself.
    pub fn internal(now: Time) -> Self {
        Request { now, user: None, written_as: None, scale_to_zero: false }
    }
}

/// The rules of one kind.
trait Prepare: Any {
    /// The object is new; its uid and name are known.
    fn create(&mut self, _request: &Request<'_>) {}
    /// The object is to replace `old`.
    fn update(&mut self, _old: &Self, _request: &Request<'_>) {}
    /// The status of the object is to replace that of `old`.
    fn update_status(&mut self, _old: &Self, _request: &Request<'_>) {}
}

/// Prepares a new object. Its `metadata.uid` and name must be set: selectors and labels are made of them.
pub fn for_create(object: &mut dyn TypedObject, request: &Request<'_>) {
    metadata::for_create(object.metadata_mut());
    each_kind(object.as_any_mut(), &mut Stage::Create(request));
}

/// Prepares an object that replaces `old`.
pub fn for_update(object: &mut dyn TypedObject, old: &dyn TypedObject, request: &Request<'_>) {
    metadata::for_update(object.metadata_mut(), old.metadata());
    each_kind(object.as_any_mut(), &mut Stage::Update(old.as_any(), request));
}

/// Prepares an object whose status replaces that of `old`.
pub fn for_status_update(object: &mut dyn TypedObject, old: &dyn TypedObject, request: &Request<'_>) {
    metadata::for_update(object.metadata_mut(), old.metadata());
    each_kind(object.as_any_mut(), &mut Stage::Status(old.as_any(), request));
}

/// Prepares a namespace whose spec brings other finalizers to `old`. Other objects stay as they came.
pub fn for_finalizers_update(object: &mut dyn TypedObject, old: &dyn TypedObject) {
    metadata::for_update(object.metadata_mut(), old.metadata());
    let namespaces = (object.as_any_mut().downcast_mut::<core::Namespace>(), old.as_any().downcast_ref());
    if let (Some(namespace), Some(old)) = namespaces {
        let old: &core::Namespace = old;
        namespace.status.clone_from(&old.status);
    }
}

/// Prepares a certificate request whose conditions replace those of `old`. Other objects stay as they came.
pub fn for_approval_update(object: &mut dyn TypedObject, old: &dyn TypedObject, request: &Request<'_>) {
    metadata::for_update(object.metadata_mut(), old.metadata());
    let requests = (object.as_any_mut().downcast_mut(), old.as_any().downcast_ref());
    if let (Some(next), Some(old)) = requests {
        cluster::approval(next, old, request.now);
    }
}

/// Has the kind a status subresource, so that the object itself and its status are written apart?
pub fn has_status(kind: KindId) -> bool {
    kind.built_in().is_some_and(|info| info.has_subresource("status"))
}

/// Does the kind count in `metadata.generation` how often what is asked for has changed? Users' own kinds all do.
pub fn has_generation(kind: KindId) -> bool {
    if kind.built_in().is_none() {
        return true;
    }
    [
        kind::POD,
        kind::REPLICA_SET,
        kind::DEPLOYMENT,
        kind::STATEFUL_SET,
        kind::DAEMON_SET,
        kind::JOB,
        kind::CRON_JOB,
        kind::REPLICATION_CONTROLLER,
        kind::POD_TEMPLATE,
        kind::POD_DISRUPTION_BUDGET,
        kind::INGRESS,
        kind::INGRESS_CLASS,
        kind::NETWORK_POLICY,
        kind::ENDPOINT_SLICE,
        kind::PRIORITY_CLASS,
        kind::MUTATING_WEBHOOK_CONFIGURATION,
        kind::VALIDATING_WEBHOOK_CONFIGURATION,
        kind::VALIDATING_ADMISSION_POLICY,
        kind::VALIDATING_ADMISSION_POLICY_BINDING,
        kind::MUTATING_ADMISSION_POLICY,
        kind::MUTATING_ADMISSION_POLICY_BINDING,
        kind::FLOW_SCHEMA,
        kind::PRIORITY_LEVEL_CONFIGURATION,
        kind::DEVICE_CLASS,
        kind::RESOURCE_SLICE,
        kind::DEVICE_TAINT_RULE,
        kind::CUSTOM_RESOURCE_DEFINITION,
    ]
    .contains(&kind)
}

/// What is to be done, once the type of the object is known.
enum Stage<'s> {
    Create(&'s Request<'s>),
    Update(&'s dyn Any, &'s Request<'s>),
    Status(&'s dyn Any, &'s Request<'s>),
}

impl Stage<'_> {
    /// Does it if the object is of this type.
    fn on<K: Prepare>(&mut self, object: &mut dyn Any) -> bool {
        let Some(object) = object.downcast_mut::<K>() else { return false };
        match self {
            Stage::Create(request) => object.create(request),
            Stage::Update(old, request) => {
                if let Some(old) = old.downcast_ref() {
                    object.update(old, request);
                }
            }
            Stage::Status(old, request) => {
                if let Some(old) = old.downcast_ref() {
                    object.update_status(old, request);
                }
            }
        }
        true
    }
}

/// Kinds that are not listed are written as they come. The most frequent ones come first.
fn each_kind(object: &mut dyn Any, stage: &mut Stage<'_>) {
    let _ = stage.on::<core::Pod>(object)
        || stage.on::<core::Node>(object)
        || stage.on::<apps::ReplicaSet>(object)
        || stage.on::<apps::Deployment>(object)
        || stage.on::<batch::Job>(object)
        || stage.on::<apps::StatefulSet>(object)
        || stage.on::<apps::DaemonSet>(object)
        || stage.on::<batch::CronJob>(object)
        || stage.on::<core::Service>(object)
        || stage.on::<discovery::EndpointSlice>(object)
        || stage.on::<coordination::Lease>(object)
        || stage.on::<core::Namespace>(object)
        || stage.on::<core::Secret>(object)
        || stage.on::<core::ServiceAccount>(object)
        || stage.on::<core::PersistentVolumeClaim>(object)
        || stage.on::<core::PersistentVolume>(object)
        || stage.on::<core::ReplicationController>(object)
        || stage.on::<core::PodTemplate>(object)
        || stage.on::<core::ResourceQuota>(object)
        || stage.on::<autoscaling::HorizontalPodAutoscaler>(object)
        || stage.on::<autoscaling_v1::HorizontalPodAutoscaler>(object)
        || stage.on::<policy::PodDisruptionBudget>(object)
        || stage.on::<networking::Ingress>(object)
        || stage.on::<networking::IngressClass>(object)
        || stage.on::<networking::NetworkPolicy>(object)
        || stage.on::<networking::ServiceCIDR>(object)
        || stage.on::<scheduling::PriorityClass>(object)
        || stage.on::<csi::VolumeAttachment>(object)
        || stage.on::<csi::CSIDriver>(object)
        || stage.on::<certificates::CertificateSigningRequest>(object)
        || stage.on::<admission::MutatingWebhookConfiguration>(object)
        || stage.on::<admission::ValidatingWebhookConfiguration>(object)
        || stage.on::<admission::ValidatingAdmissionPolicy>(object)
        || stage.on::<admission::ValidatingAdmissionPolicyBinding>(object)
        || stage.on::<admission::MutatingAdmissionPolicy>(object)
        || stage.on::<admission::MutatingAdmissionPolicyBinding>(object)
        || stage.on::<flowcontrol::FlowSchema>(object)
        || stage.on::<flowcontrol::PriorityLevelConfiguration>(object)
        || stage.on::<resource::ResourceClaim>(object)
        || stage.on::<resource::ResourceSlice>(object)
        || stage.on::<resource::DeviceClass>(object)
        || stage.on::<resource::DeviceTaintRule>(object)
        || stage.on::<certificates::PodCertificateRequest>(object)
        || stage.on::<migration::StorageVersionMigration>(object)
        || stage.on::<CustomResourceDefinition>(object)
        || stage.on::<APIService>(object);
}

#[cfg(test)]
mod tests;
