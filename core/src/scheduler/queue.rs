//! The pods that wait for a node.
//!
//! ```text
//!            add                 next                      unschedulable
//!   (new) ────────► active ────────────────► (in a cycle) ───────────────► parked
//!                      ▲  ▲ backoff is over                                  │
//!                      │  └──────────────── backing off ◄────────────────────┤ a cure came soon
//!                      └─────────────────────────────────────────────────────┘ a cure came later, or none for long
//! ```
//!
//! Active pods come first: by priority, then by how long they wait. Pods that back off (1 s after the first failure,
//! doubling to 10 s) come when there is nothing else to do, those whose backoff ends in an earlier second before the
//! others, so that nobody waits while the scheduler is idle. A parked pod wakes when something happens that may cure what
//! the plugins had against it; and after five minutes all the same. Those that wait for the same are found together: for
//! all pods of one shape the plugins are asked once, and who waits for a claim is found by that claim.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::happening::{Happening, Rejectors};
use super::node_table::{ClaimName, NodeTable, Tenant};
use super::shape::Shape;
use crate::ids::Uid;
use crate::time::Time;

/// Where a pod is in the queue. The keys are those of the sets.
#[derive(Clone, Copy, Debug)]
enum Place {
    Active(ActiveKey),
    BackingOff(BackoffKey),
    Parked(Group),
    InCycle,
}

/// Pods that wait for the same: the plugins that rejected them, and the number of their shape.
type Group = (Rejectors, u64);
type ActiveKey = (Reverse<i32>, Time, u64, Uid);
type BackoffKey = (Time, Reverse<i32>, Time, u64, Uid);

/// A pod that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    priority: i32,
    /// When it came, or when it was last tried.
    since: Time,
    /// Orders pods of the same moment.
    sequence: u64,
    attempts: u32,
    /// A whole second: among those of one second the important go first.
    backoff_until: Time,
    place: Place,
}

/// The pods that wait for a node.
#[derive(Debug)]
pub(crate) struct Queue {
    pods: BTreeMap<Uid, Waiting>,
    active: BTreeSet<ActiveKey>,
    backing_off: BTreeSet<BackoffKey>,
    parked: BTreeSet<(Group, Uid)>,
    /// The same by how long they have been there.
    parked_since: BTreeSet<(Time, Uid)>,
    /// The shapes of those that wait, and how many they are.
    shapes: BTreeMap<u64, (Arc<Shape>, usize)>,
    /// The same by the claims that they have, where those keep them.
    parked_by_claim: BTreeSet<(ClaimName, Uid)>,
    claims: BTreeMap<Uid, Vec<ClaimName>>,
    sequence: u64,
    bounds: Bounds,
}

/// What a pod waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Who rejected it.
    pub(crate) by: Rejectors,
    /// Its shape, if anybody looked at it.
    pub(crate) shape: Option<Arc<Shape>>,
    /// Its claims, where those keep it.
    pub(crate) claims: Vec<ClaimName>,
}

impl Wait {
    /// For what these plugins hear of; claims keep a pod only if it is for its volumes that it was rejected.
    pub(crate) fn of(by: Rejectors, shape: &Arc<Shape>, tenant: &Tenant) -> Self {
        let by_volumes = by.meets(Rejectors::those(|plugin| plugin.hears(&Happening::StorageChanged)));
        let claims = if by_volumes { tenant.claims().collect() } else { Vec::new() };
        Self { by, shape: Some(Arc::clone(shape)), claims }
    }
}

/// How long pods wait in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) backoff_first: Duration,
    pub(crate) backoff_max: Duration,
    /// The longest time without a cure.
    pub(crate) parked_max: Duration,
}

impl Queue {
    /// An empty queue.
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self {
            pods: BTreeMap::new(),
            active: BTreeSet::new(),
            backing_off: BTreeSet::new(),
            parked: BTreeSet::new(),
            parked_since: BTreeSet::new(),
            shapes: BTreeMap::new(),
            parked_by_claim: BTreeSet::new(),
            claims: BTreeMap::new(),
            sequence: 0,
            bounds,
        }
    }

    /// How many pods wait, those included that nothing can be done for now.
    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether there is a pod to try.
    pub(crate) fn is_ready(&self, now: Time) -> bool {
        !self.active.is_empty() || !self.backing_off.is_empty() || self.next_wake().is_some_and(|at| at <= now)
    }

    /// When a parked pod has waited for long enough.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.parked_since.first().map(|(since, _)| *since + self.bounds.parked_max)
    }

    /// Whether the pod waits.
    pub(crate) fn contains(&self, pod: Uid) -> bool {
        self.pods.contains_key(&pod)
    }

    /// Takes in a pod that waits since then. One that is parked has changed, which may cure it.
    pub(crate) fn add(&mut self, pod: Uid, priority: i32, since: Time, now: Time) {
        let known = self.pods.get(&pod).copied();
        match known.map(|known| known.place) {
            Some(Place::Parked(_)) => return self.wake_pod(pod, now),
            Some(Place::BackingOff(_)) => return,
            Some(Place::Active(_) | Place::InCycle) | None => {}
        }
        self.leave(pod);
        self.sequence += 1;
        let fresh = Waiting {
            priority,
            since,
            sequence: self.sequence,
            attempts: 0,
            backoff_until: Time::EPOCH,
            place: Place::InCycle,
        };
        let waiting = known.map_or(fresh, |known| Waiting { priority, ..known });
        self.activate(pod, waiting);
    }

    /// Forgets a pod.
    pub(crate) fn remove(&mut self, pod: Uid) {
        self.leave(pod);
        self.pods.remove(&pod);
    }

    /// The next pod to try; it stays known until [`Queue::remove`] or [`Queue::park`].
    pub(crate) fn next(&mut self, now: Time) -> Option<Uid> {
        while let Some((since, pod)) = self.parked_since.first().copied()
            && since + self.bounds.parked_max <= now
        {
            self.wake_pod(pod, now);
        }
        while let Some(key @ (until, .., pod)) = self.backing_off.first().copied()
            && is_over(until, now)
        {
            self.backing_off.remove(&key);
            if let Some(waiting) = self.pods.get(&pod).copied() {
                self.activate(pod, waiting);
            }
        }
        let pod = match self.active.pop_first() {
            Some((.., pod)) => pod,
            None => self.backing_off.pop_first()?.4,
        };
        if let Some(waiting) = self.pods.get_mut(&pod) {
            waiting.place = Place::InCycle;
            waiting.attempts = waiting.attempts.saturating_add(1);
        }
        Some(pod)
    }

    /// No node was found: the pod waits for a cure.
    pub(crate) fn park(&mut self, pod: Uid, wait: Wait, now: Time) {
        let Bounds { backoff_first, backoff_max, .. } = self.bounds;
        self.leave(pod);
        let Some(waiting) = self.pods.get_mut(&pod) else { return };
        let doublings = waiting.attempts.saturating_sub(1).min(16);
        waiting.backoff_until = (now + backoff_first.saturating_mul(1 << doublings).min(backoff_max)).whole_second();
        waiting.since = now;
        let group = (wait.by, wait.shape.as_ref().map_or(0, |shape| shape.number));
        waiting.place = Place::Parked(group);
        self.parked.insert((group, pod));
        self.parked_since.insert((now, pod));
        if let Some(shape) = wait.shape {
            self.shapes.entry(shape.number).or_insert_with(|| (shape, 0)).1 += 1;
        }
        if !wait.claims.is_empty() {
            self.parked_by_claim.extend(wait.claims.iter().map(|claim| (claim.clone(), pod)));
            self.claims.insert(pod, wait.claims);
        }
    }

    /// Something of the pod is not there yet: it waits for that, and was not tried.
    pub(crate) fn hold(&mut self, pod: Uid, wait: Wait, now: Time) {
        self.park(pod, wait, now);
        if let Some(waiting) = self.pods.get_mut(&pod) {
            waiting.attempts = waiting.attempts.saturating_sub(1);
            waiting.backoff_until = Time::EPOCH;
        }
    }

    /// What was decided for the pod was refused: it is tried again then, however idle the scheduler is.
    pub(crate) fn set_back(&mut self, pod: Uid, priority: i32, until: Time, now: Time) {
        self.add(pod, priority, now, now);
        self.leave(pod);
        let Some(waiting) = self.pods.get_mut(&pod) else { return };
        // As if it had been there for long: nothing else wakes it.
        let (since, group) = (until.minus(self.bounds.parked_max), Group::default());
        (waiting.since, waiting.place) = (since, Place::Parked(group));
        self.parked.insert((group, pod));
        self.parked_since.insert((since, pod));
    }

    /// Something happened: wakes the pods of which one of those that rejected them says that they may be cured.
    pub(crate) fn tell(&mut self, what: &Happening<'_>, table: &NodeTable, now: Time) {
        self.tell_up_to(i32::MAX, what, table, now);
    }

    /// The same for those that are at most this important: to others it was open before.
    pub(crate) fn tell_up_to(&mut self, most: i32, what: &Happening<'_>, table: &NodeTable, now: Time) {
        if self.parked.is_empty() {
            return;
        }
        let mut hearing = Rejectors::those(|plugin| plugin.hears(what));
        if matches!(what, Happening::NodeCame(_)) {
            hearing = hearing.with(Rejectors::NO_NODES);
        }
        let is_cured = |by: Rejectors, shape: &Shape| {
            by.among(hearing).plugins().any(|plugin| plugin.is_cured_by(what, shape, table))
        };
        let mut from = (Group::default(), Uid::LOWEST);
        while let Some((group @ (by, number), pod)) = self.parked.range(from..).next().copied() {
            if !by.meets(hearing) {
                // Past all pods that were rejected by the same.
                let Some(next) = by.next() else { break };
                from = ((next, 0), Uid::LOWEST);
                continue;
            }
            from = ((by, number + 1), Uid::LOWEST);
            if self.shapes.get(&number).is_some_and(|(shape, _)| !is_cured(by, shape)) {
                continue;
            }
            let of_group = self.parked.range((group, pod)..).take_while(|(other, _)| *other == group);
            let may_hear = |pod: &Uid| self.pods.get(pod).is_some_and(|waiting| waiting.priority <= most);
            let pods: Vec<Uid> = of_group.map(|(_, pod)| *pod).filter(may_hear).collect();
            pods.into_iter().for_each(|pod| self.wake_pod(pod, now));
        }
    }

    /// Whether some pod waits for a cure.
    pub(crate) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Who rejected this pod, if it waits for a cure.
    pub(crate) fn rejectors(&self, pod: Uid) -> Option<Rejectors> {
        match self.pods.get(&pod)?.place {
            Place::Parked((by, _)) => Some(by),
            Place::Active(_) | Place::BackingOff(_) | Place::InCycle => None,
        }
    }

    /// A claim or its volume changed: wakes the pods that it keeps.
    pub(crate) fn wake_users(&mut self, claim: &ClaimName, now: Time) {
        let users = self.parked_by_claim.range((claim.clone(), Uid::LOWEST)..);
        let users: Vec<Uid> = users.take_while(|(other, _)| other == claim).map(|(_, pod)| *pod).collect();
        users.into_iter().for_each(|pod| self.wake_pod(pod, now));
    }

    /// Wakes this pod, if it is parked.
    pub(crate) fn wake_pod(&mut self, pod: Uid, now: Time) {
        let Some(waiting) = self.pods.get(&pod).copied() else { return };
        if !matches!(waiting.place, Place::Parked(_)) {
            return;
        }
        self.leave(pod);
        if is_over(waiting.backoff_until, now) {
            return self.activate(pod, waiting);
        }
        let key = (waiting.backoff_until, Reverse(waiting.priority), waiting.since, waiting.sequence, pod);
        self.pods.insert(pod, Waiting { place: Place::BackingOff(key), ..waiting });
        self.backing_off.insert(key);
    }

    fn activate(&mut self, pod: Uid, waiting: Waiting) {
        let key = (Reverse(waiting.priority), waiting.since, waiting.sequence, pod);
        self.active.insert(key);
        self.pods.insert(pod, Waiting { place: Place::Active(key), ..waiting });
    }

    fn leave(&mut self, pod: Uid) {
        let Some(Waiting { place, since, .. }) = self.pods.get(&pod) else { return };
        match place {
            Place::Active(key) => _ = self.active.remove(key),
            Place::BackingOff(key) => _ = self.backing_off.remove(key),
            Place::Parked(group @ (_, number)) => {
                self.parked.remove(&(*group, pod));
                self.parked_since.remove(&(*since, pod));
                if let Some((_, pods)) = self.shapes.get_mut(number) {
                    *pods -= 1;
                    if *pods == 0 {
                        self.shapes.remove(number);
                    }
                }
                for claim in self.claims.remove(&pod).into_iter().flatten() {
                    self.parked_by_claim.remove(&(claim, pod));
                }
            }
            Place::InCycle => {}
        }
    }
}

/// Whether a backoff that ends in this second is over: when the second is.
fn is_over(until: Time, now: Time) -> bool {
    until < now.whole_second()
}
