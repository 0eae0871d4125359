//! What admission may look at of the rest of the cluster: the objects of one snapshot.

use std::sync::Arc;

use super::snapshot::Snapshot;
use crate::object::kind::{KindId, Kinds, TypedObject};
use crate::object::mutate::Surroundings;

impl Surroundings for Snapshot {
    fn get(&self, kind: KindId, namespace: &str, name: &str) -> Option<Arc<dyn TypedObject>> {
        self.find(kind, namespace, name)?.to_typed(&Kinds::built_in())
    }

    fn list(&self, kind: KindId, namespace: &str) -> Vec<Arc<dyn TypedObject>> {
        let kinds = Kinds::built_in();
        self.list_in(kind, namespace).filter_map(|object| object.to_typed(&kinds)).collect()
    }
}
