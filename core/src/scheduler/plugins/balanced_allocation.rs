//! Rather a node whose resources (CPU and memory, unless the profile says others) are used in more equal parts with the
//! pod than without it.

use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Column, Plugin, SCORE_MAX};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodeResourcesBalancedAllocation;

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn weight(&self) -> i64 {
        1
    }

    /// A pod that requests nothing is not balanced: many of them would go to one node.
    fn scores(&self, shape: &Shape, _table: &NodeTable) -> bool {
        shape.profile.scoring().balanced.iter().any(|resource| resource.asked(&shape.footprint) != 0)
    }

    /// Half of the points for being there, and up to half for the improvement.
    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let scoring = shape.profile.scoring();
        column.extend(rows.iter().map(|(_, row)| {
            let (before, after) = scoring.evenness(row, &shape.footprint);
            SCORE_MAX / 2 + (SCORE_MAX / 2 + after - before) / 2
        }));
    }
}
