//! Disks that pods name themselves are shared on a node only by those who just read them; a claim with the access mode
//! `ReadWriteOncePod` is used by one pod at a time.

use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Candidates, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct VolumeRestrictions;

impl Plugin for VolumeRestrictions {
    fn name(&self) -> &'static str {
        "VolumeRestrictions"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        let matters = !shape.volumes.exclusive.is_empty() || !shape.footprint.disks.is_empty();
        if matters { Narrowed::All } else { Narrowed::NotMyConcern }
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        let disks = &shape.footprint.disks;
        let is_in_use = |row: &NodeRow| disks.iter().any(|disk| row.disks.iter().any(|used| used.clashes(disk)));
        candidates.retain(|row| {
            if is_in_use(row) {
                Err(Rejected::new("node(s) had no available disk", Cure::Eviction))
            } else if shape.volumes.exclusive.iter().any(|claim| claim.is_taken(row)) {
                let reason =
                    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
                Err(Rejected::new(reason, Cure::Eviction))
            } else {
                Ok(())
            }
        });
    }
}
