//! Which pod stands in which place, and how each is doing.
//!
//! A stage asks for the places at which it may have something to do, and gets them one by one: a set of thousands whose pods
//! are well costs no more than a small one.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use super::identity::{self, Ordinal};
use super::volumes::{self, HeldClaim};
use super::{Observed, Work};
use crate::control::crew::Crew;
use crate::control::{Plan, pods};
use crate::object::kind;
use crate::store::{Meta, Object, PodPhase, Snapshot, Squad, Standing};
use crate::time::Time;

/// A pod of the set and its ordinal.
#[derive(Debug)]
pub(super) struct Replica<'w> {
    pub(super) ordinal: Ordinal,
    pub(super) pod: &'w Arc<Object>,
    /// Its claims that are there.
    pub(super) claims: Vec<HeldClaim<'w>>,
}

/// What stands at an ordinal.
#[derive(Debug)]
pub(super) enum Slot<'w> {
    /// Its pod is there.
    Filled(Replica<'w>),
    /// There is no such pod yet.
    Empty {
        /// Its claims that are there.
        claims: Vec<HeldClaim<'w>>,
    },
    /// Its name belongs to a pod that is not the set's.
    Taken,
}

/// How a pod is doing, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// It has succeeded or failed: it must be made anew.
    Ended,
    /// It is being deleted.
    Terminating,
    /// It is not running, or not ready.
    Unready,
    /// It is ready, and available from then on.
    Settling(Time),
    /// It has been ready for long enough.
    Available,
}

impl Replica<'_> {
    pub(super) fn health(&self, work: &Work<'_, '_>) -> Health {
        let Some(pod) = self.pod.pod() else { return Health::Unready };
        if pod.is_finished() {
            return Health::Ended;
        }
        if self.pod.meta.is_deleting() {
            return Health::Terminating;
        }
        if pod.state.phase != PodPhase::Running {
            return Health::Unready;
        }
        match pods::available_from(self.pod, work.observed.min_ready()) {
            Some(from) if from > work.now => Health::Settling(from),
            Some(_) => Health::Available,
            None => Health::Unready,
        }
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.pod.meta.is_deleting()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pod.pod().is_some_and(|pod| pod.state.phase == PodPhase::Pending)
    }
}

/// Whether a pod that stands like this is available, once it has been ready for long enough.
pub(super) fn is_well(pod: &Standing) -> bool {
    pod.phase == PodPhase::Running && pod.is_ready && !pod.is_going
}

/// From the lowest ordinal to the highest, or the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// The places of a set, wanted or not.
pub(super) struct Places<'w> {
    snapshot: &'w Snapshot,
    set: &'w Meta,
    pub(super) crew: Crew<'w>,
    /// The ordinals that shall have a pod.
    pub(super) wanted: Range<Ordinal>,
    /// The wanted ordinals of which the set has no pod, as ranges.
    gaps: Vec<Range<i64>>,
}

impl<'w> Places<'w> {
    pub(super) fn new(snapshot: &'w Snapshot, set: &'w Meta, crew: Crew<'w>, wanted: Range<Ordinal>) -> Self {
        let mut gaps = Vec::new();
        let (mut next, end) = (wanted.start.number(), wanted.end.number());
        for run in snapshot.taken_ordinals(set.uid, &set.name) {
            if *run.end() < next {
                continue;
            }
            if *run.start() >= end {
                break;
            }
            gaps.extend((next < *run.start()).then_some(next..*run.start()));
            next = run.end() + 1;
        }
        gaps.extend((next < end).then_some(next..end));
        Self { snapshot, set, crew, wanted, gaps }
    }

    /// How many wanted ordinals have no pod of the set.
    pub(super) fn unfilled(&self) -> usize {
        let gaps = self.gaps.iter().map(|gap| usize::try_from(gap.end - gap.start).unwrap_or(0));
        let wanted = numbers(&self.wanted);
        gaps.sum::<usize>() + self.squatters().map(|squad| squad.count_in(&wanted)).sum::<usize>()
    }

    /// The pods that have names of the set's and are not its own any more.
    fn squatters(&self) -> impl Iterator<Item = &Squad<'w>> {
        self.crew.strays.iter().filter(|squad| *squad.standing.series() == *self.set.name)
    }

    /// What stands at an ordinal.
    pub(super) fn slot(&self, observed: &Observed<'w>, ordinal: Ordinal) -> Slot<'w> {
        let claims = || volumes::held(self.snapshot, observed, ordinal);
        match self.snapshot.find(kind::POD, &self.set.namespace, &identity::pod_name(self.set, ordinal)) {
            Some(pod) if self.crew.keeps(pod) => Slot::Filled(Replica { ordinal, pod, claims: claims() }),
            Some(_) => Slot::Taken,
            None => Slot::Empty { claims: claims() },
        }
    }

    /// The wanted ordinals within a range that have no pod of the set, or one that stands like this, and some others.
    pub(super) fn wanting(
        &self,
        way: Way,
        range: &Range<Ordinal>,
        others: &[Ordinal],
        stands: impl Fn(&Standing) -> bool,
    ) -> impl Iterator<Item = Ordinal> {
        let wanted = numbers(range);
        let mut sources: Vec<Source<'_>> = Vec::new();
        for gap in &self.gaps {
            let gap = gap.start.max(wanted.start)..gap.end.min(wanted.end);
            sources.extend((!gap.is_empty()).then(|| Box::new(gap) as Source<'_>));
        }
        sources.extend(self.squatters().map(|squad| Box::new(squad.ordinals_in(&wanted)) as Source<'_>));
        self.add_pods(&mut sources, &wanted, others, stands);
        merged(way, sources)
    }

    /// The ordinals within a range that have a pod of the set that stands like this.
    pub(super) fn held(
        &self,
        way: Way,
        range: &Range<Ordinal>,
        stands: impl Fn(&Standing) -> bool,
    ) -> impl Iterator<Item = Ordinal> {
        let mut sources = Vec::new();
        self.add_pods(&mut sources, &numbers(range), &[], stands);
        merged(way, sources)
    }

    /// The ordinals that are not wanted and have a pod that stands like this, and some others.
    pub(super) fn condemned(
        &self,
        way: Way,
        others: &[Ordinal],
        stands: impl Fn(&Standing) -> bool,
    ) -> impl Iterator<Item = Ordinal> {
        let wanted = numbers(&self.wanted);
        let mut sources = Vec::new();
        for range in [i64::MIN..wanted.start, wanted.end..i64::MAX] {
            self.add_pods(&mut sources, &range, others, &stands);
        }
        merged(way, sources)
    }

    fn add_pods<'s>(
        &'s self,
        sources: &mut Vec<Source<'s>>,
        range: &Range<i64>,
        others: &[Ordinal],
        stands: impl Fn(&Standing) -> bool,
    ) {
        let squads = self.crew.squads.iter().filter(|squad| stands(squad.standing));
        sources.extend(squads.map(|squad| Box::new(squad.ordinals_in(range)) as Source<'_>));
        let mut others: Vec<i64> = others.iter().map(|ordinal| ordinal.number()).collect();
        others.retain(|ordinal| range.contains(ordinal));
        others.sort_unstable();
        sources.push(Box::new(others.into_iter()));
    }

    /// The pods that are well but for the time that they have been ready, and from when on they are available.
    pub(super) fn settling(&self, work: &Work<'_, '_>) -> Settling {
        let settling = self.crew.settling(work.observed.min_ready(), work.now).into_iter();
        let well = settling.filter(|(_, pod)| Standing::of(pod).is_some_and(|standing| is_well(&standing)));
        Settling(well.filter_map(|(from, pod)| Some((identity::ordinal(self.set, pod)?, from))).collect())
    }

    /// How many wanted ordinals have a pod that stands like this.
    pub(super) fn count_wanted(&self, stands: impl Fn(&Standing) -> bool) -> usize {
        let wanted = numbers(&self.wanted);
        let squads = self.crew.squads.iter().filter(|squad| stands(squad.standing));
        squads.map(|squad| squad.count_in(&wanted)).sum()
    }
}

/// Pods that have not been ready for long enough, and from when on they are available, where that is known.
pub(super) struct Settling(Vec<(Ordinal, Option<Time>)>);

impl Settling {
    pub(super) fn ordinals(&self) -> Vec<Ordinal> {
        self.0.iter().map(|(ordinal, _)| *ordinal).collect()
    }

    /// How many there are within a range. The set is looked at again when they are available.
    pub(super) fn await_within(&self, range: &Range<Ordinal>, plan: &mut Plan) -> usize {
        let within = self.0.iter().filter(|(ordinal, _)| range.contains(ordinal));
        within.map(|(_, from)| from.iter().for_each(|from| plan.wake(*from))).count()
    }
}

impl std::fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { crew, wanted, gaps, .. } = self;
        f.debug_struct("Places").field("crew", crew).field("wanted", wanted).field("gaps", gaps).finish_non_exhaustive()
    }
}

fn numbers(range: &Range<Ordinal>) -> Range<i64> {
    range.start.number()..range.end.number()
}

type Source<'s> = Box<dyn DoubleEndedIterator<Item = i64> + 's>;

/// What several sorted sources have, sorted, each once.
fn merged(way: Way, sources: Vec<Source<'_>>) -> impl Iterator<Item = Ordinal> {
    let directed = |source| Directed { source, way }.peekable();
    let mut heads: Vec<Peekable<Directed<'_>>> = sources.into_iter().map(directed).collect();
    std::iter::from_fn(move || {
        let first = heads.iter_mut().filter_map(|head| head.peek().copied());
        let next = match way {
            Way::Up => first.min(),
            Way::Down => first.max(),
        }?;
        for head in &mut heads {
            head.next_if_eq(&next);
        }
        Some(Ordinal::from(next))
    })
}

struct Directed<'s> {
    source: Source<'s>,
    way: Way,
}

impl Iterator for Directed<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        match self.way {
            Way::Up => self.source.next(),
            Way::Down => self.source.next_back(),
        }
    }
}
