//! A node's taints keep away pods that do not tolerate them (`spec.tolerations`): the effects `NoSchedule` and
//! `NoExecute` for certain, `PreferNoSchedule` where there is another place.

use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::object::taint::{tolerates, tolerates_one};
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Candidates, Column, Narrowed, Plugin, Rejected, Scale};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn weight(&self) -> i64 {
        3
    }

    fn scale(&self) -> Scale {
        Scale::LowestIsBest
    }

    fn prepare(&self, _shape: &Shape) -> Narrowed {
        Narrowed::All
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match tolerates_all(shape.tolerations(), row) {
            true => Ok(()),
            false => Err(Rejected::fixed(self, "node(s) had untolerated taint(s)")),
        });
    }

    fn scores(&self, _shape: &Shape, _table: &NodeTable) -> bool {
        true
    }

    /// How many `PreferNoSchedule` taints are not tolerated.
    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        let prefers_not = |taint: &&Taint| taint.effect == "PreferNoSchedule";
        let may_answer = |toleration: &&Toleration| {
            toleration.effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == "PreferNoSchedule")
        };
        column.extend(rows.iter().map(|(_, row)| {
            let open = row.taints.iter().filter(prefers_not).filter(|taint| {
                !shape.tolerations().iter().filter(may_answer).any(|toleration| tolerates_one(toleration, taint))
            });
            open.count() as i64
        }));
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        matches!(what, Happening::NodeCame(_) | Happening::NodeChanged { .. })
    }

    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        let lets_in = |row| tolerates_all(shape.tolerations(), row);
        match what {
            Happening::NodeCame(node) => lets_in(node),
            Happening::NodeChanged { before, after } => !lets_in(before) && lets_in(after),
            _ => true,
        }
    }
}

/// Whether a node has no taint that keeps away a pod with these tolerations.
pub(crate) fn tolerates_all(tolerations: &[Toleration], row: &NodeRow) -> bool {
    let keeps_away = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    row.taints.iter().filter(keeps_away).all(|taint| tolerates(tolerations, taint))
}
