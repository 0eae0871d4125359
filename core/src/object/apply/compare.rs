//! What an object has that another has not: fields that were added, removed, or got another value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::{Path, PathElement};
use super::set::FieldSet;
use super::shape::{Items, ListShape, MapShape, Type};
use super::value;
use super::walk::{self, Chosen, Problems};

/// The differences between two objects. No field is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Fields that only the first has.
    pub(super) removed: FieldSet,
    /// Fields that both have, with another value.
    pub(super) modified: FieldSet,
    /// Fields that only the second has.
    pub(super) added: FieldSet,
}

impl Comparison {
    /// The same without these fields and what is below them.
    #[must_use]
    pub(super) fn without(&self, fields: &FieldSet) -> Self {
        Self {
            removed: self.removed.difference_with_below(fields),
            modified: self.modified.difference_with_below(fields),
            added: self.added.difference_with_below(fields),
        }
    }
}

/// Compares two objects of a type.
pub(super) fn compare(before: &Value, after: &Value, of: Type<'_>) -> Result<Comparison, Problems> {
    let mut walk = Walk::default();
    walk.value(Some(before), Some(after), of)?;
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    path: Path,
    found: Comparison,
}

impl Walk {
    fn value(&mut self, before: Option<&Value>, after: Option<&Value>, of: Type<'_>) -> Result<(), Problems> {
        let shape = of.shape();
        if let (Some(before), Some(after)) = (before, after)
            && walk::differ(&shape, before, after)
        {
            self.chosen(walk::choose(&shape, Some(before)), Some(before), Some(after))?;
        }
        let is_leaf = self.chosen(walk::choose(&shape, after.or(before)), before, after)?;
        if !is_leaf {
            match (before, after) {
                (None, _) => self.found.added.insert(&self.path),
                (Some(_), None) => self.found.removed.insert(&self.path),
                (Some(_), Some(_)) => {}
            }
        }
        Ok(())
    }

    /// Whether the value was compared as a whole.
    fn chosen(&mut self, shape: Chosen<'_>, before: Option<&Value>, after: Option<&Value>) -> Result<bool, Problems> {
        match shape {
            Chosen::Scalar(scalar) => {
                let check =
                    |value: Option<&Value>, side| value.map_or(Ok(()), |value| walk::check_scalar(scalar, value, side));
                if let (Err(mut one), Err(other)) = (check(before, "lhs: "), check(after, "rhs: ")) {
                    one.add(other);
                    return Err(one);
                }
                self.leaf(before, after);
                Ok(true)
            }
            Chosen::Map(shape) => {
                let (one, other) = (walk::entries(before), walk::entries(after));
                if shape.is_whole || (one.is_none() && other.is_none()) {
                    self.leaf(before, after);
                    return Ok(true);
                }
                self.map(&shape, one, other)?;
                Ok(false)
            }
            Chosen::List(shape) => {
                let (one, other) = (walk::items(before), walk::items(after));
                if shape.kind == Items::Whole || (one.is_none() && other.is_none()) {
                    self.leaf(before, after);
                    return Ok(true);
                }
                self.list(&shape, one.unwrap_or_default(), other.unwrap_or_default())?;
                Ok(false)
            }
            Chosen::Nothing => Err(Problems::one("schema error: invalid atom")),
        }
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (None, _) => self.found.added.insert(&self.path),
            (Some(_), None) => self.found.removed.insert(&self.path),
            (Some(before), Some(after)) if !value::equal(before, after) => self.found.modified.insert(&self.path),
            (Some(_), Some(_)) => {}
        }
    }

    fn map(
        &mut self,
        shape: &MapShape<'_>,
        before: Option<&Map<String, Value>>,
        after: Option<&Map<String, Value>>,
    ) -> Result<(), Problems> {
        let names: BTreeSet<&String> = [before, after].into_iter().flatten().flat_map(Map::keys).collect();
        let mut problems = Problems::default();
        for name in names {
            let element = PathElement::field(name);
            let (before, after) = (before.and_then(|map| map.get(name)), after.and_then(|map| map.get(name)));
            let walked = self.below(&element, before, after, walk::entry(shape, name));
            problems.add(walked.err().unwrap_or_default());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn below(
        &mut self,
        element: &PathElement,
        before: Option<&Value>,
        after: Option<&Value>,
        of: Type<'_>,
    ) -> Result<(), Problems> {
        self.path.push(element.clone());
        let walked = self.value(before, after, of).map_err(|problems| problems.below(element));
        self.path.pop();
        walked
    }

    /// Items of one name are compared together, as one.
    fn list(&mut self, shape: &ListShape<'_>, before: &[Value], after: &[Value]) -> Result<(), Problems> {
        let mut named: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (name, item) in walk::names(shape, before)? {
            named.entry(name).or_default().0.push(item);
        }
        for (name, item) in walk::names(shape, after)? {
            named.entry(name).or_default().1.push(item);
        }
        let mut problems = Problems::default();
        for (name, (before, after)) in &named {
            let walked = match (before.as_slice(), after.as_slice()) {
                ([] | [_], [] | [_]) => self.below(name, before.first().copied(), after.first().copied(), shape.items),
                ([_, _, ..], [_, _, ..]) => {
                    let is_same = before.len() == after.len()
                        && before.iter().zip(after).all(|(before, after)| value::equal(before, after));
                    if !is_same {
                        self.found.modified.insert(&self.at(name));
                    }
                    Ok(())
                }
                ([_, _, ..], after) => {
                    let walked = after.first().map_or(Ok(()), |after| self.below(name, None, Some(after), shape.items));
                    self.found.removed.insert(&self.at(name));
                    walked
                }
                (before, _) => {
                    let walked =
                        before.first().map_or(Ok(()), |before| self.below(name, Some(before), None, shape.items));
                    self.found.added.insert(&self.at(name));
                    walked
                }
            };
            problems.add(walked.err().unwrap_or_default());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn at(&self, name: &PathElement) -> Path {
        self.path.iter().chain([name]).cloned().collect()
    }
}
