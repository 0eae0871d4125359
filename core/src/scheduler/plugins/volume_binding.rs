//! A pod goes where its volumes can be used or made (`spec.volumes[].persistentVolumeClaim`, `ephemeral`).

use smallvec::SmallVec;

use super::node_affinity::matches_selector;
use crate::scheduler::node_table::NodeRow;
use crate::scheduler::plugin::{Candidates, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;
use crate::scheduler::volumes::{DelayedClaim, TopologyTerm, VolumeNeeds};
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
            Some(reason) => Narrowed::None(reason.clone(), Cure::VolumeChange),
            None if needs.usable.is_empty() && needs.delayed.is_empty() && !needs.is_lost => Narrowed::NotMyConcern,
            None => Narrowed::All,
        }
    }

    fn filter(&self, shape: &Shape, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| {
            let reasons = reasons(&shape.volumes, row);
            if reasons.is_empty() { Ok(()) } else { Err(Rejected { reasons, cured_by: Cure::VolumeChange }) }
        });
    }
}

fn reasons(needs: &VolumeNeeds, row: &NodeRow) -> SmallVec<[Text; 1]> {
    let mut reasons = SmallVec::new();
    if !needs.usable.iter().all(|selector| matches_selector(selector, row)) {
        reasons.push("node(s) didn't match PersistentVolume's node affinity".into());
    }
    if !needs.delayed.iter().all(|claim| can_satisfy(claim, row)) {
        reasons.push("node(s) didn't find available persistent volumes to bind".into());
    }
    if needs.is_lost {
        reasons.push("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)".into());
    }
    reasons
}

/// A claim that was promised to a node stays with it; else a free volume is taken before one is made.
fn can_satisfy(claim: &DelayedClaim, row: &NodeRow) -> bool {
    let allows = |demands: &TopologyTerm| {
        demands.iter().all(|(key, values)| row.labels.get(key).is_some_and(|value| values.contains(value)))
    };
    let can_make = || claim.provisionable.as_ref().is_some_and(|terms| terms.is_empty() || terms.iter().any(allows));
    match &claim.selected {
        Some(node) if *row.name.as_str() != **node => false,
        Some(_) => can_make() || has_match(claim, row),
        None => has_match(claim, row) || can_make(),
    }
}

fn has_match(claim: &DelayedClaim, row: &NodeRow) -> bool {
    let usable = |affinity: &Option<_>| affinity.as_ref().is_none_or(|selector| matches_selector(selector, row));
    claim.matching.iter().any(usable)
}
