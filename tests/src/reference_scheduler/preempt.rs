//! Who must go for whom, judged naively: each node is tried with every pod of lower priority taken away and put back one by
//! one.

use std::cmp::Reverse;

use inboard::k8s_openapi::api::core::v1::{Node, Pod};
use inboard::k8s_openapi::jiff::Timestamp;

use super::matching::{asks, selects, thousandths};
use super::{World, name_of, namespace, spec};

/// The pods that go from a node, by namespace and name, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// The node.
    pub node: String,
    /// The pods.
    pub victims: Vec<String>,
}

/// What can be done for a pod that fits nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It waits for those who are going already, or may not end others.
    Waits,
    /// It helps nowhere.
    Hopeless,
    /// One of these, each as good as the other.
    Evicts(Vec<Eviction>),
}

impl World {
    /// What can be done for a pod that fits nowhere.
    pub fn outlook(&self, pod: &Pod) -> Outlook {
        if spec(pod).preemption_policy.as_deref() == Some("Never") || self.is_under_way(pod) {
            return Outlook::Waits;
        }
        let finds: Vec<Find> = self.nodes.iter().filter_map(|node| self.find(pod, node)).collect();
        let Some(best) = finds.iter().map(|find| find.rank).min() else { return Outlook::Hopeless };
        Outlook::Evicts(finds.into_iter().filter(|find| find.rank == best).map(|find| find.eviction).collect())
    }

    fn is_under_way(&self, pod: &Pod) -> bool {
        let Some(node) = self.nodes.iter().find(|node| Some(name_of(node)) == promised(pod)) else { return false };
        let reasons = self.reasons(pod, node);
        let ended_by_scheduler = |other: &Pod| {
            other.status.iter().flat_map(|status| status.conditions.iter().flatten()).any(|condition| {
                condition.type_ == "DisruptionTarget" && condition.reason.as_deref() == Some("PreemptionByScheduler")
            })
        };
        !(reasons.iter().any(|reason| !is_curable(pod, node, reason)))
            && self.on(node).any(|other| {
                priority(other) < priority(pod)
                    && other.metadata.deletion_timestamp.is_some()
                    && ended_by_scheduler(other)
            })
    }

    fn find(&self, pod: &Pod, node: &Node) -> Option<Find> {
        if self.reasons(pod, node).iter().any(|reason| !is_curable(pod, node, reason)) {
            return None;
        }
        let mut lower: Vec<&Pod> = self.on(node).filter(|other| priority(other) < priority(pod)).collect();
        lower.sort_by_key(|other| importance(other));
        let mut world = self.clone();
        for other in &lower {
            world.pods.retain(|one| one.metadata.uid != other.metadata.uid);
        }
        if lower.is_empty() || !world.reasons(pod, node).is_empty() {
            return None;
        }
        let (guarded, free) = self.split(&lower);
        let mut victims = Vec::new();
        let mut violations = 0;
        for other in guarded.iter().chain(&free) {
            world.pods.push((*other).clone());
            if !world.reasons(pod, node).is_empty() {
                world.pods.pop();
                violations += usize::from(guarded.contains(other));
                victims.push(*other);
            }
        }
        let highest = victims.iter().map(|victim| priority(victim)).max()?;
        let rank = Rank {
            violations,
            highest,
            sum: victims.iter().map(|victim| i64::from(priority(victim)) + (1 << 31)).sum(),
            count: victims.len(),
            start: Reverse(victims.iter().filter(|one| priority(one) == highest).map(|one| started(one)).min()?),
        };
        let mut names: Vec<String> = victims.iter().map(|victim| full_name(victim)).collect();
        names.sort();
        Some(Find { rank, eviction: Eviction { node: name_of(node).to_owned(), victims: names } })
    }

    /// Those whose end violates a budget when they go in this order, and the others.
    fn split<'a>(&self, pods: &[&'a Pod]) -> (Vec<&'a Pod>, Vec<&'a Pod>) {
        let mut left: Vec<i32> = self
            .budgets
            .iter()
            .map(|budget| budget.status.as_ref().map_or(0, |status| status.disruptions_allowed.unwrap_or(0)))
            .collect();
        pods.iter().copied().partition(|pod| {
            let mut violates = false;
            for (budget, left) in self.budgets.iter().zip(&mut left) {
                let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                let covers = budget.metadata.namespace == pod.metadata.namespace
                    && selects(selector, pod.metadata.labels.as_ref());
                if covers {
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        })
    }

    /// The world in which the pods are there that have been promised room on this node and go first; `None` if there are none.
    pub(super) fn with_promised(&self, pod: &Pod, node: &Node) -> Option<Self> {
        let goes_first = |other: &&Pod| {
            spec(other).node_name.is_none()
                && other.metadata.deletion_timestamp.is_none()
                && promised(other) == Some(name_of(node))
                && priority(other) >= priority(pod)
                && other.metadata.uid != pod.metadata.uid
        };
        let mut promised: Vec<Pod> = self.pods.iter().filter(goes_first).cloned().collect();
        if promised.is_empty() {
            return None;
        }
        for other in &mut promised {
            other.spec.get_or_insert_default().node_name = Some(name_of(node).to_owned());
        }
        let mut world = self.clone();
        world.pods.extend(promised);
        Some(world)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    violations: usize,
    highest: i32,
    sum: i64,
    count: usize,
    start: Reverse<Timestamp>,
}

struct Find {
    rank: Rank,
    eviction: Eviction,
}

/// Whether a reason may be gone when pods go.
fn is_curable(pod: &Pod, node: &Node, reason: &str) -> bool {
    let never = [
        "node(s) were unschedulable",
        "node(s) had untolerated taint(s)",
        "node(s) didn't match Pod's node affinity/selector",
        "node(s) didn't match pod topology spread constraints (missing required label)",
        "node(s) didn't match pod affinity rules",
        "cannot allocate all claims",
        "node declared features check failed - unsatisfied requirements: RestartAllContainersOnContainerExits",
    ];
    let beyond = reason.strip_prefix("Insufficient ").is_some_and(|resource| {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        asks(pod, resource, 0) > allocatable.and_then(|all| all.get(resource)).map_or(0, thousandths)
    });
    !never.contains(&reason) && !beyond
}

/// The node that was promised to a pod.
fn promised(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.nominated_node_name.as_deref()
}

fn priority(pod: &Pod) -> i32 {
    spec(pod).priority.unwrap_or(0)
}

fn started(pod: &Pod) -> Timestamp {
    pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(Timestamp::MAX, |time| time.0)
}

/// The most important first.
fn importance(pod: &Pod) -> (Reverse<i32>, Timestamp, Option<String>) {
    (Reverse(priority(pod)), started(pod), pod.metadata.uid.clone())
}

/// As the real one is told: namespace and name.
pub(super) fn full_name(pod: &Pod) -> String {
    format!("{}/{}", namespace(pod), pod.metadata.name.as_deref().unwrap_or_default())
}
