//! What a controller is.

use std::fmt;
use std::time::Duration;

use smallvec::SmallVec;

use super::plan::Plan;
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind::KindId;
use crate::store::{Change, Snapshot};
use crate::time::Time;

/// The keys that a change concerns.
pub type Keys = SmallVec<[Uid; 4]>;

/// One kind of object that a controller wants to hear of, and whose key a change of it concerns.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The kind; `None` for all kinds.
    pub kind: Option<KindId>,
    /// The keys to look at again. The snapshot is the one after the change.
    pub keys: fn(&Change, &Snapshot, &mut Keys),
    /// How long after the change they are looked at; changes in between do not put it off.
    pub after: Duration,
}

impl Watched {
    /// Every change of this kind.
    pub const fn kind(kind: KindId, keys: fn(&Change, &Snapshot, &mut Keys)) -> Self {
        Self { kind: Some(kind), keys, after: Duration::ZERO }
    }

    /// Every change of any kind.
    pub const fn every_kind(keys: fn(&Change, &Snapshot, &mut Keys)) -> Self {
        Self { kind: None, keys, after: Duration::ZERO }
    }

    /// The same, but looked at only after a while.
    #[must_use]
    pub const fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The controller's own kind: the key is the object itself.
    pub const fn itself(kind: KindId) -> Self {
        Self::kind(kind, |change, _, keys| keys.push(change.object.meta.uid))
    }
}

/// A controller as two pure functions.
///
/// # Contract
/// - `observe` reads only the snapshot, through its indexes; it never scans a table that an index could answer.
/// - `decide` is pure: no clock, no randomness, no I/O, no logging. The same observation at the same time gives the
///   same plan.
/// - A plan with no action and an unmet goal says what it waits on, and when to look again if time is what it waits on.
pub trait Controller: 'static {
    /// All that [`Controller::decide`] may look at.
    type Observed<'w>: fmt::Debug;

    /// Its name as it appears in events and metrics: `replicaset-controller`.
    const NAME: &'static str;

    /// The delay after the first refusal in a row, doubled after each further one, and the longest.
    const RETRY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1000));

    /// What wakes it.
    const WATCHED: &'static [Watched];

    /// Joins what there is to know about this key; `None` when there is nothing to look after any more.
    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Self::Observed<'w>>;

    /// Decides what to do.
    fn decide(observed: &Self::Observed<'_>, now: Time) -> Plan;

    /// Whether a plan may be left until something else makes the controller look, though it writes something: upstream's
    /// controllers do not watch everything that their status speaks of.
    fn can_wait(_plan: &Plan) -> bool {
        false
    }

    /// What to write down when the store refused an action of the plan (a quota, an invalid template). The plan is
    /// tried again with backoff in any case.
    fn refused(_observed: &Self::Observed<'_>, _error: &ApiError, _now: Time) -> Plan {
        Plan::nothing()
    }
}
