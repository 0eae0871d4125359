//! The pods of each controller, sorted by how they stand: kept with every write, so that a look at a set of thousands counts
//! nothing, and reads only those pods that it has to do something about.
//!
//! A [`Standing`] is all that a set judges a pod by, so that few of them stand differently. Labels that only one pod of a set
//! can have are no part of it, where they are as they shall be.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::object::{Meta, Object, StringMap};
use super::pod::{PodBody, PodPhase};
use super::snapshot::{ByUid, Snapshot};
use crate::ids::Uid;
use crate::time::Time;

/// The label with the own name of a StatefulSet's pod, for Services that select one pod.
pub const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The label with the ordinal of a StatefulSet's pod.
pub const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
/// The label with the completion index of a Job's pod.
const COMPLETION_INDEX_LABEL: &str = "batch.kubernetes.io/job-completion-index";

/// The ordinal of a pod whose name has none.
const NO_ORDINAL: i64 = -1;

/// How a pod stands, as the set that controls it sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Its phase.
    pub phase: PodPhase,
    /// Whether its condition `Ready` is true.
    pub is_ready: bool,
    /// Whether its deletion was asked for.
    pub is_going: bool,
    /// Whether it has the labels of its place in a StatefulSet.
    pub has_place_labels: bool,
    series: Series,
    kin: Kin,
}

impl Standing {
    /// How this pod stands; `None` for another kind of object.
    pub fn of(object: &Object) -> Option<Self> {
        let pod = object.pod()?;
        let (series, _) = place(&object.meta);
        let has_place_labels = has_place_labels(&object.meta, &series);
        let is_of_job = object.meta.controller().is_some_and(|controller| controller.kind == "Job");
        let kin = Kin { labels: Arc::clone(&object.meta.labels), of_place: has_place_labels, of_index: is_of_job };
        Some(Self {
            phase: pod.state.phase,
            is_ready: pod.is_ready(),
            is_going: object.meta.is_deleting(),
            has_place_labels,
            series,
            kin,
        })
    }

    /// Whether it has ended for good.
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether it counts: it has not ended and is not being deleted.
    pub const fn is_active(&self) -> bool {
        !self.is_going && !self.is_finished()
    }

    /// Whether it is being deleted and has not ended.
    pub const fn is_terminating(&self) -> bool {
        self.is_going && !self.is_finished()
    }

    /// Its labels; those of one pod alone may be those of another one that stands the same.
    pub fn labels(&self) -> &StringMap {
        &self.kin.labels
    }

    /// Its name without its ordinal; empty when it has none.
    pub fn series(&self) -> &str {
        self.series.as_str()
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, is_ready, is_going, .. } = self;
        write!(f, "{phase:?} ready={is_ready} going={is_going} of {:?} with {:?}", self.series(), self.labels())
    }
}

/// What the names of numbered pods have in common: all up to the last dash.
#[derive(Clone, Debug)]
struct Series {
    name: Arc<str>,
    length: usize,
}

impl Series {
    fn as_str(&self) -> &str {
        &self.name[..self.length]
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Series {}

impl PartialOrd for Series {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Series {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// Labels, but for those that a pod has for itself.
#[derive(Clone)]
struct Kin {
    labels: Arc<StringMap>,
    /// Whether the labels of its place are its own.
    of_place: bool,
    /// Whether the label with its completion index is.
    of_index: bool,
}

impl Kin {
    fn shared(&self) -> impl Iterator<Item = (&String, &String)> {
        let is_own = |key: &str| match key {
            POD_NAME_LABEL | POD_INDEX_LABEL => self.of_place,
            COMPLETION_INDEX_LABEL => self.of_index,
            _ => false,
        };
        self.labels.iter().filter(move |(key, _)| !is_own(key))
    }
}

impl PartialEq for Kin {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Kin {}

impl PartialOrd for Kin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kin {
    fn cmp(&self, other: &Self) -> Ordering {
        let own = |kin: &Self| (kin.of_place, kin.of_index);
        own(self).cmp(&own(other)).then_with(|| match Arc::ptr_eq(&self.labels, &other.labels) {
            true => Ordering::Equal,
            false => self.shared().cmp(other.shared()),
        })
    }
}

/// The series of a pod and its ordinal in it. A name that a set would not give has none: `web-07` is none of the set `web`.
fn place(meta: &Meta) -> (Series, i64) {
    let numbered = meta.name.rsplit_once('-').and_then(|(series, digits)| {
        let is_plain =
            digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        let number: i32 = digits.parse().ok().filter(|_| is_plain)?;
        Some((series.len(), i64::from(number)))
    });
    let (length, ordinal) = numbered.unwrap_or((0, NO_ORDINAL));
    (Series { name: Arc::clone(&meta.name), length }, ordinal)
}

fn has_place_labels(meta: &Meta, series: &Series) -> bool {
    let is = |label: &str, value: &str| meta.labels.get(label).is_some_and(|label| label == value);
    series.length > 0 && is(POD_NAME_LABEL, &meta.name) && is(POD_INDEX_LABEL, &meta.name[series.length + 1..])
}

/// An ordinal and a pod.
type Member = (i64, Uid);

/// The pods of one controller.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Roster {
    squads: OrdMap<Standing, OrdSet<Member>>,
    /// The ready ones, by the time since when they are.
    ready: OrdSet<(Option<Time>, Uid)>,
    /// The ordinals that are taken in each series, as ranges from the first to the last.
    runs: OrdMap<Run, i64>,
}

/// A series, and where a range of ordinals in it begins.
type Run = (Series, i64);

/// Where a pod is to be found in a roster.
struct Entry {
    controller: Uid,
    standing: Standing,
    member: Member,
    ready_since: Option<Time>,
}

impl Entry {
    fn of(object: &Object) -> Option<Self> {
        let standing = Standing::of(object)?;
        let controller = object.meta.controller_uid()?;
        let (_, ordinal) = place(&object.meta);
        let ready_since = object.pod()?.state.ready_since();
        Some(Self { controller, standing, member: (ordinal, object.meta.uid), ready_since })
    }

    fn run(&self) -> Option<Run> {
        (self.member.0 != NO_ORDINAL).then(|| (self.standing.series.clone(), self.member.0))
    }
}

impl Roster {
    fn is_empty(&self) -> bool {
        self.squads.is_empty()
    }

    fn put(&mut self, entry: Entry) {
        if entry.standing.is_ready {
            self.ready.insert((entry.ready_since, entry.member.1));
        }
        match self.squads.get_mut(&entry.standing) {
            Some(squad) => {
                squad.insert(entry.member);
            }
            None => {
                self.squads.insert(entry.standing, OrdSet::unit(entry.member));
            }
        }
    }

    fn take(&mut self, entry: &Entry) {
        if entry.standing.is_ready {
            self.ready.remove(&(entry.ready_since, entry.member.1));
        }
        let Some(squad) = self.squads.get_mut(&entry.standing) else { return };
        squad.remove(&entry.member);
        if squad.is_empty() {
            self.squads.remove(&entry.standing);
        }
    }

    fn fill(&mut self, (series, ordinal): Run) {
        let below = self.run_at(&series, ordinal - 1).map(|run| *run.start());
        let above = self.runs.remove(&(series.clone(), ordinal + 1));
        self.runs.insert((series, below.unwrap_or(ordinal)), above.unwrap_or(ordinal));
    }

    fn vacate(&mut self, (series, ordinal): Run) {
        let Some((first, last)) = self.run_at(&series, ordinal).map(RangeInclusive::into_inner) else { return };
        self.runs.remove(&(series.clone(), first));
        if first < ordinal {
            self.runs.insert((series.clone(), first), ordinal - 1);
        }
        if ordinal < last {
            self.runs.insert((series, ordinal + 1), last);
        }
    }

    /// The range of taken ordinals that this one is in.
    fn run_at(&self, series: &Series, ordinal: i64) -> Option<RangeInclusive<i64>> {
        let (key, last) = self.runs.get_prev(&(series.clone(), ordinal))?;
        (key.0 == *series && ordinal <= *last).then_some(key.1..=*last)
    }
}

/// Whether two versions of a pod surely stand the same: most writes change nothing of it.
pub(super) fn stand_the_same(before: &Object, after: &Object) -> bool {
    let state = |pod: &PodBody| (pod.state.phase, pod.is_ready(), pod.state.ready_since());
    let states = before.pod().map(state) == after.pod().map(state);
    states
        && before.meta.is_deleting() == after.meta.is_deleting()
        && Arc::ptr_eq(&before.meta.owners, &after.meta.owners)
        && Arc::ptr_eq(&before.meta.labels, &after.meta.labels)
}

/// Writes a change of an object into the roster of its controller.
pub(super) fn note(rosters: &mut ByUid<Roster>, before: Option<&Object>, after: Option<&Object>) {
    if before.zip(after).is_some_and(|(before, after)| stand_the_same(before, after)) {
        return;
    }
    let (old, new) = (before.and_then(Entry::of), after.and_then(Entry::of));
    let stays = old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old.controller == new.controller);
    if let Some(old) = old
        && let Some(roster) = rosters.get_mut(&old.controller)
    {
        roster.take(&old);
        if !stays {
            if let Some(run) = old.run() {
                roster.vacate(run);
            }
            if roster.is_empty() {
                rosters.remove(&old.controller);
            }
        }
    }
    if let Some(new) = new {
        let roster = rosters.entry(new.controller).or_default();
        if let Some(run) = new.run().filter(|_| !stays) {
            roster.fill(run);
        }
        roster.put(new);
    }
}

/// Pods of one controller that stand the same.
#[derive(Clone, Copy, Debug)]
pub struct Squad<'w> {
    /// How they stand.
    pub standing: &'w Standing,
    members: &'w OrdSet<Member>,
}

impl<'w> Squad<'w> {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// How many of them have an ordinal in this range.
    pub fn count_in(&self, ordinals: &Range<i64>) -> usize {
        let ends = self.members.get_min().zip(self.members.get_max());
        match ends {
            Some((first, last)) if ordinals.contains(&first.0) && ordinals.contains(&last.0) => self.members.len(),
            _ => self.ordinals_in(ordinals).count(),
        }
    }

    /// Their ordinals in this range, from the lowest up.
    pub fn ordinals_in(&self, ordinals: &Range<i64>) -> impl DoubleEndedIterator<Item = i64> + use<'w> {
        // An empty range is one whose ends are in the wrong order.
        let end = ordinals.end.max(ordinals.start);
        self.members.range((ordinals.start, Uid::LOWEST)..(end, Uid::LOWEST)).map(|(ordinal, _)| *ordinal)
    }

    /// The pods.
    pub fn pods(&self, snapshot: &'w Snapshot) -> impl Iterator<Item = &'w Arc<Object>> + use<'w> {
        self.members.iter().filter_map(|(_, uid)| snapshot.get(*uid))
    }
}

impl Snapshot {
    /// The pods that this object controls, by how they stand.
    pub fn squads(&self, controller: Uid) -> impl Iterator<Item = Squad<'_>> {
        let roster = self.rosters.get(&controller);
        let squads = roster.into_iter().flat_map(|roster| roster.squads.iter());
        squads.map(|(standing, members)| Squad { standing, members })
    }

    /// The pods that this object controls and that became ready after a time, the last one first.
    pub fn ready_after(&self, controller: Uid, time: Time) -> impl Iterator<Item = &Arc<Object>> {
        let ready = self.rosters.get(&controller).into_iter().flat_map(|roster| roster.ready.iter().rev());
        ready
            .take_while(move |(since, _)| since.is_some_and(|since| since > time))
            .filter_map(|(_, uid)| self.get(*uid))
    }

    /// The pods that this object controls and that are ready without saying since when.
    pub fn ready_for_ever(&self, controller: Uid) -> impl Iterator<Item = &Arc<Object>> {
        let ready = self.rosters.get(&controller).into_iter().flat_map(|roster| roster.ready.iter());
        ready.take_while(|(since, _)| since.is_none()).filter_map(|(_, uid)| self.get(*uid))
    }

    /// The ordinals of `NAME-ORDINAL` that pods of this object have, as ranges, from the lowest up.
    pub fn taken_ordinals(
        &self,
        controller: Uid,
        name: &Arc<str>,
    ) -> impl DoubleEndedIterator<Item = RangeInclusive<i64>> + use<'_> {
        let series = Series { name: Arc::clone(name), length: name.len() };
        let roster = self.rosters.get(&controller);
        let runs = roster.map(|roster| roster.runs.range((series.clone(), i64::MIN)..=(series, i64::MAX)));
        runs.into_iter().flatten().map(|((_, first), last)| *first..=*last)
    }
}
