//! A pod goes where the devices that it claims can be used, or where there are some for it (`spec.resourceClaims`); rather
//! where there are those that it names first.

use crate::scheduler::devices::{fits, preference};
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Candidates, Column, Narrowed, Plugin, Rejected, Scale};
use crate::scheduler::plugins::node_affinity::matches_selector;
use crate::scheduler::shape::Shape;

/// A claim has devices that cannot be used on a node.
pub(crate) const NOT_AVAILABLE: &str = "resourceclaim not available on the node";

#[derive(Debug)]
pub(crate) struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn scale(&self) -> Scale {
        Scale::HighestIsBest
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        let Some(demand) = &shape.devices else { return Narrowed::NotMyConcern };
        match &demand.waits_for {
            Some(reason) => Narrowed::None(reason.clone()),
            None if demand.is_nothing() => Narrowed::NotMyConcern,
            None => Narrowed::All,
        }
    }

    fn is_late(&self) -> bool {
        true
    }

    fn filter(&self, shape: &Shape, table: &NodeTable, candidates: &mut Candidates<'_>) {
        let Some(demand) = &shape.devices else { return };
        let is_usable = |row: &NodeRow| demand.usable.iter().all(|selector| matches_selector(selector, row));
        candidates.retain(|row| {
            fits(demand, table.devices(), row).map_err(|why| Rejected::fixed(self, why))?;
            if is_usable(row) { Ok(()) } else { Err(Rejected::fixed(self, NOT_AVAILABLE)) }
        });
    }

    fn scores(&self, shape: &Shape, _table: &NodeTable) -> bool {
        shape.devices.as_ref().is_some_and(|demand| demand.has_alternatives())
    }

    /// The earlier the alternatives that there are devices for, the better.
    fn score(&self, shape: &Shape, table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let Some(demand) = &shape.devices else { return };
        column.extend(rows.iter().map(|(_, row)| preference(demand, table.devices(), row)));
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        match what {
            Happening::NodeCame(_) | Happening::DevicesChanged | Happening::DeviceClassChanged(_) => true,
            Happening::NodeChanged { before, after } => before.labels != after.labels,
            _ => false,
        }
    }
}
