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

/// The same, where the reason is in the claims for devices: what comes after them was asked as well.
pub(crate) fn nothing_for_claims(nodes: usize, reason: &Text) -> String {
    let mut why = Tally::default();
    why.add(&"Preemption is not helpful for scheduling".into(), nodes);
    let (nodes, preemption) = (available(nodes), why.sentence(nodes));
    format!("{nodes} {reason}. {}, preemption: {preemption}", Claims::Fine.words())
}

/// What becomes of the claims for devices of a pod that fits nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// It has none, or they are not what keeps it.
    Fine,
    /// None of them can give back what it has.
    Kept,
    /// One gives back what it has, so that it can get it elsewhere.
    GivenBack,
}

impl Claims {
    const fn words(self) -> &'static str {
        match self {
            Self::Fine => "no new claims to deallocate",
            Self::Kept => "still not schedulable",
            Self::GivenBack => "deallocation of ResourceClaim completed",
        }
    }
}

/// No node fits, and preemption finds none either.
pub(crate) fn unschedulable(nodes: usize, why: &Tally, claims: Claims, preemption: &str) -> String {
    format!("{} {}, preemption: {preemption}", why.sentence(nodes), claims.words())
}
