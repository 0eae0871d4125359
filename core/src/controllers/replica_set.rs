//! The ReplicaSet controller (`pkg/controller/replicaset`).
//!
//! **The rule**: as many active pods of the template as `spec.replicas` says, no more and no fewer.
//!
//! The stages of a decision, all in one plan:
//! 1. [`Claims`]: adopt pods that match the selector and have no controller, release those that no longer match;
//! 2. [`scale`]: create what is missing, or delete what is too much, the least missed first;
//! 3. [`status`]: count what there is then.
//!
//! A set that is being deleted only counts: its pods are the garbage collector's business.

mod scale;
mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};

use crate::control::claim::{Claims, owners_of};
use crate::control::{Controller, Keys, Plan, Watched, pods};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Keeps the pods of ReplicaSets at their number.
#[derive(Debug)]
pub struct ReplicaSetController;

/// A ReplicaSet and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    set: &'w ReplicaSet,
    spec: &'w ReplicaSetSpec,
    claims: Claims<'w>,
    /// The pods that belong to it and count.
    active: Vec<&'w Arc<Object>>,
    /// How many belong to it and are on their way out.
    terminating: usize,
    /// The active pods of all sets of the same owner: they share its nodes.
    related: Vec<&'w Arc<Object>>,
}

impl Observed<'_> {
    fn wanted(&self) -> usize {
        usize::try_from(self.spec.replicas.unwrap_or(1)).unwrap_or(0)
    }

    fn min_ready(&self) -> Duration {
        pods::seconds(self.spec.min_ready_seconds)
    }
}

impl Controller for ReplicaSetController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "replicaset-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::REPLICA_SET), Watched::kind(kind::POD, sets_of_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let set: &ReplicaSet = object.typed()?;
        let spec = &set.spec;
        let selector = Selector::compile(Some(&spec.selector)).ok()?;
        let claims = Claims::of(snapshot, &object.meta, kind::POD, &selector);
        let active: Vec<_> = claims.kept().filter(|pod| pods::is_active(pod)).collect();
        let terminating = claims.kept().filter(|pod| pods::is_terminating(pod)).count();
        let related = if active.len() > usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0) {
            pods_of_siblings(snapshot, object)
        } else {
            Vec::new()
        };
        Some(Observed { object, set, spec, claims, active, terminating, related })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        observed.claims.settle(&observed.object.meta, &mut plan);
        if !observed.object.meta.is_deleting() {
            scale::to_wanted(observed, now, &mut plan);
        }
        status::count(observed, None, now, &mut plan);
        plan
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        scale::report_failure(observed, error, &mut plan);
        status::count(observed, Some(error), now, &mut plan);
        plan
    }
}

/// The sets that a pod concerns.
fn sets_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    owners_of(change, snapshot, kind::REPLICA_SET, |set| Some(&set.typed::<ReplicaSet>()?.spec.selector), keys);
}

/// The active pods of all sets that the same owner controls, this one among them.
fn pods_of_siblings<'w>(snapshot: &'w Snapshot, object: &'w Arc<Object>) -> Vec<&'w Arc<Object>> {
    let siblings: Vec<Uid> = match object.meta.controller_uid() {
        Some(owner) => snapshot
            .owned_by(owner)
            .filter(|sibling| sibling.meta.kind == kind::REPLICA_SET)
            .map(|sibling| sibling.meta.uid)
            .collect(),
        None => vec![object.meta.uid],
    };
    siblings
        .into_iter()
        .flat_map(|uid| snapshot.owned_by(uid))
        .filter(|pod| pod.meta.kind == kind::POD && pods::is_active(pod))
        .collect()
}
