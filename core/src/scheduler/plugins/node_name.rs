//! A pod that names its node goes there or nowhere (`spec.nodeName`).
//!
//! Such a pod never comes to the scheduler's queue; the rule is asked by others that place pods, such as the DaemonSet
//! controller.

use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.node.is_none() { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match shape.node.as_ref() == Some(&row.name) {
            true => Ok(()),
            false => Err(Rejected::fixed(self, "node(s) didn't match the requested node name")),
        });
    }
}
