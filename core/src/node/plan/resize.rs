//! What to do about a resize: whether the node agrees to it, and who is to be given what was agreed to.

use std::sync::Arc;

use super::{Action, PodPlan, View, WaitingOn};
use crate::node::admit::{self, Held};
use crate::node::resize::{INFEASIBLE, Pending, is_same_in, summary};
use crate::node::work::{Flight, Slot, SlotStep, SpecRef, StopReason};
use crate::runtime::{Call, ContainerResources};
use crate::store::EventType;

/// Agrees to what the pod asks for or says why not, then gives it to what runs.
pub(super) fn resize(view: &View<'_>, plan: &mut PodPlan) {
    let Some(resize) = view.work.resize() else { return };
    if let Some(wanted) = &resize.wanted {
        let generation = view.object.map_or(0, |object| object.meta.generation);
        match admit::agree(view, Held::by(wanted)) {
            Ok(()) => {
                plan.note(None, EventType::Normal, "ResizeStarted", told("started", wanted, generation, None));
                return plan.actions.push(Action::Agree(generation));
            }
            Err((reason, message)) => {
                let pending = Pending { reason, message: message.into(), generation };
                if resize.pending.as_ref() != Some(&pending) {
                    let event = if reason == INFEASIBLE { "ResizeInfeasible" } else { "ResizeDeferred" };
                    let text = told(reason, wanted, generation, Some(&pending.message));
                    plan.note(None, EventType::Warning, event, text);
                    plan.actions.push(Action::Defer(pending));
                }
            }
        }
    }
    let Some(progress) = &resize.progress else { return };
    let mut is_done = true;
    for (place, slot) in (0_u16..).zip(&view.work.slots) {
        is_done &= !is_to_be_given(slot) && !is_being_replaced(slot);
        give(view, plan, place, slot);
    }
    if is_done {
        let text = told("completed", &view.work.spec, progress.generation, None);
        plan.note(None, EventType::Normal, "ResizeCompleted", text);
        plan.actions.push(Action::Resized);
    } else {
        plan.wait(WaitingOn::Resize);
    }
}

pub(in crate::node) fn told(
    what: &str,
    spec: &k8s_openapi::api::core::v1::PodSpec,
    generation: i64,
    error: Option<&str>,
) -> String {
    format!("Pod resize {what}: {}", summary(spec, generation, error))
}

/// Whether a container has something else than was agreed to.
fn is_to_be_given(slot: &Slot) -> bool {
    slot.may_run() && slot.extra.as_ref().is_some_and(|extra| extra.actual.is_some())
}

fn is_being_replaced(slot: &Slot) -> bool {
    slot.extra.as_ref().is_some_and(|extra| extra.stop == Some(StopReason::Resize))
}

/// Whether a running container has to be restarted to get what was agreed to: the policy of a resource that changes says so.
pub(super) fn needs_restart(view: &View<'_>, slot: &Slot) -> bool {
    let Some(actual) = slot.extra.as_ref().and_then(|extra| extra.actual.as_deref()) else { return false };
    let Some(container) = slot.spec(&view.work.spec).and_then(SpecRef::container) else { return false };
    container.resize_policy.iter().flatten().any(|policy| {
        policy.restart_policy == "RestartContainer"
            && !is_same_in(&policy.resource_name, Some(actual), container.resources.as_ref())
    })
}

/// Gives one running container what was agreed to, unless that takes a restart.
fn give(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot) {
    let (Some(extra), Some(seen)) = (&slot.extra, &slot.current) else { return };
    let is_steady = matches!(slot.step, SlotStep::Idle | SlotStep::PostStart) && extra.stop.is_none();
    if !slot.is_running() || !is_steady || extra.actual.is_none() || needs_restart(view, slot) {
        return;
    }
    if extra.giving.is_some() {
        return;
    }
    if let Some(retry_at) = extra.give_again.filter(|at| *at > view.now) {
        if retry_at < crate::time::Time::MAX {
            plan.wake(retry_at);
        }
        return;
    }
    let resources =
        ContainerResources { spec: Arc::clone(&view.work.spec), kind: slot.kind, index: usize::from(slot.index) };
    plan.call(Flight::Give(place), Call::UpdateContainerResources(seen.id.clone(), Arc::new(resources)));
}
