//! A volume that is labelled with a zone or region is used only there.
//!
//! A cluster whose nodes say nothing of zones has none.

use std::collections::BTreeSet;

use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Candidates, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

/// The labels that say where a node is: the old names, the new names.
const RENAMED: [(&str, &str); 2] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];

#[derive(Debug)]
pub(crate) struct VolumeZone;

impl Plugin for VolumeZone {
    fn name(&self) -> &'static str {
        "VolumeZone"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        match &shape.volumes.misses {
            Some(reason) => Narrowed::None(reason.clone()),
            None if shape.volumes.zones.is_empty() => Narrowed::NotMyConcern,
            None => Narrowed::All,
        }
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match shape.volumes.zones.iter().all(|(label, zones)| is_in(row, label, zones)) {
            true => Ok(()),
            false => Err(Rejected::fixed(self, "node(s) had no available volume zone")),
        });
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        super::volume_binding::hears(what)
    }
}

/// A label of the volume with the old name is found on the node under the new one too, but not the other way round. A
/// node without any of them is in no zone at all, which is fine.
fn is_in(row: &NodeRow, label: &str, zones: &BTreeSet<String>) -> bool {
    let value = row.labels.get(label).or_else(|| {
        let of_old = RENAMED.iter().find(|(old, _)| *old == label);
        of_old.and_then(|(_, new)| row.labels.get(*new))
    });
    let has_zones = || RENAMED.iter().any(|(old, new)| row.labels.contains_key(*old) || row.labels.contains_key(*new));
    value.is_some_and(|value| zones.contains(value)) || !has_zones()
}
