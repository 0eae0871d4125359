//! Counts of pods by topology: how many pods that matter to a class are in each zone, on each host.
//!
//! A plugin names what it counts as [`CounterSpec`]s. A counter keeps one sum a domain (a value of its topology key), and
//! follows the rows of the table: a placement changes one sum for each counter, whatever the number of nodes.
//!
//! A node that fits otherwise is filed under its [`Cell`]s: for a key that many nodes share, which domain it is in; for
//! the host name, which is each node's own, the sum itself. All nodes with the same cells have the same fate.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::effects::{Amounts, Effects};
use super::kin::Kin;
use super::node_table::{KinCount, Marks, NodeRow, NodeTable, Slot};
use super::plugin::{Plugin, Rejected};
use super::shape::Shape;
use crate::store::StringMap;

/// The topology key whose values are one node each.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

/// What a counter is for, as the plugin that asked for it knows; the number is that of the constraint or term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// A spread constraint with `DoNotSchedule`.
    HardSpread(usize),
    /// A spread constraint with `ScheduleAnyway`.
    SoftSpread(usize),
    /// A required affinity term of the pod itself.
    Affinity(usize),
    /// The required anti-affinity terms of the pod itself, for one key.
    Anti,
    /// The required anti-affinity terms of others that cover the pod, for one key.
    AntiOfOthers,
    /// The weights of preferred terms, of the pod and of others, for one key.
    Preference,
}

/// What to count, over which key, on which nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CounterSpec {
    pub(crate) role: Role,
    /// The topology key.
    pub(crate) key: String,
}

/// The sum over one value of the key.
#[derive(Clone, Copy, Debug, Default)]
struct Domain {
    sum: i64,
    /// How many nodes that count are in it.
    nodes: u32,
}

#[derive(Debug)]
struct Counter {
    plugin: &'static dyn Plugin,
    spec: CounterSpec,
    /// Each node has a value of its own.
    is_narrow: bool,
    /// The same for sure: the slot of a node stands for its value.
    is_by_slot: bool,
    values: BTreeMap<String, u32>,
    domains: Vec<Domain>,
    /// How many domains with nodes have each sum.
    levels: BTreeMap<i64, u32>,
    total: i64,
}

/// What a node adds to one counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    domain: Option<u32>,
    counts: bool,
    amount: i64,
}

/// Where a node stands for one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    /// It has no such label.
    Missing,
    /// The sum on this very node.
    Sum(i64),
    /// It shares the sum of this domain.
    Domain(u32),
}

pub(crate) type Cells = SmallVec<[Cell; 2]>;
type Shares = SmallVec<[Share; 2]>;

/// All that is counted for a class.
#[derive(Debug)]
pub(crate) struct Topology {
    counters: Vec<Counter>,
    shares: Vec<Shares>,
    /// The labels from which the domains in `shares` were taken: the same map has the same domains.
    labels: Vec<Option<Arc<StringMap>>>,
    effects: Effects,
}

/// What is to be counted for a pod of this shape.
pub(crate) fn specs(shape: &Shape, table: &NodeTable) -> Vec<(&'static dyn Plugin, CounterSpec)> {
    let of_plugin = |(plugin, _): (&'static dyn Plugin, i64)| {
        plugin.counters(shape, table).into_iter().map(move |spec| (plugin, spec))
    };
    shape.profile.plugins().flat_map(of_plugin).collect()
}

impl Topology {
    /// Counts nothing yet.
    pub(crate) fn new(specs: Vec<(&'static dyn Plugin, CounterSpec)>, table: &NodeTable) -> Self {
        let counter = |(plugin, spec): (&'static dyn Plugin, CounterSpec)| Counter {
            plugin,
            is_narrow: spec.key == HOSTNAME
                && (table.hostnames_are_unique() || matches!(spec.role, Role::SoftSpread(_))),
            is_by_slot: spec.key == HOSTNAME && table.hostnames_are_unique(),
            spec,
            values: BTreeMap::new(),
            domains: Vec::new(),
            levels: BTreeMap::new(),
            total: 0,
        };
        Self {
            counters: specs.into_iter().map(counter).collect(),
            shares: Vec::new(),
            labels: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// Whether it counts just this.
    pub(crate) fn is_of(&self, specs: &[(&'static dyn Plugin, CounterSpec)]) -> bool {
        self.counters.iter().map(|counter| &counter.spec).eq(specs.iter().map(|(_, spec)| spec))
    }

    /// Whether nothing is counted.
    pub(crate) const fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Takes in the row of a node as it is now; `None` when it has gone.
    pub(crate) fn update(&mut self, shape: &Shape, table: &NodeTable, slot: Slot, row: Option<&NodeRow>) {
        self.take_in(shape, table, slot, row, Marks::ALL);
    }

    /// The same for all nodes.
    pub(crate) fn update_all(&mut self, shape: &Shape, table: &NodeTable) {
        if self.counters.is_empty() {
            return;
        }
        let counted = self.counted(shape, table);
        for (slot, row) in table.iter() {
            self.take_in(shape, table, slot, Some(row), counted);
        }
    }

    /// The kins that add something: of most nodes none is there.
    fn counted(&mut self, shape: &Shape, table: &NodeTable) -> Marks {
        let Self { counters, effects, .. } = self;
        let adds = |kin: &&Arc<Kin>| effects.of(kin.number, || effect(counters, shape, table, kin)).is_some();
        table.kins().filter(adds).map(|kin| kin.number).collect()
    }

    /// Takes in a row on which no kins count but those that are marked.
    fn take_in(&mut self, shape: &Shape, table: &NodeTable, slot: Slot, row: Option<&NodeRow>, counted: Marks) {
        if self.counters.is_empty() {
            return;
        }
        if self.shares.len() <= slot.index() {
            self.shares.resize(table.slots().max(slot.index() + 1), Shares::new());
            self.labels.resize(self.shares.len(), None);
        }
        let shares = row.map(|row| self.shares_of(shape, table, slot, row, counted)).unwrap_or_default();
        let labels = &mut self.labels[slot.index()];
        if !same_labels(labels.as_ref(), row) {
            *labels = row.map(|row| Arc::clone(&row.labels));
        }
        if shares == self.shares[slot.index()] {
            return;
        }
        let before = std::mem::replace(&mut self.shares[slot.index()], shares);
        for (counter, share) in self.counters.iter_mut().zip(before) {
            counter.apply(share, -1);
        }
        for (counter, share) in self.counters.iter_mut().zip(&self.shares[slot.index()]) {
            counter.apply(*share, 1);
        }
    }

    fn shares_of(&mut self, shape: &Shape, table: &NodeTable, slot: Slot, row: &NodeRow, counted: Marks) -> Shares {
        let amounts = if row.marks.may_meet(counted) {
            self.amounts(shape, table, row)
        } else {
            SmallVec::from_elem(0, self.counters.len())
        };
        let mut shares = Shares::new();
        let known = same_labels(self.labels[slot.index()].as_ref(), Some(row)).then(|| &self.shares[slot.index()]);
        for (index, (counter, amount)) in self.counters.iter_mut().zip(amounts).enumerate() {
            let domain = match known.and_then(|known| known.get(index)) {
                Some(share) => share.domain,
                None => row.labels.get(&counter.spec.key).map(|value| counter.domain(value, slot)),
            };
            let counts = domain.is_some() && counter.plugin.counts_on(shape, &counter.spec, row);
            shares.push(Share { domain, counts, amount });
        }
        shares
    }

    /// What the pods on a node add to each counter.
    fn amounts(&mut self, shape: &Shape, table: &NodeTable, row: &NodeRow) -> Amounts {
        let mut amounts: Amounts = SmallVec::from_elem(0, self.counters.len());
        let Self { counters, effects, .. } = self;
        for KinCount { number, pods, kin } in &row.kins {
            let Some(effect) = effects.of(*number, || effect(counters, shape, table, kin)) else { continue };
            for (sum, each) in amounts.iter_mut().zip(effect) {
                *sum += each * i64::from(*pods);
            }
        }
        amounts
    }

    /// The cells of a node.
    pub(crate) fn cells(&self, slot: Slot) -> Cells {
        let none = Shares::new();
        let shares = self.shares.get(slot.index()).unwrap_or(&none);
        let cell = |(counter, share): (&Counter, &Share)| match share.domain {
            None => Cell::Missing,
            Some(_) if counter.is_narrow && matches!(counter.spec.role, Role::SoftSpread(_)) => Cell::Sum(share.amount),
            Some(_) if counter.is_narrow => Cell::Sum(if share.counts { share.amount } else { 0 }),
            Some(domain) => Cell::Domain(domain),
        };
        self.counters.iter().zip(shares).map(cell).collect()
    }

    /// What is known of the nodes with these cells.
    pub(crate) fn view<'a>(&'a self, cells: &'a Cells) -> View<'a> {
        View { topology: self, cells, shifts: Amounts::new() }
    }

    /// Whether a pod fits a node as it would be, as far as other pods go.
    pub(crate) fn judge_changed(
        &self,
        shape: &Shape,
        table: &NodeTable,
        slot: Slot,
        row: &NodeRow,
    ) -> Result<(), Rejected> {
        let Some(shares) = self.shares.get(slot.index()).filter(|shares| !shares.is_empty()) else { return Ok(()) };
        let cells = self.cells(slot);
        let mut amounts: Amounts = SmallVec::from_elem(0, self.counters.len());
        for KinCount { pods, kin, .. } in &row.kins {
            for (sum, each) in amounts.iter_mut().zip(effect(&self.counters, shape, table, kin)) {
                *sum += each * i64::from(*pods);
            }
        }
        let shift = |(share, amount): (&Share, i64)| if share.counts { amount - share.amount } else { 0 };
        let shifts = shares.iter().zip(amounts).map(shift).collect();
        judge(shape, table, &View { topology: self, cells: &cells, shifts })
    }
}

/// Whether pods of this shape fit nodes that are like this.
pub(crate) fn judge(shape: &Shape, table: &NodeTable, view: &View<'_>) -> Result<(), Rejected> {
    shape.profile.plugins().try_for_each(|(plugin, _)| plugin.judge_topology(shape, table, view))
}

fn effect(counters: &[Counter], shape: &Shape, table: &NodeTable, kin: &Kin) -> Amounts {
    counters.iter().map(|counter| counter.plugin.effect(shape, &counter.spec, kin, table)).collect()
}

fn same_labels(known: Option<&Arc<StringMap>>, row: Option<&NodeRow>) -> bool {
    match (known, row) {
        (Some(known), Some(row)) => Arc::ptr_eq(known, &row.labels),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Counter {
    fn domain(&mut self, value: &str, slot: Slot) -> u32 {
        if self.is_by_slot {
            self.domains.resize(self.domains.len().max(slot.index() + 1), Domain::default());
            return u32::try_from(slot.index()).unwrap_or(u32::MAX);
        }
        if let Some(domain) = self.values.get(value) {
            return *domain;
        }
        let domain = u32::try_from(self.domains.len()).unwrap_or(u32::MAX);
        self.domains.push(Domain::default());
        self.values.insert(value.to_owned(), domain);
        domain
    }

    fn apply(&mut self, share: Share, sign: i64) {
        let Some(domain) = share.domain.filter(|_| share.counts) else { return };
        let before = self.domains[domain as usize];
        let nodes = if sign > 0 { before.nodes + 1 } else { before.nodes - 1 };
        let after = Domain { sum: before.sum + sign * share.amount, nodes };
        self.domains[domain as usize] = after;
        self.total += sign * share.amount;
        if before.nodes > 0 {
            take_level(&mut self.levels, before.sum);
        }
        if after.nodes > 0 {
            *self.levels.entry(after.sum).or_default() += 1;
        }
    }
}

fn take_level(levels: &mut BTreeMap<i64, u32>, sum: i64) {
    if let Some(count) = levels.get_mut(&sum) {
        *count -= 1;
        if *count == 0 {
            levels.remove(&sum);
        }
    }
}

/// What is known of nodes with the same cells, perhaps as it would be after a change on one of them.
#[derive(Debug)]
pub(crate) struct View<'a> {
    topology: &'a Topology,
    cells: &'a Cells,
    /// What the change adds to each counter; empty for none.
    shifts: Amounts,
}

impl View<'_> {
    /// The counters, with their numbers.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (usize, &CounterSpec)> {
        self.topology.counters.iter().map(|counter| &counter.spec).enumerate()
    }

    /// Where the nodes stand for a counter.
    pub(crate) fn cell(&self, counter: usize) -> Cell {
        self.cells.get(counter).copied().unwrap_or(Cell::Missing)
    }

    /// The sum of a counter there; `None` where the nodes have no such label.
    pub(crate) fn sum(&self, counter: usize) -> Option<i64> {
        let sum = match self.cell(counter) {
            Cell::Missing => return None,
            Cell::Sum(sum) => sum,
            Cell::Domain(domain) => self.topology.counters[counter].domains[domain as usize].sum,
        };
        Some(sum + self.shift(counter))
    }

    /// The sum of a counter over all domains.
    pub(crate) fn total(&self, counter: usize) -> i64 {
        self.topology.counters[counter].total + self.shift(counter)
    }

    /// The least sum of a domain, and how many domains there are.
    pub(crate) fn least(&self, counter: usize) -> (i64, usize) {
        let levels = &self.topology.counters[counter].levels;
        let domains = levels.values().map(|count| *count as usize).sum();
        let lowest = || levels.keys().next().copied().unwrap_or(0);
        let shift = self.shift(counter);
        let Some(now) = self.sum(counter).filter(|_| shift != 0) else { return (lowest(), domains) };
        let mut levels = levels.clone();
        take_level(&mut levels, now - shift);
        *levels.entry(now).or_default() += 1;
        (levels.keys().next().copied().unwrap_or(0), domains)
    }

    fn shift(&self, counter: usize) -> i64 {
        self.shifts.get(counter).copied().unwrap_or(0)
    }
}
