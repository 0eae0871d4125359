//! Shrinking: the pods beyond the wanted ordinals go, the highest first.
//!
//! An ordered set lets one go at a time, once all the others are well: the only unhealthy pod that may go before it is
//! well is the lowest one that is not.

use super::fill;
use super::identity::Ordinal;
use super::places::{Health, Replica, Slot, Way, is_well};
use super::{Turn, Work, volumes};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::store::Standing;

/// Gives the claims of pods that go the owners that they shall have then.
pub(super) fn claims_of_condemned(work: &mut Work<'_, '_>) -> Turn {
    let observed = work.observed;
    for ordinal in volumes::condemned_to_settle(observed) {
        if let Some(replica) = filled(work, ordinal) {
            volumes::settle_owners(work, ordinal, Some(&replica.pod.meta), &replica.claims);
        }
    }
    Turn::GoesOn
}

/// Deletes the pods beyond the wanted ordinals.
pub(super) fn condemned(work: &mut Work<'_, '_>) -> Turn {
    if work.observed.is_ordered() { one_by_one(work) } else { at_once(work) }
}

fn one_by_one(work: &mut Work<'_, '_>) -> Turn {
    let Some(replica) = first(work, Way::Down, |_| true) else { return Turn::GoesOn };
    if replica.is_terminating() {
        work.wait_on(|| format!("{} to be gone", replica.pod.meta.name));
        return Turn::Over;
    }
    let health = replica.health(work);
    // One that has ended will never be well; upstream waits for two of them for ever.
    let will_be_well = !matches!(health, Health::Available | Health::Ended);
    if will_be_well && lowest_unwell(work).is_some_and(|lowest| lowest.ordinal != replica.ordinal) {
        if let Health::Settling(from) = health {
            work.plan.wake(from);
        }
        work.wait_on(|| format!("{} to be available before another pod goes", replica.pod.meta.name));
        return Turn::Over;
    }
    if work.moved >= CREATES_AND_DELETES_MAX {
        work.plan.more = true;
        return Turn::Over;
    }
    fill::delete(work, &replica);
    Turn::Over
}

fn at_once(work: &mut Work<'_, '_>) -> Turn {
    let observed = work.observed;
    if let Some(going) = first(work, Way::Down, |pod| pod.is_going) {
        work.wait_on(|| format!("{} to be gone", going.pod.meta.name));
    }
    for ordinal in observed.places.condemned(Way::Down, &[], |pod| !pod.is_going) {
        let Some(replica) = filled(work, ordinal) else { continue };
        if work.moved >= CREATES_AND_DELETES_MAX {
            work.plan.more = true;
            return Turn::Over;
        }
        fill::delete(work, &replica);
    }
    Turn::GoesOn
}

fn lowest_unwell<'w>(work: &Work<'_, 'w>) -> Option<Replica<'w>> {
    let observed = work.observed;
    let settling = observed.places.settling(work).ordinals();
    let mut unwell = observed.places.condemned(Way::Up, &settling, |pod| !is_well(pod));
    unwell.find_map(|ordinal| filled(work, ordinal))
}

fn first<'w>(work: &Work<'_, 'w>, way: Way, stands: impl Fn(&Standing) -> bool) -> Option<Replica<'w>> {
    work.observed.places.condemned(way, &[], stands).find_map(|ordinal| filled(work, ordinal))
}

fn filled<'w>(work: &Work<'_, 'w>, ordinal: Ordinal) -> Option<Replica<'w>> {
    match work.observed.places.slot(work.observed, ordinal) {
        Slot::Filled(replica) => Some(replica),
        Slot::Empty { .. } | Slot::Taken => None,
    }
}
