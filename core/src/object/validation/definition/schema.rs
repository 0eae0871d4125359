//! The schema of a version: what OpenAPI allows in it, and what Kubernetes does.
//!
//! 1. It must be structural ([`structure`](super::structure)), and its defaults valid ([`defaults`](super::defaults)).
//! 2. Each node keeps to the rules here.
//! 3. Where nothing else is wrong, its expressions are compiled ([`rules`](super::rules)).

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    JSONSchemaPropsOrStringArray,
};
use serde_json::json;

use super::costs::{self, Costs};
use super::{defaults, rules, shown, structure};
use crate::object::field::{FieldErrors, Path};
use crate::object::structural::Schema;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// What the root of a schema may say where the status is apart.
const AT_ROOT: &str = "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength \
                       Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example \
                       XPreserveUnknownFields XValidations";

/// Where a node stands.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) is_root: bool,
    /// Whether it describes the metadata of an object.
    pub(super) in_metadata: bool,
    /// Why it may have no default, if it may not.
    pub(super) no_defaults: Option<&'c str>,
    /// From where on old and new values cannot be told to belong together.
    pub(super) uncorrelatable: Option<&'c Path<'c>>,
    /// Whether expressions can be compiled here.
    pub(super) has_rules: bool,
    /// How often a value of it may be in one object, where lists and maps around it have bounds.
    pub(super) often: Option<u64>,
}

/// What is wrong, apart: with the schema, and with its expressions; and what these may cost.
#[derive(Default)]
pub(super) struct Found {
    pub(super) schema: FieldErrors,
    pub(super) rules: FieldErrors,
    pub(super) costs: Costs,
}

impl Found {
    /// Counts what an expression may cost.
    pub(super) fn charge(&mut self, what: &str, cost: u64, path: &Path<'_>) {
        if let Some(problem) = costs::beyond(&format!("estimated {what} cost"), cost, costs::EXPRESSION_MAX) {
            self.rules.forbidden(path, problem);
        }
        self.costs.add(cost, path);
    }
}

pub(super) fn check(given: &JSONSchemaProps, has_status: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let before = errors.len();
    let path = path.field("openAPIV3Schema");
    if has_status {
        root(given, &path, errors);
    }
    if given.nullable == Some(true) {
        errors.forbidden(&path.field("nullable"), "nullable cannot be true at the root");
    }
    let mut has_rules = false;
    let unsupported = structure::unsupported(given);
    if unsupported.is_none() {
        let structural = structure::check(given, &path);
        if structural.is_empty() {
            let found = defaults::check(given, &path);
            has_rules = found.is_empty();
            errors.append(found);
        } else {
            errors.append(structural);
        }
    }
    let context = Context {
        is_root: true,
        in_metadata: false,
        no_defaults: None,
        uncorrelatable: None,
        has_rules,
        often: Some(1),
    };
    let mut found = Found::default();
    node(given, &path, context, &mut found);
    errors.append(found.schema);
    errors.append(found.rules);
    found.costs.judge(&path, errors);
    if let Some(why) = unsupported.filter(|_| errors.len() == before) {
        errors.invalid(&path, "", why);
    }
}

/// Where the status is apart, the root says nothing that would be lost for it.
fn root(given: &JSONSchemaProps, path: &Path<'_>, errors: &mut FieldErrors) {
    if given.type_.as_deref().is_some_and(|name| !name.is_empty() && name != "object") {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.invalid(&path.field("type"), given.type_.as_deref().unwrap_or_default(), detail);
        return;
    }
    let is_some = |schemas: &Option<Vec<JSONSchemaProps>>| schemas.as_ref().is_some_and(|schemas| !schemas.is_empty());
    let others = given.nullable == Some(true)
        || given.id.as_ref().is_some_and(|id| !id.is_empty())
        || given.schema.as_ref().is_some_and(|schema| !schema.is_empty())
        || given.ref_path.is_some()
        || given.pattern_properties.is_some()
        || given.dependencies.is_some()
        || given.additional_items.is_some()
        || given.definitions.is_some()
        || given.default.is_some()
        || given.enum_.is_some()
        || given.max_properties.is_some()
        || given.min_properties.is_some()
        || is_some(&given.all_of)
        || is_some(&given.any_of)
        || is_some(&given.one_of)
        || given.not.is_some()
        || given.additional_properties.is_some()
        || given.x_kubernetes_embedded_resource == Some(true)
        || given.x_kubernetes_int_or_string == Some(true)
        || given.x_kubernetes_list_type.is_some()
        || given.x_kubernetes_list_map_keys.is_some()
        || given.x_kubernetes_map_type.is_some();
    if others {
        let detail = format!(
            "only [{AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.invalid_json(path, shown::schema(given), detail);
    }
}

fn node(given: &JSONSchemaProps, path: &Path<'_>, context: Context<'_>, found: &mut Found) {
    let start = found.schema.len();
    allowed(given, path, context, &mut found.schema);
    if given.unique_items == Some(true) {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        found.schema.forbidden(&path.field("uniqueItems"), detail);
    }
    below(given, path, context, found);
    if given.x_kubernetes_preserve_unknown_fields == Some(false) {
        let path = path.field("x-kubernetes-preserve-unknown-fields");
        found.schema.invalid(&path, false, "must be true or undefined");
    }
    map_type(given, path, &mut found.schema);
    list_type(given, path, &mut found.schema);
    if let Some(given_rules) = given.x_kubernetes_validations.as_ref().filter(|rules| !rules.is_empty()) {
        rules::shape(given, given_rules, path, &mut found.schema);
        if context.has_rules && found.schema.len() == start {
            rules::compile(given, given_rules, path, context, found);
        }
    }
}

fn allowed(given: &JSONSchemaProps, path: &Path<'_>, context: Context<'_>, errors: &mut FieldErrors) {
    let name = given.type_.as_deref().unwrap_or_default();
    if !name.is_empty() && !TYPES.contains(&name) {
        errors.not_supported(&path.field("type"), name, &TYPES);
    }
    if let Some(reason) = context.no_defaults.filter(|_| given.default.is_some()) {
        errors.forbidden(&path.field("default"), format!("must not be set {reason}").trim_end());
    }
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let unsupported = [
        ("id", has(&given.id)),
        ("additionalItems", given.additional_items.is_some()),
        ("patternProperties", given.pattern_properties.as_ref().is_some_and(|all| !all.is_empty())),
        ("definitions", given.definitions.as_ref().is_some_and(|all| !all.is_empty())),
        ("dependencies", given.dependencies.is_some()),
        ("$ref", given.ref_path.is_some()),
    ];
    for (field, _) in unsupported.into_iter().filter(|(_, is_there)| *is_there) {
        errors.forbidden(&path.field(field), format!("{field} is not supported"));
    }
    if name == "null" {
        errors.forbidden(&path.field("type"), "type cannot be set to null, use nullable as an alternative");
    }
    if let Some(JSONSchemaPropsOrArray::Schemas(_)) = &given.items {
        errors.forbidden(&path.field("items"), "items must be a schema object and not an array");
    }
    if context.in_metadata && given.x_kubernetes_embedded_resource == Some(true) {
        let path = path.field("x-kubernetes-embedded-resource");
        errors.forbidden(&path, "must not be used inside of resource meta");
    }
}

fn below(given: &JSONSchemaProps, path: &Path<'_>, context: Context<'_>, found: &mut Found) {
    let outer_is_root = context.is_root;
    let often = context.often.and_then(|often| Some(often.saturating_mul(costs::elements(given)?)));
    let inner = Context { is_root: false, often, ..context };
    if let Some(additional) = &given.additional_properties {
        let path = path.field("additionalProperties");
        let has_properties = given.properties.as_ref().is_some_and(|properties| !properties.is_empty());
        if has_properties && !matches!(additional, JSONSchemaPropsOrBool::Bool(true)) {
            found.schema.forbidden(&path, "additionalProperties and properties are mutual exclusive");
        }
        if let JSONSchemaPropsOrBool::Schema(values) = additional {
            let reason = "inside additionalProperties applying to object metadata";
            let no_defaults = if context.in_metadata { Some(reason) } else { context.no_defaults };
            node(values, &path, Context { no_defaults, ..inner }, found);
        }
    }
    let properties = path.field("properties");
    for (name, field) in given.properties.iter().flatten() {
        let mut context = inner;
        let reason = format!("in top-level {name}");
        let is_object = outer_is_root || given.x_kubernetes_embedded_resource == Some(true);
        if is_object && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            context.in_metadata = true;
            if outer_is_root {
                context.no_defaults = Some(&reason);
            }
        }
        node(field, &properties.key(name), context, found);
    }
    let plain = Context { has_rules: false, ..inner };
    if let Some(not) = &given.not {
        node(not, &path.field("not"), plain, found);
    }
    for (name, schemas) in [("allOf", &given.all_of), ("oneOf", &given.one_of), ("anyOf", &given.any_of)] {
        let path = path.field(name);
        for (index, schema) in schemas.iter().flatten().enumerate() {
            node(schema, &path.index(index), plain, found);
        }
    }
    let definitions = path.field("definitions");
    for (name, schema) in given.definitions.iter().flatten() {
        node(schema, &definitions.key(name), plain, found);
    }
    items(given, path, inner, found);
    let dependencies = path.field("dependencies");
    for (name, dependency) in given.dependencies.iter().flatten() {
        if let JSONSchemaPropsOrStringArray::Schema(schema) = dependency {
            node(schema, &dependencies.key(name), plain, found);
        }
    }
}

fn items(given: &JSONSchemaProps, path: &Path<'_>, context: Context<'_>, found: &mut Found) {
    let items = path.field("items");
    let here = (given.x_kubernetes_list_type.as_deref() != Some("map")).then_some(path);
    let context = Context { uncorrelatable: context.uncorrelatable.or(here), ..context };
    match &given.items {
        Some(JSONSchemaPropsOrArray::Schema(schema)) => node(schema, &items, context, found),
        Some(JSONSchemaPropsOrArray::Schemas(schemas)) => {
            for (index, schema) in schemas.iter().enumerate() {
                node(schema, &items.index(index), context, found);
            }
        }
        None => {}
    }
}

fn map_type(given: &JSONSchemaProps, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(map_type) = given.x_kubernetes_map_type.as_deref() else { return };
    let detail = "must be object if x-kubernetes-map-type is specified";
    match given.type_.as_deref().unwrap_or_default() {
        "object" => {}
        "" => errors.required(&path.field("type"), detail),
        other => errors.invalid(&path.field("type"), other, detail),
    }
    if !matches!(map_type, "atomic" | "granular") {
        errors.not_supported(&path.field("x-kubernetes-map-type"), map_type, &["atomic", "granular"]);
    }
}

fn item_schema(given: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &given.items {
        Some(JSONSchemaPropsOrArray::Schema(schema)) => Some(schema),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
    }
}

fn list_type(given: &JSONSchemaProps, path: &Path<'_>, errors: &mut FieldErrors) {
    let list_path = path.field("x-kubernetes-list-type");
    let keys = given.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
    let list_type = given.x_kubernetes_list_type.as_deref();
    if let Some(list_type) = list_type {
        let detail = "must be array if x-kubernetes-list-type is specified";
        match given.type_.as_deref().unwrap_or_default() {
            "array" if list_type == "set" => set_items(given, path, errors),
            "array" => {}
            "" => errors.required(&path.field("type"), detail),
            other => errors.invalid(&path.field("type"), other, detail),
        }
        if !matches!(list_type, "atomic" | "set" | "map") {
            errors.not_supported(&list_path, list_type, &["atomic", "set", "map"]);
        }
    }
    if !keys.is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            Some("map") => {}
            None => errors.required(&list_path, detail),
            Some(other) => errors.invalid(&list_path, other, detail),
        }
    }
    if list_type == Some("map") {
        map_items(given, keys, path, errors);
    }
    if matches!(list_type, Some("map" | "set")) {
        kept_apart(given, list_type.unwrap_or_default(), keys, path, errors);
    }
}

/// What is in a set is owned as a whole.
fn set_items(given: &JSONSchemaProps, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(element) = item_schema(given) else { return };
    let items = path.field("items");
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let list_type = json!(element.x_kubernetes_list_type);
    match element.type_.as_deref() {
        Some("array") if element.x_kubernetes_list_type.as_deref().is_some_and(|name| name != "atomic") => {
            errors.invalid(&items.field("x-kubernetes-list-type"), list_type, detail);
        }
        Some("object") if element.x_kubernetes_map_type.as_deref() != Some("atomic") => {
            errors.invalid(&items.field("x-kubernetes-map-type"), list_type, detail);
        }
        _ => {}
    }
}

fn map_items(given: &JSONSchemaProps, keys: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let (items, keys_path) = (path.field("items"), path.field("x-kubernetes-list-map-keys"));
    if keys.is_empty() {
        errors.required(&keys_path, "must not be empty if x-kubernetes-list-type is map");
    }
    let element = match &given.items {
        None => return errors.required(&items, "must have a schema if x-kubernetes-list-type is map"),
        Some(JSONSchemaPropsOrArray::Schemas(_)) => {
            let detail = "must only have a single schema if x-kubernetes-list-type is map";
            return errors.invalid_json(&items, given.items.as_ref().map(shown::items).unwrap_or_default(), detail);
        }
        Some(JSONSchemaPropsOrArray::Schema(element)) => element,
    };
    let element_type = element.type_.as_deref().unwrap_or_default();
    if element_type != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        return errors.invalid(&items.field("type"), element_type, detail);
    }
    let properties = items.field("properties");
    for (index, key) in keys.iter().enumerate() {
        match element.properties.as_ref().and_then(|properties| properties.get(key)) {
            None => errors.invalid(&keys_path, json!(keys), "entries must all be names of item properties"),
            Some(field) if matches!(field.type_.as_deref(), Some("array" | "object")) => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.invalid(&properties.key(key).field("type"), element_type, detail);
            }
            Some(_) => {}
        }
        if keys[..index].contains(key) {
            errors.invalid(&keys_path, json!(keys), "must not contain duplicate entries");
        }
    }
}

/// What tells elements apart is always there.
fn kept_apart(given: &JSONSchemaProps, list_type: &str, keys: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(element) = item_schema(given) else { return };
    let items = path.field("items");
    if element.nullable == Some(true) {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.forbidden(&items.field("nullable"), detail);
    }
    if list_type != "map" {
        return;
    }
    let properties = items.field("properties");
    for key in keys {
        let Some(field) = element.properties.as_ref().and_then(|properties| properties.get(key)) else { continue };
        let path = properties.key(key);
        let is_required = element.required.as_ref().is_some_and(|required| required.contains(key));
        let because = "this property is in x-kubernetes-list-map-keys, so it";
        if !is_required && field.default.is_none() {
            errors.required(&path.field("default"), format!("{because} must have a default or be a required property"));
        }
        if field.nullable == Some(true) {
            errors.forbidden(&path.field("nullable"), format!("{because} cannot be nullable"));
        }
    }
}

/// What is allowed in the schemas of a definition and surely not meant.
pub(super) fn warnings(definition: &CustomResourceDefinition) -> Vec<String> {
    let (mut formats, mut sets) = (Vec::new(), BTreeSet::new());
    for version in &definition.spec.versions {
        if let Some(schema) = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()) {
            warn(schema, &mut formats, &mut sets);
        }
    }
    formats.into_iter().chain(sets).collect()
}

fn warn(given: &JSONSchemaProps, formats: &mut Vec<String>, sets: &mut BTreeSet<String>) {
    let format = given.format.as_deref().unwrap_or_default();
    if !format.is_empty() && Schema::read(&bare(given)).bounds.format.is_none() {
        formats.push(format!("unrecognized format \"{format}\""));
    }
    if let Some(element) = item_schema(given).filter(|_| given.x_kubernetes_list_type.as_deref() == Some("set"))
        && let Some(name @ ("object" | "array")) = element.type_.as_deref()
    {
        sets.insert(format!(
            "x-kubernetes-list-type: set for items of type \"{name}\" is not supported by server-side apply or CEL \
             validation rules"
        ));
    }
    structure::each_below(given, &mut |schema| warn(schema, formats, sets));
}

/// The node alone.
fn bare(given: &JSONSchemaProps) -> JSONSchemaProps {
    JSONSchemaProps { type_: given.type_.clone(), format: given.format.clone(), ..JSONSchemaProps::default() }
}
