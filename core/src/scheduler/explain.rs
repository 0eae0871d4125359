//! Why a pod has no node, in upstream's words.
//!
//! `0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: ...`: each reason with
//! the number of nodes that it rules out, in the order of the texts.

use std::collections::BTreeMap;

use crate::text::Text;

/// How many nodes are out for each reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<Text, usize>);

impl Tally {
    /// So many more nodes are out for this reason.
    pub(crate) fn add(&mut self, reason: &Text, nodes: usize) {
        if nodes > 0 {
            *self.0.entry(reason.clone()).or_default() += nodes;
        }
    }

    /// The sentence for a cluster with so many nodes.
    pub(crate) fn sentence(&self, nodes: usize) -> String {
        let mut reasons: Vec<String> = self.0.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort_unstable();
        let head = available(nodes);
        if reasons.is_empty() { head } else { format!("{head} {}.", reasons.join(", ")) }
    }
}

/// The beginning of each such sentence.
fn available(nodes: usize) -> String {
    format!("0/{nodes} nodes are available:")
}

/// There is no node at all.
pub(crate) const NO_NODES: &str = "no nodes available to schedule pods";

/// No node comes into question, for one reason.
pub(crate) fn nothing(nodes: usize, reason: &Text) -> String {
    format!("{} {reason}. not found", available(nodes))
}

/// No node fits, and neither is there a device to give back nor does preemption find a node.
pub(crate) fn unschedulable(nodes: usize, why: &Tally, claims_devices: bool, preemption: &str) -> String {
    let devices = if claims_devices { "still not schedulable" } else { "no new claims to deallocate" };
    format!("{} {devices}, preemption: {preemption}", why.sentence(nodes))
}
