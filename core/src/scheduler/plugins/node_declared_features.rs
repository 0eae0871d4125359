//! A pod goes only to a node that declares the features which the pod cannot do without (`status.declaredFeatures`).

use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodeDeclaredFeatures;

impl Plugin for NodeDeclaredFeatures {
    fn name(&self) -> &'static str {
        "NodeDeclaredFeatures"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.features.is_empty() { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn is_late(&self) -> bool {
        true
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| {
            let lacking: Vec<&str> = shape.features.iter().copied().filter(|feature| !declares(row, feature)).collect();
            if lacking.is_empty() {
                return Ok(());
            }
            let lacking = lacking.join(", ");
            Err(Rejected::fixed(
                self,
                format!("node declared features check failed - unsatisfied requirements: {lacking}"),
            ))
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        match what {
            Happening::NodeCame(_) => true,
            Happening::NodeChanged { before, after } => before.features != after.features,
            _ => false,
        }
    }
}

fn declares(row: &NodeRow, feature: &str) -> bool {
    row.features.iter().any(|declared| declared == feature)
}
