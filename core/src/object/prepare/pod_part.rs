//! The subresources of a pod that write a part of its spec: everything else stays as it was.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::disabled::drop_from_spec;
use super::metadata::{self, count, keep};
use super::{Request, TypedObject};
use crate::object::wire::same;

/// A part of a pod's spec that has a subresource of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPart {
    /// `ephemeralcontainers`: the containers that were added to look into it.
    EphemeralContainers,
    /// `resize`: the resources of its containers.
    Resources,
}

/// Prepares a pod that brings another part to `old`. Other objects stay as they came.
pub fn for_pod_part_update(object: &mut dyn TypedObject, old: &dyn TypedObject, part: PodPart, _: &Request<'_>) {
    metadata::for_update(object.metadata_mut(), old.metadata());
    let (Some(pod), Some(old)) = (object.as_any_mut().downcast_mut::<Pod>(), old.as_any().downcast_ref::<Pod>()) else {
        return;
    };
    let before = old.spec.clone().unwrap_or_default();
    let after = pod.spec.get_or_insert_default();
    let merged = match part {
        PodPart::EphemeralContainers => {
            let added = after.ephemeral_containers.take();
            Some(PodSpec { ephemeral_containers: added, ..before })
        }
        PodPart::Resources => resized(after, before),
    };
    if let Some(merged) = merged {
        *after = merged;
        pod.status.clone_from(&old.status);
        keep(&mut pod.metadata, &old.metadata);
    }
    if let Some(spec) = &mut pod.spec {
        drop_from_spec(spec);
    }
    count(&mut pod.metadata, &old.metadata, !same(&pod.spec, &old.spec));
}

/// The old spec with the new resources; nothing when there are other containers than before: validation tells that.
fn resized(after: &PodSpec, before: PodSpec) -> Option<PodSpec> {
    let inits = |spec: &PodSpec| spec.init_containers.as_ref().map_or(0, Vec::len);
    if after.containers.len() != before.containers.len() || inits(after) != inits(&before) {
        return None;
    }
    let containers = resized_containers(&after.containers, &before.containers);
    let init_containers = match (&after.init_containers, &before.init_containers) {
        (Some(after), Some(before)) => Some(resized_containers(after, before)),
        (_, before) => before.clone(),
    };
    Some(PodSpec { containers, init_containers, resources: after.resources.clone(), ..before })
}

fn resized_containers(after: &[Container], before: &[Container]) -> Vec<Container> {
    if after.iter().zip(before).any(|(after, before)| after.name != before.name) {
        return after.to_vec();
    }
    let each = before.iter().zip(after).map(|(before, after)| Container {
        resources: after.resources.clone(),
        resize_policy: after.resize_policy.clone(),
        ..before.clone()
    });
    each.collect()
}
