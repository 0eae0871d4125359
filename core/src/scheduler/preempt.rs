//! Preemption: a pod that fits nowhere may end pods of lower priority (`spec.priority`, `spec.preemptionPolicy`).
//!
//! 1. Only nodes come into question whose reason is cured by an eviction.
//! 2. On each, all pods of lower priority are taken away in thought; if the pod fits then, as many of them as possible
//!    are put back, the most important first, those that a disruption budget protects before all others.
//! 3. The node is chosen where the fewest budgets are violated, then by the lowest highest priority among the victims,
//!    the lowest sum of priorities, the fewest victims, and the latest start of the most important ones.

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use smallvec::SmallVec;

use super::class::Class;
use super::cycle::{Candidate, Conflict, with_promised};
use super::explain::Tally;
use super::node_table::{NodeRow, NodeTable, Slot, Tenant};
use super::people::People;
use super::plugin::Rejected;
use crate::object::kind::KindId;
use crate::object::selector::Selector;
use crate::store::{ConditionKind, ConditionStatus, Object, Snapshot};
use crate::text::Text;
use crate::time::Time;

/// The reason of the condition that a victim gets.
const BY_SCHEDULER: &str = "PreemptionByScheduler";

/// What preemption came to.
#[derive(Debug)]
pub(crate) enum Preemption {
    /// The pod gets this node once these are gone.
    Found { slot: Slot, victims: Vec<Arc<Object>> },
    /// The pod may end no others now: why. What it has been promised stays.
    NotEligible(&'static str),
    /// It helps on no node: the sentence that says so.
    NoHelp(String),
}

/// Everything that preemption looks at.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) class: &'a Class,
    pub(crate) table: &'a NodeTable,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) candidate: &'a Candidate,
    pub(crate) conflicts: &'a [Conflict],
    /// `spec.preemptionPolicy` is `Never`.
    pub(crate) never: bool,
}

/// A node on which preemption helps.
#[derive(Debug)]
struct Find {
    slot: Slot,
    victims: Vec<Victim>,
    violations: usize,
}

/// Why preemption does not help on a node.
type Reasons = SmallVec<[Text; 1]>;

/// A pod that may be ended.
#[derive(Clone, Debug)]
struct Victim {
    object: Arc<Object>,
    tenant: Tenant,
    /// `status.startTime`; a pod that has not started yet counts as the latest.
    started: Time,
}

/// Looks for pods to end.
pub(crate) fn preempt(question: &Question<'_>, people: &mut People) -> Preemption {
    if question.never {
        return Preemption::NotEligible("not eligible due to preemptionPolicy=Never.");
    }
    if is_under_way(question) {
        return Preemption::NotEligible("not eligible due to a terminating pod on the nominated node.");
    }
    let in_question = in_question(question);
    // So many finds are enough to take the best of them, if one of them violates no budget.
    let wanted = question.class.shape().profile.search.enough_of(in_question.len());
    let budgets = Budgets::of(question.snapshot);
    let mut finds = Vec::new();
    let mut why = Tally::default();
    let start = question.table.draw(question.candidate.pod) as usize % in_question.len().max(1);
    for slot in in_question.iter().cycle().skip(start).take(in_question.len()) {
        if finds.len() >= wanted && finds.iter().any(|find: &Find| find.violations == 0) {
            break;
        }
        match victims_on(question, *slot, &budgets, people) {
            Ok(find) => finds.push(find),
            Err(reasons) => reasons.iter().for_each(|reason| why.add(reason, 1)),
        }
    }
    match finds.into_iter().min_by_key(rank) {
        Some(Find { slot, victims, .. }) => {
            Preemption::Found { slot, victims: victims.into_iter().map(|victim| victim.object).collect() }
        }
        None => {
            let others = question.table.len() - in_question.len();
            why.add(&"Preemption is not helpful for scheduling".into(), others);
            Preemption::NoHelp(why.sentence(question.table.len()))
        }
    }
}

/// Whether victims of an earlier try are still ending on the promised node.
fn is_under_way(question: &Question<'_>) -> bool {
    let Some(node) = &question.candidate.nominated else { return false };
    let Some(slot) = question.table.find(node.as_str()) else { return false };
    if question.class.rejection(question.table, slot).is_some_and(|why| !why.is_evictable) {
        return false;
    }
    question.snapshot.pods_on(node).any(|object| {
        let Some(pod) = object.pod() else { return false };
        let ended_for_another = pod.state.condition(&ConditionKind::DisruptionTarget).is_some_and(|condition| {
            condition.status == ConditionStatus::True
                && condition.why.as_ref().is_some_and(|why| why.reason == BY_SCHEDULER)
        });
        object.meta.is_deleting() && ended_for_another && pod.priority() < question.candidate.priority
    })
}

/// The nodes whose reason is cured by an eviction.
fn in_question(question: &Question<'_>) -> Vec<Slot> {
    let evictable = |why: &Rejected| why.is_evictable;
    let rows = question.table.iter().map(|(slot, _)| slot);
    rows.filter(|slot| {
        let conflict = question.conflicts.iter().find(|conflict| conflict.slot == *slot).map(|conflict| &conflict.why);
        let rejection = question.class.rejection(question.table, *slot);
        rejection.as_ref().or(conflict).is_some_and(evictable)
    })
    .collect()
}

/// The fewest and least important pods to end on a node.
fn victims_on(question: &Question<'_>, slot: Slot, budgets: &Budgets, people: &mut People) -> Result<Find, Reasons> {
    let none = || Reasons::from_iter([Text::Static("No preemption victims found for incoming pod")]);
    let priority = question.candidate.priority;
    let row = question.table.node(slot).filter(|row| row.has_below(priority)).ok_or_else(none)?;
    let mut below = pods_below(question, row, people);
    if below.is_empty() {
        return Err(none());
    }
    let mut room = Room::of(row, question.candidate);
    for victim in &below {
        room.each(|row| row.remove(&victim.tenant));
    }
    room.judge(question, slot).map_err(|rejected| rejected.reasons)?;
    below.sort_by_key(|victim| (Reverse(victim.tenant.priority), victim.started, victim.object.meta.uid));
    let (guarded, free) = budgets.split(below);
    let mut violations = 0;
    let mut victims = Vec::new();
    let guarded = guarded.into_iter().map(|victim| (victim, true));
    for (victim, is_guarded) in guarded.chain(free.into_iter().map(|victim| (victim, false))) {
        room.each(|row| row.add(&victim.tenant));
        if room.judge(question, slot).is_err() {
            room.each(|row| row.remove(&victim.tenant));
            violations += usize::from(is_guarded);
            victims.push(victim);
        }
    }
    victims.sort_by_key(|victim| (Reverse(victim.tenant.priority), victim.started, victim.object.meta.uid));
    if victims.is_empty() { Err(none()) } else { Ok(Find { slot, victims, violations }) }
}

/// A node in thought: as it is, and as it will be with the pods that have been promised room there. The pod must fit
/// both: promised pods may never come.
struct Room {
    bare: NodeRow,
    promised: Option<NodeRow>,
}

impl Room {
    fn of(row: &NodeRow, candidate: &Candidate) -> Self {
        Self { bare: row.clone(), promised: with_promised(row, candidate) }
    }

    fn each(&mut self, change: impl Fn(&mut NodeRow)) {
        [Some(&mut self.bare), self.promised.as_mut()].into_iter().flatten().for_each(change);
    }

    fn judge(&self, question: &Question<'_>, slot: Slot) -> Result<(), Rejected> {
        let rows = self.promised.iter().chain([&self.bare]);
        rows.into_iter().try_for_each(|row| question.class.judge(question.table, slot, row))
    }
}

fn pods_below(question: &Question<'_>, row: &NodeRow, people: &mut People) -> Vec<Victim> {
    let mut victim = |object: &Arc<Object>| {
        let pod = object.pod().filter(|pod| !pod.is_finished())?;
        let priority = pod.priority();
        let started = pod.state.start_time.unwrap_or(Time::MAX);
        (priority < question.candidate.priority).then(|| Victim {
            object: Arc::clone(object),
            tenant: people.tenant(object, pod),
            started,
        })
    };
    question.snapshot.pods_on(&row.name).filter_map(&mut victim).collect()
}

/// Less is better.
fn rank(find: &Find) -> (usize, i32, i64, usize, Reverse<Time>, Slot) {
    let highest = find.victims.iter().map(|victim| victim.tenant.priority).max().unwrap_or(i32::MIN);
    // Each victim counts for something, whatever its sign.
    let weigh = |victim: &Victim| i64::from(victim.tenant.priority) - i64::from(i32::MIN);
    let sum = find.victims.iter().map(weigh).sum();
    let most_important = find.victims.iter().filter(|victim| victim.tenant.priority == highest);
    let earliest_start = most_important.map(|victim| victim.started).min().unwrap_or(Time::EPOCH);
    (find.violations, highest, sum, find.victims.len(), Reverse(earliest_start), find.slot)
}

/// The disruption budgets of the cluster.
#[derive(Debug)]
struct Budgets(Vec<(Arc<Object>, Selector)>);

impl Budgets {
    fn of(snapshot: &Snapshot) -> Self {
        let budget = |object: &Arc<Object>| {
            let budget = object.typed::<PodDisruptionBudget>()?;
            let selector = Selector::compile(budget.spec.as_ref()?.selector.as_ref()).ok()?;
            (!selector.is_everything() && !selector.is_nothing()).then(|| (Arc::clone(object), selector))
        };
        Self(snapshot.list(KindId::of::<PodDisruptionBudget>()).filter_map(budget).collect())
    }

    /// Those whose end would violate a budget, and the others, each in the same order as before.
    fn split(&self, victims: Vec<Victim>) -> (Vec<Victim>, Vec<Victim>) {
        let status = |object: &Arc<Object>| object.typed::<PodDisruptionBudget>().and_then(|pdb| pdb.status.clone());
        let mut left: Vec<i32> = self
            .0
            .iter()
            .map(|(object, _)| status(object).and_then(|status| status.disruptions_allowed).unwrap_or(0))
            .collect();
        victims.into_iter().partition(|victim| {
            let meta = &victim.object.meta;
            let mut violates = false;
            for ((budget, selector), left) in self.0.iter().zip(&mut left) {
                let ending_already = || {
                    let disrupted = status(budget).and_then(|status| status.disrupted_pods);
                    disrupted.is_some_and(|pods| pods.contains_key(&*meta.name))
                };
                let covers = budget.meta.namespace == meta.namespace && selector.matches(&meta.labels);
                // Upstream does not ask of a pod without labels.
                if covers && !meta.labels.is_empty() && !ending_already() {
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        })
    }
}
