//! What holds of volumes and claims.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use super::Step;
use crate::object::{kind, storage};
use crate::store::{ChangeKind, Object};

fn is_bound(object: &Object) -> bool {
    let claim: Option<&PersistentVolumeClaim> = object.typed();
    claim.and_then(|claim| claim.status.as_ref()).and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// A claim that has just been bound has a volume that names it, and no other claim has that volume.
pub(super) fn bonds_are_mutual(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes.iter().filter(|change| change.object.meta.kind == kind::PERSISTENT_VOLUME_CLAIM) {
        let claim = &change.object;
        let is_new = change.after().is_some_and(|after| is_bound(after))
            && !change.before.as_ref().is_some_and(|before| is_bound(before));
        let is_still = step.snapshot.get(claim.meta.uid).is_some_and(|now| is_bound(now));
        if !is_new || !is_still {
            continue;
        }
        let path = claim.meta.path();
        let name = claim.typed().and_then(storage::volume_name).ok_or_else(|| format!("{path} is bound to nothing"))?;
        let volume = step.snapshot.find(kind::PERSISTENT_VOLUME, "", name);
        let volume: &PersistentVolume = volume
            .and_then(|volume| volume.typed())
            .ok_or_else(|| format!("{path} is bound to {name}, which is not there"))?;
        if !storage::is_reserved_for(volume, &claim.meta) {
            return Err(format!("{path} is bound to {name}, which is for {:?}", storage::claim_ref(volume)));
        }
        let others = step.snapshot.claims_on_volume(name).filter(|other| is_bound(other)).count();
        if others > 1 {
            return Err(format!("{others} claims are bound to {name}"));
        }
    }
    Ok(())
}

/// A claim goes only when no pod on a node uses it, and a volume only when no claim is bound to it.
pub(super) fn what_is_used_stays(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes.iter().filter(|change| change.kind == ChangeKind::Deleted) {
        let meta = &change.object.meta;
        if meta.kind == kind::PERSISTENT_VOLUME_CLAIM {
            let is_there = step.snapshot.find(meta.kind, &meta.namespace, &meta.name).is_some();
            let mut users = step.snapshot.pods_with_claim(&meta.namespace, &meta.name);
            let on_a_node = |pod: &&Arc<Object>| pod.pod().is_some_and(|pod| pod.node.is_some());
            if let Some(pod) = users.find(on_a_node).filter(|_| !is_there) {
                return Err(format!("{} is gone, and {} uses it", meta.path(), pod.meta.path()));
            }
        }
        if meta.kind == kind::PERSISTENT_VOLUME
            && let Some(claim) = step.snapshot.claims_on_volume(&meta.name).find(|claim| is_bound(claim))
        {
            return Err(format!("{} is gone, and {} is bound to it", meta.path(), claim.meta.path()));
        }
    }
    Ok(())
}
