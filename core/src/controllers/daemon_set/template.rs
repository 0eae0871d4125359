//! The template as pods are made from it: tied to their node, and tolerant of what befalls nodes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use super::Observed;
use crate::control::pods::PodMold;
use crate::control::revisions::REVISION_HASH_LABEL;
use crate::ids::NodeName;
use crate::object::daemon::tolerations;
use crate::store::{Body, Draft};

/// The label with the number of the template, from before there were revisions.
pub(super) const GENERATION_LABEL: &str = "pod-template-generation";
/// The annotation of a set with that number.
pub(super) const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

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
