//! A node of a schema, as it is laid over values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pattern::Pattern;
use super::rules::Rule;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A map from texts.
    Object,
    /// A list.
    Array,
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
}

impl ValueType {
    /// As schemas name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// The type that a schema names.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Object, Self::Array, Self::String, Self::Integer, Self::Number, Self::Boolean];
        all.into_iter().find(|each| each.name() == name)
    }
}

/// What may stand in an object beside its `properties`.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// Nothing is said: such fields are pruned.
    #[default]
    Unsaid,
    /// `additionalProperties: false`
    No,
    /// `additionalProperties: true`
    Any,
    /// Values of this schema, whatever their keys.
    Of(Box<Schema>),
}

impl Additional {
    /// The schema of such values.
    pub fn schema(&self) -> Option<&Schema> {
        match self {
            Self::Of(schema) => Some(schema),
            Self::Unsaid | Self::No | Self::Any => None,
        }
    }
}

/// `x-kubernetes-list-type`, with the keys of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// Nothing is said, or `atomic`: one value as a whole.
    #[default]
    Atomic,
    /// No element may be there twice.
    Set,
    /// Elements are told apart by these fields.
    Map(Vec<String>),
}

/// What values must keep to, beside their type.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Bounds {
    /// `format`, where Kubernetes knows it; others are ignored.
    pub format: Option<String>,
    /// `maximum`
    pub maximum: Option<f64>,
    /// `exclusiveMaximum`
    pub exclusive_maximum: bool,
    /// `minimum`
    pub minimum: Option<f64>,
    /// `exclusiveMinimum`
    pub exclusive_minimum: bool,
    /// `multipleOf`
    pub multiple_of: Option<f64>,
    /// `maxLength`, in characters.
    pub max_length: Option<i64>,
    /// `minLength`, in characters.
    pub min_length: Option<i64>,
    /// `pattern`
    pub pattern: Option<Pattern>,
    /// `maxItems`
    pub max_items: Option<i64>,
    /// `minItems`
    pub min_items: Option<i64>,
    /// `maxProperties`
    pub max_properties: Option<i64>,
    /// `minProperties`
    pub min_properties: Option<i64>,
    /// `enum`
    pub allowed: Vec<Value>,
    /// `required`
    pub required: Vec<String>,
    /// `allOf`
    pub all_of: Vec<Schema>,
    /// `anyOf`
    pub any_of: Vec<Schema>,
    /// `oneOf`
    pub one_of: Vec<Schema>,
    /// `not`
    pub not: Option<Box<Schema>>,
}

/// A node of a schema.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Schema {
    /// `type`; absent where anything goes.
    pub value_type: Option<ValueType>,
    /// `nullable`
    pub is_nullable: bool,
    /// `default`
    pub default: Option<Value>,
    /// `items`
    pub items: Option<Box<Schema>>,
    /// `properties`
    pub properties: BTreeMap<String, Schema>,
    /// `additionalProperties`
    pub additional: Additional,
    /// `x-kubernetes-preserve-unknown-fields`
    pub preserves_unknown: bool,
    /// `x-kubernetes-embedded-resource`: the value is an object with a kind and metadata.
    pub is_embedded: bool,
    /// `x-kubernetes-int-or-string`
    pub is_int_or_string: bool,
    /// `x-kubernetes-list-type`
    pub list: ListType,
    /// `x-kubernetes-map-type: atomic`
    pub is_atomic_map: bool,
    /// What values must keep to.
    pub bounds: Bounds,
    /// `x-kubernetes-validations`
    pub(crate) rules: Vec<Rule>,
}

impl Schema {
    /// The schema of the field `name` of values of this one.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or_else(|| self.additional.schema())
    }

    /// The names of the types that a value may have, as messages list them; empty where anything goes.
    pub(crate) fn type_names(&self) -> &'static str {
        match (self.is_int_or_string, self.value_type) {
            (true, _) => "integer,string",
            (false, Some(value_type)) => value_type.name(),
            (false, None) => "",
        }
    }

    /// Whether values may be of this type.
    pub(crate) fn takes(&self, value_type: ValueType) -> bool {
        if self.is_int_or_string {
            return matches!(value_type, ValueType::Integer | ValueType::String);
        }
        self.value_type == Some(value_type)
    }

    /// Whether this node or one below it says something of which `says` is true; value validations are left out.
    pub(crate) fn any(&self, says: &dyn Fn(&Self) -> bool) -> bool {
        says(self)
            || self.items.as_ref().is_some_and(|items| items.any(says))
            || self.additional.schema().is_some_and(|values| values.any(says))
            || self.properties.values().any(|field| field.any(says))
    }
}
