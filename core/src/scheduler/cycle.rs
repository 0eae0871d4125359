//! One pod, one try: which node is best, or why there is none.
//!
//! 1. Nodes on which a pod of at least the same priority has been promised room must fit both.
//! 2. The node that was promised to this pod is taken, if it fits.
//! 3. Else the node with the most points; among equals one by the seed.
//! 4. Else: why each node is out.

use super::class::Class;
use super::explain::Tally;
use super::happening::Rejectors;
use super::node_table::{NodeRow, NodeTable, Slot};
use super::plugin::Rejected;
use crate::ids::{NodeName, Uid};
use crate::text::Text;

/// A pod that is to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) pod: Uid,
    pub(crate) priority: i32,
    /// The node that was promised to it.
    pub(crate) nominated: Option<NodeName>,
}

/// A node that would fit, were it not for pods that have been promised room there.
#[derive(Clone, Debug)]
pub(crate) struct Conflict {
    pub(crate) slot: Slot,
    pub(crate) why: Rejected,
}

/// Where a pod goes.
#[derive(Clone, Debug)]
pub(crate) enum Placement {
    /// To this node.
    At(Slot),
    /// Nowhere.
    Nowhere(Nowhere),
}

/// Why a pod goes nowhere.
#[derive(Clone, Debug)]
pub(crate) enum Nowhere {
    /// There are no nodes.
    EmptyCluster,
    /// Nothing comes into question, for this reason.
    OutOfQuestion { reason: Text, by: Rejectors },
    /// Each node is out.
    NoNode { why: Tally, by: Rejectors, conflicts: Vec<Conflict> },
}

/// Places a pod of this class.
pub(crate) fn place(class: &Class, table: &NodeTable, candidate: &Candidate) -> Placement {
    if table.len() == 0 {
        return Placement::Nowhere(Nowhere::EmptyCluster);
    }
    if let Some((reason, by)) = class.nothing() {
        return Placement::Nowhere(Nowhere::OutOfQuestion { reason: reason.clone(), by });
    }
    let conflicts = conflicts(class, table, candidate);
    let except: Vec<Slot> = conflicts.iter().map(|conflict| conflict.slot).collect();
    let promised = candidate.nominated.as_ref().and_then(|name| table.find(name.as_str()));
    if let Some(slot) = promised.filter(|slot| class.fits(table, *slot) && !except.contains(slot)) {
        return Placement::At(slot);
    }
    match class.best(table, &except, table.draw(candidate.pod)) {
        Some((slot, _)) => Placement::At(slot),
        None => Placement::Nowhere(nowhere(class, table, conflicts)),
    }
}

/// The nodes that would fit, were it not for pods that have been promised room there.
fn conflicts(class: &Class, table: &NodeTable, candidate: &Candidate) -> Vec<Conflict> {
    let of_slot = |slot: &Slot| {
        let row = table.node(*slot).filter(|_| class.fits(table, *slot))?;
        let why = class.judge(table, *slot, &with_promised(row, candidate)?).err()?;
        Some(Conflict { slot: *slot, why })
    };
    table.nominated().iter().filter_map(of_slot).collect()
}

/// The node as it will be with the pods that have been promised room there and go first; `None` if there are none.
pub(crate) fn with_promised(row: &NodeRow, candidate: &Candidate) -> Option<NodeRow> {
    let goes_first = |promised: &&super::node_table::Nominated| {
        promised.tenant.priority >= candidate.priority && promised.pod != candidate.pod
    };
    let mut promised = row.nominated.iter().filter(goes_first).peekable();
    promised.peek()?;
    let mut row = row.clone();
    for pod in promised {
        row.add(&pod.tenant);
    }
    Some(row)
}

fn nowhere(class: &Class, table: &NodeTable, conflicts: Vec<Conflict>) -> Nowhere {
    let mut why = Tally::default();
    let mut looked_at = 0;
    let mut by = Rejectors::default();
    let of_conflicts = conflicts.iter().map(|conflict| (conflict.why.clone(), 1));
    for (rejected, nodes) in class.rejections(table).into_iter().chain(of_conflicts) {
        for reason in &rejected.reasons {
            why.add(reason, nodes);
        }
        by = by.with(Rejectors::named(rejected.by));
        looked_at += nodes;
    }
    if let Some((reason, narrowing)) = class.unnamed() {
        why.add(reason, table.len().saturating_sub(looked_at));
        by = by.with(narrowing);
    }
    Nowhere::NoNode { why, by, conflicts }
}
