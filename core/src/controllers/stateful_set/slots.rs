//! Which pod stands in which place, and how each is doing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::identity::{self, Ordinal};
use super::volumes::{self, HeldClaim};
use super::{Observed, Work};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::pods;
use crate::object::kind;
use crate::store::{Object, PodPhase, Snapshot};
use crate::time::Time;

/// A pod of the set and its ordinal.
#[derive(Debug)]
pub(super) struct Replica<'w> {
    pub(super) ordinal: Ordinal,
    pub(super) pod: &'w Arc<Object>,
    /// Its claims that are there.
    pub(super) claims: Vec<HeldClaim<'w>>,
}

/// A wanted ordinal.
#[derive(Debug)]
pub(super) enum Slot<'w> {
    /// Its pod is there.
    Filled(Replica<'w>),
    /// There is no such pod yet.
    Empty {
        ordinal: Ordinal,
        /// Its claims that are there.
        claims: Vec<HeldClaim<'w>>,
    },
    /// Its name belongs to a pod that is not the set's.
    Taken(Ordinal),
}

/// How a pod is doing, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// It has succeeded or failed: it must be made anew.
    Ended,
    /// It is being deleted.
    Terminating,
    /// It is not running, or not ready.
    Unready,
    /// It is ready, and available from then on.
    Settling(Time),
    /// It has been ready for long enough.
    Available,
}

impl Replica<'_> {
    pub(super) fn health(&self, work: &Work<'_, '_>) -> Health {
        let Some(pod) = self.pod.pod() else { return Health::Unready };
        if pod.is_finished() {
            return Health::Ended;
        }
        if self.pod.meta.is_deleting() {
            return Health::Terminating;
        }
        if pod.state.phase != PodPhase::Running {
            return Health::Unready;
        }
        match pods::available_from(self.pod, work.observed.min_ready()) {
            Some(from) if from > work.now => Health::Settling(from),
            Some(_) => Health::Available,
            None => Health::Unready,
        }
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.pod.meta.is_deleting()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pod.pod().is_some_and(|pod| pod.state.phase == PodPhase::Pending)
    }
}

/// Puts the pods of the set in their places. A pod whose name is none of the set's has no place.
pub(super) fn join<'w>(snapshot: &'w Snapshot, observed: &mut Observed<'w>) {
    let set = &observed.object.meta;
    let mut wanted: BTreeMap<Ordinal, &'w Arc<Object>> = BTreeMap::new();
    let mut others: BTreeMap<Ordinal, &'w Arc<Object>> = BTreeMap::new();
    for pod in observed.claims.kept() {
        let Some(ordinal) = identity::ordinal(set, pod) else { continue };
        let place = if observed.is_wanted(ordinal) { &mut wanted } else { &mut others };
        place.insert(ordinal, pod);
    }
    let replica = |ordinal: Ordinal, pod: &'w Arc<Object>| Replica {
        ordinal,
        pod,
        claims: volumes::held(snapshot, observed, ordinal),
    };
    let condemned: Vec<_> = others.into_iter().rev().map(|(ordinal, pod)| replica(ordinal, pod)).collect();
    let unfilled = usize::try_from(observed.replicas()).unwrap_or(0).saturating_sub(wanted.len());
    let mut slots = Vec::with_capacity(wanted.len() + unfilled.min(CREATES_AND_DELETES_MAX));
    let mut empty = 0;
    let mut ordinal = Ordinal::new(observed.start());
    while observed.is_wanted(ordinal) && empty < CREATES_AND_DELETES_MAX && slots.len() < wanted.len() + unfilled {
        slots.push(match wanted.get(&ordinal) {
            Some(pod) => Slot::Filled(replica(ordinal, pod)),
            None => {
                empty += 1;
                vacancy(snapshot, observed, ordinal)
            }
        });
        ordinal = ordinal.next();
    }
    slots.extend(wanted.range(ordinal..).map(|(ordinal, pod)| Slot::Filled(replica(*ordinal, pod))));
    (observed.slots, observed.unfilled, observed.condemned) = (slots, unfilled, condemned);
}

fn vacancy<'w>(snapshot: &'w Snapshot, observed: &Observed<'w>, ordinal: Ordinal) -> Slot<'w> {
    let set = &observed.object.meta;
    match snapshot.find(kind::POD, &set.namespace, &identity::pod_name(set, ordinal)) {
        Some(_) => Slot::Taken(ordinal),
        None => Slot::Empty { ordinal, claims: volumes::held(snapshot, observed, ordinal) },
    }
}
