//! A pod goes where its volumes can be used or made (`spec.volumes[].persistentVolumeClaim`, `ephemeral`).

use smallvec::SmallVec;

use super::node_affinity::matches_selector;
use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;
use crate::scheduler::volumes::{Given, VolumeNeeds, given_on};
use crate::text::Text;

#[derive(Debug)]
pub(crate) struct VolumeBinding;

impl Plugin for VolumeBinding {
    fn name(&self) -> &'static str {
        "VolumeBinding"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        let needs = &shape.volumes;
        match &needs.waits_for {
            Some(reason) => Narrowed::None(reason.clone()),
            None if needs.usable.is_empty() && needs.delayed.is_empty() && !needs.is_lost => Narrowed::NotMyConcern,
            None => Narrowed::All,
        }
    }

    fn filter(&self, shape: &Shape, table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| {
            let reasons = reasons(&shape.volumes, table, row);
            if reasons.is_empty() { Ok(()) } else { Err(Rejected { reasons, by: self.name(), is_evictable: false }) }
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        hears(what)
    }
}

/// What volumes and claims say, and where nodes are.
pub(super) fn hears(what: &Happening<'_>) -> bool {
    match what {
        Happening::NodeCame(_) | Happening::StorageChanged => true,
        Happening::NodeChanged { before, after } => before.labels != after.labels,
        _ => false,
    }
}

fn reasons(needs: &VolumeNeeds, table: &NodeTable, row: &NodeRow) -> SmallVec<[Text; 1]> {
    let mut reasons = SmallVec::new();
    if !needs.usable.iter().all(|selector| matches_selector(selector, row)) {
        reasons.push("node(s) didn't match PersistentVolume's node affinity".into());
    }
    // The first claim that gets nothing says why.
    let mut given = given_on(needs, table, row).map(|(_, given)| given);
    match given.find(|given| matches!(given, Given::Nothing | Given::NoRoom)) {
        Some(Given::NoRoom) => reasons.push("node(s) did not have enough free storage".into()),
        Some(_) => reasons.push("node(s) didn't find available persistent volumes to bind".into()),
        None => {}
    }
    if needs.is_lost {
        reasons.push("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)".into());
    }
    reasons
}
