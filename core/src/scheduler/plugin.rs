//! What a scheduling plugin is: a rule that rejects nodes, or prefers some to others.
//!
//! A plugin is asked three things, each for a whole list of nodes at once:
//!
//! 1. [`Plugin::prepare`]: does it concern this pod, and can it name the few nodes that come into question?
//! 2. [`Plugin::filter`]: which of these nodes are out, why, and what would cure that?
//! 3. [`Plugin::score`]: how good are the rest?
//!
//! What depends on the pods of other nodes too is counted by topology ([`Plugin::counters`]) and judged for all nodes
//! with the same counts at once ([`Plugin::judge_topology`], [`Plugin::rank`]).
//!
//! The answers to the first three depend on nothing but the pod's [`Shape`] and the row of the node, or on what the table
//! notes as a change of that row, so that they are kept and asked again only for a row that changed.

use std::fmt;

use smallvec::SmallVec;

use super::kin::Kin;
use super::node_table::{NodeRow, NodeTable, Slot};
use super::shape::Shape;
use super::topology::{CounterSpec, View};
use crate::text::Text;

/// The highest score a plugin gives before its weight is applied.
pub(crate) const SCORE_MAX: i64 = 100;

/// What would make a rejected node fit: preemption, waking a waiting pod and the message to the user all go by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cure {
    /// The end of pods on this node; a higher priority may bring it about.
    Eviction,
    /// Another node.
    NodeChange,
    /// Other labels of this node.
    NodeLabels,
    /// Other taints of this node, or that it is cordoned no longer.
    NodeTaints,
    /// More resources of this node.
    NodeRoom,
    /// A change of a volume, a claim or a storage class.
    VolumeChange,
    /// Pods elsewhere that come, change or go.
    OtherPods,
}

/// Why a node is out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rejected {
    /// Upstream's words, as they are counted in the message; more than one when more than one resource lacks.
    pub(crate) reasons: SmallVec<[Text; 1]>,
    /// What would cure it.
    pub(crate) cured_by: Cure,
}

impl Rejected {
    /// One reason and its cure.
    pub(crate) fn new(reason: impl Into<Text>, cured_by: Cure) -> Self {
        Self { reasons: SmallVec::from_iter([reason.into()]), cured_by }
    }
}

/// Which nodes come into question before any is looked at.
#[derive(Clone, Debug)]
pub(crate) enum Narrowed {
    /// The plugin has nothing to say about this pod: it is not asked again.
    NotMyConcern,
    /// All nodes are to be looked at.
    All,
    /// Only the nodes of these names; the others are out on the word of this plugin.
    These(Vec<String>),
    /// None, whatever the nodes are like.
    None(Text, Cure),
}

/// The nodes that are still in question, and those that are out.
#[derive(Debug, Default)]
pub(crate) struct Candidates<'a> {
    /// Still in question, in the order of the table.
    pub(crate) rows: SmallVec<[(Slot, &'a NodeRow); 1]>,
    /// Out, with the first reason found.
    pub(crate) rejected: SmallVec<[(Slot, Rejected); 1]>,
}

impl<'a> Candidates<'a> {
    /// Looks at each node that is left: an error puts it out.
    pub(crate) fn retain(&mut self, judge: impl Fn(&NodeRow) -> Result<(), Rejected>) {
        let rejected = &mut self.rejected;
        self.rows.retain(|(slot, row)| match judge(row) {
            Ok(()) => true,
            Err(why) => {
                rejected.push((*slot, why));
                false
            }
        });
    }
}

/// How the raw scores of a plugin become points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// They are points from 0 to [`SCORE_MAX`] already.
    Points,
    /// The highest among the feasible nodes becomes [`SCORE_MAX`].
    HighestIsBest,
    /// The lowest possible is best: zero becomes [`SCORE_MAX`], the highest becomes zero.
    LowestIsBest,
}

/// A rule that rejects nodes or prefers some.
pub(crate) trait Plugin: fmt::Debug + Send + Sync {
    /// Upstream's name.
    fn name(&self) -> &'static str;

    /// Upstream's default weight of its score; 0 for a plugin that only filters.
    fn weight(&self) -> i64 {
        0
    }

    /// How its raw scores become points.
    fn scale(&self) -> Scale {
        Scale::Points
    }

    /// Whether its filter concerns a pod of this shape, and which nodes come into question.
    fn prepare(&self, _shape: &Shape) -> Narrowed {
        Narrowed::NotMyConcern
    }

    /// Puts out the nodes that its rule rejects.
    fn filter(&self, _shape: &Shape, _table: &NodeTable, _candidates: &mut Candidates<'_>) {}

    /// Whether its score can differ between nodes for a pod of this shape.
    fn scores(&self, _shape: &Shape, _table: &NodeTable) -> bool {
        false
    }

    /// The raw score of each node, in their order.
    fn score(&self, _shape: &Shape, _table: &NodeTable, _rows: &[(Slot, &NodeRow)], _column: &mut Column) {}

    /// What it counts by topology for a pod of this shape.
    fn counters(&self, _shape: &Shape, _table: &NodeTable) -> Vec<CounterSpec> {
        Vec::new()
    }

    /// Whether the pods on this node are counted.
    fn counts_on(&self, _shape: &Shape, _spec: &CounterSpec, _row: &NodeRow) -> bool {
        true
    }

    /// What one pod of a kin adds to a counter.
    fn effect(&self, _shape: &Shape, _spec: &CounterSpec, _kin: &Kin, _table: &NodeTable) -> i64 {
        0
    }

    /// Judges nodes by what was counted.
    fn judge_topology(&self, _shape: &Shape, _table: &NodeTable, _view: &View<'_>) -> Result<(), Rejected> {
        Ok(())
    }

    /// Whether a pod of this kin that comes or goes elsewhere may let a pod of this shape fit where it did not.
    fn cares_about(&self, _shape: &Shape, _kin: &Kin, _table: &NodeTable) -> bool {
        false
    }

    /// The points of each group of nodes by what was counted; nothing to leave all as they are.
    fn rank(&self, _shape: &Shape, _groups: &[Group<'_>], _column: &mut Column) {}
}

/// Nodes with the same counts.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    /// Their counts.
    pub(crate) view: View<'a>,
    /// How many of them are feasible.
    pub(crate) nodes: usize,
}

/// The raw scores of a plugin, one a node.
pub(crate) type Column = SmallVec<[i64; 1]>;
