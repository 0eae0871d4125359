//! Devices that pods claim (`spec.resourceClaims`) are not allocated: a pod that needs one gets no node.

use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.claims_devices() { Narrowed::All } else { Narrowed::NotMyConcern }
    }

    fn is_late(&self) -> bool {
        true
    }

    fn filter(&self, _shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|_| Err(Rejected::fixed(self, "cannot allocate all claims")));
    }
}
