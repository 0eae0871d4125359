//! Kinds that follow the common rules, listed.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling};
use k8s_openapi::api::certificates::v1::PodCertificateRequest;
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy, ServiceCIDR};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::CSIDriver;
use k8s_openapi::api::storagemigration::v1::StorageVersionMigration;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceCondition, APIServiceStatus};

use super::metadata::{count, keep};
use super::{Prepare, Request};
use crate::object::wire::same;

/// A spec that is counted, and a status apart from it. With `metadata kept` a status update changes labels and their
/// like as little as it changes the spec.
macro_rules! counted_with_status {
    ($($kind:ty $(, metadata $kept:ident)?;)*) => {$(
        impl Prepare for $kind {
            fn create(&mut self, _: &Request<'_>) {
                self.status = Some(Default::default());
                self.metadata.generation = Some(1);
            }

            fn update(&mut self, old: &Self, _: &Request<'_>) {
                self.status.clone_from(&old.status);
                count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
            }

            fn update_status(&mut self, old: &Self, _: &Request<'_>) {
                self.spec.clone_from(&old.spec);
                $(
                    let $kept = keep;
                    $kept(&mut self.metadata, &old.metadata);
                )?
            }
        }
    )*};
}

counted_with_status! {
    Ingress;
    PodDisruptionBudget;
    ValidatingAdmissionPolicy, metadata kept;
    FlowSchema, metadata kept;
    PriorityLevelConfiguration, metadata kept;
}

/// A status apart from the spec, and no generation.
macro_rules! with_status {
    ($($kind:ty $(, metadata $kept:ident)?;)*) => {$(
        impl Prepare for $kind {
            fn create(&mut self, _: &Request<'_>) {
                self.status = Some(Default::default());
            }

            fn update(&mut self, old: &Self, _: &Request<'_>) {
                self.status.clone_from(&old.status);
            }

            fn update_status(&mut self, old: &Self, _: &Request<'_>) {
                self.spec.clone_from(&old.spec);
                $(
                    let $kept = keep;
                    $kept(&mut self.metadata, &old.metadata);
                )?
            }
        }
    )*};
}

with_status! {
    autoscaling::HorizontalPodAutoscaler;
    autoscaling_v1::HorizontalPodAutoscaler;
    ResourceQuota;
    ResourceClaim, metadata kept;
    PodCertificateRequest, metadata kept;
    StorageVersionMigration, metadata kept;
    ServiceCIDR;
}

/// No status; the generation counts the changes of one field.
macro_rules! counted {
    ($($kind:ty, by $field:ident;)*) => {$(
        impl Prepare for $kind {
            fn create(&mut self, _: &Request<'_>) {
                self.metadata.generation = Some(1);
            }

            fn update(&mut self, old: &Self, _: &Request<'_>) {
                count(&mut self.metadata, &old.metadata, !same(&self.$field, &old.$field));
            }
        }
    )*};
}

counted! {
    IngressClass, by spec;
    NetworkPolicy, by spec;
    DeviceClass, by spec;
    MutatingWebhookConfiguration, by webhooks;
    ValidatingWebhookConfiguration, by webhooks;
    ValidatingAdmissionPolicyBinding, by spec;
    MutatingAdmissionPolicy, by spec;
    MutatingAdmissionPolicyBinding, by spec;
}

/// A driver is counted from its first change on.
impl Prepare for CSIDriver {
    fn update(&mut self, old: &Self, _: &Request<'_>) {
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }
}

/// What this server serves itself is available at once.
impl Prepare for APIService {
    fn create(&mut self, request: &Request<'_>) {
        let is_local = self.spec.as_ref().is_none_or(|spec| spec.service.is_none());
        let available = is_local.then(|| APIServiceCondition {
            type_: "Available".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(request.now.whole_second().to_api()),
            reason: Some("Local".to_owned()),
            message: Some("Local APIServices are always available".to_owned()),
        });
        self.status = Some(APIServiceStatus { conditions: available.map(|condition| vec![condition]) });
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        keep(&mut self.metadata, &old.metadata);
    }
}

/// A priority class hardly changes; its generation stays 1.
impl Prepare for PriorityClass {
    fn create(&mut self, _: &Request<'_>) {
        self.metadata.generation = Some(1);
    }
}

/// All of a slice is what is asked for, and its labels too: they say whose it is.
impl Prepare for EndpointSlice {
    fn create(&mut self, _: &Request<'_>) {
        self.metadata.generation = Some(1);
        drop_topology(self);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        let unchanged = same(&self.endpoints, &old.endpoints)
            && same(&self.ports, &old.ports)
            && self.address_type == old.address_type
            && same(&self.metadata.labels, &old.metadata.labels);
        count(&mut self.metadata, &old.metadata, !unchanged);
        if !same(&self.endpoints, &old.endpoints) {
            drop_topology(self);
        }
    }
}

/// What remains of the first version of the API.
fn drop_topology(slice: &mut EndpointSlice) {
    for endpoint in slice.endpoints.iter_mut().flatten() {
        endpoint.deprecated_topology = None;
    }
}
