//! A store made anew from what was committed: after a crash, or when a standby takes over.
//!
//! Every object comes back as the version that it was, and the counter of revisions goes on where it stopped, so that
//! what clients hold stays comparable. Events (`v1/Event`) are never durable and are gone.

use std::sync::Arc;

use super::change::{Change, ChangeKind};
use super::commit::Store;
use super::object::Object;
use crate::ids::Revision;
use crate::object::kind::Kinds;

/// What a place of durability holds.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The objects, each as it was last committed.
    pub objects: Vec<Arc<Object>>,
    /// The last revision that was given out.
    pub revision: Revision,
    /// The kinds that were known.
    pub kinds: Kinds,
}

impl Store {
    /// A store that holds what was committed. Uids and names are drawn from another stream than before: those that
    /// the last life has drawn are taken, even where nothing of them is left.
    pub fn restore(committed: Committed, seed: u64) -> Self {
        let life = seed ^ committed.revision.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut store = Self::new(life);
        store.kinds = committed.kinds;
        for object in committed.objects {
            store.live.put_back(object);
        }
        store.live.revision = committed.revision;
        store
    }

    /// All objects as if they were new: what whoever starts with this store has to be told.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let mut objects: Vec<Arc<Object>> = self.live.objects.values().cloned().collect();
        objects.sort_by_key(|object| object.meta.revision);
        let added = |object| Change { kind: ChangeKind::Added, object, before: None };
        objects.into_iter().map(added).collect()
    }
}
