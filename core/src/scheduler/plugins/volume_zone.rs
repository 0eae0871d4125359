//! A volume that is labelled with a zone or region is used only there.
//!
//! A cluster whose nodes say nothing of zones has none.

use crate::scheduler::node_table::NodeRow;
use crate::scheduler::plugin::{Candidates, Cure, Narrowed, Plugin, Rejected};
use crate::scheduler::shape::Shape;

#[derive(Debug)]
pub(crate) struct VolumeZone;

impl Plugin for VolumeZone {
    fn name(&self) -> &'static str {
        "VolumeZone"
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.volumes.zones.is_empty() { Narrowed::NotMyConcern } else { Narrowed::All }
    }

    fn filter(&self, shape: &Shape, candidates: &mut Candidates<'_>) {
        candidates.retain(|row| match shape.volumes.zones.iter().all(|(label, zones)| is_in(row, label, zones)) {
            true => Ok(()),
            false => Err(Rejected::new("node(s) had no available volume zone", Cure::VolumeChange)),
        });
    }
}

/// The label may have its old or its new name on the node. A node without any of them is in no zone at all, which is
/// fine.
fn is_in(row: &NodeRow, label: &str, zones: &std::collections::BTreeSet<String>) -> bool {
    let (new, old) = ("topology.kubernetes.io/", "failure-domain.beta.kubernetes.io/");
    let twin = match label.strip_prefix(new) {
        Some(rest) => format!("{old}{rest}"),
        None => label.replace(old, new),
    };
    let has_zones = row.labels.keys().any(|key| {
        (key.starts_with(new) || key.starts_with(old)) && (key.ends_with("/zone") || key.ends_with("/region"))
    });
    let value = row.labels.get(label).or_else(|| row.labels.get(&twin));
    !has_zones || value.is_some_and(|value| zones.contains(value))
}
