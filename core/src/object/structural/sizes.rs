//! How large the values of a schema may be, as far as rules are charged for it.
//!
//! What the schema does not bound is bounded by the largest request: so many of the smallest elements fit into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::{Schema, ValueType};
use crate::object::cel::{self, Declared, Inside};

/// The largest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// A text without bounds: a request is a bit more than it.
const TEXT_MAX: u64 = REQUEST_BYTES_MAX - 2;
const DURATION_MAX: u64 = 32;
const TIME_MAX: u64 = 32;
const DATE: u64 = 12;
/// What the smallest values take in JSON, in bytes.
const TEXT_MIN: u64 = 2;
const DURATION_MIN: u64 = 3;
const TIME_MIN: u64 = 21;
const FLAG_MIN: u64 = 4;
const NUMBER_MIN: u64 = 1;
const LIST_MIN: u64 = 2;
/// A character may take so many bytes.
const CHARACTER_BYTES_MAX: u64 = 4;

/// How large the values of a schema may be, and how small in JSON.
#[derive(Debug)]
pub(crate) struct Sizes {
    pub(crate) declared: Declared,
    /// In bytes.
    pub(crate) smallest: u64,
}

impl Sizes {
    fn plain(max: u64, smallest: u64) -> Self {
        Self { declared: Declared { max, inside: Inside::Nothing }, smallest }
    }

    /// How often a value of them may be in one request.
    pub(crate) const fn in_a_request(&self) -> u64 {
        REQUEST_BYTES_MAX / (self.smallest + 1)
    }
}

/// How large the values of a node may be; none where the schema does not say what they are.
pub(crate) fn of(schema: &Schema, is_root: bool) -> Option<Sizes> {
    let bounds = &schema.bounds;
    let given = |bound: Option<i64>| bound.map(|bound| u64::try_from(bound).unwrap_or(0));
    let characters = given(bounds.max_length).map(|length| length.saturating_mul(CHARACTER_BYTES_MAX));
    if schema.is_int_or_string {
        return Some(Sizes::plain(characters.unwrap_or(TEXT_MAX), 1));
    }
    Some(match schema.value_type? {
        ValueType::Array => {
            let items = of(schema.items.as_deref()?, schema.items.as_deref()?.is_embedded)?;
            let max = given(bounds.max_items).unwrap_or((REQUEST_BYTES_MAX - 2) / (items.smallest + 1));
            let inside = Inside::Items(Arc::new(items.declared));
            Sizes { declared: Declared { max, inside }, smallest: LIST_MIN }
        }
        ValueType::Object => match schema.additional.schema() {
            Some(values) => {
                let values = of(values, values.is_embedded)?;
                let max = given(bounds.max_properties).unwrap_or((REQUEST_BYTES_MAX - 2) / (values.smallest + 6));
                let inside = Inside::Values(Arc::new(values.declared));
                Sizes { declared: Declared { max, inside }, smallest: LIST_MIN }
            }
            None => object(schema, is_root || schema.is_embedded),
        },
        ValueType::String => match bounds.format.as_deref() {
            Some("byte") => Sizes::plain(given(bounds.max_length).unwrap_or(TEXT_MAX), TEXT_MIN),
            Some("duration") => Sizes::plain(DURATION_MAX, DURATION_MIN),
            Some("date") => Sizes::plain(DATE, DATE),
            Some("date-time") => Sizes::plain(TIME_MAX, TIME_MIN),
            _ => {
                let longest = bounds.allowed.iter().filter_map(|value| value.as_str()).map(str::len).max();
                let unbounded = if bounds.allowed.is_empty() { TEXT_MAX } else { longest.unwrap_or(0) as u64 };
                Sizes::plain(characters.unwrap_or(unbounded), TEXT_MIN)
            }
        },
        ValueType::Boolean => Sizes::plain(0, FLAG_MIN),
        ValueType::Number | ValueType::Integer => Sizes::plain(0, NUMBER_MIN),
    })
}

/// An object: what it must have, and has no default, is in every one of them.
fn object(schema: &Schema, is_whole: bool) -> Sizes {
    let mut fields = BTreeMap::new();
    let mut smallest = LIST_MIN;
    for (name, field) in &schema.properties {
        let Some(sizes) = of(field, field.is_embedded) else { continue };
        if schema.bounds.required.contains(name) && field.default.is_none() {
            smallest += name.len() as u64 + sizes.smallest + 4;
        }
        if let Some(name) = cel::escape(name) {
            fields.insert(name, Arc::new(sizes.declared));
        }
    }
    if is_whole {
        let text = || Arc::new(Declared { max: TEXT_MAX, inside: Inside::Nothing });
        let names = ["name", "generateName"].map(|name| (name.to_owned(), text()));
        let metadata = Declared { max: 0, inside: Inside::Fields(names.into()) };
        fields.insert("apiVersion".to_owned(), text());
        fields.insert("kind".to_owned(), text());
        fields.insert("metadata".to_owned(), Arc::new(metadata));
    }
    Sizes { declared: Declared { max: 0, inside: Inside::Fields(fields) }, smallest }
}
