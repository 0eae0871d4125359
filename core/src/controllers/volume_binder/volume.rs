//! What becomes of a volume.

use super::{VolumeView, bond, phase_of, say};
use crate::control::{Action, Plan, WaitingOn};
use crate::object::storage;
use crate::time::Time;

/// A volume follows the claim that it is bound to.
pub(super) fn decide(view: &VolumeView<'_>, now: Time, plan: &mut Plan) {
    let VolumeView { volume, claim } = view;
    let is_bound = storage::claim_ref(volume.typed).is_some_and(|reference| reference.uid.is_some());
    if !is_bound {
        bond::to_phase(volume, "Available", None, now, plan);
        return;
    }
    let Some(claim) = claim else { return release(view, now, plan) };
    match storage::volume_name(claim.typed) {
        Some(name) if *name == *volume.object.meta.name => {
            bond::to_phase(volume, "Bound", None, now, plan);
        }
        Some(_) if was_made_for_it(view) => release(view, now, plan),
        Some(_) => bond::untie(volume, now, plan),
        // The claim is looked at whenever its volume changes, and finishes the bond.
        None if storage::has_same_mode(volume.typed, claim.typed) => {}
        None => {
            let (name, of_claim) = (&volume.object.meta.name, &claim.object.meta.name);
            let text = format!(
                "Cannot bind PersistentVolume to requested PersistentVolumeClaim {of_claim:?} due to incompatible \
                 volumeMode."
            );
            plan.push(Action::Emit(Box::new(say(true, volume.object, "VolumeMismatch", text))));
            let text = format!(
                "Cannot bind PersistentVolume {name:?} to requested PersistentVolumeClaim due to incompatible volumeMode."
            );
            plan.push(Action::Emit(Box::new(say(true, claim.object, "VolumeMismatch", text))));
        }
    }
}

/// A volume that was made for a claim which took another one is of no use to anybody.
fn was_made_for_it(view: &VolumeView<'_>) -> bool {
    view.volume.object.meta.annotations.contains_key(storage::PROVISIONED_BY) && policy(view) == "Delete"
}

/// The claim is gone. A failure that was said stays said.
fn release(view: &VolumeView<'_>, now: Time, plan: &mut Plan) {
    let volume = &view.volume;
    let said = phase_of(volume.typed);
    let (reason, why) = match policy(view) {
        "Retain" => {
            if said != "Failed" {
                bond::to_phase(volume, "Released", None, now, plan);
            }
            plan.waiting_on = Some(WaitingOn::new("somebody who takes care of its data"));
            return;
        }
        "Recycle" => ("VolumeFailedRecycle", "No recycler plugin found for the volume!".to_owned()),
        "Delete" => match provisioner(view) {
            Some(provisioner) if !provisioner.starts_with(storage::IN_TREE) => {
                if said != "Failed" {
                    bond::to_phase(volume, "Released", None, now, plan);
                }
                plan.waiting_on = Some(WaitingOn::new(format!("{provisioner}, which removes its data")));
                return;
            }
            _ => ("VolumeFailedDelete", cannot_delete(view)),
        },
        _ => ("VolumeUnknownReclaimPolicy", "Volume has unrecognized PersistentVolumeReclaimPolicy".to_owned()),
    };
    if bond::to_phase(volume, "Failed", Some(&why), now, plan) {
        plan.push(Action::Emit(Box::new(say(true, volume.object, reason, why))));
    }
}

/// A volume that a person made has nobody here who could remove its data.
fn cannot_delete(view: &VolumeView<'_>) -> String {
    let name = &view.volume.object.meta.name;
    let host_path = view.volume.typed.spec.as_ref().and_then(|spec| spec.host_path.as_ref());
    match host_path.map(|host| &host.path).filter(|path| !path.starts_with("/tmp/")) {
        Some(path) => format!(
            "failed to create deleter for volume {name:?}: host_path deleter only supports /tmp/.+ but received \
             provided {path}"
        ),
        None => format!("error getting deleter volume plugin for volume {name:?}: no deletable volume plugin matched"),
    }
}

fn policy<'v>(view: &'v VolumeView<'_>) -> &'v str {
    let spec = view.volume.typed.spec.as_ref();
    spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain")
}

fn provisioner<'v>(view: &'v VolumeView<'_>) -> Option<&'v str> {
    view.volume.object.meta.annotations.get(storage::PROVISIONED_BY).map(String::as_str)
}
