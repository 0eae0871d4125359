//! One pod on each node that should have one; what has ended, is too much or must not be there goes.

use std::sync::Arc;
use std::time::Duration;

use super::node::Fate;
use super::template::Mold;
use super::{DaemonSetController, Place, Work, delete, surges};
use crate::control::{Action, Controller, pods};
use crate::ids::NodeName;
use crate::store::{EventDraft, Object, PodPhase};

/// Most pods that one plan creates, and deletes (upstream's `BurstReplicas`).
const BURST: usize = 250;
/// A failed pod is replaced no sooner than this after it was made: one that fails at once must not keep everybody busy.
const FAILED_AFTER_MIN: Duration = Duration::from_secs(1);

/// Says which pods are missing, and which shall go.
pub(super) fn pods(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    for (name, place) in &observed.nodes {
        match place.fate {
            Fate::Wanted if place.pods.is_empty() => work.create.push(name.clone()),
            Fate::Wanted | Fate::Tolerated => tidy(work, name, place),
            Fate::Barred => {
                work.delete.extend(place.pods.iter().copied().filter(|pod| !pod.meta.is_deleting()));
            }
        }
    }
    work.delete.extend(observed.lost.iter().copied());
}

/// On a node that may have a pod: those that have ended go, and those that are too much. A set that surges makes the next
/// one while those that were there are still going.
fn tidy<'w>(work: &mut Work<'_, 'w>, name: &NodeName, place: &Place<'w>) {
    let surges = surges(work.observed.spec());
    let mut running: Vec<&'w Arc<Object>> = Vec::new();
    for pod in place.pods.iter().copied().filter(|pod| !pod.meta.is_deleting()) {
        match pod.pod().map(|pod| pod.state.phase) {
            Some(PodPhase::Failed) => replace_failed(work, pod),
            Some(PodPhase::Succeeded) => {
                say(work, pod, "SucceededDaemonPod", "succeeded", "delete");
                work.delete.push(pod);
            }
            _ => running.push(pod),
        }
    }
    match running.as_slice() {
        [] if surges && place.fate == Fate::Wanted => work.create.push(name.clone()),
        [] | [_] => {}
        [_, surplus @ ..] if !surges => work.delete.extend(surplus.iter().copied()),
        _ => surplus_of_surge(work, &running),
    }
}

fn replace_failed<'w>(work: &mut Work<'_, 'w>, pod: &'w Arc<Object>) {
    let due = pod.meta.created + FAILED_AFTER_MIN;
    if due > work.now {
        work.plan.wake(due);
        return;
    }
    say(work, pod, "FailedDaemonPod", "failed", "kill");
    work.delete.push(pod);
}

fn say(work: &mut Work<'_, '_>, pod: &Object, reason: &'static str, ended: &str, verb: &str) {
    let node = pod.pod().and_then(|pod| pod.node.clone()).map(|node| node.to_string()).unwrap_or_default();
    let message = format!("Found {ended} daemon pod {} on node {node}, will try to {verb} it", pod.meta.path());
    let (meta, name) = (&work.observed.object.meta, DaemonSetController::NAME);
    let event = if reason == "FailedDaemonPod" {
        EventDraft::warning(meta, name, reason, message)
    } else {
        EventDraft::normal(meta, name, reason, message)
    };
    work.plan.push(Action::Emit(Box::new(event)));
}

/// Of several pods on a node two may stay, the oldest ones of the current template and of an earlier one: the old one goes
/// once it is not ready, or the new one is available.
fn surplus_of_surge<'w>(work: &mut Work<'_, 'w>, running: &[&'w Arc<Object>]) {
    let (new, old): (Vec<_>, Vec<_>) = running.iter().copied().partition(|pod| work.observed.is_current(pod));
    work.delete.extend(new.iter().skip(1).chain(old.iter().skip(1)).copied());
    if let (Some(new), Some(old)) = (new.first(), old.first())
        && (!pods::is_ready(old) || work.awaits(new))
    {
        work.delete.push(old);
    }
}

/// Puts what was found into the plan.
pub(super) fn carry_out(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    work.plan.more |= work.create.len() > BURST || work.delete.len() > BURST;
    for pod in work.delete.iter().take(BURST) {
        work.plan.push(delete(observed, pod));
    }
    if work.create.is_empty() {
        return;
    }
    let mold = Mold::of(observed);
    let meta = &observed.object.meta;
    let event = EventDraft::normal(meta, DaemonSetController::NAME, "SuccessfulCreate", "Created pod: ");
    for node in work.create.iter().take(BURST) {
        let draft = Box::new(mold.cast(node));
        work.plan.push(Action::Create { draft, announce: Some(Box::new(event.clone())) });
    }
}
