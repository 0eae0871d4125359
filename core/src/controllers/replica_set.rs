//! The ReplicaSet controller (`pkg/controller/replicaset`).
//!
//! **The rule**: as many active pods of the template as `spec.replicas` says, no more and no fewer.
//!
//! The stages of a decision, all in one plan:
//! 1. [`Crew`]: adopt pods that match the selector and have no controller, release those that no longer match;
//! 2. [`scale`]: create what is missing, or delete what is too much, the least missed first;
//! 3. [`status`]: count what there is then.
//!
//! A set that is being deleted only counts: its pods are the garbage collector's business.
//!
//! A ReplicationController is the same rule in older words: [`Dialect`] is all that tells the two apart.

mod scale;
mod status;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};

use crate::control::claim::owners_of;
use crate::control::crew::Crew;
use crate::control::{Controller, Keys, Plan, Watched, pods};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind::{self, TypedObject};
use crate::object::selector::Selector;
use crate::store::{Change, Object, Snapshot, Standing};
use crate::time::Time;

/// Keeps the pods of ReplicaSets at their number.
#[derive(Debug)]
pub struct ReplicaSetController;

/// In which kind's words the rule is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// Who says what happened.
    pub(super) component: &'static str,
    /// Whether its status counts the pods that are on their way out.
    pub(super) counts_terminating: bool,
    /// The object as its kind stores it, with the status of this set.
    pub(super) stored: fn(&Object, ReplicaSet) -> Option<Arc<dyn TypedObject>>,
}

const AS_REPLICA_SET: Dialect =
    Dialect { component: ReplicaSetController::NAME, counts_terminating: true, stored: |_, set| Some(Arc::new(set)) };

/// A set and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    set: Cow<'w, ReplicaSet>,
    dialect: Dialect,
    crew: Crew<'w>,
    /// How many pods belong to it and count.
    active: usize,
    /// The active pods of all sets of the same owner: they share its nodes.
    related: Vec<&'w Arc<Object>>,
}

impl<'w> Observed<'w> {
    /// Joins what concerns `object`, which says the same as `set`.
    pub(super) fn of(
        snapshot: &'w Snapshot,
        object: &'w Arc<Object>,
        set: Cow<'w, ReplicaSet>,
        dialect: Dialect,
    ) -> Option<Self> {
        let selector = Selector::compile(Some(&set.spec.selector)).ok()?;
        let crew = Crew::of(snapshot, &object.meta, &selector, |_| true);
        let active = crew.count(Standing::is_active);
        let mut observed = Self { object, set, dialect, crew, active, related: Vec::new() };
        if observed.active > observed.wanted() {
            observed.related = pods_of_siblings(snapshot, object);
        }
        Some(observed)
    }

    fn spec(&self) -> &ReplicaSetSpec {
        &self.set.spec
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.spec().replicas.unwrap_or(1)).unwrap_or(0)
    }

    fn min_ready(&self) -> Duration {
        pods::seconds(self.spec().min_ready_seconds)
    }
}

impl Controller for ReplicaSetController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "replicaset-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::REPLICA_SET), Watched::kind(kind::POD, sets_of_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        Observed::of(snapshot, object, Cow::Borrowed(object.typed()?), AS_REPLICA_SET)
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        to_number(observed, now)
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        after_refusal(observed, error, now)
    }
}

/// The decision.
pub(super) fn to_number(observed: &Observed<'_>, now: Time) -> Plan {
    let mut plan = Plan::nothing();
    observed.crew.settle(&mut plan);
    if !observed.object.meta.is_deleting() {
        scale::to_wanted(observed, now, &mut plan);
    }
    status::count(observed, None, now, &mut plan);
    plan
}

/// What is said when a pod was refused: nothing in a namespace that goes, which takes no new ones.
pub(super) fn after_refusal(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
    let mut plan = Plan::nothing();
    if error.is_namespace_terminating() {
        status::count(observed, None, now, &mut plan);
        return plan;
    }
    scale::report_failure(observed, error, &mut plan);
    status::count(observed, Some(error), now, &mut plan);
    plan
}

/// The sets that a pod concerns.
fn sets_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if !pods::is_immaterial(change) {
        owners_of(change, snapshot, kind::REPLICA_SET, |set| Some(&set.typed::<ReplicaSet>()?.spec.selector), keys);
    }
}

/// The active pods of all sets that the same owner controls, this one among them.
fn pods_of_siblings<'w>(snapshot: &'w Snapshot, object: &'w Arc<Object>) -> Vec<&'w Arc<Object>> {
    let siblings: Vec<Uid> = match object.meta.controller_uid() {
        Some(owner) => snapshot.owned_of_kind(owner, object.meta.kind).map(|sibling| sibling.meta.uid).collect(),
        None => vec![object.meta.uid],
    };
    siblings
        .into_iter()
        .flat_map(|uid| snapshot.owned_of_kind(uid, kind::POD))
        .filter(|pod| pods::is_active(pod))
        .collect()
}
