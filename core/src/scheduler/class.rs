//! An equivalence class: which nodes fit pods of one shape, and how good they are, kept between placements.
//!
//! What the plugins say of a node depends on its row alone, so only rows that changed are looked at again. The nodes
//! that fit lie in *bands*: nodes of one band have the same raw scores from the plugins whose points depend on the other
//! nodes (the best of them gets all points), and the same counts by topology; so the order within a band never depends on
//! those. To place a pod is to judge each band, to work out its points, and to compare the first node of each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use super::happening::Rejectors;
use super::node_table::{NodeRow, NodeTable, Slot};
use super::plugin::{Candidates, Group, Narrowed, Plugin, Rejected, SCORE_MAX, Scale};
use super::shape::Shape;
use super::topology::{self, Cells, Topology};
use crate::text::Text;

/// The raw scores of a node from the plugins whose points depend on the other nodes.
type Raws = SmallVec<[i64; 2]>;

/// A node among those that are equally good in all but its own points: better first, then by tie.
type Place = (Reverse<i64>, u32, Slot);

/// Nodes with the same raw scores and the same counts.
#[derive(Debug)]
struct Band {
    raws: Raws,
    cells: Cells,
    /// They are out, for the reason with this number, unless other pods are in the way: that is said first.
    late: Option<u32>,
    places: BTreeSet<Place>,
}

/// A band whose nodes are feasible, with the most points of one of them and the points that all of them get.
#[derive(Debug)]
struct Open<'a> {
    band: &'a Band,
    first: i64,
    base: i64,
}

/// What is known of the node in a slot.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// No node, or one that the pod cannot name.
    Absent,
    /// Out, for the reason with this number.
    Rejected(u32),
    /// In the band with this number.
    Fits { band: u32, place: Place },
}

/// Plugins in the order in which they filter.
type Filters = SmallVec<[&'static dyn Plugin; 8]>;

/// A plugin that scores, with the weight of its points.
#[derive(Clone, Copy, Debug)]
struct Scorer {
    plugin: &'static dyn Plugin,
    weight: i64,
}

/// Which nodes are looked at.
#[derive(Debug)]
enum Scope {
    All,
    /// Only those of these names; the others are out on the word of these plugins, for this reason.
    Named(Vec<String>, Text, Rejectors),
    /// None, for this reason, as this plugin says.
    Nothing(Text, Rejectors),
}

/// An equivalence class.
#[derive(Debug)]
pub(crate) struct Class {
    shape: Arc<Shape>,
    scope: Scope,
    filters: Filters,
    /// Those that filter after what is counted by topology.
    late: Filters,
    /// Those whose raw scores are points.
    pointers: SmallVec<[Scorer; 4]>,
    /// Those whose points depend on the other nodes, in the order of [`Raws`].
    rankers: SmallVec<[Scorer; 4]>,
    /// Those that give points by topology.
    counting: SmallVec<[Scorer; 2]>,
    topology: Topology,
    entries: Vec<Entry>,
    bands: Vec<Band>,
    band_of: BTreeMap<(Raws, Cells, Option<u32>), u32>,
    /// Bands without nodes, to use again.
    free_bands: Vec<u32>,
    rejections: Vec<(Rejected, usize)>,
    /// Up to where the log of the table has been followed; `None` before the first look.
    seen: Option<u64>,
    generation: u64,
    terms_version: u64,
}

impl Class {
    /// The class of a shape; no node has been looked at yet.
    pub(crate) fn new(shape: Arc<Shape>, table: &NodeTable) -> Self {
        let (scope, filters) = narrow(&shape);
        let (late, filters) = filters.into_iter().partition(|plugin| plugin.is_late());
        Self {
            shape,
            scope,
            filters,
            late,
            pointers: SmallVec::new(),
            rankers: SmallVec::new(),
            counting: SmallVec::new(),
            topology: Topology::new(Vec::new(), table),
            entries: Vec::new(),
            bands: Vec::new(),
            band_of: BTreeMap::new(),
            free_bands: Vec::new(),
            rejections: Vec::new(),
            seen: None,
            generation: 0,
            terms_version: 0,
        }
    }

    /// The shape of its pods.
    pub(crate) const fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Why no node comes into question at all, and who says so.
    pub(crate) const fn nothing(&self) -> Option<(&Text, Rejectors)> {
        match &self.scope {
            Scope::Nothing(reason, by) => Some((reason, *by)),
            Scope::All | Scope::Named(..) => None,
        }
    }

    /// Why the nodes that the pod does not name are out, and who says so.
    pub(crate) const fn unnamed(&self) -> Option<(&Text, Rejectors)> {
        match &self.scope {
            Scope::Named(_, reason, by) => Some((reason, *by)),
            Scope::All | Scope::Nothing(..) => None,
        }
    }

    /// Takes in what changed in the table.
    pub(crate) fn catch_up(&mut self, table: &NodeTable) {
        let end = table.log_end();
        if self.terms_version != table.terms_version() && !self.topology.is_of(&topology::specs(&self.shape, table)) {
            self.seen = None;
        }
        self.terms_version = table.terms_version();
        let changed =
            self.seen.filter(|_| self.generation == table.generation()).and_then(|seen| table.changed_since(seen));
        match changed {
            Some(changed) if changed.len() < table.slots().max(16) && self.is_over_all() => {
                for slot in changed {
                    self.look_again(table, *slot);
                }
            }
            Some([]) => {}
            _ => self.look_at_all(table),
        }
        self.seen = Some(end);
        self.generation = table.generation();
    }

    const fn is_over_all(&self) -> bool {
        matches!(self.scope, Scope::All)
    }

    fn look_at_all(&mut self, table: &NodeTable) {
        self.choose_scorers(table);
        let specs = topology::specs(&self.shape, table);
        // After a long absence most nodes still count as they did.
        if self.seen.is_none() || self.generation != table.generation() || !self.topology.is_of(&specs) {
            self.topology = Topology::new(specs, table);
        }
        self.topology.update_all(&self.shape, table);
        self.bands.clear();
        self.band_of.clear();
        self.free_bands.clear();
        self.rejections.clear();
        self.entries.clear();
        self.entries.resize(table.slots(), Entry::Absent);
        let rows: SmallVec<[(Slot, &NodeRow); 1]> = match &self.scope {
            Scope::All => table.iter().collect(),
            Scope::Named(names, ..) => {
                let slots = names.iter().filter_map(|name| table.find(name));
                slots.filter_map(|slot| Some((slot, table.node(slot)?))).collect()
            }
            Scope::Nothing(..) => SmallVec::new(),
        };
        self.look_at(table, rows);
    }

    fn look_again(&mut self, table: &NodeTable, slot: Slot) {
        if self.entries.len() <= slot.index() {
            self.entries.resize(table.slots(), Entry::Absent);
        }
        match std::mem::replace(&mut self.entries[slot.index()], Entry::Absent) {
            Entry::Absent => {}
            Entry::Rejected(reason) => self.rejections[reason as usize].1 -= 1,
            Entry::Fits { band, place } => {
                self.leave_band(band, &place);
            }
        }
        self.topology.update(&self.shape, table, slot, table.node(slot));
        if let Some(row) = table.node(slot) {
            self.look_at(table, SmallVec::from_iter([(slot, row)]));
        }
    }

    fn choose_scorers(&mut self, table: &NodeTable) {
        let with_weight = self.shape.profile.plugins().map(|(plugin, weight)| Scorer { plugin, weight });
        let scorers: SmallVec<[Scorer; 8]> = with_weight.filter(|scorer| scorer.weight > 0).collect();
        let by_row = scorers.iter().copied().filter(|scorer| scorer.plugin.scores(&self.shape, table));
        (self.pointers, self.rankers) = by_row.partition(|scorer| scorer.plugin.scale() == Scale::Points);
        let counts = |scorer: &Scorer| !scorer.plugin.counters(&self.shape, table).is_empty();
        self.counting = scorers.into_iter().filter(counts).collect();
    }

    /// Asks the plugins about these nodes and files them.
    fn look_at(&mut self, table: &NodeTable, rows: SmallVec<[(Slot, &NodeRow); 1]>) {
        let candidates = filter(&self.filters, &self.shape, table, rows);
        for (slot, why) in candidates.rejected {
            let reason = self.reason(why);
            self.rejections[reason as usize].1 += 1;
            self.entries[slot.index()] = Entry::Rejected(reason);
        }
        let Candidates { rows, rejected: late } = filter(&self.late, &self.shape, table, candidates.rows);
        let mut filed: SmallVec<[(u32, Place); 1]> = SmallVec::with_capacity(rows.len());
        for (slot, why) in late {
            let (late, place) = (Some(self.reason(why)), (Reverse(0), 0, slot));
            let band = self.band(Raws::new(), self.topology.cells(slot), late);
            filed.push((band, place));
            self.entries[slot.index()] = Entry::Fits { band, place };
        }
        let columns = |scorers: &[Scorer]| -> SmallVec<[SmallVec<[i64; 1]>; 4]> {
            let column = |scorer: &Scorer| {
                let mut column = SmallVec::with_capacity(rows.len());
                scorer.plugin.score(&self.shape, table, &rows, &mut column);
                column
            };
            scorers.iter().map(column).collect()
        };
        let (points, raws) = (columns(&self.pointers), columns(&self.rankers));
        for (index, (slot, row)) in rows.iter().enumerate() {
            let weighted = self.pointers.iter().zip(&points).map(|(scorer, column)| scorer.weight * column[index]);
            let place = (Reverse(weighted.sum()), row.tie, *slot);
            let raws = raws.iter().map(|column| column[index]).collect();
            let band = self.band(raws, self.topology.cells(*slot), None);
            filed.push((band, place));
            self.entries[slot.index()] = Entry::Fits { band, place };
        }
        self.file(filed);
    }

    /// Puts nodes in their bands; many at once in order, which costs less than one by one.
    fn file(&mut self, mut filed: SmallVec<[(u32, Place); 1]>) {
        filed.sort_unstable();
        for of_one_band in filed.chunk_by(|(band, _), (next, _)| band == next) {
            let places = &mut self.bands[of_one_band[0].0 as usize].places;
            let new = of_one_band.iter().map(|(_, place)| *place);
            if places.is_empty() {
                *places = new.collect();
            } else {
                places.extend(new);
            }
        }
    }

    /// Whether a pod of this class fits a node as it would be.
    pub(crate) fn judge(&self, table: &NodeTable, slot: Slot, row: &NodeRow) -> Result<(), Rejected> {
        let judge_by = |filters| {
            let mut candidates = filter(filters, &self.shape, table, SmallVec::from_iter([(slot, row)]));
            candidates.rejected.pop().map_or(Ok(()), |(_, why)| Err(why))
        };
        judge_by(&self.filters)?;
        self.topology.judge_changed(&self.shape, table, slot, row)?;
        judge_by(&self.late)
    }

    fn reason(&mut self, why: Rejected) -> u32 {
        let known = self.rejections.iter().position(|(known, _)| *known == why);
        let index = known.unwrap_or_else(|| {
            self.rejections.push((why, 0));
            self.rejections.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn band(&mut self, raws: Raws, cells: Cells, late: Option<u32>) -> u32 {
        let key = (raws, cells, late);
        if let Some(band) = self.band_of.get(&key) {
            return *band;
        }
        let band = Band { raws: key.0.clone(), cells: key.1.clone(), late, places: BTreeSet::new() };
        let index = match self.free_bands.pop() {
            Some(index) => {
                self.bands[index as usize] = band;
                index
            }
            None => {
                self.bands.push(band);
                u32::try_from(self.bands.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.band_of.insert(key, index);
        index
    }

    fn leave_band(&mut self, index: u32, place: &Place) {
        let band = &mut self.bands[index as usize];
        band.places.remove(place);
        if band.places.is_empty() {
            let key = (std::mem::take(&mut band.raws), std::mem::take(&mut band.cells), band.late);
            self.band_of.remove(&key);
            self.free_bands.push(index);
        }
    }

    fn judge_band(&self, table: &NodeTable, band: &Band) -> Result<(), Rejected> {
        if !self.topology.is_empty() {
            topology::judge(&self.shape, table, &self.topology.view(&band.cells))?;
        }
        match band.late {
            Some(reason) => Err(self.rejections[reason as usize].0.clone()),
            None => Ok(()),
        }
    }

    /// Whether a pod of this class fits the node in this slot.
    pub(crate) fn fits(&self, table: &NodeTable, slot: Slot) -> bool {
        match self.entries.get(slot.index()) {
            Some(Entry::Fits { band, .. }) => self.judge_band(table, &self.bands[*band as usize]).is_ok(),
            Some(Entry::Absent | Entry::Rejected(_)) | None => false,
        }
    }

    /// Why the node in this slot is out, if it is.
    pub(crate) fn rejection(&self, table: &NodeTable, slot: Slot) -> Option<Rejected> {
        match self.entries.get(slot.index())? {
            Entry::Rejected(reason) => Some(self.rejections[*reason as usize].0.clone()),
            Entry::Fits { band, .. } => self.judge_band(table, &self.bands[*band as usize]).err(),
            Entry::Absent => None,
        }
    }

    /// Why nodes are out, and how many of them.
    pub(crate) fn rejections(&self, table: &NodeTable) -> Vec<(Rejected, usize)> {
        let bands = self.bands.iter().filter(|band| !band.places.is_empty());
        let by_topology = bands.filter_map(|band| Some((self.judge_band(table, band).err()?, band.places.len())));
        self.rejections.iter().filter(|(_, count)| *count > 0).cloned().chain(by_topology).collect()
    }

    /// The bands with a feasible node, leaving out some, and their points.
    fn open(&self, table: &NodeTable, except: &[Slot]) -> SmallVec<[Open<'_>; 4]> {
        let bands = self.bands.iter().filter_map(|band| Some((band, first_points(band, except)?)));
        let feasible = bands.filter(|(band, _)| self.judge_band(table, band).is_ok());
        let mut open: SmallVec<[Open<'_>; 4]> = feasible.map(|(band, first)| Open { band, first, base: 0 }).collect();
        for (index, scorer) in self.rankers.iter().enumerate() {
            let top = open.iter().map(|open| open.band.raws[index]).max().unwrap_or(0);
            for open in &mut open {
                open.base += scorer.weight * scaled(scorer.plugin.scale(), open.band.raws[index], top);
            }
        }
        self.rank_by_topology(&mut open, except);
        open
    }

    fn rank_by_topology(&self, open: &mut [Open<'_>], except: &[Slot]) {
        if self.counting.is_empty() {
            return;
        }
        let left = |band: &Band| {
            let left_out = except.iter().filter(|slot| band.places.iter().any(|(_, _, other)| other == *slot));
            band.places.len() - if except.is_empty() { 0 } else { left_out.count() }
        };
        let groups: SmallVec<[Group<'_>; 4]> = open
            .iter()
            .map(|open| Group { view: self.topology.view(&open.band.cells), nodes: left(open.band) })
            .collect();
        let mut columns: SmallVec<[(i64, SmallVec<[i64; 1]>); 2]> = SmallVec::new();
        for scorer in &self.counting {
            let mut column = SmallVec::new();
            scorer.plugin.rank(&self.shape, &groups, &mut column);
            columns.push((scorer.weight, column));
        }
        drop(groups);
        for (weight, column) in columns {
            for (open, points) in open.iter_mut().zip(column) {
                open.base += weight * points;
            }
        }
    }

    /// The best node, leaving out some. Among equals the one that follows the draw.
    pub(crate) fn best(&self, table: &NodeTable, except: &[Slot], draw: u32) -> Option<(Slot, i64)> {
        let open = self.open(table, except);
        let best = open.iter().map(|open| open.base + open.first).max()?;
        let equals = open.iter().filter(|open| open.base + open.first == best);
        let next = equals.filter_map(|open| following(open.band, open.first, except, draw));
        next.min().map(|(_, slot)| (slot, best))
    }

    /// The points of each node that fits: what the plain way would give.
    pub(crate) fn totals(&self, table: &NodeTable) -> Vec<(Slot, i64)> {
        let mut totals = Vec::new();
        for Open { band, base, .. } in self.open(table, &[]) {
            totals.extend(band.places.iter().map(|(points, _, slot)| (*slot, base + points.0)));
        }
        totals.sort_unstable();
        totals
    }
}

/// Asks one plugin after the other about the nodes that those before it have left.
fn filter<'a>(
    filters: &[&'static dyn Plugin],
    shape: &Shape,
    table: &NodeTable,
    rows: SmallVec<[(Slot, &'a NodeRow); 1]>,
) -> Candidates<'a> {
    let mut candidates = Candidates { rows, rejected: SmallVec::new() };
    for plugin in filters {
        if candidates.rows.is_empty() {
            break;
        }
        plugin.filter(shape, table, &mut candidates);
    }
    candidates
}

/// Which plugins filter for this shape, and which nodes come into question.
fn narrow(shape: &Shape) -> (Scope, Filters) {
    let mut filters = Filters::new();
    let mut scope = Scope::All;
    let mut narrowing: Vec<&str> = Vec::new();
    for (plugin, _) in shape.profile.plugins() {
        match plugin.prepare(shape) {
            Narrowed::NotMyConcern => continue,
            Narrowed::All => {}
            Narrowed::None(reason) => return (Scope::Nothing(reason, Rejectors::named(plugin.name())), filters),
            Narrowed::These(names) => {
                narrowing.push(plugin.name());
                let both = match scope {
                    Scope::Named(before, ..) => names.into_iter().filter(|name| before.contains(name)).collect(),
                    Scope::All | Scope::Nothing(..) => names,
                };
                let reason = format!("node(s) didn't satisfy plugin(s) [{}]", narrowing.join(" "));
                scope = Scope::Named(both, reason.into(), Rejectors::those(|one| narrowing.contains(&one.name())));
            }
        }
        filters.push(plugin);
    }
    (scope, filters)
}

/// The points of the best node in a band that is not left out.
fn first_points(band: &Band, except: &[Slot]) -> Option<i64> {
    let mut places = band.places.iter();
    places.find(|(_, _, slot)| !except.contains(slot)).map(|(points, _, _)| points.0)
}

/// Among the nodes of a band with these points, the one that follows the draw, and how far it is from it.
fn following(band: &Band, points: i64, except: &[Slot], draw: u32) -> Option<(u32, Slot)> {
    let start = (Reverse(points), draw, Slot::FIRST);
    let after = band.places.range((Bound::Included(start), Bound::Unbounded));
    let around = band.places.range((Bound::Included((Reverse(points), 0, Slot::FIRST)), Bound::Excluded(start)));
    let after = after.take_while(|place| place.0 == Reverse(points));
    let mut places = after.chain(around).filter(|(_, _, slot)| !except.contains(slot));
    places.next().map(|(_, tie, slot)| (tie.wrapping_sub(draw), *slot))
}

/// Points from a raw score.
fn scaled(scale: Scale, raw: i64, top: i64) -> i64 {
    match scale {
        Scale::Points => raw,
        Scale::HighestIsBest if top == 0 => 0,
        Scale::HighestIsBest => SCORE_MAX * raw / top,
        Scale::LowestIsBest if top == 0 => SCORE_MAX,
        Scale::LowestIsBest => SCORE_MAX - SCORE_MAX * raw / top,
    }
}
