//! The phase of a pod: the sum of its containers (upstream's `getPhase`).

use crate::node::plan::{View, mains_begun};
use crate::node::restart;
use crate::node::work::{PodWork, SeenPhase, Slot, SlotStep, Stage};
use crate::runtime::ContainerKind;
use crate::store::{PodBody, PodPhase};

/// The phase that the containers alone make.
fn of_containers(work: &PodWork, ending: bool) -> PodPhase {
    if !mains_begun(work) {
        match of_init_containers(work) {
            Some(PodPhase::Failed) => return PodPhase::Failed,
            Some(phase) if !ending => return phase,
            Some(_) | None => {}
        }
    }
    let (mut running, mut waiting, mut stopped, mut succeeded, mut restarting) = (0, 0, 0, 0, 0);
    for slot in work.slots.iter().filter(|slot| slot.kind == ContainerKind::Regular) {
        match slot.current.as_ref().map(|seen| &seen.phase) {
            Some(SeenPhase::Running(_)) if is_shown_running(slot) => running += 1,
            Some(SeenPhase::Exited(exit)) => {
                stopped += 1;
                succeeded += i32::from(exit.exit_code == 0);
                restarting += i32::from(restart::is_wanted(work, slot, exit.exit_code));
            }
            Some(SeenPhase::Created | SeenPhase::Running(_)) | None => match &slot.past {
                // The next instance is on its way, whatever the policy says of the one before.
                Some(past) => {
                    stopped += 1;
                    succeeded += i32::from(past.exit.exit_code == 0);
                    restarting += 1;
                }
                None => waiting += 1,
            },
        }
    }
    if waiting > 0 {
        PodPhase::Pending
    } else if running > 0 || (restarting > 0 && !ending) {
        PodPhase::Running
    } else if stopped > 0 && stopped == succeeded {
        PodPhase::Succeeded
    } else if stopped > 0 {
        PodPhase::Failed
    } else {
        PodPhase::Pending
    }
}

/// `None` once they are all done.
fn of_init_containers(work: &PodWork) -> Option<PodPhase> {
    for slot in work.slots.iter().filter(|slot| slot.kind == ContainerKind::Init) {
        match slot.exit() {
            Some(exit) if exit.exit_code == 0 && !slot.is_sidecar(&work.spec) => {}
            Some(exit) if !restart::is_wanted(work, slot, exit.exit_code) => return Some(PodPhase::Failed),
            Some(_) => return Some(PodPhase::Pending),
            None if slot.is_sidecar(&work.spec) && slot.is_running() && slot.started => {}
            None => return Some(PodPhase::Pending),
        }
    }
    None
}

/// A container whose postStart hook still runs has not been started, for everybody else.
pub(super) fn is_shown_running(slot: &Slot) -> bool {
    slot.is_running() && slot.step != SlotStep::PostStart
}

/// Whether the containers have all ended for good by themselves; sidecars may still run.
pub(in crate::node) fn is_complete(view: &View<'_>) -> bool {
    view.work.stage == Stage::Active
        && matches!(of_containers(view.work, false), PodPhase::Succeeded | PodPhase::Failed)
}

/// The phase to show. A pod whose containers may still run, or that has not given back its claims for devices, never shows a
/// final one.
pub(super) fn phase(view: &View<'_>, pod: &PodBody, ending: bool) -> PodPhase {
    if pod.is_finished() {
        return pod.state.phase;
    }
    let of_containers = of_containers(view.work, ending);
    if !ending {
        return of_containers;
    }
    if view.work.any_running() || view.work.has_claims() {
        return match of_containers {
            PodPhase::Pending => PodPhase::Pending,
            _ => pod.state.phase.max(PodPhase::Pending).min(PodPhase::Running),
        };
    }
    match of_containers {
        _ if view.work.stage == Stage::Condemned => PodPhase::Failed,
        PodPhase::Succeeded => PodPhase::Succeeded,
        _ => PodPhase::Failed,
    }
}
