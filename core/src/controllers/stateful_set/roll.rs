//! Rolling: pods of another revision than the set's own are deleted, from the highest ordinal down to the partition; filling
//! makes them anew.
//!
//! Without `maxUnavailable` one goes at a time, and the next only when all above it are available. With it, as many go as
//! keep the number of unavailable pods within it. Upstream has the field behind the gate `MaxUnavailableStatefulSet`.

use super::identity;
use super::places::{Replica, Slot, Way, is_well};
use super::{Observed, Turn, Work, fill};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::object::int_or_percent::{Rounding, scaled};
use crate::store::{Standing, StringMap};

/// Deletes pods of earlier templates, as far as it may.
pub(super) fn to_current(work: &mut Work<'_, '_>) -> Turn {
    if !work.observed.rolls() {
        return Turn::GoesOn;
    }
    match max_unavailable(work.observed) {
        None => one_by_one(work),
        Some(limit) => within(work, limit),
    }
}

fn one_by_one(work: &mut Work<'_, '_>) -> Turn {
    let observed = work.observed;
    let places = &observed.places;
    let rolling = observed.partition().max(places.wanted.start)..places.wanted.end;
    let settling = places.settling(work);
    let stands_out = |pod: &Standing| !is_well(pod) || is_old(observed, pod.labels());
    // All pods that are well and of the right revision are passed by.
    let Some(ordinal) = places.wanting(Way::Down, &rolling, &settling.ordinals(), stands_out).next() else {
        return Turn::GoesOn;
    };
    let Slot::Filled(replica) = places.slot(observed, ordinal) else { return Turn::GoesOn };
    if is_old(observed, &replica.pod.meta.labels) && !replica.is_terminating() {
        roll(work, &replica);
        return Turn::Over;
    }
    settling.await_within(&(ordinal..ordinal.plus(1)), &mut work.plan);
    work.wait_on(|| format!("{} to be available before the next pod is replaced", replica.pod.meta.name));
    Turn::GoesOn
}

fn within(work: &mut Work<'_, '_>, limit: usize) -> Turn {
    let observed = work.observed;
    let places = &observed.places;
    let settling = places.settling(work).await_within(&places.wanted, &mut work.plan);
    let unwell = places.count_wanted(|pod| !is_well(pod)) + settling;
    let unavailable = places.unfilled() + unwell;
    let Some(mut allowed) = limit.checked_sub(unavailable).filter(|allowed| *allowed > 0) else {
        if places.count_wanted(|pod| is_old(observed, pod.labels())) > 0 {
            work.wait_on(|| format!("pods to be available: {unavailable} are not, {limit} may be"));
        }
        return Turn::GoesOn;
    };
    let rolling = observed.partition().max(places.wanted.start)..places.wanted.end;
    // One that goes already has been counted.
    let stands_out = |pod: &Standing| is_old(observed, pod.labels()) && !pod.is_going;
    for ordinal in places.held(Way::Down, &rolling, stands_out) {
        if allowed == 0 || work.moved >= CREATES_AND_DELETES_MAX {
            break;
        }
        if let Slot::Filled(replica) = places.slot(observed, ordinal) {
            roll(work, &replica);
            allowed -= 1;
        }
    }
    Turn::GoesOn
}

fn roll(work: &mut Work<'_, '_>, replica: &Replica<'_>) {
    fill::delete(work, replica);
    work.rolled += i32::from(identity::revision(&replica.pod.meta.labels) == work.observed.current);
}

fn is_old(observed: &Observed<'_>, labels: &StringMap) -> bool {
    identity::revision(labels) != observed.update()
}

/// `maxUnavailable` as a number, at least 1; `None` when it is not given. Percentages are rounded down, as upstream's controller
/// does it, whatever its documentation says.
fn max_unavailable(observed: &Observed<'_>) -> Option<usize> {
    let limit = observed.rolling()?.max_unavailable.as_ref()?;
    // A text that is no percentage cannot have been admitted.
    let limit = scaled(limit, observed.replicas(), Rounding::Down).unwrap_or(1);
    Some(usize::try_from(limit).unwrap_or(1).max(1))
}
