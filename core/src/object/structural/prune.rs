//! Pruning: fields that the schema does not have are removed, and told.
//!
//! Below `x-kubernetes-preserve-unknown-fields` they stay, down to where the schema says something again. `apiVersion`,
//! `kind` and `metadata` of an object, embedded ones included, are not pruned: they have rules of their own.

use serde_json::{Map, Value};

use super::node::{Additional, Schema};

/// The fields that every object has, whatever its schema says.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Where a walk is, and what it found there; nothing is written down when nobody wants to know.
struct Walk<'w> {
    path: String,
    unknown: Option<&'w mut Vec<String>>,
}

impl Walk<'_> {
    /// Walks on below a key.
    fn below(&mut self, key: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if self.unknown.is_some() {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(key);
        }
        walk(self);
        self.path.truncate(length);
    }

    fn at(&mut self, index: usize, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if self.unknown.is_some() {
            self.path.push_str(&format!("[{index}]"));
        }
        walk(self);
        self.path.truncate(length);
    }

    fn found(&mut self, key: &str) {
        if let Some(unknown) = &mut self.unknown {
            unknown.push(if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) });
        }
    }
}

impl Schema {
    /// Removes from an object what the schema does not have. `unknown` gets the paths of what was removed, sorted.
    pub fn prune(&self, object: &mut Value, unknown: Option<&mut Vec<String>>) {
        let Some(fields) = object.as_object_mut() else { return };
        let mut found = unknown.is_some().then(Vec::new);
        let mut walk = Walk { path: String::new(), unknown: found.as_mut() };
        if self.preserves_unknown {
            skip_fields(self, fields, true, &mut walk);
        } else {
            prune_fields(self, fields, true, &mut walk);
        }
        if let (Some(unknown), Some(mut found)) = (unknown, found) {
            found.sort();
            unknown.append(&mut found);
        }
    }

    /// The same for a value that is no object of its own.
    pub(crate) fn prune_value(&self, value: &mut Value) {
        prune(Some(self), value, &mut Walk { path: String::new(), unknown: None });
    }
}

fn prune(schema: Option<&Schema>, value: &mut Value, walk: &mut Walk<'_>) {
    match (schema, value) {
        (Some(schema), value) if schema.preserves_unknown => skip(schema, value, walk),
        (Some(schema), Value::Object(fields)) => prune_fields(schema, fields, schema.is_embedded, walk),
        (None, Value::Object(fields)) => {
            for key in fields.keys() {
                walk.found(key);
            }
            fields.clear();
        }
        (schema, Value::Array(items)) => {
            let element = schema.and_then(|schema| schema.items.as_deref());
            for (index, item) in items.iter_mut().enumerate() {
                walk.at(index, |walk| prune(element, item, walk));
            }
        }
        _ => {}
    }
}

fn prune_fields(schema: &Schema, fields: &mut Map<String, Value>, is_object: bool, walk: &mut Walk<'_>) {
    fields.retain(|key, value| {
        if is_object && META_FIELDS.contains(&key.as_str()) {
            return true;
        }
        let field = match (schema.properties.get(key), &schema.additional) {
            (Some(field), _) => Some(field),
            (None, Additional::Unsaid) => {
                walk.found(key);
                return false;
            }
            (None, additional) => additional.schema(),
        };
        walk.below(key, |walk| prune(field, value, walk));
        true
    });
}

/// What is not in the schema stays, what is in it is pruned.
fn skip(schema: &Schema, value: &mut Value, walk: &mut Walk<'_>) {
    match value {
        Value::Object(fields) => skip_fields(schema, fields, schema.is_embedded, walk),
        Value::Array(items) => {
            let Some(element) = &schema.items else { return };
            for (index, item) in items.iter_mut().enumerate() {
                walk.at(index, |walk| skip(element, item, walk));
            }
        }
        _ => {}
    }
}

fn skip_fields(schema: &Schema, fields: &mut Map<String, Value>, is_object: bool, walk: &mut Walk<'_>) {
    for (key, value) in fields {
        if is_object && META_FIELDS.contains(&key.as_str()) {
            continue;
        }
        let field = schema.properties.get(key);
        if field.is_some() || !matches!(schema.additional, Additional::Unsaid) {
            walk.below(key, |walk| prune(field.or_else(|| schema.additional.schema()), value, walk));
        }
    }
}
