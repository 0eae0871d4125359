//! The template as pods are made from it: tied to their node, and tolerant of what befalls nodes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodTemplateSpec, Toleration,
};

use super::Observed;
use crate::control::pods::PodMold;
use crate::control::revisions::REVISION_HASH_LABEL;
use crate::ids::NodeName;
use crate::store::{Body, Draft};

/// The label with the number of the template, from before there were revisions.
const GENERATION_LABEL: &str = "pod-template-generation";
/// The annotation of a set with that number.
const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";
/// The taints that the pods of every set tolerate.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// And this one, when they use the network of their node.
const NO_NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// The tolerations of the pods of a template.
pub(super) fn tolerations(template: &PodTemplateSpec) -> Vec<Toleration> {
    let pod = template.spec.as_ref();
    let mut all = pod.and_then(|pod| pod.tolerations.clone()).unwrap_or_default();
    let on_host = pod.is_some_and(|pod| pod.host_network == Some(true));
    for (key, effect) in TOLERATED.into_iter().chain(on_host.then_some(NO_NETWORK)) {
        let toleration = Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        };
        let same = |other: &Toleration| {
            (&other.key, &other.operator, &other.effect, &other.value)
                == (&toleration.key, &toleration.operator, &toleration.effect, &toleration.value)
        };
        match all.iter_mut().find(|other| same(other)) {
            Some(other) => *other = toleration,
            None => all.push(toleration),
        }
    }
    all
}

/// What the pods of a set have in common.
pub(super) struct Mold(PodMold);

impl Mold {
    pub(super) fn of(observed: &Observed<'_>) -> Self {
        let mut template = observed.spec().template.clone();
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(REVISION_HASH_LABEL.to_owned(), observed.history.current_hash().to_owned());
        if let Some(generation) = observed.object.meta.annotations.get(GENERATION_ANNOTATION) {
            labels.insert(GENERATION_LABEL.to_owned(), generation.clone());
        }
        let tolerations = tolerations(&template);
        template.spec.get_or_insert_default().tolerations = Some(tolerations);
        Self(PodMold::new(&template, &observed.object.meta))
    }

    /// A pod for this node: its affinity names it, and nothing else of what nodes must be.
    pub(super) fn cast(&self, node: &NodeName) -> Draft {
        let mut draft = self.0.cast();
        if let Body::Pod(pod) = &mut draft.body {
            let affinity = Arc::make_mut(&mut pod.spec).affinity.get_or_insert_default();
            let affinity = affinity.node_affinity.get_or_insert_default();
            affinity.required_during_scheduling_ignored_during_execution = Some(only(node));
        }
        draft
    }
}

fn only(node: &NodeName) -> NodeSelector {
    let named = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_string()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![named]), ..NodeSelectorTerm::default() };
    NodeSelector { node_selector_terms: vec![term] }
}
