//! The fields that an object has: its leaves, the entries of its maps and the items of its lists.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::PathElement;
use super::set::FieldSet;
use super::shape::{Items, ListShape, MapShape, Type};
use super::walk::{self, Chosen, Problems};

/// The fields of an object of a type.
pub(super) fn of(object: &Value, of: Type<'_>) -> Result<FieldSet, Problems> {
    Ok(below(object, of)?.below)
}

/// What a value adds to the set that its parent is in.
#[derive(Default)]
struct Found {
    is_member: bool,
    below: FieldSet,
}

impl Found {
    fn leaf() -> Self {
        Self { is_member: true, below: FieldSet::new() }
    }
}

fn below(value: &Value, of: Type<'_>) -> Result<Found, Problems> {
    match walk::choose(&of.shape(), Some(value)) {
        Chosen::Map(shape) if shape.is_whole => Ok(Found::leaf()),
        Chosen::Map(shape) => map(value, &shape),
        Chosen::List(shape) if shape.kind == Items::Whole => Ok(Found::leaf()),
        Chosen::List(shape) => list(value, &shape),
        Chosen::Scalar(_) => Ok(Found::leaf()),
        Chosen::Nothing => Err(Problems::one("schema error: invalid atom")),
    }
}

fn map(value: &Value, shape: &MapShape<'_>) -> Result<Found, Problems> {
    let mut found = Found::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        let element = PathElement::field(name);
        let inner = below(value, walk::entry(shape, name)).map_err(|problems| problems.below(&element))?;
        let is_nothing = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        let is_member = inner.is_member || is_nothing || shape.declared(name).is_none();
        found.below.insert_below(element, is_member, inner.below);
    }
    Ok(found)
}

/// Items of one name are owned together, as one.
fn list(value: &Value, shape: &ListShape<'_>) -> Result<Found, Problems> {
    let mut found = Found::default();
    let names = walk::names(shape, value.as_array().map(Vec::as_slice).unwrap_or_default())?;
    let mut times: BTreeMap<&PathElement, usize> = BTreeMap::new();
    for (name, _) in &names {
        *times.entry(name).or_default() += 1;
    }
    for (name, item) in &names {
        let inner = if times.get(name) == Some(&1) {
            below(item, shape.items).map_err(|problems| problems.below(name))?.below
        } else {
            FieldSet::new()
        };
        found.below.insert_below(name.clone(), true, inner);
    }
    Ok(found)
}
