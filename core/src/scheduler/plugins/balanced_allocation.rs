//! Rather a node whose CPU and memory are used in more equal parts with the pod than without it.

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

    /// A pod that requests neither is not balanced: many of them would go to one node.
    fn scores(&self, shape: &Shape, _table: &NodeTable) -> bool {
        shape.footprint.requests.cpu_milli != 0 || shape.footprint.requests.memory != 0
    }

    /// Half of the points for being there, and up to half for the improvement.
    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        column.extend(rows.iter().map(|(_, row)| {
            let before = evenness(row, 0, 0);
            let after = evenness(row, shape.footprint.requests.cpu_milli, shape.footprint.requests.memory);
            SCORE_MAX / 2 + (SCORE_MAX / 2 + after - before) / 2
        }));
    }
}

/// [`SCORE_MAX`] when CPU and memory are used in equal parts.
fn evenness(row: &NodeRow, cpu_milli: i64, memory: i64) -> i64 {
    let (has, used) = (&row.allocatable, &row.requested);
    let part = |used: i64, has: i64| (used as f64 / has as f64).min(1.0);
    if has.cpu_milli == 0 || has.memory == 0 {
        return SCORE_MAX;
    }
    let cpu = part(used.cpu_milli.saturating_add(cpu_milli), has.cpu_milli);
    let memory = part(used.memory.saturating_add(memory), has.memory);
    let deviation = ((cpu - memory) / 2.0).abs();
    ((1.0 - deviation) * SCORE_MAX as f64) as i64
}
