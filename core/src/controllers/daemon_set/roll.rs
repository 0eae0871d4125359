//! `RollingUpdate`: pods of earlier templates are replaced, a few nodes at a time.
//!
//! Without surge old pods are deleted, those that are not available anyway and others as long as no more than
//! `maxUnavailable` nodes are without an available pod; [`super::place`] makes the new ones. With surge new pods are made
//! beside the old ones on at most `maxSurge` nodes, and the old ones go once the new ones are available.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::node::Fate;
use super::{Observed, Place, Work};
use crate::ids::NodeName;
use crate::object::int_or_percent::{self, Rounding};
use crate::store::Object;

/// What a node has, as far as a rollout is concerned.
enum Stage<'w> {
    /// Too many pods, or none: [`super::place`] has something to do there first.
    Unsettled,
    /// Only one of an earlier template.
    Old(&'w Arc<Object>),
    /// Only one of the current template.
    New(&'w Arc<Object>),
    /// Both.
    Both { old: &'w Arc<Object>, new: &'w Arc<Object> },
}

/// Takes the next step of the rollout.
pub(super) fn to_current(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    if observed.rolling().is_none() {
        return;
    }
    match limits(observed) {
        (0, max_unavailable) => delete_old(work, max_unavailable),
        (max_surge, _) => surge_by(work, max_surge),
    }
}

/// `maxSurge` and `maxUnavailable` in nodes. Where both are nothing, one node may be without.
fn limits(observed: &Observed<'_>) -> (usize, usize) {
    let Some(rolling) = observed.rolling() else { return (0, 0) };
    let desired = observed.nodes.values().filter(|place| place.fate == Fate::Wanted).count();
    let total = i32::try_from(desired).unwrap_or(i32::MAX);
    let nodes = |share: Option<IntOrString>, default: i32| {
        let share = share.unwrap_or(IntOrString::Int(default));
        // A text that is no percentage cannot have been admitted.
        let nodes = int_or_percent::scaled(&share, total, Rounding::Up).unwrap_or(default);
        usize::try_from(nodes).unwrap_or(0)
    };
    match (nodes(rolling.max_surge, 0), nodes(rolling.max_unavailable, 1)) {
        (0, 0) if desired > 0 => (0, 1),
        limits => limits,
    }
}

/// The nodes that count: those that should have a pod, and those that have one.
fn counted<'o, 'w>(observed: &'o Observed<'w>) -> impl Iterator<Item = (&'o NodeName, &'o Place<'w>)> {
    // From the last to the first, as the recorded rollouts go; upstream's order is that of a map.
    observed.nodes.iter().rev().filter(|(_, place)| place.fate == Fate::Wanted || !place.pods.is_empty())
}

fn stage<'w>(observed: &Observed<'w>, place: &Place<'w>) -> Stage<'w> {
    let live = place.pods.iter().copied().filter(|pod| !pod.meta.is_deleting());
    let (new, old): (Vec<_>, Vec<_>) = live.partition(|pod| observed.is_current(pod));
    match (old.as_slice(), new.as_slice()) {
        ([old], []) => Stage::Old(old),
        ([], [new]) => Stage::New(new),
        ([old], [new]) => Stage::Both { old, new },
        _ => Stage::Unsettled,
    }
}

fn delete_old(work: &mut Work<'_, '_>, max_unavailable: usize) {
    let (observed, now) = (work.observed, work.now);
    let (mut unavailable, mut needed, mut candidates) = (0, Vec::new(), Vec::new());
    for (_, place) in counted(observed) {
        match stage(observed, place) {
            Stage::Unsettled | Stage::Both { .. } => unavailable += 1,
            Stage::New(new) => unavailable += usize::from(!observed.is_available(new, now)),
            Stage::Old(old) if observed.is_available(old, now) => candidates.push(old),
            Stage::Old(old) => {
                needed.push(old);
                unavailable += 1;
            }
        }
    }
    if !candidates.is_empty() && unavailable >= max_unavailable {
        let what = format!("{unavailable} nodes to have an available pod; {max_unavailable} may be without");
        work.plan.waiting_on = Some(crate::control::WaitingOn::new(what));
    }
    let spare = max_unavailable.saturating_sub(unavailable);
    work.delete.extend(needed.into_iter().chain(candidates.into_iter().take(spare)));
}

fn surge_by(work: &mut Work<'_, '_>, max_surge: usize) {
    let (observed, now) = (work.observed, work.now);
    let (mut surging, mut needed, mut candidates) = (0, Vec::new(), Vec::new());
    for (name, place) in counted(observed) {
        match stage(observed, place) {
            Stage::Unsettled => surging += 1,
            Stage::New(_) => {}
            Stage::Old(_) if place.fate != Fate::Wanted => {}
            Stage::Old(old) if observed.is_available(old, now) => candidates.push(name.clone()),
            Stage::Old(_) => needed.push(name.clone()),
            Stage::Both { old, .. } if !observed.is_available(old, now) => work.delete.push(old),
            Stage::Both { old, new } if work.awaits(new) => work.delete.push(old),
            Stage::Both { .. } => surging += 1,
        }
    }
    let spare = max_surge.saturating_sub(surging);
    work.create.extend(needed.into_iter().chain(candidates.into_iter().take(spare)));
}
