//! What each DaemonSet has on each node, sorted by what is to be done there: kept with every write, so that a look at a set on
//! thousands of nodes counts nothing, and reads only those nodes where something is to be done.
//!
//! A [`Post`] is all that a set judges a node by, so that few nodes differ in it.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Taint};
use smallvec::SmallVec;

use super::object::Object;
use super::roster::Standing;
use super::snapshot::{ByUid, Snapshot};
use crate::ids::{NodeName, Uid};
use crate::object::daemon::{Fate, Placement};
use crate::object::kind;

/// What a set has on a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Post {
    /// What shall be there.
    pub fate: Fate,
    /// How the pods stand that are there or on their way: those that have the node before those that wait for it, then the
    /// oldest first.
    pub pods: SmallVec<[Standing; 1]>,
}

/// The nodes of one set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posts {
    placement: Arc<Placement>,
    /// The pods of the set, by the node that they are on or were made for.
    pods: OrdSet<(NodeName, Uid)>,
    /// Every node, and every other one that a pod was made for.
    nodes: OrdMap<NodeName, Arc<Post>>,
    groups: OrdMap<Arc<Post>, OrdSet<NodeName>>,
}

impl Posts {
    fn move_to(&mut self, node: &NodeName, post: Option<Post>) {
        let before = self.nodes.get(node);
        if before.map(|before| &**before) == post.as_ref() {
            return;
        }
        if let Some(before) = before.map(Arc::clone)
            && let Some(group) = self.groups.get_mut(&before)
        {
            group.remove(node);
            if group.is_empty() {
                self.groups.remove(&before);
            }
        }
        let Some(post) = post.map(Arc::new) else {
            self.nodes.remove(node);
            return;
        };
        self.groups.entry(Arc::clone(&post)).or_default().insert(node.clone());
        self.nodes.insert(node.clone(), post);
    }

    /// Sorts a node anew: its pods, or what shall become of them, are others than before.
    fn sort(&mut self, objects: &ByUid<Arc<Object>>, node: &NodeName, fate: Fate) {
        let pods = self.pods_at(objects, node);
        let is_nothing = fate == Fate::Gone && pods.is_empty();
        let pods = pods.into_iter().filter_map(|pod| Standing::of(pod)).collect();
        self.move_to(node, (!is_nothing).then_some(Post { fate, pods }));
    }

    fn fate_at(&self, node: &NodeName) -> Fate {
        self.nodes.get(node).map_or(Fate::Gone, |post| post.fate)
    }

    fn pods_at<'w>(&self, objects: &'w ByUid<Arc<Object>>, node: &NodeName) -> SmallVec<[&'w Arc<Object>; 2]> {
        let all = (node.clone(), Uid::LOWEST)..=(node.clone(), Uid::HIGHEST);
        let mut pods: SmallVec<[&Arc<Object>; 2]> =
            self.pods.range(all).filter_map(|(_, uid)| objects.get(uid)).collect();
        pods.sort_by(|one, other| in_order(one, other));
        pods
    }

    fn judge(&self, node: &Object) -> Fate {
        self.placement.fate(&node.meta.name, &node.meta.labels, taints(node))
    }
}

fn in_order(one: &Object, other: &Object) -> Ordering {
    let waits = |pod: &Object| pod.node().is_none();
    (waits(one), one.meta.created, &one.meta.name).cmp(&(waits(other), other.meta.created, &other.meta.name))
}

fn taints(node: &Object) -> &[Taint] {
    let spec = node.typed::<Node>().and_then(|node| node.spec.as_ref());
    spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

/// The node that a pod of a DaemonSet is on, or was made for.
pub fn node_of_daemon(pod: &Object) -> Option<NodeName> {
    let body = pod.pod()?;
    if let Some(node) = &body.node {
        return Some(node.clone());
    }
    let affinity = body.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    let mut named = fields.filter(|field| field.key == "metadata.name" && field.operator == "In");
    let name = named.next()?.values.as_ref()?.first()?;
    Some(NodeName::new(Arc::from(name.as_str())))
}

/// Whether two versions of a pod surely are at the same post: most writes change nothing of it.
fn is_same_post(before: &Object, after: &Object) -> bool {
    before.node() == after.node() && super::roster::stand_the_same(before, after)
}

/// Whether two versions of a node surely are the same to every set.
pub(crate) fn is_same_node(before: &Object, after: &Object) -> bool {
    before.meta.labels == after.meta.labels && taints(before) == taints(after)
}

impl Snapshot {
    /// Writes a change of an object, which is done, into the posts that it concerns.
    pub(super) fn post(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(object) = after.or(before) else { return };
        if self.posts.is_empty() && object.meta.kind != kind::DAEMON_SET {
            return;
        }
        match object.meta.kind {
            kind::POD if !before.zip(after).is_some_and(|(before, after)| is_same_post(before, after)) => {
                self.post_pod(before, false);
                self.post_pod(after, true);
            }
            kind::NODE if !before.zip(after).is_some_and(|(before, after)| is_same_node(before, after)) => {
                self.post_node(object, after.is_some());
            }
            kind::DAEMON_SET => self.post_set(before, after),
            _ => {}
        }
    }

    fn post_pod(&mut self, pod: Option<&Object>, is_there: bool) {
        let Some((pod, set)) = pod.and_then(|pod| Some((pod, pod.meta.controller_uid()?))) else { return };
        let Some(posts) = self.posts.get_mut(&set) else { return };
        let Some(node) = node_of_daemon(pod) else { return };
        let place = (node, pod.meta.uid);
        if is_there {
            posts.pods.insert(place.clone());
        } else {
            posts.pods.remove(&place);
        }
        let fate = posts.fate_at(&place.0);
        posts.sort(&self.objects, &place.0, fate);
    }

    fn post_node(&mut self, node: &Object, is_there: bool) {
        let name = NodeName::new(Arc::clone(&node.meta.name));
        let sets: Vec<Uid> = self.list(kind::DAEMON_SET).map(|set| set.meta.uid).collect();
        for set in sets {
            let Some(posts) = self.posts.get_mut(&set) else { continue };
            let fate = if is_there { posts.judge(node) } else { Fate::Gone };
            posts.sort(&self.objects, &name, fate);
        }
    }

    /// A look at all nodes: only when a set comes, or says anew where its pods go.
    fn post_set(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(object) = after else {
            before.map(|before| self.posts.remove(&before.meta.uid));
            return;
        };
        if before.is_some_and(|before| before.meta.generation == object.meta.generation) {
            return;
        }
        let Some(set) = object.typed::<DaemonSet>() else { return };
        let placement = Placement::of(&set.spec.template);
        if self.posts.get(&object.meta.uid).is_some_and(|posts| *posts.placement == placement) {
            return;
        }
        let pods: Vec<&Arc<Object>> = self
            .owned_of_kind(object.meta.uid, kind::POD)
            .filter(|pod| pod.meta.controller_uid() == Some(object.meta.uid))
            .collect();
        let pods = pods.into_iter().filter_map(|pod| Some((node_of_daemon(pod)?, pod.meta.uid))).collect();
        let mut posts = Posts { placement: Arc::new(placement), pods, nodes: OrdMap::new(), groups: OrdMap::new() };
        for node in self.list(kind::NODE) {
            posts.sort(&self.objects, &NodeName::new(Arc::clone(&node.meta.name)), posts.judge(node));
        }
        let made_for: Vec<NodeName> = posts.pods.iter().map(|(node, _)| node.clone()).collect();
        for node in made_for.iter().filter(|node| posts.nodes.get(*node).is_none()).cloned().collect::<Vec<_>>() {
            posts.sort(&self.objects, &node, Fate::Gone);
        }
        self.posts.insert(object.meta.uid, posts);
    }
}

/// Nodes on which a set has the same.
#[derive(Clone, Copy, Debug)]
pub struct Group<'w> {
    /// What it has there.
    pub post: &'w Post,
    nodes: &'w OrdSet<NodeName>,
}

impl<'w> Group<'w> {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes, by name.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &'w NodeName> + use<'w> {
        self.nodes.iter()
    }

    /// Whether this node is one of them.
    pub fn has(&self, node: &NodeName) -> bool {
        self.nodes.contains(node)
    }
}

impl Snapshot {
    /// All nodes of a DaemonSet, by what it has there.
    pub fn posts(&self, set: Uid) -> impl Iterator<Item = Group<'_>> {
        let groups = self.posts.get(&set).into_iter().flat_map(|posts| posts.groups.iter());
        groups.map(|(post, nodes)| Group { post, nodes })
    }

    /// What a DaemonSet has on a node.
    pub fn post_at(&self, set: Uid, node: &NodeName) -> Option<&Post> {
        self.posts.get(&set)?.nodes.get(node).map(|post| &**post)
    }

    /// The pods that a DaemonSet has on a node or on their way to it, in the order of [`Post::pods`].
    pub fn pods_at_post(&self, set: Uid, node: &NodeName) -> SmallVec<[&Arc<Object>; 2]> {
        self.posts.get(&set).map(|posts| posts.pods_at(&self.objects, node)).unwrap_or_default()
    }
}
