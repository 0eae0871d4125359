//! Whether a schema is structural: every field that it speaks of, it also says the type of, outside of any alternative.
//!
//! Source: `pkg/apiserver/schema/validation.go`. What is wrong is told in the order of the texts.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, JSONSchemaPropsOrStringArray,
};

use super::nested;
use crate::object::field::{FieldErrors, Path};

/// What a node is to the one around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Why a schema cannot be read at all: the first field that no structural schema has.
pub(super) fn unsupported(given: &JSONSchemaProps) -> Option<String> {
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let fields = [
        ("id", has(&given.id)),
        ("schema", has(&given.schema)),
        ("$ref", has(&given.ref_path)),
        ("patternProperties", given.pattern_properties.as_ref().is_some_and(|all| !all.is_empty())),
        ("dependencies", given.dependencies.as_ref().is_some_and(|all| !all.is_empty())),
        ("additionalItems", given.additional_items.is_some()),
        ("definitions", given.definitions.as_ref().is_some_and(|all| !all.is_empty())),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, is_there)| *is_there) {
        return Some(format!("OpenAPIV3Schema '{field}' is not supported"));
    }
    if given.x_kubernetes_preserve_unknown_fields == Some(false) {
        let text = "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
        return Some(text.to_owned());
    }
    if let Some(JSONSchemaPropsOrArray::Schemas(_)) = &given.items {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let mut found = None;
    each_below(given, &mut |schema| {
        if found.is_none() {
            found = unsupported(schema);
        }
    });
    found
}

/// Visits the schemas right below one.
pub(super) fn each_below<'s>(given: &'s JSONSchemaProps, visit: &mut dyn FnMut(&'s JSONSchemaProps)) {
    match &given.items {
        Some(JSONSchemaPropsOrArray::Schema(schema)) => visit(schema),
        Some(JSONSchemaPropsOrArray::Schemas(schemas)) => schemas.iter().for_each(&mut *visit),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(schema)) = &given.additional_properties {
        visit(schema);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(schema)) = &given.additional_items {
        visit(schema);
    }
    for schemas in [&given.properties, &given.pattern_properties, &given.definitions] {
        schemas.iter().flatten().for_each(|(_, schema)| visit(schema));
    }
    for schemas in [&given.all_of, &given.any_of, &given.one_of] {
        schemas.iter().flatten().for_each(&mut *visit);
    }
    if let Some(not) = &given.not {
        visit(not);
    }
    for dependency in given.dependencies.iter().flatten().map(|(_, dependency)| dependency) {
        if let JSONSchemaPropsOrStringArray::Schema(schema) = dependency {
            visit(schema);
        }
    }
}

pub(super) fn check(given: &JSONSchemaProps, path: &Path<'_>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    invariants(given, Level::Root, path, &mut errors);
    nested::complete(given, Some(given), path, path, &mut errors);
    let mut sorted: Vec<_> = errors.into_iter().collect();
    sorted.sort_by_key(ToString::to_string);
    let mut errors = FieldErrors::new();
    errors.extend(sorted);
    errors
}

fn text(given: &Option<String>) -> &str {
    given.as_deref().unwrap_or_default()
}

fn invariants(given: &JSONSchemaProps, level: Level, path: &Path<'_>, errors: &mut FieldErrors) {
    let is = |flag: Option<bool>| flag == Some(true);
    let type_name = text(&given.type_);
    let (embedded, int_or_string) = (is(given.x_kubernetes_embedded_resource), is(given.x_kubernetes_int_or_string));
    let preserves = is(given.x_kubernetes_preserve_unknown_fields);
    let items = path.field("items");
    match &given.items {
        Some(JSONSchemaPropsOrArray::Schema(schema)) => invariants(schema, Level::Item, &items, errors),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None if type_name == "array" => {
            errors.required(&items, "must be specified");
        }
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => {}
    }
    let properties = path.field("properties");
    for (name, field) in given.properties.iter().flatten() {
        invariants(field, Level::Field, &properties.key(name), errors);
    }
    if let Some(additional) = &given.additional_properties {
        let path = path.field("additionalProperties");
        if level == Level::Root {
            errors.forbidden(&path, "must not be used at the root");
        }
        if let JSONSchemaPropsOrBool::Schema(values) = additional {
            invariants(values, Level::Field, &path, errors);
        }
        if embedded {
            errors.forbidden(&path, "must not be used if x-kubernetes-embedded-resource is set");
        }
    }
    if int_or_string {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        if preserves {
            errors.invalid(&path.field("x-kubernetes-preserve-unknown-fields"), true, detail);
        }
        if embedded {
            errors.invalid(&path.field("x-kubernetes-embedded-resource"), true, detail);
        }
    }
    nested::values(given, nested::skipped(given), path, errors);
    type_given(type_name, embedded, int_or_string || preserves, level, path, errors);
    objects(given, level, path, errors);
}

fn type_given(
    name: &str,
    embedded: bool,
    may_be_absent: bool,
    level: Level,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let path = path.field("type");
    match (name, embedded) {
        ("object", true) => {}
        ("", true) => errors.required(&path, "must be object if x-kubernetes-embedded-resource is true"),
        (other, true) => errors.invalid(&path, other, "must be object if x-kubernetes-embedded-resource is true"),
        ("", false) if !may_be_absent => {
            let detail = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            errors.required(&path, detail);
        }
        _ => {}
    }
    if level == Level::Root && !name.is_empty() && name != "object" {
        errors.invalid(&path, name, "must be object at the root");
    }
}

/// What objects say of their kind and metadata.
fn objects(given: &JSONSchemaProps, level: Level, path: &Path<'_>, errors: &mut FieldErrors) {
    let embedded = given.x_kubernetes_embedded_resource == Some(true);
    let is_object = level == Level::Root || embedded;
    let properties = path.field("properties");
    let property = |name: &str| given.properties.as_ref().and_then(|properties| properties.get(name));
    for name in ["kind", "apiVersion"] {
        if let Some(field) = property(name).filter(|field| is_object && text(&field.type_) != "string") {
            errors.invalid(&properties.key(name).field("type"), text(&field.type_), "must be string");
        }
    }
    if let Some(field) = property("metadata") {
        let path = properties.key("metadata");
        if is_object && text(&field.type_) != "object" {
            errors.invalid(&path.field("type"), text(&field.type_), "must be object");
        }
        if level == Level::Root && !only_restricts_names(field) {
            let detail =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.forbidden(&path, detail);
        }
    }
    let is_empty = given.properties.as_ref().is_none_or(std::collections::BTreeMap::is_empty);
    if embedded && given.x_kubernetes_preserve_unknown_fields != Some(true) && is_empty {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        errors.required(&properties, detail);
    }
}

/// The schema of the metadata of an object: its type, and what names may be.
fn only_restricts_names(given: &JSONSchemaProps) -> bool {
    let mut rest = given.clone();
    rest.type_ = None;
    rest.default = None;
    let names = rest.properties.take().unwrap_or_default();
    names.keys().all(|name| matches!(name.as_str(), "name" | "generateName")) && rest == JSONSchemaProps::default()
}
