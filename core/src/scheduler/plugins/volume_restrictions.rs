//! A claim with the access mode `ReadWriteOncePod` is used by one pod at a time.

use crate::scheduler::plugin::{Candidates, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct VolumeRestrictions;

impl Plugin for VolumeRestrictions {
    fn name(&self) -> &'static str {
        "VolumeRestrictions"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.volumes.is_taken { Narrowed::All } else { Narrowed::NotMyConcern }
    }

    fn filter(&self, _shape: &Shape, candidates: &mut Candidates<'_>) {
        let reason = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
        candidates.retain(|_| Err(Rejected::new(reason, Cure::Eviction)));
    }
}
