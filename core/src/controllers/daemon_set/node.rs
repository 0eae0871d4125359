//! Whether a node should have a pod of a set, judged by the scheduler's own predicates.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PodTemplateSpec, Taint, Toleration};

use crate::ids::NodeName;
use crate::scheduler::{admits, tolerates};
use crate::store::{Meta, Object};

/// What becomes of a set's pods on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// There should be one.
    Wanted,
    /// One that is there may stay: a taint keeps others away.
    Tolerated,
    /// There must be none.
    Barred,
}

/// What becomes of pods of this template on a node. That it is unschedulable does not matter: that taint is tolerated.
pub(super) fn fate(template: &PodTemplateSpec, tolerations: &[Toleration], meta: &Meta, node: &Node) -> Fate {
    let Some(pod) = &template.spec else { return Fate::Barred };
    let named = pod.node_name.as_deref().filter(|name| !name.is_empty());
    if named.is_some_and(|name| name != &*meta.name) || !admits(pod, &meta.name, &meta.labels) {
        return Fate::Barred;
    }
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let keeps_away = |effects: &[&str]| {
        let mut matter = taints.iter().filter(|taint: &&Taint| effects.contains(&taint.effect.as_str()));
        matter.any(|taint| !tolerates(tolerations, taint))
    };
    if keeps_away(&["NoExecute"]) {
        Fate::Barred
    } else if keeps_away(&["NoSchedule"]) {
        Fate::Tolerated
    } else {
        Fate::Wanted
    }
}

/// The node that a pod of a set is on, or was made for.
pub(crate) fn of(pod: &Object) -> Option<NodeName> {
    let body = pod.pod()?;
    if let Some(node) = &body.node {
        return Some(node.clone());
    }
    let affinity = body.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut named = fields.filter(|field| field.key == "metadata.name" && field.operator == "In");
    let name = named.next()?.values.as_ref()?.first()?;
    Some(NodeName::new(Arc::from(name.as_str())))
}
