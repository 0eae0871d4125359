//! Whether an object is of its type: no field that it does not declare, no scalar of another kind, no two items of one name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path::PathElement;
use super::shape::{Items, ListShape, MapShape, Type};
use super::walk::{self, Chosen, Problems};

/// Whether two items of a list may have one name: they may in what is stored, not in what is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    Allowed,
    Refused,
}

/// Checks a value.
pub(super) fn check(value: &Value, of: Type<'_>, duplicates: Duplicates) -> Result<(), Problems> {
    match walk::choose(&of.shape(), Some(value)) {
        Chosen::Map(shape) => map(value, &shape, duplicates),
        Chosen::Scalar(scalar) => walk::check_scalar(scalar, value, ""),
        Chosen::List(shape) => list(value, &shape, duplicates),
        Chosen::Nothing => Err(Problems::one("schema error: invalid atom")),
    }
}

fn map(value: &Value, shape: &MapShape<'_>, duplicates: Duplicates) -> Result<(), Problems> {
    let Some(fields) = walk::map(value)? else { return Ok(()) };
    let mut problems = Problems::default();
    for (name, value) in fields {
        let checked = match shape.entry(name) {
            Some(of) => check(value, of, duplicates),
            None => Err(Problems::one("field not declared in schema")),
        };
        if let Err(wrong) = checked {
            problems.add(wrong.below(&PathElement::field(name)));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn list(value: &Value, shape: &ListShape<'_>, duplicates: Duplicates) -> Result<(), Problems> {
    let Some(items) = walk::list(value)? else { return Ok(()) };
    let mut problems = Problems::default();
    let mut seen = BTreeSet::new();
    for (place, item) in (0..).zip(items) {
        let name = if shape.kind == Items::Whole {
            PathElement::Index(place)
        } else {
            match walk::name_of(shape, item) {
                Ok(name) => name,
                Err(message) => {
                    problems.add(Problems::one(format!("element {place}: {message}")));
                    break;
                }
            }
        };
        if let Err(wrong) = check(item, shape.items, duplicates) {
            problems.add(wrong.below(&name));
        }
        if !seen.insert(name.clone()) && duplicates == Duplicates::Refused {
            problems.add(Problems::one(format!("duplicate entries for key {name}")));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
