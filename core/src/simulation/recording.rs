//! What was committed: what a process finds again after it died.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NodeName, Revision, Uid};
use crate::object::kind::{self, Kinds};
use crate::store::{Change, ChangeKind, Committed, Object, Recovered};

/// A place of durability in memory, outside of the process that may die.
#[derive(Debug, Default)]
pub(super) struct Recording {
    objects: BTreeMap<Uid, Arc<Object>>,
    revision: Revision,
    /// What the last batch removed: calls for it may still leave.
    removed: Vec<Arc<Object>>,
}

impl Recording {
    pub(super) const fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes in a batch. Events are not kept.
    pub(super) fn commit(&mut self, changes: &[Change], revision: Revision) {
        self.removed.clear();
        for change in changes.iter().filter(|change| change.object.meta.kind != kind::EVENT) {
            let object = Arc::clone(&change.object);
            if change.kind == ChangeKind::Deleted {
                self.objects.remove(&object.meta.uid);
                self.removed.push(object);
            } else {
                self.objects.insert(object.meta.uid, object);
            }
        }
        self.revision = revision;
    }

    /// Whether it is committed that this pod is on this node.
    pub(super) fn has_pod_on(&self, uid: Uid, node: &NodeName) -> bool {
        let removed = self.removed.iter().find(|object| object.meta.uid == uid);
        let object = self.objects.get(&uid).or(removed);
        object.and_then(|object| object.pod()).is_some_and(|pod| pod.node.as_ref() == Some(node))
    }

    /// All of it, for the next life: as JSON and back, as any place outside of the process keeps it.
    pub(super) fn committed(&self, kinds: &Kinds) -> Committed {
        let objects = self.objects.values().map(|object| object.to_value(kinds)).collect();
        let recovered = Recovered { objects, revision: self.revision };
        Committed::read(recovered, kinds.clone()).expect("what a store wrote can be read")
    }
}
