//! Lists whose elements must differ: `x-kubernetes-list-type: set` by value, `map` by their keys.
//!
//! Of those that are alike the second is told, once, however many there are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::node::{ListType, Schema};
use super::values::shown;
use crate::object::field::{FieldErrors, Path};

impl Schema {
    /// Which elements of the lists in an object stand there twice.
    pub fn check_lists(&self, object: &Value, errors: &mut FieldErrors) {
        if let Some(fields) = object.as_object() {
            in_fields(self, fields, None, errors);
        }
    }

    /// Whether there are lists whose elements must differ.
    pub(crate) fn has_lists(&self) -> bool {
        self.any(&|schema| schema.list != ListType::Atomic)
    }
}

fn in_fields(schema: &Schema, fields: &Map<String, Value>, at: Option<&Path<'_>>, errors: &mut FieldErrors) {
    if let Some(values) = schema.additional.schema() {
        for (key, value) in fields {
            let root = Path::new("");
            let path = at.unwrap_or(&root).key(key);
            in_value(values, value, &path, errors);
        }
    }
    for (key, value) in fields {
        if let Some(field) = schema.properties.get(key) {
            let path = at.map_or(Path::new(key), |at| at.field(key));
            in_value(field, value, &path, errors);
        }
    }
}

fn in_value(schema: &Schema, value: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        Value::Object(fields) => in_fields(schema, fields, Some(path), errors),
        Value::Array(items) => {
            match &schema.list {
                ListType::Atomic => {}
                ListType::Set => {
                    for index in twice(items.iter().map(Value::to_string)) {
                        errors.duplicate_json(&path.index(index), shown(&items[index]), "");
                    }
                }
                ListType::Map(keys) => in_map(keys, items, path, errors),
            }
            if let Some(element) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    in_value(element, item, &path.index(index), errors);
                }
            }
        }
        _ => {}
    }
}

fn in_map(keys: &[String], items: &[Value], path: &Path<'_>, errors: &mut FieldErrors) {
    let is_none = |item: &Value| !item.is_object() && !item.is_null();
    if let Some(index) = items.iter().position(is_none) {
        let detail = "must be an object for an array of list-type map";
        errors.invalid_json(&path.index(index), shown(&items[index]), detail);
        return;
    }
    let key_of = |item: &Value| -> Map<String, Value> {
        keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect()
    };
    for index in twice(items.iter().map(|item| Value::Object(key_of(item)).to_string())) {
        errors.duplicate_json(&path.index(index), shown(&Value::Object(key_of(&items[index]))), "");
    }
}

/// The places at which something stands for the second time.
fn twice(values: impl Iterator<Item = String>) -> Vec<usize> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, value) in values.enumerate() {
        let times = seen.entry(value).or_default();
        *times += 1;
        if *times == 2 {
            found.push(index);
        }
    }
    found
}
