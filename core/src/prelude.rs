//! What most programs need at hand: `use inboard::prelude::*`.

pub use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
pub use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
pub use k8s_openapi::api::batch::v1::{CronJob, Job};
pub use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, LimitRange, LimitRangeItem, Namespace, Node, PersistentVolume, PersistentVolumeClaim,
    Pod, Probe, ReplicationController, ResourceQuota, Secret, Service, ServiceAccount, Volume,
};
pub use k8s_openapi::api::policy::v1::PodDisruptionBudget;
pub use k8s_openapi::api::scheduling::v1::PriorityClass;
pub use k8s_openapi::api::storage::v1::StorageClass;

pub use crate::object::builder::{Build, Builder, ContainerExt, EnvVarExt, LimitRangeItemExt, ProbeExt, VolumeExt};
