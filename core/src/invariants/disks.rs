//! What holds when a pod with volumes gets its node.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelectorTerm, PersistentVolume};
use k8s_openapi::api::storage::v1::CSINode;

use super::Step;
use crate::ids::NodeName;
use crate::object::kind::{self, KindId};
use crate::object::storage;
use crate::store::{Object, PodBody, StringMap};

/// Each pod that the step bound, and is still there, with its node.
fn bound<'a>(step: &Step<'a>) -> impl Iterator<Item = (&'a Arc<Object>, &'a PodBody, &'a NodeName)> {
    let snapshot = step.snapshot;
    step.changes.iter().filter_map(move |change| {
        let before = change.before.as_ref()?.pod()?;
        let object = snapshot.get(change.object.meta.uid)?;
        let pod = object.pod().filter(|_| before.node.is_none())?;
        Some((object, pod, pod.node.as_ref()?))
    })
}

/// The volumes of a pod's claims; `None` for a claim that has none.
fn volumes<'a>(
    step: &'a Step<'_>,
    object: &'a Object,
    pod: &'a PodBody,
) -> impl Iterator<Item = Option<&'a PersistentVolume>> {
    storage::claims_of_pod(&object.meta.name, &pod.spec).map(|name| {
        let claim = step.snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, &object.meta.namespace, &name)?;
        let volume = claim.typed().and_then(storage::volume_name)?;
        step.snapshot.find(kind::PERSISTENT_VOLUME, "", volume)?.typed()
    })
}

pub(super) fn volumes_are_usable(step: &Step<'_>) -> Result<(), String> {
    for (object, pod, node) in bound(step) {
        let Some(labels) = step.snapshot.find(kind::NODE, "", node.as_str()).map(|node| &node.meta.labels) else {
            continue;
        };
        for volume in volumes(step, object, pod) {
            let Some(volume) = volume else {
                return Err(format!("{} was bound to {node} without a volume", object.meta.path()));
            };
            let required = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
            if required.is_some_and(|required| !required.node_selector_terms.iter().any(|term| is_met(term, labels))) {
                let volume = volume.metadata.name.as_deref().unwrap_or_default();
                return Err(format!("{} was bound to {node}, where {volume} is not", object.meta.path()));
            }
        }
    }
    Ok(())
}

/// Whether a node with these labels has one of the values that the term asks for.
fn is_met(term: &NodeSelectorTerm, labels: &StringMap) -> bool {
    term.match_expressions.iter().flatten().all(|wanted| {
        let value = labels.get(&wanted.key);
        value.is_some_and(|value| wanted.values.iter().flatten().any(|wanted| wanted == value))
    })
}

pub(super) fn nodes_keep_to_limits(step: &Step<'_>) -> Result<(), String> {
    for (object, pod, node) in bound(step) {
        let drivers = step.snapshot.find(KindId::of::<CSINode>(), "", node.as_str());
        let drivers = drivers.and_then(|node| node.typed::<CSINode>()).map(|node| node.spec.drivers.as_slice());
        for driver in drivers.unwrap_or_default() {
            let Some(limit) = driver.allocatable.as_ref().and_then(|limits| limits.count) else { continue };
            let handle = |volume: &PersistentVolume| {
                let csi = volume.spec.as_ref()?.csi.as_ref().filter(|csi| csi.driver == driver.name)?;
                Some(csi.volume_handle.clone())
            };
            let of_pod = |object, pod| volumes(step, object, pod).flatten().filter_map(handle).collect::<Vec<_>>();
            let running = step.snapshot.pods_on(node).filter_map(|object| Some((object, object.pod()?)));
            let running = running.filter(|(_, pod)| !pod.is_finished());
            let all: BTreeSet<String> = running.flat_map(|(object, pod)| of_pod(object, pod)).collect();
            if !of_pod(object, pod).is_empty() && all.len() > usize::try_from(limit).unwrap_or(0) {
                return Err(format!("{} brought {node} to {} of {limit} volumes", object.meta.path(), all.len()));
            }
        }
    }
    Ok(())
}
