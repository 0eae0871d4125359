//! The controller of claims for devices (`pkg/controller/resourceclaim`).
//!
//! **The rule**: a pod that may still run has a claim for each template that it names, and its status says what they are
//! called; a claim is kept for those pods only that may still run, and gives its devices back when there are none left.
//!
//! The stages, a pod and a claim being keys of the same controller:
//! 1. [`pod`]: makes the claims that are missing, writes down their names, and reserves claims for a pod that somebody
//!    has bound past the scheduler.
//! 2. [`claim`]: takes pods that have ended off a claim. With the last one go its devices, its finalizer, and the whole claim
//!    if it was made for a pod that needs it no longer.
//!
//! Which devices a claim gets is decided by the scheduler.

mod claim;
mod pod;
#[cfg(test)]
mod tests;

use crate::control::{Controller, Keys, Plan, Watched};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::{device, kind};
use crate::store::{Change, Object, PodBody, Snapshot};
use crate::time::Time;

/// Makes claims for pods, and frees those that nobody uses.
#[derive(Debug)]
pub struct ResourceClaimController;

/// A pod or a claim, and what concerns it.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A pod that claims devices.
    Pod(pod::View<'w>),
    /// A claim.
    Claim(claim::View<'w>),
}

impl Controller for ResourceClaimController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "resource_claim";

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::POD, pod_and_its_claims),
        Watched::kind(kind::RESOURCE_CLAIM, claim_and_its_pods),
        Watched::kind(kind::RESOURCE_CLAIM_TEMPLATE, pods_of_template),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        match object.meta.kind {
            kind::RESOURCE_CLAIM => claim::View::of(object, snapshot).map(Observed::Claim),
            _ => pod::View::of(object, snapshot).map(Observed::Pod),
        }
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        match observed {
            Observed::Pod(view) => pod::decide(view),
            Observed::Claim(view) => claim::decide(view),
        }
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        match observed {
            Observed::Pod(view) => pod::refused(view, error),
            Observed::Claim(_) => Plan::nothing(),
        }
    }
}

/// Whether a pod runs no more and never will: it needs no devices then.
fn is_done(meta: &crate::store::Meta, pod: &PodBody) -> bool {
    pod.is_finished() || (meta.is_deleting() && pod.node.is_none())
}

/// What of a pod concerns this controller.
fn concern(object: &Object) -> Option<(bool, bool, &PodBody)> {
    let pod = object.pod()?;
    Some((pod.node.is_some(), is_done(&object.meta, pod), pod))
}

fn pod_and_its_claims(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let has_claims = |pod: &&PodBody| pod.spec.resource_claims.is_some() || pod.state.extended_claim.is_some();
    let Some(pod) = change.object.pod().filter(has_claims) else { return };
    let before = change.before.as_deref().and_then(concern);
    let after = change.after().and_then(|object| concern(object));
    let is_same = before.zip(after).is_some_and(|((was_bound, was_done, before), (is_bound, is_done, after))| {
        was_bound == is_bound && was_done == is_done && before.state.resource_claims == after.state.resource_claims
    });
    if is_same {
        return;
    }
    if after.is_some() {
        keys.push(change.object.meta.uid);
    }
    if after.is_none_or(|(_, is_done, _)| is_done) {
        let meta = &change.object.meta;
        let named = device::names_of(pod).filter_map(|name| snapshot.find(kind::RESOURCE_CLAIM, &meta.namespace, name));
        let made = snapshot.owned_of_kind(meta.uid, kind::RESOURCE_CLAIM);
        keys.extend(named.chain(made).map(|claim| claim.meta.uid));
    }
}

fn claim_and_its_pods(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    if change.after().is_some() {
        keys.push(meta.uid);
    }
    let has_devices = |object: &Object| object.typed().is_some_and(device::is_allocated);
    let was = change.before.as_deref().map(has_devices);
    if was != change.after().map(|object| has_devices(object)) {
        let users = snapshot.pods_with_device_claim(&meta.namespace, &meta.name).map(|pod| pod.meta.uid);
        keys.extend(users.chain(meta.controller_uid()));
    }
}

/// Pods wait for the template of their claims.
fn pods_of_template(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    if change.before.is_none() {
        keys.extend(snapshot.pods_with_claim_template(&meta.namespace, &meta.name).map(|pod| pod.meta.uid));
    }
}
