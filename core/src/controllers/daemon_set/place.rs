//! One pod on each node that should have one; what has ended, is too much or must not be there goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::nodes::Site;
use super::template::Mold;
use super::{DaemonSetController, Work, backoff, delete, surges};
use crate::control::{Action, Controller, pods};
use crate::ids::NodeName;
use crate::object::daemon::Fate;
use crate::store::{EventDraft, Object, PodPhase, Standing};

/// Most pods that one plan creates, and deletes (upstream's `BurstReplicas`).
const BURST: usize = 250;

/// Says which pods are missing, and which shall go.
pub(super) fn pods(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    let mut uneven = BTreeMap::new();
    for site in &observed.nodes.sites {
        match site.fate {
            Fate::Wanted if site.pods.is_empty() => work.create.extend(site.nodes().cloned()),
            Fate::Wanted | Fate::Tolerated if is_even(site) => {}
            _ => uneven.extend(site.nodes().map(|node| (node, site.fate))),
        }
    }
    for (node, fate) in uneven {
        let pods = observed.nodes.pods_on(node);
        let live = pods.into_iter().filter(|pod| !pod.meta.is_deleting());
        match fate {
            Fate::Wanted | Fate::Tolerated => tidy(work, node, fate, live),
            Fate::Barred => work.delete.extend(live),
            // What has been there goes with the node; nobody else looks after what only waits for it.
            Fate::Gone => work.delete.extend(live.filter(|pod| pod.node().is_none())),
        }
    }
    work.create.sort_unstable();
}

/// Whether there is one pod, and it runs or is to run.
fn is_even(site: &Site<'_>) -> bool {
    let mut live = site.live();
    live.next().is_some_and(|pod| !pod.is_finished()) && live.next().is_none()
}

/// On a node that may have a pod: those that have ended go, and those that are too much. A set that surges makes the next
/// one while those that were there are still going.
fn tidy<'w>(work: &mut Work<'_, 'w>, name: &NodeName, fate: Fate, live: impl Iterator<Item = &'w Arc<Object>>) {
    let surges = surges(work.observed.spec());
    let mut running: Vec<&'w Arc<Object>> = Vec::new();
    for pod in live {
        match pod.pod().map(|pod| pod.state.phase) {
            Some(PodPhase::Failed) => replace_failed(work, name, pod),
            Some(PodPhase::Succeeded) => {
                say(work, pod, "SucceededDaemonPod", "succeeded", "delete");
                work.delete.push(pod);
            }
            _ => running.push(pod),
        }
    }
    match running.as_slice() {
        [] if surges && fate == Fate::Wanted => work.create.push(name.clone()),
        [] | [_] => {}
        [_, surplus @ ..] if !surges => work.delete.extend(surplus.iter().copied()),
        _ => surplus_of_surge(work, &running),
    }
}

fn replace_failed<'w>(work: &mut Work<'_, 'w>, node: &NodeName, pod: &'w Arc<Object>) {
    if let Some(due) = backoff::due(&work.failures, node, work.now).filter(|due| *due > work.now) {
        work.plan.wake(due);
        return;
    }
    if work.failed.values().any(|known| known == node) {
        // Of several on one node the next one waits, once this one is noted.
        return;
    }
    work.failed.insert(pod.meta.uid, node.clone());
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
    let observed = work.observed;
    let is_current = |pod: &Object| Standing::of(pod).is_some_and(|pod| observed.has_current_hash(&pod));
    let (new, old): (Vec<_>, Vec<_>) = running.iter().copied().partition(|pod| is_current(pod));
    work.delete.extend(new.iter().skip(1).chain(old.iter().skip(1)).copied());
    if let (Some(new), Some(old)) = (new.first(), old.first()) {
        let from = pods::available_from(new, observed.min_ready());
        if !pods::is_ready(old) || from.is_some_and(|from| from <= work.now) {
            work.delete.push(old);
        } else if let Some(from) = from {
            work.plan.wake(from);
        }
    }
}

/// Puts what was found into the plan.
pub(super) fn carry_out(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    work.plan.more |= work.create.len() > BURST || work.delete.len() > BURST;
    let going: Vec<&Arc<Object>> = work.delete.iter().copied().take(BURST).collect();
    for pod in &going {
        if let Some(node) = work.failed.remove(&pod.meta.uid) {
            backoff::note(&mut work.failures, &node, work.now);
            say(work, pod, "FailedDaemonPod", "failed", "kill");
        }
    }
    for pod in going {
        work.plan.push(delete(observed, pod));
    }
    // Nodes are left alone only for what was replaced.
    backoff::remember(work);
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
