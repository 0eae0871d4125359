//! The pods that wait for a node.
//!
//! ```text
//!            add                 next                      unschedulable
//!   (new) ────────► active ────────────────► (in a cycle) ───────────────► parked
//!                      ▲  ▲ backoff is over                                  │
//!                      │  └──────────────── backing off ◄────────────────────┤ a cure came soon
//!                      └─────────────────────────────────────────────────────┘ a cure came later
//! ```
//!
//! Active pods come first: by priority, then by how long they wait. Pods that back off (1 s after the first failure,
//! doubling to 10 s) come when there is nothing else to do, the one whose backoff ends first before the others, so that
//! nobody waits while the scheduler is idle. A parked pod wakes when something happens that may cure what kept it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::plugin::Cure;
use crate::ids::Uid;
use crate::time::Time;

/// A set of cures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cures(u8);

impl Cures {
    /// Whatever happens.
    pub(crate) const ANY: Self = Self(u8::MAX);

    /// With this one too.
    #[must_use]
    pub(crate) const fn with(self, cure: Cure) -> Self {
        Self(self.0 | 1 << cure as u8)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl From<Cure> for Cures {
    fn from(cure: Cure) -> Self {
        Self::default().with(cure)
    }
}

impl FromIterator<Cure> for Cures {
    fn from_iter<I: IntoIterator<Item = Cure>>(cures: I) -> Self {
        cures.into_iter().fold(Self::default(), Self::with)
    }
}

/// Where a pod is in the queue. The keys are those of the sets.
#[derive(Clone, Copy, Debug)]
enum Place {
    Active(ActiveKey),
    BackingOff(BackoffKey),
    Parked(Cures),
    InCycle,
}

type ActiveKey = (Reverse<i32>, Time, u64, Uid);
type BackoffKey = (Time, Reverse<i32>, u64, Uid);

/// A pod that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    priority: i32,
    /// When it came, or when it was last tried.
    since: Time,
    /// Orders pods of the same moment.
    sequence: u64,
    attempts: u32,
    backoff_until: Time,
    place: Place,
}

/// The pods that wait for a node.
#[derive(Debug)]
pub(crate) struct Queue {
    pods: BTreeMap<Uid, Waiting>,
    active: BTreeSet<ActiveKey>,
    backing_off: BTreeSet<BackoffKey>,
    parked: BTreeSet<(Cures, Uid)>,
    sequence: u64,
    backoff_first: Duration,
    backoff_max: Duration,
}

impl Queue {
    /// An empty queue with these bounds of the backoff.
    pub(crate) const fn new(backoff_first: Duration, backoff_max: Duration) -> Self {
        Self {
            pods: BTreeMap::new(),
            active: BTreeSet::new(),
            backing_off: BTreeSet::new(),
            parked: BTreeSet::new(),
            sequence: 0,
            backoff_first,
            backoff_max,
        }
    }

    /// How many pods wait, those included that nothing can be done for now.
    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether there is a pod to try.
    pub(crate) fn is_ready(&self) -> bool {
        !self.active.is_empty() || !self.backing_off.is_empty()
    }

    /// Whether the pod waits.
    pub(crate) fn contains(&self, pod: Uid) -> bool {
        self.pods.contains_key(&pod)
    }

    /// Takes in a pod; one that waits already is made active again.
    pub(crate) fn add(&mut self, pod: Uid, priority: i32, now: Time) {
        let known = self.pods.get(&pod).copied();
        self.leave(pod);
        self.sequence += 1;
        let fresh = Waiting {
            priority,
            since: now,
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
        while let Some(key @ (until, _, _, pod)) = self.backing_off.first().copied()
            && until <= now
        {
            self.backing_off.remove(&key);
            if let Some(waiting) = self.pods.get(&pod).copied() {
                self.activate(pod, waiting);
            }
        }
        let pod = match self.active.pop_first() {
            Some((.., pod)) => pod,
            None => self.backing_off.pop_first()?.3,
        };
        if let Some(waiting) = self.pods.get_mut(&pod) {
            waiting.place = Place::InCycle;
            waiting.attempts = waiting.attempts.saturating_add(1);
        }
        Some(pod)
    }

    /// No node was found: the pod waits for one of these cures.
    pub(crate) fn park(&mut self, pod: Uid, cures: Cures, now: Time) {
        let (first, max) = (self.backoff_first, self.backoff_max);
        self.leave(pod);
        let Some(waiting) = self.pods.get_mut(&pod) else { return };
        let doublings = waiting.attempts.saturating_sub(1).min(16);
        waiting.backoff_until = now + first.saturating_mul(1 << doublings).min(max);
        waiting.since = now;
        waiting.place = Place::Parked(cures);
        self.parked.insert((cures, pod));
    }

    /// Something happened: wakes the pods that it may cure.
    pub(crate) fn wake(&mut self, what: Cures, now: Time) {
        let mut from = (Cures::default(), Uid::LOWEST);
        while let Some((cures, pod)) = self.parked.range(from..).next().copied() {
            if !cures.meets(what) {
                // Past all pods that wait for the same.
                let Some(next) = cures.0.checked_add(1) else { break };
                from = (Cures(next), Uid::LOWEST);
                continue;
            }
            from = (cures, pod);
            self.parked.remove(&(cures, pod));
            self.wake_one(pod, now);
        }
    }

    /// Wakes this pod, if it is parked.
    pub(crate) fn wake_pod(&mut self, pod: Uid, now: Time) {
        if let Some(Place::Parked(cures)) = self.pods.get(&pod).map(|waiting| waiting.place) {
            self.parked.remove(&(cures, pod));
            self.wake_one(pod, now);
        }
    }

    fn wake_one(&mut self, pod: Uid, now: Time) {
        let Some(waiting) = self.pods.get_mut(&pod) else { return };
        if waiting.backoff_until <= now {
            let waiting = *waiting;
            return self.activate(pod, waiting);
        }
        let key = (waiting.backoff_until, Reverse(waiting.priority), waiting.sequence, pod);
        waiting.place = Place::BackingOff(key);
        self.backing_off.insert(key);
    }

    fn activate(&mut self, pod: Uid, waiting: Waiting) {
        let key = (Reverse(waiting.priority), waiting.since, waiting.sequence, pod);
        self.active.insert(key);
        self.pods.insert(pod, Waiting { place: Place::Active(key), ..waiting });
    }

    fn leave(&mut self, pod: Uid) {
        match self.pods.get(&pod).map(|waiting| waiting.place) {
            Some(Place::Active(key)) => _ = self.active.remove(&key),
            Some(Place::BackingOff(key)) => _ = self.backing_off.remove(&key),
            Some(Place::Parked(cures)) => _ = self.parked.remove(&(cures, pod)),
            Some(Place::InCycle) | None => {}
        }
    }
}
