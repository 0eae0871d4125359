//! Which pods go first when there are too many: upstream's order (`ActivePodsWithRanks`), shared by all who scale down.
//!
//! The sooner a pod goes, the less it is missed: without a node before with one, pending before running, not ready
//! before ready, cheap before dear, crowded before alone, young before old.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NodeName, Uid};
use crate::store::{Object, PodPhase};
use crate::time::Time;

/// The annotation by which a user says what losing a pod costs; less goes first.
pub const DELETION_COST_ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The place of a pod in the order: lower goes first.
#[derive(Debug, PartialEq, Eq)]
struct Rank {
    has_node: bool,
    phase: u8,
    ready: bool,
    cost: i32,
    crowd: std::cmp::Reverse<usize>,
    ready_age: Age,
    restarts: std::cmp::Reverse<i32>,
    age: Age,
    uid: Uid,
}

/// An age in powers of two: pods of about the same age are told apart by chance, not by seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age {
    since: Option<Time>,
    magnitude: i32,
}

impl Age {
    fn of(since: Option<Time>, now: Time) -> Self {
        let nanos = since.map_or(0, |since| i64::try_from((now - since).as_nanos()).unwrap_or(i64::MAX));
        Self { since, magnitude: if nanos <= 0 { -1 } else { nanos.ilog2().cast_signed() } }
    }

    /// The younger goes first; of one magnitude the lower uid, unless they are exactly equal.
    fn compare(self, other: Self, uids: (Uid, Uid)) -> Ordering {
        match (self.since, other.since) {
            (mine, theirs) if mine == theirs => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            _ => self.magnitude.cmp(&other.magnitude).then(uids.0.cmp(&uids.1)),
        }
    }
}

impl Rank {
    fn of(object: &Object, crowd: usize, now: Time) -> Self {
        let pod = object.pod();
        let state = pod.map(|pod| &pod.state);
        let ready = pod.is_some_and(crate::store::PodBody::is_ready);
        let restarts = state.map_or(0, |state| {
            state.containers.iter().chain(&state.init_containers).map(|each| each.restart_count).max().unwrap_or(0)
        });
        Self {
            has_node: pod.is_some_and(|pod| pod.node.is_some()),
            phase: match state.map_or(PodPhase::Pending, |state| state.phase) {
                PodPhase::Pending => 0,
                PodPhase::Unknown => 1,
                PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
            },
            ready,
            cost: object.meta.annotations.get(DELETION_COST_ANNOTATION).and_then(|cost| cost.parse().ok()).unwrap_or(0),
            crowd: std::cmp::Reverse(crowd),
            ready_age: Age::of(state.and_then(|state| state.ready_since()).filter(|_| ready), now),
            restarts: std::cmp::Reverse(restarts),
            age: Age::of(Some(object.meta.created), now),
            uid: object.meta.uid,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let uids = (self.uid, other.uid);
        let of_both_ready = || {
            if self.ready && other.ready { self.ready_age.compare(other.ready_age, uids) } else { Ordering::Equal }
        };
        self.has_node
            .cmp(&other.has_node)
            .then(self.phase.cmp(&other.phase))
            .then(self.ready.cmp(&other.ready))
            .then(self.cost.cmp(&other.cost))
            .then(self.crowd.cmp(&other.crowd))
            .then_with(of_both_ready)
            .then(self.restarts.cmp(&other.restarts))
            .then_with(|| self.age.compare(other.age, uids))
            .then(self.uid.cmp(&other.uid))
    }
}

/// The `count` pods that go first. `related` are the pods that make a node crowded: those of all sets of one owner.
pub fn first_to_go<'w>(
    pods: &[&'w Arc<Object>],
    related: &[&'w Arc<Object>],
    count: usize,
    now: Time,
) -> Vec<&'w Arc<Object>> {
    let mut crowds: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for node in related.iter().filter_map(|object| object.pod()?.node.as_ref()) {
        *crowds.entry(node).or_default() += 1;
    }
    let crowd = |object: &Object| {
        object.pod().and_then(|pod| pod.node.as_ref()).and_then(|node| crowds.get(node)).copied().unwrap_or(0)
    };
    let mut ranked: Vec<(Rank, &Arc<Object>)> =
        pods.iter().map(|object| (Rank::of(object, crowd(object), now), *object)).collect();
    ranked.sort_by(|(a, _), (b, _)| a.compare(b));
    ranked.into_iter().take(count).map(|(_, object)| object).collect()
}
