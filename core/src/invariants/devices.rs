//! What holds of claims for devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};

use super::Step;
use crate::object::{device, kind};
use crate::store::{Object, Snapshot};

fn claim_of(object: &Object) -> Option<&ResourceClaim> {
    object.typed()
}

/// What a claim has for itself alone.
fn held(object: &Object) -> impl Iterator<Item = &DeviceRequestAllocationResult> {
    let allocation = claim_of(object).and_then(|claim| claim.status.as_ref()?.allocation.as_ref()?.devices.as_ref());
    let results = allocation.and_then(|devices| devices.results.as_ref()).into_iter().flatten();
    results.filter(|result| result.admin_access != Some(true) && result.share_id.is_none())
}

fn changed_claims<'s>(step: &Step<'s>) -> impl Iterator<Item = &'s Arc<Object>> {
    let snapshot = step.snapshot;
    let changes = step.changes.iter().filter(|change| change.object.meta.kind == kind::RESOURCE_CLAIM);
    changes.filter_map(move |change| snapshot.get(change.object.meta.uid))
}

/// No device is given to two claims, unless it is for several.
pub(super) fn devices_have_one_owner(step: &Step<'_>) -> Result<(), String> {
    if changed_claims(step).next().is_none() {
        return Ok(());
    }
    let mut owners = BTreeMap::new();
    for claim in step.snapshot.list(kind::RESOURCE_CLAIM) {
        for given in held(claim) {
            let path = claim.meta.path();
            if let Some(other) = owners.insert((&given.driver, &given.pool, &given.device), path.clone()) {
                let device = format!("{}/{}/{}", given.driver, given.pool, given.device);
                return Err(format!("{device} is given to {other} and to {path}"));
            }
        }
    }
    Ok(())
}

/// A claim is used by so many at most as may, by each once, and only while it has devices.
pub(super) fn claims_are_used_as_allowed(step: &Step<'_>) -> Result<(), String> {
    for object in changed_claims(step) {
        let Some(claim) = claim_of(object) else { continue };
        let path = object.meta.path();
        let mut users: Vec<&str> = device::consumers(claim).iter().map(|consumer| consumer.uid.as_str()).collect();
        let count = users.len();
        users.sort_unstable();
        users.dedup();
        if count > device::CONSUMERS_MAX || count != users.len() {
            return Err(format!("{path} is used by {count}, of which {} are different", users.len()));
        }
        if count > 0 && !device::is_allocated(claim) {
            return Err(format!("{path} has no devices, and {count} use it"));
        }
    }
    Ok(())
}

/// A pod that has just got its node may use all its claims.
pub(super) fn bound_pods_have_their_claims(step: &Step<'_>) -> Result<(), String> {
    let is_bound = |object: &Object| object.pod().is_some_and(|pod| pod.node.is_some());
    for change in step.changes.iter().filter(|change| change.object.meta.kind == kind::POD) {
        let was_bound = change.before.as_ref().is_none_or(|before| is_bound(before));
        let now = step.snapshot.get(change.object.meta.uid).filter(|object| !was_bound && is_bound(object));
        let Some(object) = now.filter(|object| !object.meta.is_deleting()) else { continue };
        if let Some(name) = without(object, step.snapshot) {
            return Err(format!("{} is bound, and may not use {name}", object.meta.path()));
        }
    }
    Ok(())
}

/// A claim that a pod cannot use.
fn without(object: &Object, snapshot: &Snapshot) -> Option<String> {
    let pod = object.pod().filter(|pod| !pod.is_finished())?;
    let may_use = |name: &&str| {
        let claim = snapshot.find(kind::RESOURCE_CLAIM, &object.meta.namespace, name);
        claim.and_then(|claim| claim_of(claim)).is_some_and(|claim| device::is_reserved_for(claim, object.meta.uid))
    };
    device::names_of(pod).find(|name| !may_use(name)).map(str::to_owned)
}
