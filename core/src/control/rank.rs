//! Which pods go first when there are too many: upstream's orders, that of sets (`ActivePodsWithRanks`) and that of Jobs
//! (`ActivePods`).
//!
//! The sooner a pod goes, the less it is missed: without a node before with one, pending before running, not ready
//! before ready, cheap before dear, crowded before alone, young before old. A Job knows no costs and no crowds.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{NodeName, Uid};
use crate::store::{Object, PodBody, PodPhase};
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
    /// Those of its containers, then those of its sidecars.
    restarts: std::cmp::Reverse<(i32, i32)>,
    age: Age,
    uid: Uid,
}

/// An age. In sets it counts in powers of two: pods of about the same age are told apart by chance, not by seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age {
    since: Option<Time>,
    magnitude: Option<i32>,
}

impl Age {
    /// In powers of two as of now, or exactly.
    fn of(since: Option<Time>, now: Option<Time>) -> Self {
        let magnitude = now.map(|now| {
            let nanos = since.map_or(0, |since| i64::try_from((now - since).as_nanos()).unwrap_or(i64::MAX));
            if nanos <= 0 { -1 } else { nanos.ilog2().cast_signed() }
        });
        Self { since, magnitude }
    }

    /// The younger goes first; of one magnitude the lower uid, unless they are exactly equal.
    fn compare(self, other: Self, uids: (Uid, Uid)) -> Ordering {
        match (self.since, other.since) {
            (mine, theirs) if mine == theirs => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            _ if self.magnitude.is_some() => self.magnitude.cmp(&other.magnitude).then(uids.0.cmp(&uids.1)),
            (mine, theirs) => theirs.cmp(&mine),
        }
    }
}

/// The restarts of the container that has most of them, and of the sidecar that has. Init containers that end are passed over.
fn most_restarts(pod: &PodBody) -> (i32, i32) {
    let is_sidecar = |name: &str| {
        let container = pod.spec.init_containers.iter().flatten().find(|container| container.name == name);
        container.is_some_and(|container| container.restart_policy.as_deref() == Some("Always"))
    };
    let sidecars = pod.state.init_containers.iter().filter(|each| is_sidecar(&each.name));
    let most = |counts: &mut dyn Iterator<Item = i32>| counts.max().unwrap_or(0);
    (
        most(&mut pod.state.containers.iter().map(|each| each.restart_count)),
        most(&mut sidecars.map(|each| each.restart_count)),
    )
}

impl Rank {
    /// In a set as of now, in the crowd of its node; or in a Job.
    fn of(object: &Object, set: Option<(usize, Time)>) -> Self {
        let now = set.map(|(_, now)| now);
        let cost = || object.meta.annotations.get(DELETION_COST_ANNOTATION)?.parse().ok();
        let pod = object.pod();
        let state = pod.map(|pod| &pod.state);
        let ready = pod.is_some_and(PodBody::is_ready);
        Self {
            has_node: pod.is_some_and(|pod| pod.node.is_some()),
            phase: match state.map_or(PodPhase::Pending, |state| state.phase) {
                PodPhase::Pending => 0,
                PodPhase::Unknown => 1,
                PodPhase::Running | PodPhase::Succeeded | PodPhase::Failed => 2,
            },
            ready,
            cost: set.and_then(|_| cost()).unwrap_or(0),
            crowd: std::cmp::Reverse(set.map_or(0, |(crowd, _)| crowd)),
            ready_age: Age::of(state.and_then(|state| state.ready_since()).filter(|_| ready), now),
            restarts: std::cmp::Reverse(pod.map_or((0, 0), most_restarts)),
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

/// The `count` pods of a set that go first. `related` are the pods that make a node crowded: those of all sets of one owner.
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
    sorted(pods.iter().map(|object| (Rank::of(object, Some((crowd(object), now))), *object)), count)
}

/// The `count` pods of a Job that go first.
pub fn first_of_job<'w>(pods: &[&'w Arc<Object>], count: usize) -> Vec<&'w Arc<Object>> {
    sorted(pods.iter().map(|object| (Rank::of(object, None), *object)), count)
}

fn sorted<'w>(ranked: impl Iterator<Item = (Rank, &'w Arc<Object>)>, count: usize) -> Vec<&'w Arc<Object>> {
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by(|(a, _), (b, _)| a.compare(b));
    ranked.into_iter().take(count).map(|(_, object)| object).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::{Node, Pod};
    use serde_json::json;

    use super::*;
    use crate::control::{Action, Target};
    use crate::object::kind;
    use crate::store::{
        ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, Draft, Given, PodCondition, Store,
        WriteOptions,
    };

    const NOW: Time = Time::from_secs(1_800_000_000);

    /// In which order pods go that are described as `on=a running ready=60 restarts=3 age=3600`, ages in seconds; they are named
    /// by their places. Pods that are not said to be on a node are on one of their own.
    /// First in a set, then in a Job.
    fn order(pods: &[&str]) -> [String; 2] {
        let mut store = Store::new(7);
        store.found(NOW);
        let mut uids = Vec::new();
        for (place, words) in pods.iter().enumerate() {
            let words: Vec<_> = words.split(' ').map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
            let said = |key: &str| words.iter().find(|(word, _)| *word == key).map(|(_, value)| *value);
            let number = |key: &str| said(key).and_then(|value| value.parse::<u64>().ok());
            let ago = |seconds: u64| NOW.minus(Duration::from_secs(seconds));
            let node = said("on").map_or_else(|| format!("own-{place}"), str::to_owned);
            if store.snapshot().find(kind::NODE, "", &node).is_none() {
                let node: Node = serde_json::from_value(json!({"metadata": {"name": node}})).expect("a node");
                store.create_with(Draft::of(node), WriteOptions::default(), NOW).expect("it is admitted");
            }
            let annotations = said("cost").map(|cost| json!({DELETION_COST_ANNOTATION: cost}));
            let container = json!({"name": "c", "image": "app"});
            let starts =
                json!([{"name": "first", "image": "app"}, {"name": "side", "image": "app", "restartPolicy": "Always"}]);
            let pod = json!({"metadata": {"name": place.to_string(), "namespace": "default", "annotations": annotations},
                "spec": {"containers": [container], "initContainers": starts}});
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            let created = ago(number("age").unwrap_or(3600));
            let pod = store.create_with(Draft::of(pod), WriteOptions::default(), created).expect("it is admitted");
            let target = Target::any_version(pod.meta.uid);
            uids.push(pod.meta.uid);
            let mut state = pod.pod().expect("a pod").state.clone();
            let is_running = said("running").is_some() || said("ready").is_some();
            state.phase = if is_running { PodPhase::Running } else { PodPhase::Pending };
            let record = |name: &str, key: &str| ContainerRecord {
                name: name.into(),
                phase: ContainerPhase::Running(created),
                last: None,
                ready: true,
                started: Some(true),
                restart_count: number(key).and_then(|count| count.try_into().ok()).unwrap_or(0),
                image: "app".into(),
                image_id: "".into(),
                container_id: None,
                given: Given::Unsaid,
            };
            state.containers = Box::new([record("c", "restarts")]);
            state.init_containers = Box::new([record("first", "first"), record("side", "side")]);
            state.set_condition(PodCondition {
                kind: ConditionKind::Ready,
                status: ConditionStatus::from(said("ready").is_some()),
                since: number("ready").map(ago),
                observed_generation: 0,
                why: None,
            });
            let mut actions = vec![Action::UpdatePodState { target, state: Box::new(state) }];
            if said("nowhere").is_none() {
                actions.push(Action::Bind { target, node: NodeName::from(node.as_str()) });
            }
            store.commit(actions, NOW).expect("no conflict");
        }
        let pods: Vec<_> = uids.iter().filter_map(|uid| store.snapshot().get(*uid)).collect();
        let names = |pods: Vec<&Arc<Object>>| pods.iter().map(|pod| &*pod.meta.name).collect::<String>();
        [names(first_to_go(&pods, &pods, pods.len(), NOW)), names(first_of_job(&pods, pods.len()))]
    }

    #[test]
    fn the_sooner_a_pod_goes_the_less_it_is_missed() {
        let rows: &[(&[&str], &str)] = &[
            (&["on=a", "nowhere"], "10"),
            (&["running", "on=a"], "10"),
            (&["ready=60", "running"], "10"),
            (&["ready=60 cost=100", "ready=60 cost=10", "ready=60", "ready=60 cost=-5"], "3210"),
            // Cost is looked at before nodes, and those before age.
            (&["ready=60 on=a", "ready=60 on=b", "ready=9000 on=b cost=-1"], "210"),
            (&["ready=60", "ready=90000 on=b", "ready=90000 on=b age=90000"], "120"),
            (&["ready=90000", "ready=60"], "10"),
            (&["ready", "ready=60"], "01"),
            // Restarts of containers come before those of sidecars; what ends before the containers start is passed over.
            (&["ready=60 restarts=1", "ready=60 restarts=3"], "10"),
            (&["ready=60 restarts=1 side=9", "ready=60 restarts=2"], "10"),
            (&["ready=60 restarts=1 side=1", "ready=60 restarts=1 side=2"], "10"),
            (
                &["ready=60 restarts=1 first=1 age=90000", "ready=60 restarts=1 first=9 age=60", "ready=60 side=1"],
                "102",
            ),
            (&["ready=60 age=90000", "ready=60 age=60"], "10"),
            (&["running age=90000", "running age=60"], "10"),
        ];
        for (pods, expected) in rows {
            assert_eq!(order(pods)[0], *expected, "{pods:?}");
        }
    }

    #[test]
    fn in_a_job_the_youngest_goes_first_to_the_second_whatever_it_costs() {
        let rows: &[(&[&str], &str)] = &[
            (&["ready=3000", "ready=3001", "ready=2999"], "201"),
            (&["running age=3000", "running age=3001", "running age=2999"], "201"),
            (&["ready=60 cost=-5", "ready=59"], "10"),
            (&["ready=60 on=a", "ready=61 on=b", "ready=61 on=b age=90000"], "012"),
            (&["ready=60", "running", "on=a", "nowhere"], "3210"),
            (&["ready=60 restarts=1", "ready=60 restarts=3", "ready=60 side=1"], "102"),
        ];
        for (pods, expected) in rows {
            assert_eq!(order(pods)[1], *expected, "{pods:?}");
        }
    }
}
