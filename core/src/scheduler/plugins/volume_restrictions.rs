//! Disks that pods name themselves are shared on a node only by those who just read them; a claim with the access mode
//! `ReadWriteOncePod` is used by one pod at a time.

use crate::scheduler::disks::Disk;
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
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
        candidates.retain(|row| {
            if clash(&row.disks, shape) {
                Err(Rejected::evictable(self, "node(s) had no available disk"))
            } else if shape.volumes.exclusive.iter().any(|claim| claim.is_taken(row)) {
                let reason =
                    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
                Err(Rejected::evictable(self, reason))
            } else {
                Ok(())
            }
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        matches!(what, Happening::NodeCame(_) | Happening::PodWent(_))
    }

    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        let Happening::PodWent(pod) = what else { return true };
        clash(&pod.footprint.disks, shape)
            || pod.claims().any(|claim| shape.volumes.exclusive.iter().any(|one| one.is(&claim)))
    }
}

fn clash(used: &[Disk], shape: &Shape) -> bool {
    shape.footprint.disks.iter().any(|disk| used.iter().any(|used| used.clashes(disk)))
}
