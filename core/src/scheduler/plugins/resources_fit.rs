//! A node must have room for what the pod requests; emptier nodes are better, or fuller ones, as the profile says
//! (`scoringStrategy`).
//!
//! What is more than the whole node has is cured by no eviction.

use smallvec::SmallVec;

use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Candidates, Column, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;
use crate::text::Text;

#[derive(Debug)]
pub(crate) struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn prepare(&self, _shape: &Shape) -> Narrowed {
        Narrowed::All
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match lacking(shape, row) {
            None => Ok(()),
            Some(rejected) => Err(rejected),
        });
    }

    fn scores(&self, _shape: &Shape, _table: &NodeTable) -> bool {
        true
    }

    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let scoring = shape.profile.scoring();
        column.extend(rows.iter().map(|(_, row)| scoring.points(row, &shape.footprint)));
    }
}

/// Each resource that the node has too little of.
fn lacking(shape: &Shape, row: &NodeRow) -> Option<Rejected> {
    let mut reasons: SmallVec<[Text; 1]> = SmallVec::new();
    let mut beyond_the_node = false;
    if i64::from(row.pods) + 1 > row.allocatable.pods {
        reasons.push("Too many pods".into());
    }
    let wanted = &shape.footprint.requests;
    if !wanted.is_zero() {
        let mut check = |wanted: i64, has: i64, used: i64, reason: &dyn Fn() -> Text| {
            if wanted > 0 && wanted > has.saturating_sub(used) {
                reasons.push(reason());
                beyond_the_node |= wanted > has;
            }
        };
        let (has, used) = (&row.allocatable, &row.requested);
        check(wanted.cpu_milli, has.cpu_milli, used.cpu_milli, &|| "Insufficient cpu".into());
        check(wanted.memory, has.memory, used.memory, &|| "Insufficient memory".into());
        check(wanted.ephemeral_storage, has.ephemeral_storage, used.ephemeral_storage, &|| {
            "Insufficient ephemeral-storage".into()
        });
        let counted = wanted.scalars.iter().filter(|(name, _)| !shape.profile.ignored.covers(name));
        for (name, amount) in counted {
            check(*amount, has.scalar(name), used.scalar(name), &|| format!("Insufficient {name}").into());
        }
    }
    let cured_by = if beyond_the_node { Cure::NodeRoom } else { Cure::Eviction };
    (!reasons.is_empty()).then_some(Rejected { reasons, cured_by })
}
