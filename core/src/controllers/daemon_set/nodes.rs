//! The nodes of a set, by what it has there: a look at them costs what differs, not what there is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::control::crew::Crew;
use crate::ids::{NodeName, Uid};
use crate::object::daemon::Fate;
use crate::object::selector::Selector;
use crate::store::{Group, Object, Snapshot, Standing, node_of_daemon};
use crate::time::Time;

/// All nodes, and what a set has on them.
pub(super) struct Nodes<'w> {
    snapshot: &'w Snapshot,
    set: Uid,
    selector: Selector,
    pub(super) sites: Vec<Site<'w>>,
}

/// Nodes on which the set has the same.
#[derive(Clone, Debug)]
pub(super) struct Site<'w> {
    pub(super) fate: Fate,
    /// The pods that are there or on their way, in order; not those of others, and not those that have ended and go.
    pub(super) pods: SmallVec<[&'w Standing; 1]>,
    group: Group<'w>,
}

impl<'w> Site<'w> {
    /// How many nodes they are.
    pub(super) fn count(&self) -> usize {
        self.group.count()
    }

    /// The nodes, by name.
    pub(super) fn nodes(&self) -> impl DoubleEndedIterator<Item = &'w NodeName> + use<'w> {
        self.group.nodes()
    }

    /// Those of its pods whose deletion nobody has asked for.
    pub(super) fn live(&self) -> impl Iterator<Item = &'w Standing> {
        self.pods.iter().copied().filter(|pod| !pod.is_going)
    }
}

impl<'w> Nodes<'w> {
    pub(super) fn of(snapshot: &'w Snapshot, set: Uid, selector: Selector) -> Self {
        let site = |group: Group<'w>| {
            let pods = group.post.pods.iter().filter(|pod| counts(pod, &selector)).collect();
            Site { fate: group.post.fate, pods, group }
        };
        let sites = snapshot.posts(set).map(site).collect();
        Self { snapshot, set, selector, sites }
    }

    /// How many nodes should have a pod.
    pub(super) fn desired(&self) -> usize {
        self.sites.iter().filter(|site| site.fate == Fate::Wanted).map(Site::count).sum()
    }

    /// The pods on a node, in the order of [`Site::pods`].
    pub(super) fn pods_on(&self, node: &NodeName) -> SmallVec<[&'w Arc<Object>; 2]> {
        let mut pods = self.snapshot.pods_at_post(self.set, node);
        pods.retain(|pod| Standing::of(pod).is_some_and(|pod| counts(&pod, &self.selector)));
        pods
    }
}

fn counts(pod: &Standing, selector: &Selector) -> bool {
    selector.matches(pod.labels()) && !(pod.is_going && pod.is_finished())
}

impl fmt::Debug for Nodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("sites", &self.sites).finish_non_exhaustive()
    }
}

/// The pods that are ready and not available yet, by their nodes: few at a time, so that the others need not be looked at.
#[derive(Debug)]
pub(super) struct Settling<'w> {
    by_node: BTreeMap<NodeName, Vec<&'w Arc<Object>>>,
    /// When the next of them becomes available.
    pub(super) next: Option<Time>,
}

impl<'w> Settling<'w> {
    pub(super) fn of(crew: &Crew<'w>, min_ready: Duration, now: Time) -> Self {
        let mut by_node: BTreeMap<NodeName, Vec<_>> = BTreeMap::new();
        let mut next: Option<Time> = None;
        for (from, pod) in crew.settling(min_ready, now) {
            next = next.into_iter().chain(from).min();
            if let Some(node) = node_of_daemon(pod) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        Self { by_node, next }
    }

    /// Whether such a pod is on a node, one that this is true of.
    pub(super) fn is_on(&self, node: &NodeName, is_meant: impl Fn(&Object) -> bool) -> bool {
        self.by_node.get(node).is_some_and(|pods| pods.iter().any(|pod| is_meant(pod)))
    }

    /// The nodes of a site that have such a pod.
    pub(super) fn nodes<'s>(&'s self, site: &'s Site<'_>) -> impl Iterator<Item = &'s NodeName> {
        self.by_node.keys().filter(|node| site.group.has(node))
    }
}
