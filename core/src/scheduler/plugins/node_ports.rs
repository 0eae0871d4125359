//! Two pods of one node cannot have the same host port (`spec.containers[].ports[].hostPort`).

use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeTable, Tenant};
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::{HostPort, Shape};

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
        candidates.retain(|row| match clash(&row.ports, shape) {
            true => Err(Rejected::evictable(self, "node(s) didn't have free ports for the requested pod ports")),
            false => Ok(()),
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        matches!(what, Happening::NodeCame(_) | Happening::PodWent(_))
    }

    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        match what {
            Happening::PodWent(Tenant { footprint, .. }) => clash(&footprint.ports, shape),
            _ => true,
        }
    }
}

fn clash(used: &[HostPort], shape: &Shape) -> bool {
    shape.footprint.ports.iter().any(|port| used.iter().any(|used| used.clashes(port)))
}
