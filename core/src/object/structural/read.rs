//! From the schema that a definition holds to the one that is laid over values.
//!
//! Only what a valid definition may say is read; the rest (`$ref`, `patternProperties`, lists of `items`) is refused when
//! the definition is written.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use super::format;
use super::node::{Additional, Bounds, ListType, Schema, ValueType};
use super::pattern::Pattern;
use super::rules::Rule;

impl Schema {
    /// Reads the schema of a definition.
    pub fn read(given: &JSONSchemaProps) -> Self {
        let is = |flag: Option<bool>| flag.unwrap_or(false);
        let mut schema = Self {
            value_type: given.type_.as_deref().and_then(ValueType::named),
            is_nullable: is(given.nullable),
            default: given.default.as_ref().map(|value| value.0.clone()).filter(|value| !value.is_null()),
            items: match &given.items {
                Some(JSONSchemaPropsOrArray::Schema(items)) => Some(Box::new(Self::read(items))),
                Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
            },
            properties: given
                .properties
                .iter()
                .flatten()
                .map(|(name, field)| (name.clone(), Self::read(field)))
                .collect(),
            additional: match &given.additional_properties {
                None => Additional::Unsaid,
                Some(JSONSchemaPropsOrBool::Bool(false)) => Additional::No,
                Some(JSONSchemaPropsOrBool::Bool(true)) => Additional::Any,
                Some(JSONSchemaPropsOrBool::Schema(values)) => Additional::Of(Box::new(Self::read(values))),
            },
            preserves_unknown: is(given.x_kubernetes_preserve_unknown_fields),
            is_embedded: is(given.x_kubernetes_embedded_resource),
            is_int_or_string: is(given.x_kubernetes_int_or_string),
            list: match given.x_kubernetes_list_type.as_deref() {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(given.x_kubernetes_list_map_keys.clone().unwrap_or_default()),
                _ => ListType::Atomic,
            },
            is_atomic_map: given.x_kubernetes_map_type.as_deref() == Some("atomic"),
            bounds: bounds(given),
            rules: given.x_kubernetes_validations.iter().flatten().map(Rule::read).collect(),
        };
        schema.bounds.format = given.format.clone().filter(|name| format::is_known(name, schema.type_names()));
        schema
    }
}

fn bounds(given: &JSONSchemaProps) -> Bounds {
    let each = |schemas: &Option<Vec<JSONSchemaProps>>| schemas.iter().flatten().map(Schema::read).collect();
    let is = |flag: Option<bool>| flag.unwrap_or(false);
    Bounds {
        format: None,
        maximum: given.maximum,
        exclusive_maximum: is(given.exclusive_maximum),
        minimum: given.minimum,
        exclusive_minimum: is(given.exclusive_minimum),
        multiple_of: given.multiple_of,
        max_length: given.max_length,
        min_length: given.min_length,
        pattern: given.pattern.as_deref().filter(|pattern| !pattern.is_empty()).map(Pattern::new),
        max_items: given.max_items,
        min_items: given.min_items,
        max_properties: given.max_properties,
        min_properties: given.min_properties,
        allowed: given.enum_.iter().flatten().map(|value| value.0.clone()).collect::<Vec<Value>>(),
        required: given.required.clone().unwrap_or_default(),
        all_of: each(&given.all_of),
        any_of: each(&given.any_of),
        one_of: each(&given.one_of),
        not: given.not.as_ref().map(|schema| Box::new(Schema::read(schema))),
    }
}
