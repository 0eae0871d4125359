//! Rolling: pods of another revision than the set's own are deleted, from the highest ordinal down to the partition; filling
//! makes them anew.
//!
//! Without `maxUnavailable` one goes at a time, and the next only when all above it are available. With it, as many go as
//! keep the number of unavailable pods within it. Upstream has the field behind the gate `MaxUnavailableStatefulSet`.

use super::identity;
use super::slots::{Health, Replica, Slot};
use super::{Observed, Turn, Work, fill};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::object::int_or_percent::{Rounding, scaled};

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
    let partition = observed.partition();
    if beyond_sight(observed) {
        return Turn::GoesOn;
    }
    for slot in observed.slots.iter().rev() {
        let replica = match slot {
            Slot::Filled(replica) if replica.ordinal < partition => break,
            Slot::Filled(replica) => replica,
            Slot::Empty { ordinal, .. } | Slot::Taken(ordinal) if *ordinal < partition => break,
            Slot::Empty { .. } | Slot::Taken(_) => return Turn::GoesOn,
        };
        if is_old(observed, replica) && !replica.is_terminating() {
            roll(work, replica);
            return Turn::Over;
        }
        if !is_available(work, replica) {
            work.wait_on(|| format!("{} to be available before the next pod is replaced", replica.pod.meta.name));
            return Turn::GoesOn;
        }
    }
    Turn::GoesOn
}

fn within(work: &mut Work<'_, '_>, limit: usize) -> Turn {
    let observed = work.observed;
    let replicas = || {
        observed.slots.iter().rev().filter_map(|slot| match slot {
            Slot::Filled(replica) => Some(replica),
            Slot::Empty { .. } | Slot::Taken(_) => None,
        })
    };
    let unwell = replicas().filter(|replica| !is_available(work, replica)).count();
    let unavailable = observed.unfilled + unwell;
    let Some(mut allowed) = limit.checked_sub(unavailable).filter(|allowed| *allowed > 0) else {
        if replicas().any(|replica| is_old(observed, replica)) {
            work.wait_on(|| format!("pods to be available: {unavailable} are not, {limit} may be"));
        }
        return Turn::GoesOn;
    };
    for replica in replicas().take_while(|replica| replica.ordinal >= observed.partition()) {
        if allowed == 0 || work.moved >= CREATES_AND_DELETES_MAX {
            break;
        }
        // One that is down already has been counted.
        if is_old(observed, replica) && !replica.is_terminating() {
            roll(work, replica);
            allowed -= 1;
        }
    }
    Turn::GoesOn
}

fn roll(work: &mut Work<'_, '_>, replica: &Replica<'_>) {
    fill::delete(work, replica);
    work.rolled += i32::from(identity::revision(replica.pod) == work.observed.current);
}

fn is_old(observed: &Observed<'_>, replica: &Replica<'_>) -> bool {
    identity::revision(replica.pod) != observed.update()
}

fn is_available(work: &mut Work<'_, '_>, replica: &Replica<'_>) -> bool {
    let health = replica.health(work);
    if let Health::Settling(from) = health {
        work.plan.wake(from);
    }
    health == Health::Available
}

/// Whether there are more empty places than this plan looks at: the highest ones are among them.
fn beyond_sight(observed: &Observed<'_>) -> bool {
    observed.unfilled > CREATES_AND_DELETES_MAX
}

/// `maxUnavailable` as a number, at least 1; `None` when it is not given.
fn max_unavailable(observed: &Observed<'_>) -> Option<usize> {
    let limit = observed.rolling()?.max_unavailable.as_ref()?;
    // A text that is no percentage cannot have been admitted.
    let limit = scaled(limit, observed.replicas(), Rounding::Up).unwrap_or(1);
    Some(usize::try_from(limit).unwrap_or(1).max(1))
}
