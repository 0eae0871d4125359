//! What is written on a volume and its claim when they are bound, and when the bond is undone.
//!
//! Each function writes only what is not so already: called on what is bound it writes nothing.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus};

use super::Seen;
use crate::control::{Action, Plan, Target};
use crate::object::storage;
use crate::store::EventDraft;
use crate::time::Time;

type Claim<'w> = Seen<'w, PersistentVolumeClaim>;
type Volume<'w> = Seen<'w, PersistentVolume>;

/// Binds them: the volume first.
pub(super) fn tie(volume: &Volume<'_>, claim: &Claim<'_>, now: Time, plan: &mut Plan) {
    let mut next = volume.typed.clone();
    storage::reserve(&mut next, &claim.object.meta);
    set_phase(&mut next, "Bound", None, now);
    replace_volume(volume, next, plan);

    let mut next = claim.typed.clone();
    let name = volume.object.meta.name.to_string();
    let spec = next.spec.get_or_insert_default();
    if spec.volume_name.as_ref() != Some(&name) {
        spec.volume_name = Some(name);
        annotate(&mut next.metadata.annotations, storage::BOUND_BY_CONTROLLER);
    }
    annotate(&mut next.metadata.annotations, storage::BIND_COMPLETED);
    bound_status(next.status.get_or_insert_default(), volume.typed);
    replace_claim(claim, next, plan);
}

/// What the claim says of its volume. The size is taken over once: later it is up to whoever makes the volume grow.
fn bound_status(status: &mut PersistentVolumeClaimStatus, volume: &PersistentVolume) {
    let spec = volume.spec.clone().unwrap_or_default();
    status.access_modes = spec.access_modes;
    if status.phase.as_deref() != Some("Bound") {
        status.phase = Some("Bound".to_owned());
        status.capacity = spec.capacity;
        status.current_volume_attributes_class_name = spec.volume_attributes_class_name.filter(|name| !name.is_empty());
    }
}

/// Takes the bond off a volume: it is free again, or still reserved where a person did that.
pub(super) fn untie(volume: &Volume<'_>, now: Time, plan: &mut Plan) {
    let mut next = volume.typed.clone();
    let annotations = next.metadata.annotations.get_or_insert_default();
    let by_controller = annotations.remove(storage::BOUND_BY_CONTROLLER).is_some();
    if let Some(spec) = &mut next.spec {
        match &mut spec.claim_ref {
            Some(reference) if !by_controller => reference.uid = None,
            reference => *reference = None,
        }
    }
    set_phase(&mut next, "Available", None, now);
    replace_volume(volume, next, plan);
}

/// A claim without a volume says so.
pub(super) fn leave_pending(claim: &Claim<'_>, plan: &mut Plan) {
    unbound_status(claim, "Pending", plan);
}

/// A claim that lost its volume says so, once.
pub(super) fn lose(claim: &Claim<'_>, event: EventDraft, plan: &mut Plan) {
    if unbound_status(claim, "Lost", plan) {
        plan.push(Action::Emit(Box::new(event)));
    }
}

/// True when that is news.
fn unbound_status(claim: &Claim<'_>, phase: &str, plan: &mut Plan) -> bool {
    let mut next = claim.typed.clone();
    let status = next.status.get_or_insert_default();
    let is_news = status.phase.as_deref() != Some(phase);
    status.phase = Some(phase.to_owned());
    status.access_modes = None;
    status.capacity = None;
    replace_claim(claim, next, plan);
    is_news
}

/// Gives a volume this phase. True when that is news.
pub(super) fn to_phase(volume: &Volume<'_>, phase: &str, message: Option<&str>, now: Time, plan: &mut Plan) -> bool {
    let mut next = volume.typed.clone();
    let is_news = set_phase(&mut next, phase, message, now);
    replace_volume(volume, next, plan);
    is_news
}

fn set_phase(volume: &mut PersistentVolume, phase: &str, message: Option<&str>, now: Time) -> bool {
    let status = volume.status.get_or_insert_default();
    if status.phase.as_deref() == Some(phase) {
        return false;
    }
    status.phase = Some(phase.to_owned());
    status.message = message.map(str::to_owned);
    status.last_phase_transition_time = Some(now.to_api());
    true
}

fn annotate(annotations: &mut Option<crate::store::StringMap>, key: &str) {
    annotations.get_or_insert_default().entry(key.to_owned()).or_insert_with(|| "yes".to_owned());
}

fn replace_volume(volume: &Volume<'_>, next: PersistentVolume, plan: &mut Plan) {
    if next != *volume.typed {
        let spec_changed = next.spec != volume.typed.spec;
        plan.push(Action::Update { target: Target::seen(volume.object), object: Arc::new(next), spec_changed });
    }
}

fn replace_claim(claim: &Claim<'_>, next: PersistentVolumeClaim, plan: &mut Plan) {
    if next != *claim.typed {
        let spec_changed = next.spec != claim.typed.spec;
        plan.push(Action::Update { target: Target::seen(claim.object), object: Arc::new(next), spec_changed });
    }
}
