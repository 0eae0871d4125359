//! The binder of volumes and claims (`pkg/controller/volume/persistentvolume`).
//!
//! **The rule**: a claim gets one volume and a volume one claim, and each names the other. The volume is written first,
//! so that a plan that is cut short leaves a volume that is reserved for its claim, and the next look finishes the bond.
//!
//! The stages, a claim and a volume being keys of the same controller:
//! 1. [`claim`]: an open claim takes the volume that it names, one that is reserved for it, or the one that suits best;
//!    where there is none it says who will make one. A claim that was bound and has no volume any more is lost.
//! 2. [`volume`]: a volume whose claim is gone is released and reclaimed; one whose claim took another is free again.
//! 3. [`bond`]: what is written on both when they are bound, and taken off when the bond is undone.
//!
//! Whoever makes volumes does so for claims that name them in an annotation; see `node_local`.

mod bond;
mod claim;
#[cfg(test)]
mod tests;
mod volume;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::control::{Controller, Keys, Plan, Watched};
use crate::ids::Uid;
use crate::object::{kind, mutate, storage};
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::text::Text;
use crate::time::Time;

/// Binds volumes and claims.
#[derive(Debug)]
pub struct VolumeBinder;

/// A claim or a volume, and what concerns it.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A claim.
    Claim(ClaimView<'w>),
    /// A volume.
    Volume(VolumeView<'w>),
}

/// An object of the store together with its type.
#[derive(Debug)]
pub(super) struct Seen<'w, K> {
    object: &'w Arc<Object>,
    typed: &'w K,
}

impl<'w, K: 'static> Seen<'w, K> {
    fn of(object: &'w Arc<Object>) -> Option<Self> {
        Some(Self { object, typed: object.typed()? })
    }
}

/// A claim and what concerns it.
#[derive(Debug)]
pub struct ClaimView<'w> {
    claim: Seen<'w, PersistentVolumeClaim>,
    /// The volume that it names, if there is one.
    named: Option<Seen<'w, PersistentVolume>>,
    /// For a claim that names none: the volume to take.
    best: Option<Seen<'w, PersistentVolume>>,
    class: Option<&'w StorageClass>,
    /// The class of claims that leave it to the cluster.
    default_class: Option<&'w StorageClass>,
    /// Pods without a node that use it.
    waiting_pods: Vec<&'w str>,
}

/// A volume and what concerns it.
#[derive(Debug)]
pub struct VolumeView<'w> {
    volume: Seen<'w, PersistentVolume>,
    /// The claim that it is bound to, if there is one.
    claim: Option<Seen<'w, PersistentVolumeClaim>>,
}

impl Controller for VolumeBinder {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "persistentvolume-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::PERSISTENT_VOLUME_CLAIM),
        Watched::itself(kind::PERSISTENT_VOLUME),
        Watched::kind(kind::PERSISTENT_VOLUME_CLAIM, volumes_of_claim),
        Watched::kind(kind::PERSISTENT_VOLUME, claims_of_volume),
        Watched::kind(kind::STORAGE_CLASS, claims_of_class),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        if let Some(claim) = Seen::of(object) {
            return Some(Observed::Claim(view_claim(snapshot, claim)));
        }
        let volume: Seen<'w, PersistentVolume> = Seen::of(object)?;
        let reference = storage::claim_ref(volume.typed);
        let claim = reference.and_then(|reference| {
            let claim = snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, reference.namespace, reference.name)?;
            (reference.uid?.parse() == Ok(claim.meta.uid)).then(|| Seen::of(claim))?
        });
        Some(Observed::Volume(VolumeView { volume, claim }))
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        match observed {
            Observed::Claim(view) => claim::decide(view, now, &mut plan),
            Observed::Volume(view) => volume::decide(view, now, &mut plan),
        }
        plan
    }
}

fn view_claim<'w>(snapshot: &'w Snapshot, claim: Seen<'w, PersistentVolumeClaim>) -> ClaimView<'w> {
    let meta = &claim.object.meta;
    let find = |kind, name: &str| snapshot.find(kind, "", name);
    let named = storage::volume_name(claim.typed);
    let class: Option<&StorageClass> =
        find(kind::STORAGE_CLASS, storage::class_of_claim(claim.typed)).and_then(|object| object.typed());
    let is_open = named.is_none();
    let may_choose = is_open && !meta.annotations.contains_key(storage::BIND_COMPLETED);
    let default_class = may_choose && storage::has_no_say_in_class(claim.typed);
    let pods = may_choose.then(|| snapshot.pods_with_claim(&meta.namespace, &meta.name)).into_iter().flatten();
    let waits = |pod: &&Arc<Object>| pod.pod().is_some_and(|pod| pod.node.is_none() && !pod.is_finished());
    ClaimView {
        named: named.and_then(|name| find(kind::PERSISTENT_VOLUME, name)).and_then(Seen::of),
        best: if may_choose { best_volume(snapshot, &claim, class) } else { None },
        class,
        default_class: default_class
            .then(|| mutate::best_default(snapshot.list(kind::STORAGE_CLASS).filter_map(|class| class.typed())))
            .flatten(),
        waiting_pods: pods.filter(waits).map(|pod| &*pod.meta.name).collect(),
        claim,
    }
}

/// The volume that a claim takes: one that is reserved for it, or else the best of those that suit. Free volumes of a
/// class that waits for the first consumer are left to the scheduler.
fn best_volume<'w>(
    snapshot: &'w Snapshot,
    claim: &Seen<'w, PersistentVolumeClaim>,
    class: Option<&StorageClass>,
) -> Option<Seen<'w, PersistentVolume>> {
    let meta = &claim.object.meta;
    let reserved = snapshot.volumes_for_claim(&meta.namespace, &meta.name).filter_map(Seen::of);
    let reserved = reserved.filter(|volume| storage::fits_reserved(volume.typed, meta, claim.typed));
    if let Some(volume) = reserved.min_by(|one, other| storage::rank(one.typed).cmp(&storage::rank(other.typed))) {
        return Some(volume);
    }
    if class.is_some_and(storage::waits_for_consumer) {
        return None;
    }
    let free = snapshot.free_volumes(storage::class_of_claim(claim.typed)).filter_map(Seen::of);
    free.filter(|volume: &Seen<'_, PersistentVolume>| is_for(volume.typed, volume.object, claim.typed))
        .min_by(|one, other| storage::rank(one.typed).cmp(&storage::rank(other.typed)))
}

/// Whether a volume can be taken for a claim without being reserved for it.
fn is_for(volume: &PersistentVolume, object: &Object, claim: &PersistentVolumeClaim) -> bool {
    phase_of(volume) == "Available" && storage::suits(volume, &object.meta.labels, claim)
}

fn phase_of(volume: &PersistentVolume) -> &str {
    volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Says something about an object, each time that it is looked at: equal events are counted.
fn say(warning: bool, object: &Object, reason: &'static str, message: impl Into<Text>) -> EventDraft {
    match warning {
        true => EventDraft::warning(&object.meta, VolumeBinder::NAME, reason, message),
        false => EventDraft::normal(&object.meta, VolumeBinder::NAME, reason, message),
    }
}

/// A claim concerns the volumes that are reserved for it, and the one that it names.
fn volumes_of_claim(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    keys.extend(snapshot.volumes_for_claim(&meta.namespace, &meta.name).map(|volume| volume.meta.uid));
    let named = change.object.typed().and_then(storage::volume_name);
    keys.extend(named.and_then(|name| snapshot.find(kind::PERSISTENT_VOLUME, "", name)).map(|volume| volume.meta.uid));
}

/// A volume concerns the claims that name it, the one that it is reserved for, and, while it is free, those that it
/// suits.
fn claims_of_volume(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let object = &change.object;
    keys.extend(snapshot.claims_on_volume(&object.meta.name).map(|claim| claim.meta.uid));
    let Some(volume) = object.typed::<PersistentVolume>() else { return };
    if let Some(reference) = storage::claim_ref(volume) {
        let claim = snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, reference.namespace, reference.name);
        keys.extend(claim.map(|claim| claim.meta.uid));
        return;
    }
    if phase_of(volume) != "Available" || change.after().is_none() {
        return;
    }
    let open = snapshot.open_claims(storage::class_of_volume(volume));
    let suited = open.filter(|claim| claim.typed().is_some_and(|claim| is_for(volume, object, claim)));
    keys.extend(suited.map(|claim| claim.meta.uid));
}

/// A class concerns the open claims that ask for it; one that is new or changed may be the default.
fn claims_of_class(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    keys.extend(snapshot.open_claims(&change.object.meta.name).map(|claim| claim.meta.uid));
    if change.after().is_some() {
        let undecided =
            snapshot.open_claims("").filter(|claim| claim.typed().is_some_and(storage::has_no_say_in_class));
        keys.extend(undecided.map(|claim| claim.meta.uid));
    }
}
