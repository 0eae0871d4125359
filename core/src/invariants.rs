//! What always holds, whatever happens: a numbered catalogue, checked by the simulation after every step.
//!
//! Each invariant is a sentence and a check. There are three moments at which they are looked at:
//! - after a **step**: what it changed, and the objects as they are now;
//! - over what a node **holds**: the sandboxes and containers of its runtime;
//! - at **rest**: when nothing is left to do, and nobody has asked for anything.

mod batch;
mod budgets;
mod devices;
mod disks;
mod held;
mod quota;
mod rest;
mod scaling;
mod step;
mod storage;

use std::fmt;

use crate::ids::{NodeName, Revision};
use crate::kernel::Kernel;
use crate::runtime::Inventory;
use crate::store::{Change, Snapshot};
use crate::time::Time;

/// One sentence that must always be true.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its number in the catalogue: `I2`. Numbers are never given to another one.
    pub id: &'static str,
    /// What holds.
    pub sentence: &'static str,
    check: Check,
}

/// When an invariant is looked at, and how.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// After every step.
    Step(fn(&Step<'_>) -> Result<(), String>),
    /// Over what a node holds.
    Held(fn(&Held<'_>) -> Result<(), String>),
    /// When nothing is left to do.
    Rest(fn(&Rest<'_>) -> Result<(), String>),
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The last revision before it.
    pub before: Revision,
    /// What it changed, in order.
    pub changes: &'a [Change],
    /// The objects after it.
    pub snapshot: &'a Snapshot,
}

/// What a node holds.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// Which node.
    pub node: &'a NodeName,
    /// All sandboxes and containers on it.
    pub inventory: &'a Inventory,
}

/// A kernel that has nothing to do.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Now.
    pub now: Time,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// Which.
    pub id: &'static str,
    /// What should have been true.
    pub sentence: &'static str,
    /// What was there instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold ({}): {}", self.id, self.sentence, self.found)
    }
}

const fn on_step(id: &'static str, sentence: &'static str, check: fn(&Step<'_>) -> Result<(), String>) -> Invariant {
    Invariant { id, sentence, check: Check::Step(check) }
}

const fn on_held(id: &'static str, sentence: &'static str, check: fn(&Held<'_>) -> Result<(), String>) -> Invariant {
    Invariant { id, sentence, check: Check::Held(check) }
}

const fn on_rest(id: &'static str, sentence: &'static str, check: fn(&Rest<'_>) -> Result<(), String>) -> Invariant {
    Invariant { id, sentence, check: Check::Rest(check) }
}

/// The catalogue. I10 and I12 are about what a shell does, and are checked by the simulation itself.
pub const CATALOGUE: &[Invariant] = &[
    on_step("I1", "revisions strictly grow", step::revisions_grow),
    on_step("I2", "a pod that is on a node never moves", step::pods_stay),
    on_step("I3", "no two objects of a kind have one name", step::names_are_unique),
    on_rest("I4", "every index agrees with the objects", rest::indexes_agree),
    on_step("I5", "a finished pod never runs again", step::finished_stays_finished),
    on_step("I6", "a ReplicaSet creates no more pods than it declares", step::sets_create_no_surplus),
    on_rest("I7", "an object does not outlive all its owners", rest::no_object_outlives_its_owners),
    on_held("I8", "no two instances of one container run on a node", held::one_instance),
    on_step("I9", "generation and observedGeneration never go back", step::generations_grow),
    on_rest("I11", "a key that has something to do is looked at", rest::nothing_is_forgotten),
    on_step("I13", "a rollout raises its sets to replicas and surge at most", step::rollouts_keep_to_surge),
    on_step("I14", "Recreate never creates a pod beside one of another template", step::recreate_does_not_mix),
    on_step("I15", "an ordered StatefulSet makes a pod only once those below it are ready", step::ordered_sets_wait),
    on_step(
        "I16",
        "a DaemonSet makes a pod for a node that has none of it, or one to surge beside",
        batch::daemons_do_not_crowd,
    ),
    on_step("I17", "a Job makes no more pods than run at a time", batch::jobs_keep_to_parallelism),
    on_step("I18", "what a Job has counted stays counted, and its end is final", batch::what_jobs_count_stays),
    on_step(
        "I19",
        "one time of a schedule gets one Job, and under Forbid only when no other is under way",
        batch::times_get_one_job,
    ),
    on_step(
        "I20",
        "an autoscaler scales to a number within its limits, and to none only where it may",
        scaling::targets_keep_to_limits,
    ),
    on_step("I30", "a claim and its volume name each other, and no others", storage::bonds_are_mutual),
    on_step("I31", "no claim that a pod uses and no volume that is bound goes", storage::what_is_used_stays),
    on_step(
        "I32",
        "an eviction of a pod in service takes one from what its budget allows",
        budgets::evictions_take_one,
    ),
    on_step("I33", "a pod is bound only where its volumes can be used", disks::volumes_are_usable),
    on_step("I34", "no pod brings a node more volumes of a driver than it can have", disks::nodes_keep_to_limits),
    on_step("I35", "no device is given to two claims", devices::devices_have_one_owner),
    on_step("I36", "a claim is used by those it may be used by", devices::claims_are_used_as_allowed),
    on_step("I37", "a pod gets its node with all its claims", devices::bound_pods_have_their_claims),
    on_step("I40", "no pod is let in that makes a namespace use more than a quota allows", quota::quotas_hold),
    on_step("I41", "no pod is let in with more than a limit range allows a container", quota::bounds_hold),
];

/// A call or an effect leaves only after what caused it was committed; checked by the simulation.
pub const COMMIT_FIRST: Invariant =
    on_step("I10", "a sandbox is made only for a pod that is committed to its node", |_| Ok(()));

/// The kernel comes to rest at every moment; checked by the simulation.
pub const SETTLES: Invariant = on_step("I12", "the kernel comes to rest at every moment", |_| Ok(()));

impl Invariant {
    /// This invariant, not holding.
    pub fn violated(&self, found: impl Into<String>) -> Violation {
        Violation { id: self.id, sentence: self.sentence, found: found.into() }
    }
}

/// The first invariant that does not hold after a step.
///
/// # Errors
/// That invariant, and what was found.
pub fn check_step(step: &Step<'_>) -> Result<(), Violation> {
    CATALOGUE.iter().try_for_each(|invariant| match invariant.check {
        Check::Step(check) => check(step).map_err(|found| invariant.violated(found)),
        Check::Held(_) | Check::Rest(_) => Ok(()),
    })
}

/// The first invariant that does not hold on a node.
///
/// # Errors
/// That invariant, and what was found.
pub fn check_held(held: &Held<'_>) -> Result<(), Violation> {
    CATALOGUE.iter().try_for_each(|invariant| match invariant.check {
        Check::Held(check) => check(held).map_err(|found| invariant.violated(found)),
        Check::Step(_) | Check::Rest(_) => Ok(()),
    })
}

/// The first invariant that does not hold when nothing is left to do now. I7 takes that nothing waits for time either.
///
/// # Errors
/// That invariant, and what was found.
pub fn check_rest(rest: &Rest<'_>) -> Result<(), Violation> {
    CATALOGUE.iter().try_for_each(|invariant| match invariant.check {
        Check::Rest(check) => check(rest).map_err(|found| invariant.violated(found)),
        Check::Step(_) | Check::Held(_) => Ok(()),
    })
}
