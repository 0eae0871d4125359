//! Permission: what the admission plugins that only judge say of an object that is complete and valid.
//!
//! In upstream's order: `LimitRanger` (pods on creation, claims always), `Priority` (one default class at most),
//! `PersistentVolumeClaimResize`, `CertificateSubjectRestriction`, `NodeDeclaredFeatureValidator` (a resize). Who approves and signs
//! certificates is judged in the store, which knows who asks (`core/src/store/signers.rs`). `ResourceQuota` comes last, and
//! is the store's: it goes by an index (`core/src/store/charge.rs`).

pub(crate) mod admin_access;
mod certificate_subject;
mod claim_resize;
mod limits;
mod resize;

use std::any::Any;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::kind::TypedObject;
use super::mutate::{Refusal, Surroundings, all};
use super::prepare::PodPart;

/// Judges an object that is about to be created.
///
/// # Errors
/// The first refusal.
pub fn on_create(object: &dyn TypedObject, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let object: &dyn Any = object.as_any();
    if let Some(pod) = object.downcast_ref::<Pod>() {
        limits::pod(pod, around)
    } else if let Some(claim) = object.downcast_ref::<PersistentVolumeClaim>() {
        limits::claim(claim, around)
    } else if let Some(class) = object.downcast_ref::<PriorityClass>() {
        only_default(class, around)
    } else if let Some(request) = object.downcast_ref::<CertificateSigningRequest>() {
        certificate_subject::request(request)
    } else {
        Ok(())
    }
}

/// Judges an object that is about to replace `old`.
///
/// # Errors
/// The first refusal.
pub fn on_update(
    object: &dyn TypedObject,
    old: &dyn TypedObject,
    around: &(impl Surroundings + ?Sized),
) -> Result<(), Refusal> {
    if let Some(claim) = object.as_any().downcast_ref::<PersistentVolumeClaim>() {
        if claim.metadata.deletion_timestamp.is_none() {
            limits::claim(claim, around)?;
        }
        let old = old.as_any().downcast_ref::<PersistentVolumeClaim>();
        old.map_or(Ok(()), |old| claim_resize::may_grow(old, claim, around))
    } else if let Some(class) = object.as_any().downcast_ref::<PriorityClass>() {
        only_default(class, around)
    } else {
        Ok(())
    }
}

/// Judges a pod that is about to bring another part to `old`.
///
/// # Errors
/// The first refusal.
pub fn on_pod_part_update(
    object: &dyn TypedObject,
    old: &dyn TypedObject,
    part: PodPart,
    around: &(impl Surroundings + ?Sized),
) -> Result<(), Refusal> {
    let pods = (object.as_any().downcast_ref::<Pod>(), old.as_any().downcast_ref::<Pod>());
    match (part, pods) {
        (PodPart::Resources, (Some(pod), Some(old))) => {
            limits::pod(pod, around)?;
            resize::can_follow(pod, old, around)
        }
        (PodPart::EphemeralContainers | PodPart::Resources, _) => Ok(()),
    }
}

/// There is one default class of priority at most.
fn only_default(class: &PriorityClass, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    if class.global_default != Some(true) {
        return Ok(());
    }
    let classes = all::<PriorityClass>(around, "");
    let mut others = classes.iter().filter(|other| other.metadata.name != class.metadata.name);
    match others.find(|other| other.global_default == Some(true)) {
        None => Ok(()),
        Some(other) => {
            let name = other.metadata.name.as_deref().unwrap_or_default();
            let text = format!("PriorityClass {name} is already marked as default. Only one default can exist");
            Err(Refusal(text))
        }
    }
}
