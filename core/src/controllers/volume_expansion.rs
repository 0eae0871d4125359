//! The controller of growing claims (`pkg/controller/volume/expand`).
//!
//! **The rule**: of a bound claim that asks for more than it has, people hear that whoever made its volume is to make it
//! grow. Nobody here does it: provisioners look after their own volumes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use crate::control::{Action, Controller, Keys, Plan, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::{kind, storage};
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::time::Time;

/// Who says so, in events.
const COMPONENT: &str = "volume_expand";

/// Says that a claim waits for its volume to grow.
#[derive(Debug)]
pub struct VolumeExpansionController;

/// A claim that asks for more than it has.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
}

impl Controller for VolumeExpansionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "persistentvolume-expander-controller";

    const WATCHED: &'static [Watched] = &[Watched::kind(kind::PERSISTENT_VOLUME_CLAIM, claim_that_asks_for_more)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let claim: &PersistentVolumeClaim = object.typed()?;
        let volume = snapshot.find(kind::PERSISTENT_VOLUME, "", storage::volume_name(claim)?)?;
        let is_its_own = storage::is_reserved_for(volume.typed::<PersistentVolume>()?, &object.meta);
        let is_small = is_bound(claim) && storage::given(claim) < storage::requested(claim);
        (is_its_own && is_small).then_some(Observed { object })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        let message = "waiting for an external controller to expand this PVC";
        let event = EventDraft::normal(&observed.object.meta, COMPONENT, "ExternalExpanding", message);
        plan.push(Action::Emit(Box::new(event)));
        plan.waiting_on = Some(WaitingOn::new("its volume to grow"));
        plan
    }
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// A claim is looked at once, when it begins to ask for more.
fn claim_that_asks_for_more(change: &Change, _: &Snapshot, keys: &mut Keys) {
    let asks = |object: &Object| object.typed().map(storage::requested);
    let Some(claim) = change.after().filter(|claim| claim.typed().is_some_and(is_bound)) else { return };
    if change.before.as_ref().is_some_and(|before| asks(before) < asks(claim)) {
        keys.push(claim.meta.uid);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{Draft, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    /// What is said of a claim that asks for this, was given that, and names a volume that is reserved for it or not.
    fn told(asked: &str, given: &str, phase: &str, is_its_own: bool) -> bool {
        let mut store = Store::new(1);
        store.found(NOW);
        let claim: PersistentVolumeClaim = read(json!({"metadata": {"name": "data", "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "disk",
                "resources": {"requests": {"storage": asked}}}}));
        let claim = store.create_with(Draft::of(claim), WriteOptions::default(), NOW).expect("room for it");
        let uid = if is_its_own { claim.meta.uid.to_string() } else { "other".to_owned() };
        let volume: PersistentVolume = read(json!({"metadata": {"name": "disk"},
            "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": given}, "hostPath": {"path": "/tmp/x"},
                "claimRef": {"namespace": "default", "name": "data", "uid": uid}}}));
        store.create_with(Draft::of(volume), WriteOptions::default(), NOW).expect("room for it");
        let mut next = claim.typed::<PersistentVolumeClaim>().expect("a claim").clone();
        next.status = Some(read(json!({"phase": phase, "capacity": {"storage": given}})));
        let target = crate::control::Target::seen(&claim);
        store.commit(vec![Action::UpdateStatus { target, object: Arc::new(next) }], NOW).expect("nobody else writes");
        let observed = VolumeExpansionController::observe(store.snapshot(), claim.meta.uid);
        observed.is_some_and(|observed| !VolumeExpansionController::decide(&observed, NOW).actions.is_empty())
    }

    fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_bound_claim_that_asks_for_more_than_it_has_is_told() {
        let rows = [
            ("2Gi", "1Gi", "Bound", true, true),
            ("1Gi", "1Gi", "Bound", true, false),
            ("1Gi", "2Gi", "Bound", true, false),
            ("2Gi", "1Gi", "Pending", true, false),
            ("2Gi", "1Gi", "Bound", false, false),
        ];
        for (asked, given, phase, is_its_own, expected) in rows {
            assert_eq!(told(asked, given, phase, is_its_own), expected, "{asked} {given} {phase} {is_its_own}");
        }
    }
}
