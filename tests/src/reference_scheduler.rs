//! The slow, obvious scheduler: no index, no cache, no class; it looks at every node and every pod for each question.
//!
//! It shares no code with the real one, works on plain Kubernetes types, and says for each node either why it is out or
//! how many points it has. The real one must agree with it.

mod filter;
mod matching;
mod preempt;
mod score;

use std::collections::BTreeMap;

use inboard::k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodSpec, Service,
};
use inboard::k8s_openapi::api::policy::v1::PodDisruptionBudget;
use inboard::k8s_openapi::api::storage::v1::{CSINode, VolumeAttachment};

pub use self::preempt::{Eviction, Outlook};

/// All that placements depend on.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The pods, bound or not.
    pub pods: Vec<Pod>,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
    /// The services.
    pub services: Vec<Service>,
    /// The disruption budgets.
    pub budgets: Vec<PodDisruptionBudget>,
    /// The claims, which are bound.
    pub claims: Vec<PersistentVolumeClaim>,
    /// The volumes.
    pub volumes: Vec<PersistentVolume>,
    /// What the drivers on the nodes say.
    pub drivers: Vec<CSINode>,
    /// What is attached to nodes.
    pub attachments: Vec<VolumeAttachment>,
}

/// What becomes of a pod: for each node why it is out, or its points.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Points of the nodes that fit, by name.
    pub points: BTreeMap<String, i64>,
    /// Why the others are out, by name.
    pub reasons: BTreeMap<String, Vec<String>>,
}

impl Verdict {
    /// The nodes with the most points.
    pub fn best(&self) -> Vec<&str> {
        let most = self.points.values().max();
        self.points.iter().filter(|(_, points)| Some(*points) == most).map(|(name, _)| name.as_str()).collect()
    }

    /// The sentence that says why there is none, without what preemption adds.
    pub fn sentence(&self) -> String {
        let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in self.reasons.values().flatten() {
            *tally.entry(reason).or_default() += 1;
        }
        let mut parts: Vec<String> = tally.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        format!("0/{} nodes are available: {}.", self.reasons.len(), parts.join(", "))
    }
}

impl World {
    /// Judges every node for a pod.
    pub fn judge(&self, pod: &Pod) -> Verdict {
        let mut verdict = Verdict::default();
        let mut feasible = Vec::new();
        for node in &self.nodes {
            match self.reasons(pod, node) {
                reasons if reasons.is_empty() => feasible.push(node),
                reasons => drop(verdict.reasons.insert(name_of(node).to_owned(), reasons)),
            }
        }
        verdict.points = score::points(self, pod, &feasible);
        verdict
    }

    /// Why a node is out for a pod: with the pods that have been promised room there, and without them.
    fn reasons(&self, pod: &Pod, node: &Node) -> Vec<String> {
        let mut reasons = filter::reasons(self, pod, node);
        if reasons.is_empty()
            && let Some(world) = self.with_promised(pod, node)
        {
            reasons = filter::reasons(&world, pod, node);
        }
        reasons
    }

    /// The pods that count on a node.
    fn on<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let is_there = spec(pod).node_name.as_deref() == Some(name_of(node));
            is_there && phase != Some("Succeeded") && phase != Some("Failed")
        })
    }
}

fn name_of(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().expect("a pod has a spec")
}

fn namespace(pod: &Pod) -> &str {
    pod.metadata.namespace.as_deref().unwrap_or_default()
}

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}
