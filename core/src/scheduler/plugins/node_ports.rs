//! Two pods of one node cannot have the same host port (`spec.containers[].ports[].hostPort`).

use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Candidates, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.footprint.ports.is_empty() { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| {
            match shape.footprint.ports.iter().any(|port| row.ports.iter().any(|used| used.clashes(port))) {
                true => {
                    Err(Rejected::new("node(s) didn't have free ports for the requested pod ports", Cure::Eviction))
                }
                false => Ok(()),
            }
        });
    }
}
