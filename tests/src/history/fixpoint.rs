//! Whether the world is as it was declared, judged from the outside.

use std::fmt::Write as _;

use inboard::k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use inboard::k8s_openapi::api::core::v1::{Container, Node, PodSpec};
use inboard::object::kind;
use inboard::runtime::SimulatedRuntime;
use inboard::simulation::Simulation;
use inboard::store::{Object, PodPhase};
use inboard_runtime_mock::MockState;

use super::{autoscalers, batch, budgets, daemons, devices, disks, policies, quotas, services, storage};

pub(super) type Cluster = Simulation<MockState>;

pub(super) fn is_reached(cluster: &Cluster) -> bool {
    missing(cluster).is_none()
}

/// The first thing that is not as it was declared.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    let snapshot = cluster.snapshot();
    let nodes = snapshot.list(kind::NODE).find_map(|node| node_missing(node));
    let deployments = || snapshot.list(kind::DEPLOYMENT).find_map(|object| deployment_missing(object));
    let sets = || snapshot.list(kind::REPLICA_SET).find_map(|object| set_missing(object));
    let stateful = || snapshot.list(kind::STATEFUL_SET).find_map(|object| stateful_set_missing(object));
    let pods = || snapshot.list(kind::POD).find_map(|object| pod_missing(cluster, object));
    nodes
        .or_else(deployments)
        .or_else(sets)
        .or_else(stateful)
        .or_else(pods)
        .or_else(|| storage::missing(cluster))
        .or_else(|| devices::missing(cluster))
        .or_else(|| services::missing(cluster))
        .or_else(|| quotas::missing(cluster))
        .or_else(|| autoscalers::missing(cluster))
        .or_else(|| budgets::missing(cluster))
        .or_else(|| daemons::missing(cluster))
        .or_else(|| batch::missing(cluster))
        .or_else(|| policies::missing(cluster))
        .or_else(|| leftover(cluster))
}

fn node_missing(object: &Object) -> Option<String> {
    let node: &Node = object.typed()?;
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    (!ready || !taints.is_empty()).then(|| format!("{} is not ready", object.meta.path()))
}

fn deployment_missing(object: &Object) -> Option<String> {
    let deployment: &Deployment = object.typed()?;
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let counts = [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas];
    let right = counts.iter().all(|count| count.unwrap_or(0) == wanted)
        && status.unavailable_replicas.unwrap_or(0) == 0
        && status.observed_generation == Some(object.meta.generation)
        && !object.meta.is_deleting();
    (!right).then(|| format!("deployment {} wants {wanted} and has {status:?}", object.meta.path()))
}

fn set_missing(object: &Object) -> Option<String> {
    let set: &ReplicaSet = object.typed()?;
    let status = set.status.clone().unwrap_or_default();
    let wanted = set.spec.replicas.unwrap_or(1);
    // An orphan may have a template that never runs; its pods are there nevertheless.
    let right = status.replicas == wanted && !object.meta.is_deleting();
    (!right).then(|| format!("set {} wants {wanted} and has {status:?}", object.meta.path()))
}

fn stateful_set_missing(object: &Object) -> Option<String> {
    let set: &StatefulSet = object.typed()?;
    let status = set.status.clone().unwrap_or_default();
    let wanted = set.spec.replicas.unwrap_or(1);
    let counts = [Some(status.replicas), status.updated_replicas, status.ready_replicas, status.available_replicas];
    let right = counts.iter().all(|count| count.unwrap_or(0) == wanted)
        && status.current_revision == status.update_revision
        && status.observed_generation == Some(object.meta.generation)
        && !object.meta.is_deleting();
    (!right).then(|| format!("stateful set {} wants {wanted} and has {status:?}", object.meta.path()))
}

fn pod_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let pod = object.pod()?;
    let crashes = pod.spec.containers.iter().any(|container| container.image.as_deref() == Some("crash:1"));
    let right = match pod.state.phase {
        PodPhase::Running => pod.is_ready() || crashes,
        PodPhase::Succeeded | PodPhase::Failed => true,
        PodPhase::Pending => {
            fits_nowhere(&pod.spec)
                || storage::waits_for_claim(cluster, object)
                || pod.node.is_none() && disks::fits_nowhere(cluster, object)
                || devices::waits_for_devices(cluster, object)
        }
        PodPhase::Unknown => false,
    };
    (object.meta.is_deleting() || !right).then(|| format!("pod {} is {:?}", object.meta.path(), pod.state))
}

/// Whether it asks for more than any node has.
fn fits_nowhere(spec: &PodSpec) -> bool {
    let requests = |container: &Container| container.resources.as_ref()?.requests.clone();
    spec.containers.iter().filter_map(requests).any(|requests| requests.get("cpu").is_some_and(|cpu| cpu.0 == "9"))
}

/// Something that a node holds and no pod wants, or that a pod wants and its node does not hold.
fn leftover(cluster: &Cluster) -> Option<String> {
    for (node, runtime) in cluster.runtimes() {
        let held = runtime.held(cluster.now());
        let pods = held.sandboxes.iter().map(|sandbox| &sandbox.pod).chain(&held.volumes);
        for pod in pods.chain(held.containers.iter().map(|container| &container.pod)) {
            let wanted = cluster.snapshot().get(pod.uid).and_then(|object| object.pod());
            if wanted.is_none_or(|wanted| wanted.node.as_ref() != Some(node)) {
                return Some(format!("{node} still holds something of {}", pod.name));
            }
        }
        for object in cluster.snapshot().pods_on(node) {
            let runs = |name: &str| {
                let of_pod = held.containers.iter().filter(|container| container.pod.uid == object.meta.uid);
                of_pod.filter(|container| *container.name == *name && container.state.is_running()).count()
            };
            let Some(pod) = object.pod().filter(|pod| pod.is_ready()) else { continue };
            if let Some(container) = pod.spec.containers.iter().find(|container| runs(&container.name) != 1) {
                return Some(format!("{} is ready, and {} does not run on {node}", object.meta.path(), container.name));
            }
        }
    }
    None
}

/// A controller that still has something to do.
pub(super) fn unfinished(cluster: &Cluster) -> Option<String> {
    let kernel = cluster.kernel();
    let kinds = [
        kind::DEPLOYMENT,
        kind::REPLICA_SET,
        kind::STATEFUL_SET,
        kind::JOB,
        kind::CRON_JOB,
        kind::POD,
        kind::NODE,
        kind::NAMESPACE,
        kind::PERSISTENT_VOLUME,
        kind::PERSISTENT_VOLUME_CLAIM,
        kind::RESOURCE_CLAIM,
        kind::SERVICE,
        kind::RESOURCE_QUOTA,
        kind::HORIZONTAL_POD_AUTOSCALER,
        kind::POD_DISRUPTION_BUDGET,
    ];
    for object in kinds.into_iter().flat_map(|kind| cluster.snapshot().list(kind)) {
        for (controller, _) in kernel.metrics() {
            if let Some(plan) = kernel.plan(controller, object.meta.uid, cluster.now())
                && plan.changes_something()
            {
                return Some(format!("{controller} is not done with {}: {plan:?}", object.meta.path()));
            }
        }
    }
    None
}

/// The world in a few lines.
pub(super) fn render(cluster: &Cluster) -> String {
    let mut text = String::new();
    let kinds = [
        kind::NODE,
        kind::DEPLOYMENT,
        kind::REPLICA_SET,
        kind::STATEFUL_SET,
        kind::DAEMON_SET,
        kind::CRON_JOB,
        kind::JOB,
        kind::POD,
    ];
    for object in kinds.into_iter().flat_map(|kind| cluster.snapshot().list(kind)) {
        let value = object.to_value(cluster.kernel().store().kinds());
        let _ = writeln!(text, "{} {}", object.meta.path(), value["metadata"]);
        let _ = writeln!(text, "    {}\n    {}", value["spec"], value["status"]);
        for (controller, what) in cluster.kernel().waiting_on(object.meta.uid, cluster.now()) {
            let _ = writeln!(text, "    {controller} waits on {what}");
        }
    }
    for value in storage::render(cluster).into_iter().chain(devices::render(cluster)) {
        let _ = writeln!(text, "{value}");
    }
    for (node, runtime) in cluster.runtimes() {
        let held = runtime.held(cluster.now());
        let _ = writeln!(text, "{node}:");
        for sandbox in &held.sandboxes {
            let _ = writeln!(text, "    sandbox {} {:?}", sandbox.pod.name, sandbox.state);
        }
        for container in &held.containers {
            let name = (&container.pod.name, &container.name, container.attempt);
            let _ = writeln!(text, "    container {name:?} {:?}", container.state);
        }
    }
    text
}
