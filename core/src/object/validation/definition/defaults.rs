//! Defaults: values that the schema itself would let in, and that it would not prune.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use crate::object::field::{FieldErrors, Path};
use crate::object::structural::{Schema, rules};

pub(super) fn check(given: &JSONSchemaProps, path: &Path<'_>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let schema = Schema::read(given);
    if schema.any(&|schema| schema.default.is_some()) {
        node(&schema, path, &mut errors);
    }
    errors
}

fn node(schema: &Schema, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(default) = &schema.default {
        value(schema, default, &path.field("default"), errors);
    }
    // Below `additionalProperties` upstream does not look either.
    if let Some(items) = &schema.items {
        node(items, &path.field("items"), errors);
    }
    let properties = path.field("properties");
    for (name, field) in &schema.properties {
        node(field, &properties.key(name), errors);
    }
}

fn value(schema: &Schema, default: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut pruned = default.clone();
    schema.prune_value(&mut pruned);
    if pruned != *default {
        errors.invalid(path, default.clone(), "must not have unknown fields");
    }
    let mut coerced = default.clone();
    if let Some(problem) = schema.coerce(&mut coerced).error {
        errors.invalid(path, default.clone(), format!("must result in valid metadata: {problem}"));
        return;
    }
    let before = errors.len();
    schema.check_embedded(&coerced, Some(path), errors);
    if errors.len() == before {
        schema.check(&coerced, None, Some(path), errors);
    }
    if errors.len() == before {
        rules::check(schema, &coerced, Some(&coerced), Some(path), errors);
    }
    if errors.len() == before {
        rules::check(schema, &coerced, None, Some(path), errors);
    }
}
