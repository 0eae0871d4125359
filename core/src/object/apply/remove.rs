//! An object without some of its fields. What becomes empty by that is null.

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::FieldSet;
use super::shape::{Items, ListShape, MapShape, Type};
use super::walk::{self, Chosen};

/// The object without these fields.
pub(super) fn remove(object: &Value, fields: &FieldSet, of: Type<'_>) -> Value {
    match walk::choose(&of.shape(), Some(object)) {
        Chosen::Scalar(_) => object.clone(),
        Chosen::Map(shape) if !shape.is_whole => map(object, fields, &shape),
        Chosen::List(shape) if shape.kind != Items::Whole => list(object, fields, &shape),
        Chosen::Map(_) | Chosen::List(_) | Chosen::Nothing => Value::Null,
    }
}

fn map(value: &Value, fields: &FieldSet, shape: &MapShape<'_>) -> Value {
    let mut kept = Map::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let element = PathElement::field(name);
        if fields.is_member(&element) {
            continue;
        }
        let value = match fields.below(&element) {
            Some(below) => remove(value, below, walk::entry(shape, name)),
            None => value.clone(),
        };
        kept.insert(name.clone(), value);
    }
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

fn list(value: &Value, fields: &FieldSet, shape: &ListShape<'_>) -> Value {
    let mut kept = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        let Ok(name) = walk::name_of(shape, item) else {
            kept.push(item.clone());
            continue;
        };
        if fields.is_member(&name) {
            continue;
        }
        kept.push(match fields.below(&name) {
            Some(below) => remove(item, below, shape.items),
            None => item.clone(),
        });
    }
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}
