//! The controllers that keep what is in use (`pkg/controller/volume/pvcprotection`, `pvprotection`).
//!
//! **The rule**: a claim that a pod on a node uses, and a volume that is bound, have a finalizer; it is taken off once
//! their deletion was asked for and nobody uses them any more. One that lost it gets it back.
//!
//! A pod uses its claims until its object is gone, even when it has ended; one without a node does not yet.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;

use crate::control::{Action, Controller, Keys, MetaEdit, Plan, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::mutate::{CLAIM_PROTECTION, VOLUME_PROTECTION};
use crate::object::{kind, storage};
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Keeps claims that pods use.
#[derive(Debug)]
pub struct ClaimProtectionController;

/// Keeps volumes that claims are bound to.
#[derive(Debug)]
pub struct VolumeProtectionController;

/// Something that may be in use.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    finalizer: &'static str,
    /// What uses it.
    user: Option<String>,
}

impl Controller for ClaimProtectionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pvc-protection-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::PERSISTENT_VOLUME_CLAIM), Watched::kind(kind::POD, claims_of_gone_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key).filter(|object| object.meta.kind == kind::PERSISTENT_VOLUME_CLAIM)?;
        let mut pods = snapshot.pods_with_claim(&object.meta.namespace, &object.meta.name);
        let user = pods.find(|pod| pod.pod().is_some_and(|pod| pod.node.is_some()));
        let user = user.map(|pod| format!("pod {}", pod.meta.name));
        Some(Observed { object, finalizer: CLAIM_PROTECTION, user })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        protect(observed)
    }
}

impl Controller for VolumeProtectionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "pv-protection-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::PERSISTENT_VOLUME)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let volume: &PersistentVolume = object.typed()?;
        let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
        let user = (phase == Some("Bound")).then(|| "the claim that it is bound to".to_owned());
        Some(Observed { object, finalizer: VOLUME_PROTECTION, user })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        protect(observed)
    }
}

fn protect(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let Observed { object, finalizer, user } = observed;
    let meta = &object.meta;
    let is_kept = meta.finalizers.iter().any(|other| other == finalizer);
    let finalizers: Vec<String> = match (meta.is_deleting(), is_kept, user) {
        (true, true, None) => meta.finalizers.iter().filter(|other| other != finalizer).cloned().collect(),
        (false, false, _) => meta.finalizers.iter().cloned().chain([(*finalizer).to_owned()]).collect(),
        (true, true, Some(user)) => {
            plan.waiting_on = Some(WaitingOn::new(user.clone()));
            return plan;
        }
        _ => return plan,
    };
    let edit = MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() };
    plan.push(Action::EditMeta { target: Target::seen(object), edit });
    plan
}

/// A pod that is gone uses nothing any more.
fn claims_of_gone_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let Some(pod) = change.object.pod().filter(|_| change.after().is_none()) else { return };
    let claims = storage::claims_of_pod(&meta.name, &pod.spec);
    let found = claims.filter_map(|name| snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, &meta.namespace, &name));
    keys.extend(found.map(|claim| claim.meta.uid));
}
