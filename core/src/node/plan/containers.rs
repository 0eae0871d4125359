//! Keeps the containers of a pod as its spec wants them: init containers one after another, sidecars from their place in
//! that order on, all others at once, each restarted as the policy says.

use super::{PodPlan, View, WaitingOn, launch, resize, stop};
use crate::node::events::SHOWN_AFTER;
use crate::node::probes::{self, HookAction};
use crate::node::restart;
use crate::node::work::{Flight, PodWork, Slot, SlotStep, SpecRef, StopReason};
use crate::runtime::{Call, ContainerKind, ProbePurpose};
use crate::store::EventType;

use super::Action;

/// A postStart hook has no limit of its own upstream; this one only keeps a runtime from waiting for ever.
const HOOK_LIMIT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

pub(super) fn keep(view: &View<'_>, plan: &mut PodPlan) {
    for (place, slot) in slots_of(view.work, ContainerKind::Ephemeral) {
        // One that has ended stays so.
        if slot.exit().is_none() && !slot.is_running() {
            launch::launch(view, plan, place);
        }
    }
    if !initialize(view, plan) {
        return;
    }
    for (place, slot) in slots_of(view.work, ContainerKind::Regular) {
        keep_one(view, plan, place, slot);
    }
}

pub(super) fn slots_of(work: &PodWork, kind: ContainerKind) -> impl Iterator<Item = (u16, &Slot)> {
    (0_u16..).zip(&work.slots).filter(move |(_, slot)| slot.kind == kind)
}

/// Whether a regular container was begun in this sandbox: the init containers are over then.
pub(in crate::node) fn mains_begun(work: &PodWork) -> bool {
    slots_of(work, ContainerKind::Regular).any(|(_, slot)| slot.current.is_some() || slot.step != SlotStep::Idle)
}

/// Runs the init containers in order. True once the regular ones may start.
fn initialize(view: &View<'_>, plan: &mut PodPlan) -> bool {
    let begun = mains_begun(view.work);
    for (place, slot) in slots_of(view.work, ContainerKind::Init) {
        if slot.is_sidecar(&view.work.spec) {
            keep_one(view, plan, place, slot);
            let is_up = slot.is_running() && slot.started;
            if !begun && !is_up {
                plan.wait(WaitingOn::InitContainer);
                return false;
            }
        } else if !begun && slot.exit().is_none_or(|exit| exit.exit_code != 0) {
            keep_one(view, plan, place, slot);
            plan.wait(WaitingOn::InitContainer);
            return false;
        }
    }
    true
}

/// One container that shall run, or shall have run.
fn keep_one(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot) {
    let Some(spec) = slot.spec(&view.work.spec) else { return };
    if slot.is_running() {
        supervise(view, plan, place, slot, spec);
    } else if let Some(exit) = slot.exit() {
        if !restart::is_wanted(view.work, slot, exit.exit_code) {
            return;
        }
        if let Some(until) = restart::held_until(slot, exit, view.now) {
            wait_for_restart(view, plan, place, slot, until);
        } else {
            launch::launch(view, plan, place);
        }
    } else {
        launch::launch(view, plan, place);
    }
}

/// The delay before a restart is shown a moment after the exit, so that the exit itself can be seen first.
fn wait_for_restart(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, until: crate::time::Time) {
    plan.wait(WaitingOn::Backoff);
    plan.wake(until);
    let Some(finished) = slot.exit().and_then(|exit| exit.finished_at) else { return };
    if slot.extra.as_ref().is_some_and(|extra| extra.announced == Some(finished)) {
        return;
    }
    let show_at = finished + SHOWN_AFTER;
    if show_at > view.now {
        plan.wake(show_at);
        return;
    }
    let name = slot.spec(&view.work.spec).map_or("", SpecRef::name);
    let text =
        format!("Back-off restarting failed container {name} in pod {}", restart::pod_title(&view.work.identity));
    plan.note(Some(place), EventType::Warning, "BackOff", text);
    plan.actions.push(Action::Announce(place, finished));
}

/// Starts the postStart hook of a container that has just been started.
fn post_start(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, spec: SpecRef<'_>) {
    plan.wait(WaitingOn::Containers);
    let handler = spec.lifecycle().and_then(|lifecycle| lifecycle.post_start.as_ref());
    let (Some(handler), Some(seen), Some(sandbox)) = (handler, &slot.current, &view.work.sandbox) else { return };
    match probes::hook_of(handler, spec.ports()) {
        Ok(HookAction::Sleep(time)) => {
            plan.wake(view.now + time);
            plan.actions.push(Action::SleepHook(place, view.now + time, SlotStep::PostStart));
        }
        Ok(HookAction::Act(action)) => {
            let call = view.probe((&sandbox.id, &seen.id), action, HOOK_LIMIT, ProbePurpose::Hook);
            plan.call(Flight::PostStart(place), call);
        }
        Err(wrong) => plan.actions.push(Action::HookBroken(place, wrong.into())),
    }
}

/// A running container: hooks, probes, and reasons to stop it.
fn supervise(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, spec: SpecRef<'_>) {
    let asked = slot.extra.as_ref().and_then(|extra| extra.stop);
    let changed = slot.current.as_ref().is_some_and(|seen| *seen.image != *spec.image());
    let changed = changed.then_some(StopReason::Definition);
    let reason = asked.or(changed).or_else(|| resize::needs_restart(view, slot).then_some(StopReason::Resize));
    if let Some(reason) = reason {
        stop::stop_for(view, plan, place, slot, reason);
        return;
    }
    match slot.step {
        SlotStep::Idle if slot.extra.as_ref().is_some_and(|extra| extra.post_start_due) => {
            return post_start(view, plan, place, slot, spec);
        }
        SlotStep::Idle => {}
        SlotStep::Stopped => {
            if let Some(seen) = &slot.current {
                plan.call(Flight::Look(place), Call::ContainerStatus(seen.id.clone()));
            }
            return plan.wait(WaitingOn::Containers);
        }
        SlotStep::PostStart => {
            if let Some(until) = slot.extra.as_ref().and_then(|extra| extra.hook_until) {
                if until <= view.now {
                    plan.actions.push(Action::HookOver(place));
                } else {
                    plan.wake(until);
                }
            }
            plan.wait(WaitingOn::Containers);
            return;
        }
        _ => return plan.wait(WaitingOn::Containers),
    }
    let (Some(probes), Some(seen)) = (&slot.probes, &slot.current) else { return };
    let Some(sandbox) = &view.work.sandbox else { return };
    for purpose in probes.due(slot.started, view.now) {
        let Some(probe) = spec.probe(purpose) else { continue };
        match probes::action_of(probe, spec.ports()) {
            Ok(action) => {
                let call = view.probe((&sandbox.id, &seen.id), action, probes::timeout_of(probe), purpose);
                plan.call(Flight::Probe(place, purpose), call);
            }
            Err(wrong) => plan.actions.push(Action::ProbeBroken(place, purpose, wrong.into())),
        }
    }
    let in_flight_aside = probes.next_at(slot.started).filter(|at| *at > view.now);
    if let Some(at) = in_flight_aside {
        plan.wake(at);
    }
    if !slot.started || (!slot.ready && probes.has(ProbePurpose::Readiness)) {
        plan.wait(WaitingOn::Containers);
    }
}
