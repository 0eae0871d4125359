//! Defaulting: what is absent becomes what the schema says, from the outside in.
//!
//! A null where null is not allowed counts as absent: it becomes the default, or goes where there is none.

use serde_json::Value;

use super::node::Schema;

impl Schema {
    /// Fills in the defaults of an object. A second call changes nothing.
    pub fn complete(&self, object: &mut Value) {
        drop_nulls(Some(self), object);
        fill(Some(self), object);
    }
}

/// Removes nulls that are not allowed and that nothing replaces.
fn drop_nulls(schema: Option<&Schema>, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|key, value| {
            let field = schema.and_then(|schema| schema.field(key));
            if value.is_null() && field.is_some_and(|field| !field.is_nullable && field.default.is_none()) {
                return false;
            }
            drop_nulls(field, value);
            true
        }),
        Value::Array(items) => {
            let element = schema.and_then(|schema| schema.items.as_deref());
            items.iter_mut().for_each(|item| drop_nulls(element, item));
        }
        _ => {}
    }
}

fn fill(schema: Option<&Schema>, value: &mut Value) {
    let Some(schema) = schema else { return };
    match value {
        Value::Object(fields) => {
            for (name, field) in &schema.properties {
                let Some(default) = &field.default else { continue };
                let is_absent = fields.get(name).is_none_or(|value| value.is_null() && !field.is_nullable);
                if is_absent {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (key, value) in fields {
                let is_property = schema.properties.contains_key(key);
                let field = schema.field(key);
                if !is_property {
                    replace_null(field, value);
                }
                fill(field, value);
            }
        }
        Value::Array(items) => {
            let element = schema.items.as_deref();
            for item in items {
                replace_null(element, item);
                fill(element, item);
            }
        }
        _ => {}
    }
}

fn replace_null(schema: Option<&Schema>, value: &mut Value) {
    if let Some(schema) = schema.filter(|schema| value.is_null() && !schema.is_nullable)
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
}
