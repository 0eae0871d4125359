//! Filling the places: a pod that is missing is made, with its claims; one that has ended is deleted first, for no two pods
//! have one name.

use std::cell::LazyCell;

use super::identity::{self, Molds, Ordinal};
use super::places::{Health, Replica, Slot, Way, is_well};
use super::volumes::{self, HeldClaim, InTheWay};
use super::{Observed, StatefulSetController, Turn, Verb, Work};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::{Action, Controller, MetaEdit, Propagation, Target};
use crate::error::{ApiError, Reason};
use crate::store::{EventDraft, Standing};

/// The reason of events about what could not be made.
const FAILED: &str = "FailedCreate";

/// Goes up the places, past all that are as they shall be. An ordered set stops at the first whose pod is not available.
pub(super) fn missing(work: &mut Work<'_, '_>) -> Turn {
    let observed = work.observed;
    let places = &observed.places;
    let molds = LazyCell::new(|| Molds::new(observed));
    let stands_out = |pod: &Standing| !is_well(pod) || !pod.has_place_labels;
    let mut others = places.settling(work).ordinals();
    others.extend(&observed.doubtful);
    for ordinal in places.wanting(Way::Up, &places.wanted, &others, stands_out) {
        let turn = match places.slot(observed, ordinal) {
            Slot::Filled(replica) => tend(work, &replica),
            Slot::Empty { claims } => create(work, ordinal, &claims, &molds),
            Slot::Taken => wait_for_name(work, ordinal),
        };
        if turn == Turn::Over && observed.is_ordered() {
            return Turn::Over;
        }
        if work.moved >= CREATES_AND_DELETES_MAX {
            work.plan.more = true;
            return Turn::Over;
        }
    }
    Turn::GoesOn
}

fn create(work: &mut Work<'_, '_>, ordinal: Ordinal, claims: &[HeldClaim<'_>], molds: &Molds) -> Turn {
    let observed = work.observed;
    let name = identity::pod_name(&observed.object.meta, ordinal);
    if let Some(in_the_way) = volumes::in_the_way(observed, ordinal, claims) {
        let claim = match &in_the_way {
            InTheWay::Stale(claim) => *claim,
            InTheWay::Going(going) => {
                let causes: Vec<_> = going.iter().map(|claim| format!("pvc {claim} is being deleted")).collect();
                let cause = if let [one] = &causes[..] { one.clone() } else { format!("[{}]", causes.join(", ")) };
                work.emit(not_made(observed, &name, &cause));
                going.first().copied().unwrap_or_default()
            }
        };
        work.wait_on(|| format!("the claim {claim} of {name} to be gone, so that a new one can be made"));
        return Turn::Over;
    }
    volumes::create_missing(work, ordinal, claims);
    volumes::settle_owners(work, ordinal, None, claims);
    let draft = Box::new(molds.cast(observed, ordinal));
    work.plan.push(Action::Create { draft, announce: None });
    work.emit(observed.event(Verb::Create, "", &name));
    work.moved += 1;
    Turn::Over
}

fn wait_for_name(work: &mut Work<'_, '_>, ordinal: Ordinal) -> Turn {
    let set = &work.observed.object.meta;
    let name = identity::pod_name(set, ordinal);
    work.wait_on(|| format!("the name {name}, which belongs to a pod that is not of this set"));
    Turn::Over
}

/// Looks after a pod that is there.
fn tend(work: &mut Work<'_, '_>, replica: &Replica<'_>) -> Turn {
    let health = replica.health(work);
    if health == Health::Ended {
        if !replica.is_terminating() {
            delete(work, replica);
        }
        return Turn::Over;
    }
    if replica.is_pending() && !replica.is_terminating() {
        volumes::create_missing(work, replica.ordinal, &replica.claims);
    }
    let ordered = work.observed.is_ordered();
    let name = &replica.pod.meta.name;
    let wait = match health {
        Health::Ended | Health::Available => None,
        Health::Terminating => Some(format!("{name} to be gone")),
        Health::Unready => Some(format!("{name} to be running and ready")),
        Health::Settling(from) => {
            work.plan.wake(from);
            Some(format!("{name} to be available"))
        }
    };
    if let Some(wait) = wait {
        work.wait_on(|| wait);
        if ordered {
            return Turn::Over;
        }
    }
    settle(work, replica);
    Turn::GoesOn
}

/// Sees that a pod has the labels of its place, and its claims the owners that they shall have.
fn settle(work: &mut Work<'_, '_>, replica: &Replica<'_>) {
    let observed = work.observed;
    let labels = identity::missing_labels(replica.pod, replica.ordinal);
    let relabelled = !labels.is_empty();
    if relabelled {
        let edit = MetaEdit { labels, ..MetaEdit::default() };
        work.plan.push(Action::EditMeta { target: Target::seen(replica.pod), edit });
    }
    let resettled = volumes::settle_owners(work, replica.ordinal, Some(&replica.pod.meta), &replica.claims);
    if relabelled || resettled {
        work.emit(observed.event(Verb::Update, "", &replica.pod.meta.name));
    }
    if !volumes::are_mounted(observed, replica) {
        let name = &replica.pod.meta.name;
        work.wait_on(|| format!("somebody to delete {name}: it was adopted and does not mount its claims"));
    }
}

/// Asks for the deletion of a pod.
pub(super) fn delete(work: &mut Work<'_, '_>, replica: &Replica<'_>) {
    work.plan.push(Action::Delete {
        target: Target::seen(replica.pod),
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: None,
    });
    work.emit(work.observed.event(Verb::Delete, "", &replica.pod.meta.name));
    work.moved += 1;
}

/// Says that a pod, or a claim for it, could not be made. A name that is taken is told by what the set waits on.
pub(super) fn report_failure(work: &mut Work<'_, '_>, error: &ApiError) {
    if error.reason() == Reason::AlreadyExists {
        return;
    }
    let observed = work.observed;
    let Some(ordinal) = first_empty(observed) else { return };
    let set = &observed.object.meta;
    let name = identity::pod_name(set, ordinal);
    let refused = error.subject().map_or("", |subject| subject.name.as_str());
    let is_claim = !refused.is_empty() && refused != name;
    if is_claim {
        let message =
            format!("Create Claim {refused} for Pod {name} in StatefulSet {} failed error: {error}", set.name);
        work.emit(EventDraft::warning(set, StatefulSetController::NAME, FAILED, message));
    }
    let cause = if is_claim { format!("failed to create PVC {refused}: {error}") } else { error.to_string() };
    work.emit(not_made(observed, &name, &cause));
}

fn not_made(observed: &Observed<'_>, pod: &str, cause: &str) -> EventDraft {
    let set = &observed.object.meta;
    let message = format!("Create Pod {pod} in StatefulSet {} failed error: {cause}", set.name);
    EventDraft::warning(set, StatefulSetController::NAME, FAILED, message)
}

fn first_empty(observed: &Observed<'_>) -> Option<Ordinal> {
    let places = &observed.places;
    let mut gaps = places.wanting(Way::Up, &places.wanted, &[], |_| false);
    gaps.find(|ordinal| matches!(places.slot(observed, *ordinal), Slot::Empty { .. }))
}
