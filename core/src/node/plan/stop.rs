//! Stops containers, and whole pods: regular containers at once, then sidecars in reverse order, then what is left.
//!
//! The grace is one for the whole pod: a preStop hook and each sidecar eat from what remains of it.

use std::time::Duration;

use super::{Action, PodPlan, View, WaitingOn, stop_text};
use crate::node::probes::{self, HookAction};
use crate::node::work::{Flight, Note, PodStep, Slot, SlotStep, SpecRef, Stage, StopReason, Volumes};
use crate::runtime::{Call, ProbePurpose};
use crate::store::EventType;
use crate::time::Time;

/// What a container gets at least after its preStop hook has used up the grace.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// `terminationGracePeriodSeconds` when the spec does not say.
const DEFAULT_GRACE_SECS: i64 = 30;
/// How long an unanswered start may hold up the removal of its sandbox, after the grace.
const PATIENCE: Duration = Duration::from_secs(10);

/// Brings a pod's containers to an end, then gives back what it held.
pub(super) fn stop_pod(view: &View<'_>, plan: &mut PodPlan) {
    let kill_by = kill_by(view, plan);
    if stop_containers(view, plan, kill_by) {
        plan.wait(WaitingOn::Termination);
    } else {
        give_back(view, plan);
    }
}

/// A negative grace means one second, as upstream has it.
fn seconds(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(1))
}

/// When the containers must have stopped. A deletion with less grace shortens what was set before.
fn kill_by(view: &View<'_>, plan: &mut PodPlan) -> Time {
    let verdict = view.work.transient.as_ref().and_then(|transient| transient.verdict.as_ref());
    let spec_grace = || seconds(view.work.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECS));
    let own_grace = verdict.and_then(|verdict| verdict.grace).unwrap_or_else(spec_grace);
    let deletion = view.object.and_then(|object| object.meta.deletion);
    let asked = deletion.and_then(|deletion| deletion.grace_seconds).map(|grace| seconds(grace.max(1)));
    let set = view.work.transient.as_ref().and_then(|transient| transient.kill_by);
    let wanted = match (set, asked) {
        (None, asked) => view.now + asked.unwrap_or(own_grace),
        (Some(set), Some(_)) => deletion.map_or(set, |deletion| set.min(deletion.at.max(view.now))),
        (Some(set), None) => set,
    };
    if set != Some(wanted) && view.work.any_running() {
        plan.actions.push(Action::KillBy(wanted));
    }
    wanted
}

/// True while there is something to wait for.
fn stop_containers(view: &View<'_>, plan: &mut PodPlan, kill_by: Time) -> bool {
    let spec = &view.work.spec;
    let mut waiting = false;
    for (place, slot) in (0_u16..).zip(&view.work.slots).filter(|(_, slot)| !slot.is_sidecar(spec)) {
        waiting |= stop_one(view, plan, place, slot, kill_by);
    }
    if waiting {
        return true;
    }
    let sidecars = (0_u16..).zip(&view.work.slots).filter(|(_, slot)| slot.is_sidecar(spec));
    let mut sidecars: smallvec::SmallVec<[_; 4]> = sidecars.collect();
    sidecars.reverse();
    sidecars.into_iter().any(|(place, slot)| stop_one(view, plan, place, slot, kill_by))
}

/// True while the container may still run.
fn stop_one(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, kill_by: Time) -> bool {
    if slot.is_running() {
        stop_container(view, plan, place, slot, kill_by, None);
        return true;
    }
    match slot.step {
        SlotStep::Creating | SlotStep::Starting if view.now < kill_by + PATIENCE => {
            plan.wake(kill_by + PATIENCE);
            true
        }
        SlotStep::Creating | SlotStep::Starting => {
            plan.actions.push(Action::GiveUp(place));
            true
        }
        _ => false,
    }
}

/// Stops one container while its pod goes on.
pub(super) fn stop_for(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, reason: StopReason) {
    let probe = match reason {
        StopReason::Liveness => Some(ProbePurpose::Liveness),
        StopReason::Startup => Some(ProbePurpose::Startup),
        StopReason::Definition | StopReason::Resize | StopReason::PostStart => None,
    };
    let own = probe
        .and_then(|purpose| slot.spec(&view.work.spec)?.probe(purpose))
        .and_then(|probe| probe.termination_grace_period_seconds);
    if slot.extra.as_ref().is_none_or(|extra| extra.stop != Some(reason)) {
        plan.actions.push(Action::Mark(place, reason));
    }
    let grace = own.or(view.work.spec.termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE_SECS);
    stop_container(view, plan, place, slot, view.now + seconds(grace), Some(reason));
    plan.wait(WaitingOn::Containers);
}

fn stop_container(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, by: Time, reason: Option<StopReason>) {
    let (Some(seen), Some(spec)) = (&slot.current, slot.spec(&view.work.spec)) else { return };
    let extra = slot.extra.as_deref();
    let pre_stopped = extra.is_some_and(|extra| extra.pre_stopped);
    let stop_by = extra.and_then(|extra| extra.stop_by);
    match slot.step {
        SlotStep::Stopped => return plan.call(Flight::Look(place), Call::ContainerStatus(seen.id.clone())),
        SlotStep::Looking => return,
        SlotStep::Stopping if stop_by.is_none_or(|earlier| earlier <= by) || reason.is_some() => return,
        SlotStep::PreStop => {
            let until = extra.and_then(|extra| extra.hook_until).map_or(by, |until| until.min(by));
            if view.now < until {
                plan.wake(until);
                return;
            }
        }
        SlotStep::Idle => {
            if let Some(retry_at) = extra.and_then(|extra| extra.failure.as_ref()).map(|failure| failure.retry_at)
                && retry_at > view.now
                && stop_by.is_some()
            {
                plan.wake(retry_at);
                return;
            }
            if stop_by.is_none() && !pre_stopped {
                plan.notes.push(stop_note(place, spec.name(), reason));
            }
            if !pre_stopped && by > view.now && pre_stop(view, plan, place, slot, spec, by) {
                return;
            }
        }
        _ => {}
    }
    let left = by.since(view.now);
    let grace = if pre_stopped || slot.step == SlotStep::PreStop { left.max(LEAST_GRACE) } else { left };
    plan.call(Flight::Stop(place), Call::StopContainer(seen.id.clone(), grace));
}

/// The event of a container that is stopped.
fn stop_note(place: u16, name: &str, reason: Option<StopReason>) -> Note {
    let message = match reason {
        None => format!("Stopping container {name}"),
        Some(reason) => stop_text(name, reason),
    };
    Note { slot: Some(place), event_type: EventType::Normal, reason: "Killing", message: message.into() }
}

/// Starts the preStop hook where there is one. True when it has to be waited for.
fn pre_stop(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, spec: SpecRef<'_>, by: Time) -> bool {
    let Some(handler) = spec.lifecycle().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) else { return false };
    let (Some(seen), Some(sandbox)) = (&slot.current, &view.work.sandbox) else { return false };
    match probes::hook_of(handler, spec.ports()) {
        Ok(HookAction::Sleep(time)) => {
            let until = (view.now + time).min(by);
            plan.wake(until);
            plan.actions.push(Action::SleepHook(place, until, SlotStep::PreStop));
            true
        }
        Ok(HookAction::Act(action)) => {
            let call = view.probe((&sandbox.id, &seen.id), action, by.since(view.now), ProbePurpose::Hook);
            plan.wake(by);
            plan.call(Flight::PreStop(place), call);
            true
        }
        Err(wrong) => {
            plan.note(Some(place), EventType::Warning, "FailedPreStopHook", format!("PreStopHook failed: {wrong}"));
            false
        }
    }
}

/// With all containers stopped: the sandbox, the claims for devices and the volumes, and at last the object.
fn give_back(view: &View<'_>, plan: &mut PodPlan) {
    let work = view.work;
    let gone = view.object.is_none();
    let deleting = view.object.is_some_and(|object| object.meta.is_deleting());
    if work.step != PodStep::Idle {
        return plan.wait(WaitingOn::Sandbox);
    }
    // What is being prepared could come to be after it was removed.
    if work.is_preparing() {
        return plan.wait(WaitingOn::Volumes);
    }
    if let Some(retry_at) = work.transient.as_ref().and_then(|transient| transient.retry_at)
        && retry_at > view.now
    {
        plan.wait(WaitingOn::Backoff);
        return plan.wake(retry_at);
    }
    match &work.sandbox {
        Some(sandbox) if gone || deleting => {
            plan.wait(WaitingOn::Sandbox);
            plan.call(Flight::RemoveSandbox, Call::RemovePodSandbox(sandbox.id.clone()));
        }
        Some(sandbox) if sandbox.ready => {
            plan.wait(WaitingOn::Sandbox);
            plan.call(Flight::StopSandbox, Call::StopPodSandbox(sandbox.id.clone()));
        }
        // Of all that a pod has this goes with its end, not with its object: others may be given the devices once it is told.
        _ if work.has_claims() => {
            plan.wait(WaitingOn::Claims);
            plan.call(Flight::ReleaseClaims, Call::ReleaseClaims(work.identity.clone()));
        }
        _ if (gone || deleting) && work.volumes != Volumes::Absent => {
            plan.wait(WaitingOn::Volumes);
            plan.call(Flight::RemoveVolumes, Call::RemoveVolumes(work.identity.clone()));
        }
        _ if gone || work.stage == Stage::Gone => plan.actions.push(Action::Forget),
        _ if deleting => {
            let last_said =
                view.object.and_then(|object| object.meta.deletion).and_then(|deletion| deletion.grace_seconds);
            if last_said != Some(0) {
                plan.actions.push(Action::Finish);
            }
        }
        _ => {}
    }
}
