//! Objects inside of objects (`x-kubernetes-embedded-resource`): their metadata is typed and checked like any other.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::node::Schema;
use super::values::shown;
use crate::object::decode;
use crate::object::field::{FieldErrors, Path};
use crate::object::validation::meta::{self, Scope};
use crate::object::validation::names::{dns1035_label, name_is_path_segment};
use crate::object::wire;

/// What typing the metadata of embedded objects led to.
#[derive(Debug, Default)]
pub(crate) struct Coerced {
    /// The fields that metadata does not have, which are gone now.
    pub(crate) unknown: Vec<String>,
    /// Why an embedded object is none: the path, and what is wrong there.
    pub(crate) error: Option<String>,
}

impl Schema {
    /// Gives the metadata of embedded objects its type. The value itself counts as one if its schema says so.
    pub(crate) fn coerce(&self, value: &mut Value) -> Coerced {
        let mut coerced = Coerced::default();
        coerce(self, value, None, &mut coerced);
        coerced.unknown.sort();
        coerced
    }

    /// What is wrong with embedded objects.
    pub(crate) fn check_embedded(&self, value: &Value, at: Option<&Path<'_>>, errors: &mut FieldErrors) {
        check(self, value, at, errors);
    }

    /// Whether there are any.
    pub(crate) fn has_embedded(&self) -> bool {
        self.any(&|schema| schema.is_embedded)
    }
}

fn below<'p>(at: Option<&'p Path<'p>>, key: &'p str) -> Path<'p> {
    at.map_or(Path::new(key), |at| at.field(key))
}

/// Where a field of a value stands: that of a mapping is a key of it.
fn place<'p>(schema: &Schema, key: &'p str, at: Option<&'p Path<'p>>) -> Path<'p> {
    match at {
        Some(at) if !schema.properties.contains_key(key) => at.key(key),
        at => below(at, key),
    }
}

fn coerce(schema: &Schema, value: &mut Value, at: Option<&Path<'_>>, coerced: &mut Coerced) {
    match value {
        Value::Object(fields) => {
            if schema.is_embedded {
                for key in ["apiVersion", "kind"] {
                    if let Some(other) = fields.get(key).filter(|value| !value.is_string()) {
                        let path = below(at, key);
                        let message = format!("{path}: Invalid value: {}: must be a string", shown(other));
                        coerced.error.get_or_insert(message);
                    }
                }
                if let Some(metadata) = fields.get_mut("metadata") {
                    let path = below(at, "metadata");
                    coerce_metadata(metadata, &path, coerced);
                }
            }
            for (key, value) in fields {
                let Some(field) = schema.field(key) else { continue };
                let path = place(schema, key, at);
                coerce(field, value, Some(&path), coerced);
            }
        }
        Value::Array(items) => {
            let (Some(element), Some(at)) = (&schema.items, at) else { return };
            for (index, item) in items.iter_mut().enumerate() {
                coerce(element, item, Some(&at.index(index)), coerced);
            }
        }
        _ => {}
    }
}

fn coerce_metadata(metadata: &mut Value, path: &Path<'_>, coerced: &mut Coerced) {
    let typed: Result<(ObjectMeta, Vec<String>), _> = decode::from_value(metadata);
    match typed {
        Ok((meta, unknown)) => {
            coerced.unknown.extend(unknown.into_iter().map(|field| format!("{path}.{field}")));
            let mut printed = wire::encode(&meta).unwrap_or_default();
            if let Some(fields) = printed.as_object_mut()
                && fields.get("creationTimestamp").is_some_and(Value::is_null)
            {
                fields.remove("creationTimestamp");
            }
            *metadata = printed;
        }
        Err(error) => {
            coerced.error.get_or_insert(format!("{path}: Invalid value: {}: {error}", shown(metadata)));
        }
    }
}

fn check(schema: &Schema, value: &Value, at: Option<&Path<'_>>, errors: &mut FieldErrors) {
    match value {
        Value::Object(fields) => {
            if schema.is_embedded {
                embedded(value, at, errors);
            }
            for (key, value) in fields {
                let Some(field) = schema.field(key) else { continue };
                let path = place(schema, key, at);
                check(field, value, Some(&path), errors);
            }
        }
        Value::Array(items) => {
            let (Some(element), Some(at)) = (&schema.items, at) else { return };
            for (index, item) in items.iter().enumerate() {
                check(element, item, Some(&at.index(index)), errors);
            }
        }
        _ => {}
    }
}

fn embedded(value: &Value, at: Option<&Path<'_>>, errors: &mut FieldErrors) {
    for key in ["apiVersion", "kind"] {
        if value.get(key).is_none() {
            errors.required(&below(at, key), "");
        }
    }
    if let Some(version) = named(value, "apiVersion", at, errors)
        && version.matches('/').count() > 1
    {
        let detail = format!("unexpected GroupVersion string: {version}");
        errors.invalid(&below(at, "apiVersion"), version, detail);
    }
    if let Some(kind) = named(value, "kind", at, errors) {
        let problems = dns1035_label(&kind.to_lowercase());
        if !problems.is_empty() {
            let rule = "may have mixed case, but should otherwise match: ";
            errors.invalid(&below(at, "kind"), kind, format!("{rule}{}", problems.join(",")));
        }
    }
    if let Some(metadata) = value.get("metadata") {
        let path = below(at, "metadata");
        match decode::from_value::<ObjectMeta>(metadata) {
            Ok((mut given, _)) => {
                if given.name.as_deref().unwrap_or_default().is_empty() {
                    // A name is not required here.
                    given.name = Some("fakename".to_owned());
                }
                let is_placed = given.namespace.as_ref().is_some_and(|namespace| !namespace.is_empty());
                let scope = if is_placed { Scope::Namespaced } else { Scope::Cluster };
                meta::create(&given, scope, name_is_path_segment, &path, errors);
            }
            Err(error) => errors.invalid_json(&path, shown(metadata), error.to_string()),
        }
    }
}

/// A text that must not be empty where it is given.
fn named<'v>(value: &'v Value, key: &str, at: Option<&Path<'_>>, errors: &mut FieldErrors) -> Option<&'v str> {
    let given = value.get(key)?;
    let path = below(at, key);
    match given.as_str() {
        None => errors.invalid_json(&path, shown(given), "must be a string"),
        Some("") => errors.invalid(&path, "", "must not be empty"),
        Some(text) => return Some(text),
    }
    None
}
