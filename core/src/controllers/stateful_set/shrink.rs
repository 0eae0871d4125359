//! Shrinking: the pods beyond the wanted ordinals go, the highest first.
//!
//! An ordered set lets one go at a time, once all the others are well: the only unhealthy pod that may go before it is
//! well is the lowest one that is not.

use super::fill;
use super::slots::Health;
use super::{Turn, Work, volumes};
use crate::control::plan::CREATES_AND_DELETES_MAX;

/// Gives the claims of pods that go the owners that they shall have then.
pub(super) fn claims_of_condemned(work: &mut Work<'_, '_>) -> Turn {
    for replica in &work.observed.condemned {
        volumes::settle_owners(work, replica.ordinal, Some(&replica.pod.meta), &replica.claims);
    }
    Turn::GoesOn
}

/// Deletes the pods beyond the wanted ordinals.
pub(super) fn condemned(work: &mut Work<'_, '_>) -> Turn {
    let observed = work.observed;
    let lowest_unwell = observed.condemned.iter().rev().find(|replica| replica.health(work) != Health::Available);
    let lowest_unwell = lowest_unwell.map(|replica| replica.ordinal);
    for replica in &observed.condemned {
        let health = replica.health(work);
        if replica.is_terminating() {
            work.wait_on(|| format!("{} to be gone", replica.pod.meta.name));
            if observed.is_ordered() {
                return Turn::Over;
            }
            continue;
        }
        // One that has ended will never be well; upstream waits for two of them for ever.
        let will_be_well = !matches!(health, Health::Available | Health::Ended);
        if observed.is_ordered() && will_be_well && lowest_unwell != Some(replica.ordinal) {
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
        fill::delete(work, replica);
        if observed.is_ordered() {
            return Turn::Over;
        }
    }
    Turn::GoesOn
}
