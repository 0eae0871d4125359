//! Where in a text a field is: read again with positions, since only a mistake needs to know.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::MergeKeyPolicy;

use super::document::options;

/// The line and column of a field's value, by the path that errors show: `spec.containers[0].image`.
///
/// Where the path leads nowhere it is the last value on the way that can be found.
pub(super) fn find(text: &str, document: usize, path: &str) -> Option<(u64, u64)> {
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options()).ok()?;
    let mut here = documents.iter().filter(|document| !matches!(document.value, Node::Null)).nth(document)?;
    let mut rest = path;
    while let Some((child, after)) = step(&here.value, rest) {
        here = child;
        rest = after;
    }
    Some((here.referenced.line(), here.referenced.column()))
}

/// The keys that stand twice in a mapping of the first document, each with the line of the value that comes later, in
/// the order in which upstream's reader meets them: what is inside of a value before the value itself. What a mapping takes
/// over from another (`<<`) stands in it, too.
pub(crate) fn repeated(text: &str) -> Vec<(u64, String)> {
    let mut options = options();
    options.merge_keys = MergeKeyPolicy::AsOrdinary;
    let documents: Vec<Spanned<Node>> = serde_saphyr::from_multiple_with_options(text, options).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(first) = documents.iter().find(|document| !matches!(document.value, Node::Null)) {
        repeated_in(&first.value, &mut found);
    }
    found
}

fn repeated_in(node: &Node, found: &mut Vec<(u64, String)>) {
    match node {
        Node::Null | Node::Scalar(_) => {}
        Node::List(elements) => elements.iter().for_each(|element| repeated_in(&element.value, found)),
        Node::Map(entries) => entries_in(entries, &mut BTreeSet::new(), found),
    }
}

fn entries_in<'n>(
    entries: &'n [(String, Spanned<Node>)],
    seen: &mut BTreeSet<&'n str>,
    found: &mut Vec<(u64, String)>,
) {
    for (key, value) in entries {
        match (key.as_str(), &value.value) {
            ("<<", Node::Map(taken)) => entries_in(taken, seen, found),
            // Of several the first goes before the others, and is read last.
            ("<<", Node::List(all)) => {
                for taken in all.iter().rev() {
                    if let Node::Map(taken) = &taken.value {
                        entries_in(taken, seen, found);
                    }
                }
            }
            (key, inner) => {
                repeated_in(inner, found);
                if !seen.insert(key) {
                    found.push((value.referenced.line(), key.to_owned()));
                }
            }
        }
    }
}

/// One step along a path: the child, and the rest of the path. Keys may have dots in them, so the keys decide.
fn step<'n, 'p>(node: &'n Node, path: &'p str) -> Option<(&'n Spanned<Node>, &'p str)> {
    match node {
        Node::Map(entries) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let fits =
                |key: &str| path.strip_prefix(key).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            // The last of equal keys is the one that counts; the longest of those that fit is the one that is meant.
            let found = entries.iter().filter_map(|(key, value)| Some((key.len(), value, fits(key)?)));
            found.max_by_key(|(length, ..)| *length).map(|(_, value, rest)| (value, rest))
        }
        Node::List(elements) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            Some((elements.get(index.parse::<usize>().ok()?)?, rest))
        }
        Node::Scalar(_) | Node::Null => None,
    }
}

/// A value of which only the shape counts.
enum Node {
    Null,
    /// Its text, for keys.
    Scalar(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Node>()? {
            let key = if let Node::Scalar(text) = key { text } else { String::new() };
            map.push((key, entries.next_value()?));
        }
        Ok(Node::Map(map))
    }
}
