//! A cordoned node takes no pod that does not tolerate it (`spec.unschedulable`).

use k8s_openapi::api::core::v1::Taint;

use crate::object::taint::tolerates;
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct NodeUnschedulable;

/// The taint that a cordoned node is taken to have.
const TAINT: &str = "node.kubernetes.io/unschedulable";

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        let taint = Taint { key: TAINT.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
        if tolerates(shape.tolerations(), &taint) { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn filter(&self, _shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match row.unschedulable {
            true => Err(Rejected::fixed(self, "node(s) were unschedulable")),
            false => Ok(()),
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        match what {
            Happening::NodeCame(node) => !node.unschedulable,
            Happening::NodeChanged { before, after } => before.unschedulable && !after.unschedulable,
            _ => false,
        }
    }
}
