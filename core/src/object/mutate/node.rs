//! A new node is not ready until it says so (`TaintNodesByCondition`), and a pod knows where it is (`PodTopologyLabels`).

use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// The labels of a node that its pods take over.
pub const TOPOLOGY_LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Keeps pods off a node until its controller has seen it ready.
pub fn not_ready_taint(node: &mut Node) {
    let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
    let there = taints.iter().any(|taint| taint.key == NOT_READY && taint.effect == "NoSchedule");
    if !there {
        taints.push(Taint { key: NOT_READY.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() });
    }
}

/// Copies zone and region of the node to a pod that has been bound to it; labels that the pod has stay.
pub fn topology_labels(pod: &mut ObjectMeta, node: &Node) {
    for label in TOPOLOGY_LABELS {
        if let Some(value) = node.metadata.labels.as_ref().and_then(|labels| labels.get(label)) {
            pod.labels.get_or_insert_default().entry(label.to_owned()).or_insert_with(|| value.clone());
        }
    }
}
