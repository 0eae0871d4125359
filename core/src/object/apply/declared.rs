//! The types of a user's own kind, as its `openAPIV3Schema` declares them.

use serde_json::Value;

use super::shape::{Items, Type};
use crate::object::schema::Schema;

/// The name of the type that every object's `metadata` has.
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A part of a schema, and what it has of those around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Declared<'s> {
    schema: &'s Value,
    /// It is a whole object, which has a version, a kind and metadata besides.
    is_object: bool,
    /// Fields that are not declared are kept here.
    keeps_unknown: bool,
}

impl<'s> Declared<'s> {
    /// The type of the objects of a kind.
    pub(super) fn root(schema: &'s Value) -> Self {
        Self { is_object: true, ..Self::part(schema, false) }
    }

    fn part(schema: &'s Value, keeps_unknown: bool) -> Self {
        let says = |name: &str| schema.get(name) == Some(&Value::Bool(true));
        Self {
            schema,
            is_object: says("x-kubernetes-embedded-resource"),
            keeps_unknown: keeps_unknown || says("x-kubernetes-preserve-unknown-fields"),
        }
    }

    fn text(&self, name: &str) -> &'s str {
        self.schema.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn inner(&self, schema: &'s Value) -> Type<'s> {
        Type::Declared(Self::part(schema, self.keeps_unknown))
    }

    fn properties(&self) -> Option<&'s serde_json::Map<String, Value>> {
        self.schema.get("properties").and_then(Value::as_object).filter(|fields| !fields.is_empty())
    }

    pub(super) fn type_name(&self) -> &'s str {
        self.text("type")
    }

    pub(super) fn is_int_or_string(&self) -> bool {
        self.text("format") == "int-or-string"
    }

    pub(super) fn is_atomic_map(&self) -> bool {
        self.text("x-kubernetes-map-type") == "atomic"
    }

    pub(super) fn list_kind(&self) -> Items<'s> {
        let keys = self.schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        match (self.text("x-kubernetes-list-type"), keys, self.schema.get("items")) {
            ("set", _, _) => Items::Set,
            ("map", Some(keys), Some(items)) => Items::ByName(keys, Self::part(items, self.keeps_unknown)),
            _ => Items::Whole,
        }
    }

    pub(super) fn items(&self) -> Type<'s> {
        self.schema.get("items").map_or(Type::Whole, |items| self.inner(items))
    }

    /// The type of a field that is declared.
    pub(super) fn field(&self, name: &str) -> Option<Type<'s>> {
        static TEXT: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| serde_json::json!({"type": "string"}));
        if self.is_object {
            match name {
                "apiVersion" | "kind" => return Some(Type::Declared(Self::part(&TEXT, false))),
                "metadata" => {
                    let of = Schema::built_in().named(METADATA);
                    return Some(of.map_or(Type::Deduced, |of| Type::Struct(Schema::built_in(), of)));
                }
                _ => {}
            }
        }
        self.properties()?.get(name).map(|schema| self.inner(schema))
    }

    /// The type of fields that are not declared, where there may be any.
    pub(super) fn others(&self) -> Option<Type<'s>> {
        match self.schema.get("additionalProperties") {
            Some(Value::Bool(may)) => may.then_some(Type::Deduced),
            Some(schema) => Some(self.inner(schema)),
            None if self.keeps_unknown || (self.properties().is_none() && !self.is_object) => Some(Type::Deduced),
            None => None,
        }
    }

    /// Whether nothing is known of its fields.
    pub(super) fn is_free(&self) -> bool {
        self.properties().is_none() && !self.is_object && matches!(self.others(), Some(Type::Deduced))
    }

    /// What a field of it has where it is left out.
    pub(super) fn default_of(&self, name: &str) -> Option<&'s Value> {
        self.properties()?.get(name)?.get("default")
    }
}
