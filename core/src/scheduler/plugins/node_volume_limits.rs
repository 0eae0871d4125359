//! A node has no more volumes of a driver than the driver says it can (`CSINode.spec.drivers[].allocatable.count`).

use std::collections::BTreeSet;

use crate::scheduler::attachments::{Attaching, DriverVolume, Limits};
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodeVolumeLimits;

impl Plugin for NodeVolumeLimits {
    fn name(&self) -> &'static str {
        "NodeVolumeLimits"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.volumes.attaching.is_empty() { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn filter(&self, shape: &Shape, table: &NodeTable, candidates: &mut Candidates<'_>) {
        let has_room = |row: &NodeRow| {
            let Some(limits) = table.limits_of(&row.name) else { return true };
            let there = table.volumes_on(row);
            shape.volumes.attaching.iter().all(|attaching| fits(attaching, limits, &there))
        };
        candidates.retain(|row| match has_room(row) {
            true => Ok(()),
            false => Err(Rejected::evictable(self, "node(s) exceed max volume count")),
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        match what {
            Happening::PodWent(pod) => pod.claims().next().is_some(),
            Happening::NodeCame(_) | Happening::StorageChanged => true,
            _ => false,
        }
    }
}

/// Volumes that the node has already are no more for this pod.
fn fits(attaching: &Attaching, limits: &Limits, there: &BTreeSet<DriverVolume>) -> bool {
    let Some(limit) = limits.get(&attaching.driver) else { return true };
    let more = attaching.fresh + attaching.known.iter().filter(|volume| !there.contains(volume)).count();
    let has = || there.iter().filter(|volume| volume.driver == attaching.driver).count();
    more == 0 || has() + more <= *limit
}
