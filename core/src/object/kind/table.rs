//! The table of built-in kinds: each row says of a Kubernetes type what discovery says of it.
//!
//! Where two rows have the same name the first is what users mean by it (`events`, `hpa`).

use k8s_openapi::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, certificates, coordination, core,
    discovery, events, flowcontrol, networking, node, policy, rbac, resource, scheduling, storage, storagemigration,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};

use super::{BuiltInKind, Codec, KindId, KindInfo, Scope, Texts, Verbs};
use crate::object::scale::ScalePaths;
use crate::text::Text;

/// The scope that a Kubernetes type declares.
trait Scoped {
    const SCOPE: Scope;
}

impl Scoped for NamespaceResourceScope {
    const SCOPE: Scope = Scope::Namespaced;
}

impl Scoped for ClusterResourceScope {
    const SCOPE: Scope = Scope::Cluster;
}

macro_rules! kinds {
    ($(
        $id:ident: $($path:ident)::+, $singular:literal,
        short $short:expr, in $categories:expr, sub $subresources:expr, $verbs:ident $(, stored as $stored:ident)?;
    )*) => {
        /// The rows in order, only to number them.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Row { $($id),* }

        $(
            #[doc = concat!("The kind of [`", stringify!($($path)::+), "`](k8s_openapi::api).")]
            pub const $id: KindId = KindId(Row::$id as u16);

            impl BuiltInKind for $($path)::+ {
                const ID: KindId = $id;
            }
        )*

        pub(super) static TABLE: [KindInfo; [$($singular),*].len()] = [$(
            KindInfo {
                id: $id,
                group: Text::Static(<$($path)::+ as Resource>::GROUP),
                version: Text::Static(<$($path)::+ as Resource>::VERSION),
                kind: Text::Static(<$($path)::+ as Resource>::KIND),
                plural: Text::Static(<$($path)::+ as Resource>::URL_PATH_SEGMENT),
                singular: Text::Static($singular),
                short_names: Texts::Static(&$short),
                categories: Texts::Static(&$categories),
                scope: <<$($path)::+ as Resource>::Scope as Scoped>::SCOPE,
                subresources: Texts::Static(&$subresources),
                scale: ScalePaths::USUAL,
                verbs: Verbs::$verbs,
                stored_as: storage!($id $($stored)?),
                codec: Some(Codec::of::<$($path)::+>()),
                schema: None,
                defined: None,
            },
        )*];
    };
}

macro_rules! storage {
    ($id:ident) => {
        $id
    };
    ($id:ident $stored:ident) => {
        $stored
    };
}

kinds! {
    POD: core::v1::Pod, "pod", short ["po"], in ["all"], sub ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status"], All;
    NAMESPACE: core::v1::Namespace, "namespace", short ["ns"], in [], sub ["finalize", "status"], NoCollectionDelete;
    NODE: core::v1::Node, "node", short ["no"], in [], sub ["proxy", "status"], All;
    SERVICE: core::v1::Service, "service", short ["svc"], in ["all"], sub ["proxy", "status"], All;
    ENDPOINTS: core::v1::Endpoints, "endpoints", short ["ep"], in [], sub [], All;
    CONFIG_MAP: core::v1::ConfigMap, "configmap", short ["cm"], in [], sub [], All;
    SECRET: core::v1::Secret, "secret", short [], in [], sub [], All;
    SERVICE_ACCOUNT: core::v1::ServiceAccount, "serviceaccount", short ["sa"], in [], sub ["token"], All;
    PERSISTENT_VOLUME: core::v1::PersistentVolume, "persistentvolume", short ["pv"], in [], sub ["status"], All;
    PERSISTENT_VOLUME_CLAIM: core::v1::PersistentVolumeClaim, "persistentvolumeclaim", short ["pvc"], in [], sub ["status"], All;
    REPLICATION_CONTROLLER: core::v1::ReplicationController, "replicationcontroller", short ["rc"], in ["all"], sub ["scale", "status"], All;
    POD_TEMPLATE: core::v1::PodTemplate, "podtemplate", short [], in [], sub [], All;
    LIMIT_RANGE: core::v1::LimitRange, "limitrange", short ["limits"], in [], sub [], All;
    RESOURCE_QUOTA: core::v1::ResourceQuota, "resourcequota", short ["quota"], in [], sub ["status"], All;
    EVENT: core::v1::Event, "event", short ["ev"], in [], sub [], All;
    COMPONENT_STATUS: core::v1::ComponentStatus, "componentstatus", short ["cs"], in [], sub [], Read;
    BINDING: core::v1::Binding, "binding", short [], in [], sub [], Create;
    DEPLOYMENT: apps::v1::Deployment, "deployment", short ["deploy"], in ["all"], sub ["scale", "status"], All;
    REPLICA_SET: apps::v1::ReplicaSet, "replicaset", short ["rs"], in ["all"], sub ["scale", "status"], All;
    STATEFUL_SET: apps::v1::StatefulSet, "statefulset", short ["sts"], in ["all"], sub ["scale", "status"], All;
    DAEMON_SET: apps::v1::DaemonSet, "daemonset", short ["ds"], in ["all"], sub ["status"], All;
    CONTROLLER_REVISION: apps::v1::ControllerRevision, "controllerrevision", short [], in [], sub [], All;
    JOB: batch::v1::Job, "job", short [], in ["all"], sub ["status"], All;
    CRON_JOB: batch::v1::CronJob, "cronjob", short ["cj"], in ["all"], sub ["status"], All;
    HORIZONTAL_POD_AUTOSCALER: autoscaling::v2::HorizontalPodAutoscaler, "horizontalpodautoscaler", short ["hpa"], in ["all"], sub ["status"], All;
    HORIZONTAL_POD_AUTOSCALER_V1: autoscaling::v1::HorizontalPodAutoscaler, "horizontalpodautoscaler", short ["hpa"], in ["all"], sub ["status"], All, stored as HORIZONTAL_POD_AUTOSCALER;
    POD_DISRUPTION_BUDGET: policy::v1::PodDisruptionBudget, "poddisruptionbudget", short ["pdb"], in [], sub ["status"], All;
    ENDPOINT_SLICE: discovery::v1::EndpointSlice, "endpointslice", short [], in [], sub [], All;
    INGRESS: networking::v1::Ingress, "ingress", short ["ing"], in [], sub ["status"], All;
    INGRESS_CLASS: networking::v1::IngressClass, "ingressclass", short [], in [], sub [], All;
    NETWORK_POLICY: networking::v1::NetworkPolicy, "networkpolicy", short ["netpol"], in [], sub [], All;
    IP_ADDRESS: networking::v1::IPAddress, "ipaddress", short ["ip"], in [], sub [], All;
    SERVICE_CIDR: networking::v1::ServiceCIDR, "servicecidr", short [], in [], sub ["status"], All;
    LEASE: coordination::v1::Lease, "lease", short [], in [], sub [], All;
    EVENT_V1: events::v1::Event, "event", short ["ev"], in [], sub [], All, stored as EVENT;
    PRIORITY_CLASS: scheduling::v1::PriorityClass, "priorityclass", short ["pc"], in [], sub [], All;
    RUNTIME_CLASS: node::v1::RuntimeClass, "runtimeclass", short [], in [], sub [], All;
    STORAGE_CLASS: storage::v1::StorageClass, "storageclass", short ["sc"], in [], sub [], All;
    VOLUME_ATTACHMENT: storage::v1::VolumeAttachment, "volumeattachment", short [], in [], sub ["status"], All;
    VOLUME_ATTRIBUTES_CLASS: storage::v1::VolumeAttributesClass, "volumeattributesclass", short ["vac"], in [], sub [], All;
    CSI_DRIVER: storage::v1::CSIDriver, "csidriver", short [], in [], sub [], All;
    CSI_NODE: storage::v1::CSINode, "csinode", short [], in [], sub [], All;
    CSI_STORAGE_CAPACITY: storage::v1::CSIStorageCapacity, "csistoragecapacity", short [], in [], sub [], All;
    ROLE: rbac::v1::Role, "role", short [], in [], sub [], All;
    ROLE_BINDING: rbac::v1::RoleBinding, "rolebinding", short [], in [], sub [], All;
    CLUSTER_ROLE: rbac::v1::ClusterRole, "clusterrole", short [], in [], sub [], All;
    CLUSTER_ROLE_BINDING: rbac::v1::ClusterRoleBinding, "clusterrolebinding", short [], in [], sub [], All;
    CERTIFICATE_SIGNING_REQUEST: certificates::v1::CertificateSigningRequest, "certificatesigningrequest", short ["csr"], in [], sub ["approval", "status"], All;
    CLUSTER_TRUST_BUNDLE: certificates::v1::ClusterTrustBundle, "clustertrustbundle", short [], in [], sub [], All;
    POD_CERTIFICATE_REQUEST: certificates::v1::PodCertificateRequest, "podcertificaterequest", short [], in [], sub ["status"], All;
    RESOURCE_CLAIM: resource::v1::ResourceClaim, "resourceclaim", short [], in [], sub ["status"], All;
    RESOURCE_CLAIM_TEMPLATE: resource::v1::ResourceClaimTemplate, "resourceclaimtemplate", short [], in [], sub [], All;
    RESOURCE_SLICE: resource::v1::ResourceSlice, "resourceslice", short [], in [], sub [], All;
    DEVICE_CLASS: resource::v1::DeviceClass, "deviceclass", short [], in [], sub [], All;
    DEVICE_TAINT_RULE: resource::v1::DeviceTaintRule, "devicetaintrule", short [], in [], sub ["status"], All;
    FLOW_SCHEMA: flowcontrol::v1::FlowSchema, "flowschema", short [], in [], sub ["status"], All;
    PRIORITY_LEVEL_CONFIGURATION: flowcontrol::v1::PriorityLevelConfiguration, "prioritylevelconfiguration", short [], in [], sub ["status"], All;
    MUTATING_WEBHOOK_CONFIGURATION: admissionregistration::v1::MutatingWebhookConfiguration, "mutatingwebhookconfiguration", short [], in ["api-extensions"], sub [], All;
    VALIDATING_WEBHOOK_CONFIGURATION: admissionregistration::v1::ValidatingWebhookConfiguration, "validatingwebhookconfiguration", short [], in ["api-extensions"], sub [], All;
    VALIDATING_ADMISSION_POLICY: admissionregistration::v1::ValidatingAdmissionPolicy, "validatingadmissionpolicy", short [], in ["api-extensions"], sub ["status"], All;
    VALIDATING_ADMISSION_POLICY_BINDING: admissionregistration::v1::ValidatingAdmissionPolicyBinding, "validatingadmissionpolicybinding", short [], in ["api-extensions"], sub [], All;
    MUTATING_ADMISSION_POLICY: admissionregistration::v1::MutatingAdmissionPolicy, "mutatingadmissionpolicy", short [], in ["api-extensions"], sub [], All;
    MUTATING_ADMISSION_POLICY_BINDING: admissionregistration::v1::MutatingAdmissionPolicyBinding, "mutatingadmissionpolicybinding", short [], in ["api-extensions"], sub [], All;
    STORAGE_VERSION_MIGRATION: storagemigration::v1::StorageVersionMigration, "storageversionmigration", short [], in [], sub ["status"], All;
    CUSTOM_RESOURCE_DEFINITION: apiextensions::CustomResourceDefinition, "customresourcedefinition", short ["crd", "crds"], in ["api-extensions"], sub ["status"], All;
    API_SERVICE: apiregistration::APIService, "apiservice", short [], in ["api-extensions"], sub ["status"], All;
    TOKEN_REVIEW: authentication::v1::TokenReview, "tokenreview", short [], in [], sub [], Create;
    SELF_SUBJECT_REVIEW: authentication::v1::SelfSubjectReview, "selfsubjectreview", short [], in [], sub [], Create;
    SUBJECT_ACCESS_REVIEW: authorization::v1::SubjectAccessReview, "subjectaccessreview", short [], in [], sub [], Create;
    SELF_SUBJECT_ACCESS_REVIEW: authorization::v1::SelfSubjectAccessReview, "selfsubjectaccessreview", short [], in [], sub [], Create;
    SELF_SUBJECT_RULES_REVIEW: authorization::v1::SelfSubjectRulesReview, "selfsubjectrulesreview", short [], in [], sub [], Create;
    LOCAL_SUBJECT_ACCESS_REVIEW: authorization::v1::LocalSubjectAccessReview, "localsubjectaccessreview", short [], in [], sub [], Create;
}
