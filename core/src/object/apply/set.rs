//! A set of fields: what a manager owns, or what differs between two objects.
//!
//! It is a tree. A field and what is below it are members each by itself: who owns `.data.a` need not own `.data`.

use std::collections::BTreeMap;

use super::path::{Path, PathElement};
use super::shape::Type;

/// Fields of an object, by their paths. The object itself is never one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// No node is without a member at it or below it.
    nodes: BTreeMap<PathElement, Node>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    is_member: bool,
    below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.is_member && self.below.is_empty()
    }
}

impl FieldSet {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the field at this path, and only that.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => self.nodes.entry(last.clone()).or_default().is_member = true,
            [first, rest @ ..] => self.nodes.entry(first.clone()).or_default().below.insert(rest),
        }
    }

    /// Adds what is below a first step, and that step itself if it is a member.
    pub(super) fn insert_below(&mut self, first: PathElement, is_member: bool, below: Self) {
        if is_member || !below.is_empty() {
            let node = self.nodes.entry(first).or_default();
            node.is_member |= is_member;
            node.below = if node.below.is_empty() { below } else { node.below.union(&below) };
        }
    }

    /// Whether the field at this path is one of them.
    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.is_member(last),
            [first, rest @ ..] => self.below(first).is_some_and(|below| below.has(rest)),
        }
    }

    /// Whether the field one step away is one of them.
    pub(super) fn is_member(&self, element: &PathElement) -> bool {
        self.nodes.get(element).is_some_and(|node| node.is_member)
    }

    /// The fields whose paths begin with this step, seen from there; nothing when there are none.
    pub(super) fn below(&self, element: &PathElement) -> Option<&Self> {
        self.nodes.get(element).map(|node| &node.below).filter(|below| !below.is_empty())
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.nodes.values().map(|node| usize::from(node.is_member) + node.below.len()).sum()
    }

    /// The steps that it begins with: each with whether it is a member itself, and what is below it.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&PathElement, bool, &Self)> {
        self.nodes.iter().map(|(element, node)| (element, node.is_member, &node.below))
    }

    /// All paths; those that end at a step come before those that go further.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Path, paths: &mut Vec<Path>) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.is_member) {
            paths.push(prefix.iter().chain([element]).cloned().collect());
        }
        for (element, node) in &self.nodes {
            prefix.push(element.clone());
            node.below.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// The fields that are in one or the other.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        for (element, node) in &other.nodes {
            let mine = union.nodes.entry(element.clone()).or_default();
            mine.is_member |= node.is_member;
            mine.below = if mine.below.is_empty() { node.below.clone() } else { mine.below.union(&node.below) };
        }
        union
    }

    /// The fields that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.each(|element, node| {
            let theirs = other.nodes.get(element)?;
            Some(Node { is_member: node.is_member && theirs.is_member, below: node.below.intersection(&theirs.below) })
        })
    }

    /// The fields that are in this one and not in the other; what is below a field of the other stays.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.each(|element, node| match other.nodes.get(element) {
            None => Some(node.clone()),
            Some(theirs) => {
                let below = node.below.difference(&theirs.below);
                Some(Node { is_member: node.is_member && !theirs.is_member, below })
            }
        })
    }

    /// The fields that are in this one, and neither in the other nor below one of its fields.
    #[must_use]
    pub fn difference_with_below(&self, other: &Self) -> Self {
        self.each(|element, node| match other.nodes.get(element) {
            None => Some(node.clone()),
            Some(theirs) if theirs.is_member => None,
            Some(theirs) => {
                let below = node.below.difference_with_below(&theirs.below);
                Some(Node { is_member: node.is_member, below })
            }
        })
    }

    /// The fields below which there is none.
    #[must_use]
    pub fn leaves(&self) -> Self {
        self.each(|_, node| {
            Some(Node { is_member: node.is_member && node.below.is_empty(), below: node.below.leaves() })
        })
    }

    /// The same, and every declared field on the way to one of its fields.
    #[must_use]
    pub(super) fn with_named_fields(&self, of: Option<Type<'_>>) -> Self {
        let shape = of.map(Type::shape);
        self.each(|element, node| {
            let (is_named, next) = match (element, &shape) {
                (PathElement::Field(name), Some(shape)) => {
                    let map = shape.map.as_ref();
                    let declared = map.and_then(|map| map.declared(name));
                    (declared.is_some(), declared.or_else(|| map.and_then(|map| map.others())))
                }
                (PathElement::Key(_), Some(shape)) => (false, shape.list.as_ref().map(|list| list.items)),
                _ => (false, None),
            };
            let is_member = node.is_member || (is_named && !node.below.is_empty());
            Some(Node { is_member, below: node.below.with_named_fields(next) })
        })
    }

    fn each(&self, keep: impl Fn(&PathElement, &Node) -> Option<Node>) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, node)| Some((element.clone(), keep(element, node)?)));
        Self { nodes: nodes.filter(|(_, node)| !node.is_empty()).collect() }
    }
}

impl<P: AsRef<[PathElement]>> FromIterator<P> for FieldSet {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path.as_ref());
        }
        set
    }
}
