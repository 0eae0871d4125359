//! The controllers: one file or folder each, all of the shape of [`Controller`](crate::control::Controller).

mod admission_policy;
mod autoscaler;
mod certificate_cleaner;
mod cluster_role_aggregation;
mod cron_job;
mod daemon_set;
mod definition_cleanup;
mod deployment;
mod device_taint_eviction;
mod disruption;
mod endpoint_slice;
mod endpoint_slice_mirroring;
mod endpoints;
mod ephemeral_volume;
mod flow_schema;
mod garbage;
mod job;
mod namespace;
mod namespace_defaults;
mod node_eviction;
mod node_lifecycle;
pub(crate) mod node_local;
mod pod_garbage;
#[cfg(test)]
mod properties;
pub(crate) mod provisioning;
mod replica_set;
mod replication_controller;
mod resource_claim;
mod resource_quota;
mod service_account_tokens;
mod stateful_set;
mod taint_eviction;
mod ttl_after_finished;
mod volume_binder;
mod volume_expansion;
mod volume_protection;

pub use self::admission_policy::AdmissionPolicyStatusController;
pub use self::autoscaler::AutoscalerController;
pub(crate) use self::autoscaler::queries as autoscaler_queries;
pub use self::certificate_cleaner::CertificateCleanerController;
pub use self::cluster_role_aggregation::ClusterRoleAggregationController;
pub use self::cron_job::CronJobController;
pub(crate) use self::cron_job::SCHEDULED_AT;
pub use self::daemon_set::DaemonSetController;
pub(crate) use self::daemon_set::surges as daemons_surge;
pub use self::definition_cleanup::DefinitionCleanupController;
pub use self::deployment::DeploymentController;
pub use self::device_taint_eviction::DeviceTaintEvictionController;
pub use self::disruption::{DisruptionController, PodDisruptionController};
pub use self::endpoint_slice::EndpointSliceController;
pub use self::endpoint_slice_mirroring::EndpointSliceMirroringController;
pub use self::endpoints::EndpointsController;
pub use self::ephemeral_volume::EphemeralVolumeController;
pub use self::flow_schema::FlowSchemaController;
pub use self::garbage::GarbageCollector;
pub use self::job::JobController;
pub use self::namespace::NamespaceController;
pub use self::namespace_defaults::NamespaceDefaultsController;
pub use self::node_eviction::NodeEvictionController;
pub use self::node_lifecycle::{LEASE_NAMESPACE, NodeLifecycleController};
pub(crate) use self::node_lifecycle::{registered as node_registered, told_of as told_of_node};
pub use self::node_local::NodeLocalProvisioner;
pub use self::pod_garbage::PodGarbageCollector;
pub use self::replica_set::ReplicaSetController;
pub use self::replication_controller::ReplicationControllerController;
pub use self::resource_claim::ResourceClaimController;
pub use self::resource_quota::ResourceQuotaController;
pub use self::service_account_tokens::ServiceAccountTokensController;
pub use self::stateful_set::StatefulSetController;
pub use self::taint_eviction::TaintEvictionController;
pub use self::ttl_after_finished::TtlAfterFinishedController;
pub use self::volume_binder::VolumeBinder;
pub use self::volume_expansion::VolumeExpansionController;
pub use self::volume_protection::{ClaimProtectionController, VolumeProtectionController};

use crate::control::{AnyLoop, Loop};

/// All of them, in the order in which they take turns.
pub(crate) fn all() -> Vec<Box<dyn AnyLoop>> {
    vec![
        Loop::<DeploymentController>::boxed(),
        Loop::<ReplicaSetController>::boxed(),
        Loop::<ReplicationControllerController>::boxed(),
        Loop::<StatefulSetController>::boxed(),
        Loop::<DaemonSetController>::boxed(),
        Loop::<JobController>::boxed(),
        Loop::<CronJobController>::boxed(),
        Loop::<TtlAfterFinishedController>::boxed(),
        Loop::<DisruptionController>::boxed(),
        Loop::<PodDisruptionController>::boxed(),
        Loop::<AutoscalerController>::boxed(),
        Loop::<GarbageCollector>::boxed(),
        Loop::<NodeLifecycleController>::boxed(),
        Loop::<NodeEvictionController>::boxed(),
        Loop::<TaintEvictionController>::boxed(),
        Loop::<DeviceTaintEvictionController>::boxed(),
        Loop::<PodGarbageCollector>::boxed(),
        Loop::<NamespaceController>::boxed(),
        Loop::<DefinitionCleanupController>::boxed(),
        Loop::<NamespaceDefaultsController>::boxed(),
        Loop::<ResourceQuotaController>::boxed(),
        Loop::<ServiceAccountTokensController>::boxed(),
        Loop::<EndpointSliceController>::boxed(),
        Loop::<EndpointsController>::boxed(),
        Loop::<EndpointSliceMirroringController>::boxed(),
        Loop::<ClusterRoleAggregationController>::boxed(),
        Loop::<AdmissionPolicyStatusController>::boxed(),
        Loop::<FlowSchemaController>::boxed(),
        Loop::<CertificateCleanerController>::boxed(),
        Loop::<EphemeralVolumeController>::boxed(),
        Loop::<ResourceClaimController>::boxed(),
        Loop::<VolumeBinder>::boxed(),
        Loop::<VolumeExpansionController>::boxed(),
        Loop::<NodeLocalProvisioner>::boxed(),
        Loop::<ClaimProtectionController>::boxed(),
        Loop::<VolumeProtectionController>::boxed(),
    ]
}
