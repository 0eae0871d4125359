//! The claims of a pod, made from `volumeClaimTemplates`: they outlive it, and its successor finds them by their names.
//!
//! Who owns a claim says when it goes (`persistentVolumeClaimRetentionPolicy`): with the set, with the pod that is scaled
//! away, or, without either, never. A claim that another object controls, or that an earlier object of the same name still
//! owns, is left alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, PodSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::identity::{self, Ordinal};
use super::places::{Replica, Way};
use super::{Observed, StatefulSetController, Verb, Work};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Keys, MetaEdit, Target};
use crate::object::{kind, storage};
use crate::store::{Change, Draft, EventDraft, Meta, Object, Owners, Snapshot};

/// A claim of one ordinal: which template it is of, and the claim itself where it is there.
#[derive(Debug)]
pub(super) struct HeldClaim<'w> {
    template: &'w PersistentVolumeClaim,
    name: String,
    object: Option<&'w Arc<Object>>,
}

/// The claims of an ordinal.
pub(super) fn held<'w>(snapshot: &'w Snapshot, observed: &Observed<'w>, ordinal: Ordinal) -> Vec<HeldClaim<'w>> {
    let namespace = &observed.object.meta.namespace;
    let templates = observed.claim_templates().iter();
    templates
        .map(|template| {
            let name = claim_name(observed, template, ordinal);
            let object = snapshot.find(kind::PERSISTENT_VOLUME_CLAIM, namespace, &name);
            HeldClaim { template, name, object }
        })
        .collect()
}

fn template_name(template: &PersistentVolumeClaim) -> &str {
    template.metadata.name.as_deref().unwrap_or_default()
}

fn claim_name(observed: &Observed<'_>, template: &PersistentVolumeClaim, ordinal: Ordinal) -> String {
    format!("{}-{}-{ordinal}", template_name(template), observed.object.meta.name)
}

/// Puts the claims of an ordinal in the place of the template's volumes of the same names.
pub(super) fn mount(observed: &Observed<'_>, ordinal: Ordinal, spec: &mut PodSpec) {
    let templates = observed.claim_templates();
    let volume = |template: &PersistentVolumeClaim| Volume {
        name: template_name(template).to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(observed, template, ordinal),
            read_only: None,
        }),
        ..Volume::default()
    };
    let mut volumes: Vec<Volume> = templates.iter().map(volume).collect();
    let replaced = |volume: &Volume| templates.iter().any(|template| template_name(template) == volume.name);
    volumes.extend(spec.volumes.take().unwrap_or_default().into_iter().filter(|volume| !replaced(volume)));
    spec.volumes = Some(volumes);
}

/// Whether a pod mounts the claims of its ordinal. One that was adopted may not, and a pod's volumes never change.
pub(super) fn are_mounted(observed: &Observed<'_>, replica: &Replica<'_>) -> bool {
    let volumes = replica.pod.pod().and_then(|pod| pod.spec.volumes.as_deref()).unwrap_or_default();
    observed.claim_templates().iter().all(|template| {
        let volume = volumes.iter().find(|volume| volume.name == template_name(template));
        let source = volume.and_then(|volume| volume.persistent_volume_claim.as_ref());
        source.is_some_and(|source| source.claim_name == claim_name(observed, template, replica.ordinal))
    })
}

/// Why the pod of an ordinal cannot be made yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InTheWay<'c> {
    /// A claim that goes with an earlier pod of the name.
    Stale(&'c str),
    /// Claims that are on their way out: one at least.
    Going(Vec<&'c str>),
}

pub(super) fn in_the_way<'c>(
    observed: &Observed<'_>,
    ordinal: Ordinal,
    claims: &'c [HeldClaim<'_>],
) -> Option<InTheWay<'c>> {
    let pod = identity::pod_name(&observed.object.meta, ordinal);
    let is_stale = |claim: &Object| {
        Policy::of(observed.spec()).when_scaled == Retention::Delete
            && claim.meta.owners.iter().any(|owner| owner.kind == "Pod" && owner.name == pod)
    };
    let stale = claims.iter().find(|claim| claim.object.is_some_and(|claim| is_stale(claim)));
    if let Some(claim) = stale {
        return Some(InTheWay::Stale(&claim.name));
    }
    let going = claims.iter().filter(|claim| claim.object.is_some_and(|claim| claim.meta.is_deleting()));
    let going: Vec<&str> = going.map(|claim| claim.name.as_str()).collect();
    (!going.is_empty()).then_some(InTheWay::Going(going))
}

/// Makes the claims of an ordinal that are not there.
pub(super) fn create_missing(work: &mut Work<'_, '_>, ordinal: Ordinal, claims: &[HeldClaim<'_>]) {
    let observed = work.observed;
    let pod = identity::pod_name(&observed.object.meta, ordinal);
    for claim in claims.iter().filter(|claim| claim.object.is_none()) {
        let mut made = claim.template.clone();
        made.metadata.name = Some(claim.name.clone());
        made.metadata.namespace = Some(observed.object.meta.namespace.to_string());
        let labels = observed.spec().selector.match_labels.clone().unwrap_or_default();
        made.metadata.labels.get_or_insert_default().extend(labels);
        // The set owns from the start what goes with it: a plan cut short leaves no claim that nobody would delete.
        made.metadata.owner_references = match Policy::of(observed.spec()).owner(true) {
            Owner::Set => Some(vec![controller_reference(&observed.object.meta)]),
            Owner::Pod | Owner::Nobody => None,
        };
        made.status = None;
        work.plan.push(Action::Create { draft: Box::new(Draft::of(made)), announce: None });
        work.emit(observed.event(Verb::Create, &claim.name, &pod));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retention {
    Retain,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    when_deleted: Retention,
    when_scaled: Retention,
}

/// Whose going takes a claim along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Set,
    Pod,
}

impl Policy {
    fn of(spec: &StatefulSetSpec) -> Self {
        let policy = spec.persistent_volume_claim_retention_policy.as_ref();
        let read = |text: Option<&String>| match text.map(String::as_str) {
            Some("Delete") => Retention::Delete,
            _ => Retention::Retain,
        };
        Self {
            when_deleted: read(policy.and_then(|policy| policy.when_deleted.as_ref())),
            when_scaled: read(policy.and_then(|policy| policy.when_scaled.as_ref())),
        }
    }

    /// The owner of a claim whose ordinal is wanted, or not.
    const fn owner(self, is_wanted: bool) -> Owner {
        match (self.when_scaled, self.when_deleted, is_wanted) {
            (Retention::Delete, _, false) => Owner::Pod,
            (_, Retention::Delete, true) | (Retention::Retain, Retention::Delete, false) => Owner::Set,
            (_, Retention::Retain, true) | (Retention::Retain, Retention::Retain, false) => Owner::Nobody,
        }
    }
}

/// Gives the claims of an ordinal the owners that the policy says; `pod` is its pod, once there is one. Says whether there
/// was something to do.
pub(super) fn settle_owners(
    work: &mut Work<'_, '_>,
    ordinal: Ordinal,
    pod: Option<&Meta>,
    claims: &[HeldClaim<'_>],
) -> bool {
    let observed = work.observed;
    let set = &observed.object.meta;
    let owner = Policy::of(observed.spec()).owner(observed.is_wanted(ordinal));
    let kinship = Kinship { set, pod, pod_name: identity::pod_name(set, ordinal) };
    let mut changed = false;
    for claim in claims.iter().filter_map(|claim| claim.object) {
        if kinship.is_right(claim, owner) {
            continue;
        }
        changed = true;
        let conflicts = kinship.has_other_controller(claim);
        if conflicts {
            let message = format!(
                "PersistentVolumeClaim {} has a conflicting OwnerReference that acts as a managing controller, the \
                 retention policy is ignored for this claim",
                claim.meta.name
            );
            work.emit(EventDraft::warning(set, StatefulSetController::NAME, "ConflictingController", message));
        }
        let mut owners: Vec<OwnerReference> =
            claim.meta.owners.iter().filter(|reference| !kinship.is_ours(reference)).cloned().collect();
        let added = match owner {
            Owner::Set => Some(set),
            Owner::Pod => pod,
            Owner::Nobody => None,
        };
        owners.extend(added.filter(|_| !conflicts).map(controller_reference));
        let edit = MetaEdit { owners: Some(owners), ..MetaEdit::default() };
        work.plan.push(Action::EditMeta { target: Target::seen(claim), edit });
    }
    changed
}

/// The set and the pod of a claim, to be found among its owners.
struct Kinship<'a> {
    set: &'a Meta,
    pod: Option<&'a Meta>,
    pod_name: String,
}

impl Kinship<'_> {
    /// Whether a reference speaks of the set or the pod by kind and name.
    fn is_ours(&self, owner: &OwnerReference) -> bool {
        (owner.kind == "StatefulSet" && owner.name == *self.set.name)
            || (owner.kind == "Pod" && owner.name == self.pod_name)
    }

    /// Whether it is the very set or pod, not an earlier one of the same name.
    fn is_current(&self, owner: &OwnerReference) -> bool {
        is(owner, self.set) || self.pod.is_some_and(|pod| is(owner, pod))
    }

    fn has_other_controller(&self, claim: &Object) -> bool {
        claim.meta.owners.iter().any(|owner| !self.is_current(owner) && owner.controller == Some(true))
    }

    fn is_right(&self, claim: &Object, wanted: Owner) -> bool {
        let owners = &claim.meta.owners;
        if claim.meta.is_deleting() || owners.iter().any(|owner| self.is_ours(owner) && !self.is_current(owner)) {
            // It goes, or the garbage collector will see to it.
            return true;
        }
        if self.has_other_controller(claim) {
            return !owners.iter().any(|owner| self.is_current(owner));
        }
        if owners.iter().any(|owner| self.is_current(owner) && owner.controller != Some(true)) {
            return false;
        }
        let owned_by = |meta: &Meta| owners.iter().any(|owner| is(owner, meta));
        owned_by(self.set) == (wanted == Owner::Set)
            && self.pod.is_some_and(owned_by) == (wanted == Owner::Pod && self.pod.is_some())
    }
}

fn is(owner: &OwnerReference, meta: &Meta) -> bool {
    owner.uid == meta.uid.to_string()
}

/// The sets whose pods may use a claim of this name.
pub(super) fn sets_of_claim(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    for place in storage::places_of_claim(&meta.name) {
        let Some(object) = snapshot.find(kind::STATEFUL_SET, &meta.namespace, place.set) else { continue };
        let spec = object.typed::<StatefulSet>().map(|set| &set.spec);
        let templates = spec.and_then(|spec| spec.volume_claim_templates.as_deref()).unwrap_or_default();
        if templates.iter().any(|each| template_name(each) == place.template) {
            keys.push(object.meta.uid);
        }
    }
}

/// The ordinals of claims whose owners may not be those that the policy says for wanted ordinals.
pub(super) fn doubtful(snapshot: &Snapshot, set: &Meta, spec: &StatefulSetSpec) -> BTreeSet<Ordinal> {
    let templates = spec.volume_claim_templates.as_deref().unwrap_or_default();
    if templates.is_empty() {
        return BTreeSet::new();
    }
    // The owner that is right for a wanted ordinal is the set, or nobody.
    let doubtful = match Policy::of(spec).owner(true) {
        Owner::Set => [Owners::Nobody, Owners::Others],
        Owner::Nobody | Owner::Pod => [Owners::Set, Owners::Others],
    };
    let claims = doubtful.into_iter().flat_map(|owners| snapshot.claims_of_set(&set.namespace, &set.name, owners));
    let places = claims.flat_map(|claim| storage::places_of_claim(&claim.meta.name));
    let is_ours = |place: &storage::PlaceOfClaim<'_>| {
        *place.set == *set.name && templates.iter().any(|template| template_name(template) == place.template)
    };
    places.filter(is_ours).map(|place| Ordinal::new(place.ordinal)).collect()
}

/// The ordinals that are not wanted, and whose claims may not have the owners that they shall have, the highest first.
pub(super) fn condemned_to_settle(observed: &Observed<'_>) -> Vec<Ordinal> {
    if observed.claim_templates().is_empty() {
        return Vec::new();
    }
    match Policy::of(observed.spec()).owner(false) {
        // Each claim has a pod of its own.
        Owner::Pod => observed.places.condemned(Way::Down, &[], |_| true).collect(),
        // The same as for those that are wanted.
        Owner::Set | Owner::Nobody => {
            observed.doubtful.iter().rev().copied().filter(|ordinal| !observed.is_wanted(*ordinal)).collect()
        }
    }
}
