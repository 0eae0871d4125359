//! What becomes of a claim.

use std::sync::Arc;

use k8s_openapi::api::storage::v1::StorageClass;

use super::{ClaimView, Seen, bond, say};
use crate::control::{Action, MetaEdit, Plan, Target};
use crate::object::storage;
use crate::time::Time;

/// A claim that has been bound once and is not any more is lost; any other one is open.
pub(super) fn decide(view: &ClaimView<'_>, now: Time, plan: &mut Plan) {
    if view.claim.object.meta.annotations.contains_key(storage::BIND_COMPLETED) {
        return once_bound(view, now, plan);
    }
    match (storage::volume_name(view.claim.typed), &view.named) {
        (None, _) => open(view, now, plan),
        (Some(_), None) => {
            bond::leave_pending(&view.claim, plan);
            wait(plan, "the volume that it names");
        }
        (Some(_), Some(_)) => wants_one(view, now, plan),
    }
}

/// The claim names no volume: take the best, or say how it will get one.
fn open(view: &ClaimView<'_>, now: Time, plan: &mut Plan) {
    let ClaimView { claim, class, .. } = view;
    if let Some(volume) = &view.best {
        return bond::tie(volume, claim, now, plan);
    }
    if let Some(class) = view.default_class {
        let mut next = claim.typed.clone();
        next.spec.get_or_insert_default().storage_class_name.clone_from(&class.metadata.name);
        return plan.push(Action::Update {
            target: Target::seen(claim.object),
            object: Arc::new(next),
            spec_changed: true,
        });
    }
    let asked = storage::class_of_claim(claim.typed);
    let is_delayed = class.is_some_and(storage::waits_for_consumer);
    if is_delayed && !claim.object.meta.annotations.contains_key(storage::SELECTED_NODE) {
        wait_for_consumer(view, plan);
    } else if !asked.is_empty() {
        return provision(view, asked, plan);
    } else {
        let text = "no persistent volumes available for this claim and no storage class is set";
        plan.push(Action::Emit(Box::new(say(false, claim.object, "FailedBinding", text))));
        wait(plan, "a volume that suits it");
    }
    bond::leave_pending(claim, plan);
}

fn wait_for_consumer(view: &ClaimView<'_>, plan: &mut Plan) {
    let object = view.claim.object;
    let event = match view.waiting_pods.as_slice() {
        [] => {
            let text = "waiting for first consumer to be created before binding";
            say(false, object, "WaitForFirstConsumer", text)
        }
        [pod] => say(false, object, "WaitForPodScheduled", format!("waiting for pod {pod} to be scheduled")),
        pods => {
            say(false, object, "WaitForPodScheduled", format!("waiting for pods {} to be scheduled", pods.join(",")))
        }
    };
    plan.push(Action::Emit(Box::new(event)));
    wait(plan, "the node of the pod that uses it first");
}

/// Hands the claim to whom its class names.
fn provision(view: &ClaimView<'_>, asked: &str, plan: &mut Plan) {
    let object = view.claim.object;
    let failed = |text: String| Action::Emit(Box::new(say(true, object, "ProvisioningFailed", text)));
    let Some(class) = view.class else {
        plan.push(failed(format!("storageclass.storage.k8s.io {asked:?} not found")));
        return wait(plan, "its storage class");
    };
    let provisioner = &class.provisioner;
    if provisioner.starts_with(storage::IN_TREE) {
        plan.push(failed(format!("no volume plugin matched name: {provisioner}")));
        return wait(plan, "a volume that is made by hand");
    }
    plan.actions.extend(hand_over(&view.claim, class));
    let text = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
         system administrator. If volume creation is delayed, please verify that the provisioner is running and \
         correctly registered."
    );
    plan.push(Action::Emit(Box::new(say(false, object, "ExternalProvisioning", text))));
    wait(plan, "its provisioner");
}

fn hand_over(
    claim: &Seen<'_, k8s_openapi::api::core::v1::PersistentVolumeClaim>,
    class: &StorageClass,
) -> Option<Action> {
    let meta = &claim.object.meta;
    let is_said = |key: &&str| meta.annotations.get(*key) == Some(&class.provisioner);
    if storage::STORAGE_PROVISIONER.iter().all(is_said) {
        return None;
    }
    let say = |key: &str| (key.to_owned(), Some(class.provisioner.clone()));
    let edit = MetaEdit { annotations: storage::STORAGE_PROVISIONER.map(say).to_vec(), ..MetaEdit::default() };
    Some(Action::EditMeta { target: Target::seen(claim.object), edit })
}

/// The claim names a volume that is there.
fn wants_one(view: &ClaimView<'_>, now: Time, plan: &mut Plan) {
    let (Some(volume), claim) = (&view.named, &view.claim) else { return };
    let name = &volume.object.meta.name;
    if storage::claim_ref(volume.typed).is_none() {
        return match storage::check_named(volume.typed, claim.typed) {
            Ok(()) => bond::tie(volume, claim, now, plan),
            Err(why) => {
                let text = format!("Cannot bind to requested volume {name:?}: {why}");
                plan.push(Action::Emit(Box::new(say(true, claim.object, "VolumeMismatch", text))));
                bond::leave_pending(claim, plan);
            }
        };
    }
    if storage::is_reserved_for(volume.typed, &claim.object.meta) {
        return bond::tie(volume, claim, now, plan);
    }
    let by_controller = claim.object.meta.annotations.contains_key(storage::BOUND_BY_CONTROLLER);
    let text = match by_controller {
        false => format!("volume {name:?} already bound to a different claim."),
        true => format!("volume {name:?} already bound to a different claim by controller"),
    };
    plan.push(Action::Emit(Box::new(say(true, claim.object, "FailedBinding", text))));
    if !by_controller {
        bond::leave_pending(claim, plan);
    }
    wait(plan, "a volume that another claim has");
}

/// The claim has been bound: its volume must be there and must be its own.
fn once_bound(view: &ClaimView<'_>, now: Time, plan: &mut Plan) {
    let claim = &view.claim;
    let lost =
        |plan: &mut Plan, reason, text: &'static str| bond::lose(claim, say(true, claim.object, reason, text), plan);
    if storage::volume_name(claim.typed).is_none() {
        let text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!";
        return lost(plan, "ClaimLost", text);
    }
    let Some(volume) = &view.named else {
        return lost(plan, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
    };
    let reference = storage::claim_ref(volume.typed);
    let is_ours =
        |reference: storage::ClaimRef<'_>| reference.uid.is_some_and(|uid| uid.parse() == Ok(claim.object.meta.uid));
    if reference.is_none_or(is_ours) {
        return bond::tie(volume, claim, now, plan);
    }
    lost(plan, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
}

fn wait(plan: &mut Plan, what: &str) {
    plan.waiting_on = Some(crate::control::WaitingOn::new(what));
}
