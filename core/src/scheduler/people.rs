//! What pods are to nodes and to each other, worked out once for all that are alike.

use super::kin::Kins;
use super::node_table::Tenant;
use super::shape::Footprints;
use crate::store::{Object, PodBody};

/// The footprints and the kins of pods.
#[derive(Debug, Default)]
pub(crate) struct People {
    footprints: Footprints,
    kins: Kins,
}

impl People {
    /// What a pod is to its node, wherever that is.
    pub(crate) fn tenant(&mut self, object: &Object, pod: &PodBody) -> Tenant {
        let footprint = self.footprints.of(pod);
        let name = (!footprint.ephemeral.is_empty()).then(|| std::sync::Arc::clone(&object.meta.name));
        Tenant { footprint, priority: pod.priority(), kin: self.kins.of(&object.meta, pod), name }
    }
}
