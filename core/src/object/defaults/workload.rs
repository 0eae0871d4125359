//! Workloads: what keeps pods of a template running.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentStrategy, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::pod_template_spec;
use super::storage::persistent_volume_claim;
use super::{each, text};

/// Old revisions that are kept.
const REVISIONS: i32 = 10;

/// Defaults of a Deployment.
pub fn deployment(deployment: &mut Deployment) {
    let spec = &mut deployment.spec;
    spec.replicas.get_or_insert(1);
    strategy(spec.strategy.get_or_insert_default());
    spec.revision_history_limit.get_or_insert(REVISIONS);
    spec.progress_deadline_seconds.get_or_insert(600);
    pod_template_spec(&mut spec.template);
}

fn strategy(strategy: &mut DeploymentStrategy) {
    text(&mut strategy.type_, "RollingUpdate");
    if strategy.type_.as_deref() == Some("RollingUpdate") {
        let rolling = strategy.rolling_update.get_or_insert_default();
        let quarter = || IntOrString::String("25%".to_owned());
        rolling.max_unavailable.get_or_insert_with(quarter);
        rolling.max_surge.get_or_insert_with(quarter);
    }
}

/// Defaults of a ReplicaSet.
pub fn replica_set(set: &mut ReplicaSet) {
    let spec = &mut set.spec;
    spec.replicas.get_or_insert(1);
    if let Some(template) = &mut spec.template {
        pod_template_spec(template);
    }
}

/// Defaults of a ReplicationController: without a selector or labels of its own it takes those of its template.
pub fn replication_controller(controller: &mut ReplicationController) {
    let spec = controller.spec.get_or_insert_default();
    let labels = spec.template.as_ref().and_then(|template| template.metadata.as_ref()?.labels.clone());
    if let Some(labels) = labels.filter(|labels| !labels.is_empty()) {
        if spec.selector.as_ref().is_none_or(|selector| selector.is_empty()) {
            spec.selector = Some(labels.clone());
        }
        if controller.metadata.labels.as_ref().is_none_or(|labels| labels.is_empty()) {
            controller.metadata.labels = Some(labels);
        }
    }
    spec.replicas.get_or_insert(1);
    if let Some(template) = &mut spec.template {
        pod_template_spec(template);
    }
}

/// Defaults of a StatefulSet.
pub fn stateful_set(set: &mut StatefulSet) {
    let spec = &mut set.spec;
    text(&mut spec.pod_management_policy, "OrderedReady");
    let strategy = spec.update_strategy.get_or_insert_default();
    if text(&mut strategy.type_, "RollingUpdate") {
        strategy.rolling_update.get_or_insert_default();
    }
    if strategy.type_.as_deref() == Some("RollingUpdate")
        && let Some(rolling) = &mut strategy.rolling_update
    {
        rolling.partition.get_or_insert(0);
    }
    let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    text(&mut retention.when_deleted, "Retain");
    text(&mut retention.when_scaled, "Retain");
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(REVISIONS);
    pod_template_spec(&mut spec.template);
    each(&mut spec.volume_claim_templates).for_each(persistent_volume_claim);
}

/// Defaults of a DaemonSet.
pub fn daemon_set(set: &mut DaemonSet) {
    let spec = &mut set.spec;
    let strategy = spec.update_strategy.get_or_insert_default();
    text(&mut strategy.type_, "RollingUpdate");
    if strategy.type_.as_deref() == Some("RollingUpdate") {
        let rolling = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    }
    spec.revision_history_limit.get_or_insert(REVISIONS);
    pod_template_spec(&mut spec.template);
}
