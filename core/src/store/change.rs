//! What a commit did: the changes that watchers, indexes, controllers and the durable log read.

use std::sync::Arc;

use super::object::Object;
use crate::ids::Revision;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It was there before and is different now.
    Modified,
    /// It is gone.
    Deleted,
}

/// One committed change of one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after it; of a deleted one its last state, stamped with the revision of the deletion.
    pub object: Arc<Object>,
    /// The object before it.
    pub before: Option<Arc<Object>>,
}

impl Change {
    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        self.object.meta.revision
    }

    /// The object as it is now: `None` when it is gone.
    pub fn after(&self) -> Option<&Arc<Object>> {
        match self.kind {
            ChangeKind::Added | ChangeKind::Modified => Some(&self.object),
            ChangeKind::Deleted => None,
        }
    }
}
