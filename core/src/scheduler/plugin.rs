//! What a scheduling plugin is: a rule that rejects nodes, or prefers some to others.
//!
//! A plugin is asked three things, each for a whole list of nodes at once:
//!
//! 1. [`Plugin::prepare`]: does it concern this pod, and can it name the few nodes that come into question?
//! 2. [`Plugin::filter`]: which of these nodes are out, and why?
//! 3. [`Plugin::score`]: how good are the rest?
//!
//! What happens later may cure what it had against a pod: [`Plugin::is_cured_by`] says whether the pod is tried again.
//!
//! What depends on the pods of other nodes too is counted by topology ([`Plugin::counters`]) and judged for all nodes
//! with the same counts at once ([`Plugin::judge_topology`], [`Plugin::rank`]).
//!
//! The answers to the first three depend on nothing but the pod's [`Shape`] and the row of the node, or on what the table
//! notes as a change of that row, so that they are kept and asked again only for a row that changed.

use std::fmt;

use smallvec::SmallVec;

use super::happening::Happening;
use super::kin::Kin;
use super::node_table::{NodeRow, NodeTable, Slot};
use super::shape::Shape;
use super::topology::{CounterSpec, View};
use crate::text::Text;

/// The highest score a plugin gives before its weight is applied.
pub(crate) const SCORE_MAX: i64 = 100;

/// Why a node is out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rejected {
    /// Upstream's words, as they are counted in the message; more than one when more than one resource lacks.
    pub(crate) reasons: SmallVec<[Text; 1]>,
    /// The name of the plugin that says so.
    pub(crate) by: &'static str,
    /// The end of pods on this node may cure it; a higher priority may bring that about. Else it is
    /// `UnschedulableAndUnresolvable`.
    pub(crate) is_evictable: bool,
}

impl Rejected {
    /// The end of others would cure it.
    pub(crate) fn evictable(by: &dyn Plugin, reason: impl Into<Text>) -> Self {
        Self { reasons: SmallVec::from_iter([reason.into()]), by: by.name(), is_evictable: true }
    }

    /// Whoever goes: it is the node's own.
    pub(crate) fn fixed(by: &dyn Plugin, reason: impl Into<Text>) -> Self {
        Self { is_evictable: false, ..Self::evictable(by, reason) }
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
    None(Text),
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

    /// Whether it filters after the plugins that count by topology.
    fn is_late(&self) -> bool {
        false
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

    /// Whether what has happened may cure what it has against pods at all.
    fn hears(&self, _what: &Happening<'_>) -> bool {
        false
    }

    /// Whether it may cure what it has against a pod of this shape; asked only of what it hears.
    fn is_cured_by(&self, _what: &Happening<'_>, _shape: &Shape, _table: &NodeTable) -> bool {
        true
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
