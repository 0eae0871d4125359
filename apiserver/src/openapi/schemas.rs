//! The types of a document: those that are asked for, and all that their fields have.
//!
//! What a field may be told besides its type: whether it is required, its default (only in version 3), the values of an
//! enum, and, as `x-kubernetes-...`, how lists and maps are merged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use inboard::object::kind::KindInfo;
use inboard::object::schema::{Field, ListKind, Patch, Raw, Scalar, Schema, Shape, Type, TypeId};
use serde_json::{Map, Value, json};

use super::{Edition, custom};

/// Types in the order of their names, while a document is made.
pub(super) struct Schemas {
    pub(super) edition: Edition,
    made: BTreeMap<String, Value>,
    /// Types of the table that are still to be made.
    open: Vec<TypeId>,
}

/// A type that stands for any object.
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

impl Schemas {
    pub(super) fn new(edition: Edition) -> Self {
        Self { edition, made: BTreeMap::new(), open: Vec::new() }
    }

    /// All types that were needed, those of their fields included.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        while let Some(id) = self.open.pop() {
            let of = Schema::built_in().get(id);
            let made = self.structure(of);
            self.made.insert(of.name.to_string(), made);
        }
        self.made.into_iter().collect()
    }

    /// A reference to the type of an `apiVersion` and `kind`; nothing when the table has none.
    pub(super) fn kind(&mut self, api_version: &str, kind: &str) -> Option<Value> {
        let schema = Schema::built_in();
        let id = schema.find(api_version, kind).and_then(|of| schema.id(&of.name))?;
        Some(self.of_table(id))
    }

    /// A reference to the type of the objects of a kind.
    pub(super) fn object(&mut self, info: &KindInfo) -> Value {
        if let Some(known) = self.kind(&info.api_version(), &info.kind) {
            return known;
        }
        let name = custom_name(info, &info.kind);
        let made = self.custom(info);
        self.named(&name, made)
    }

    /// A reference to the type of lists of a kind.
    pub(super) fn list(&mut self, info: &KindInfo) -> Value {
        let kind = info.list_kind();
        if let Some(known) = self.kind(&info.api_version(), &kind) {
            return known;
        }
        let items = self.object(info);
        let metadata = self.meta("ListMeta");
        let made = json!({
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": { "type": "string" },
                "kind": { "type": "string" },
                "metadata": metadata,
                "items": { "type": "array", "items": items },
            },
            "x-kubernetes-group-version-kind": [group_version_kind(info, &kind)],
        });
        self.named(&custom_name(info, &kind), made)
    }

    /// A reference to the type of patches: any object.
    pub(super) fn patch(&mut self) -> Value {
        self.named(PATCH, json!({ "type": "object" }))
    }

    /// A user's own kind, as its definition describes it.
    fn custom(&mut self, info: &KindInfo) -> Value {
        let given = info.defined.as_ref().map(|defined| serde_json::to_value(&*defined.given).unwrap_or_default());
        custom::object(given.as_ref(), self.meta("ObjectMeta"), group_version_kind(info, &info.kind), self.edition)
    }

    fn meta(&mut self, name: &str) -> Value {
        let id = Schema::built_in().id(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"));
        id.map_or_else(|| json!({ "type": "object" }), |id| self.of_table(id))
    }

    fn of_table(&mut self, id: TypeId) -> Value {
        let name = Schema::built_in().get(id).name.to_string();
        let reference = self.reference(&name);
        if let Entry::Vacant(place) = self.made.entry(name) {
            // It may refer to itself; what it is comes later.
            place.insert(Value::Null);
            self.open.push(id);
        }
        reference
    }

    fn named(&mut self, name: &str, made: Value) -> Value {
        self.made.entry(name.to_owned()).or_insert(made);
        self.reference(name)
    }

    fn reference(&self, name: &str) -> Value {
        let folder = match self.edition {
            Edition::V2 => "definitions",
            Edition::V3 => "components/schemas",
        };
        json!({ "$ref": format!("#/{folder}/{name}") })
    }

    fn structure(&mut self, of: &Type) -> Value {
        let mut made = Map::new();
        made.insert("type".to_owned(), "object".into());
        let required: Vec<&str> =
            of.fields.iter().filter(|field| field.is_required).map(|field| field.name.as_str()).collect();
        if !required.is_empty() {
            made.insert("required".to_owned(), required.into());
        }
        let properties: Map<String, Value> =
            of.fields.iter().map(|field| (field.name.to_string(), self.field(field))).collect();
        if !properties.is_empty() {
            made.insert("properties".to_owned(), properties.into());
        }
        if let Some(api_version) = &of.api_version {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            // The kinds of `meta.k8s.io` belong to the core group when they are sent.
            let group = if group == "meta.k8s.io" { "" } else { group };
            let kind = json!({ "group": group, "version": version, "kind": of.short_name() });
            made.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
        }
        if of.is_atomic {
            made.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
        }
        Value::Object(made)
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut more = Map::new();
        if let (Edition::V3, Some(default)) = (self.edition, &field.default) {
            more.insert("default".to_owned(), default.clone());
        }
        strategy(&field.patch, &mut more);
        let mut made = self.shape(&field.shape, more);
        if !field.values.is_empty() {
            let values: Vec<&str> = field.values.iter().map(|value| value.as_str()).collect();
            let place = if made["items"].is_object() { &mut made["items"] } else { &mut made };
            place["enum"] = values.into();
        }
        made
    }

    /// What a shape is, with more that is said of it.
    fn shape(&mut self, shape: &Shape, more: Map<String, Value>) -> Value {
        let made = match shape {
            Shape::Scalar(scalar) => match (scalar_type(*scalar), well_known(*scalar)) {
                (Some(made), _) => made,
                (None, name) => {
                    let made = well_known_type(*scalar, self.edition);
                    let reference = self.named(name, made);
                    return self.with(reference, more);
                }
            },
            Shape::Raw(raw) => {
                let (name, made) = raw_type(*raw);
                let reference = self.named(name, made);
                return self.with(reference, more);
            }
            Shape::Struct { of, is_atomic } => {
                let mut more = more;
                if *is_atomic != Schema::built_in().get(*of).is_atomic {
                    let said = if *is_atomic { "atomic" } else { "granular" };
                    more.insert("x-kubernetes-map-type".to_owned(), said.into());
                }
                let reference = self.of_table(*of);
                return self.with(reference, more);
            }
            Shape::List { element, kind, .. } => {
                let mut made = json!({ "type": "array", "items": self.element(element) });
                let said = match kind {
                    ListKind::Atomic => "atomic",
                    ListKind::Set => "set",
                    ListKind::Map(keys) => {
                        let keys: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
                        made["x-kubernetes-list-map-keys"] = keys.into();
                        "map"
                    }
                };
                made["x-kubernetes-list-type"] = said.into();
                made
            }
            Shape::Map { value, is_atomic } => {
                let mut made = json!({ "type": "object", "additionalProperties": self.element(value) });
                if *is_atomic {
                    made["x-kubernetes-map-type"] = "atomic".into();
                }
                made
            }
        };
        let Value::Object(mut made) = made else { return made };
        made.extend(more);
        Value::Object(made)
    }

    /// An element of a list or a value of a map; its default is its zero value.
    fn element(&mut self, shape: &Shape) -> Value {
        let zero = match shape {
            Shape::Struct { .. } => Some(json!({})),
            Shape::Scalar(Scalar::String) => Some(json!("")),
            Shape::Scalar(Scalar::Bool) => Some(json!(false)),
            Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => Some(json!(0)),
            Shape::Scalar(_) | Shape::Raw(_) | Shape::List { .. } | Shape::Map { .. } => None,
        };
        let zero = zero.filter(|_| self.edition == Edition::V3);
        self.shape(shape, zero.into_iter().map(|zero| ("default".to_owned(), zero)).collect())
    }

    /// A reference may have nothing beside it in version 3, so it is put into a list of its own when there is more to say.
    fn with(&self, reference: Value, more: Map<String, Value>) -> Value {
        if more.is_empty() {
            return reference;
        }
        let mut made = match (self.edition, reference) {
            (Edition::V2, Value::Object(reference)) => reference,
            (_, reference) => Map::from_iter([("allOf".to_owned(), json!([reference]))]),
        };
        made.extend(more);
        Value::Object(made)
    }
}

fn strategy(patch: &Patch, more: &mut Map<String, Value>) {
    let words = [(patch.is_merged, "merge"), (patch.retains_keys, "retainKeys"), (patch.is_replaced, "replace")];
    let words: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if !words.is_empty() {
        more.insert("x-kubernetes-patch-strategy".to_owned(), words.join(",").into());
    }
    if let Some(key) = &patch.key {
        more.insert("x-kubernetes-patch-merge-key".to_owned(), key.as_str().into());
    }
}

/// A type that OpenAPI has itself.
fn scalar_type(scalar: Scalar) -> Option<Value> {
    match scalar {
        Scalar::String => Some(json!({ "type": "string" })),
        Scalar::Bytes => Some(json!({ "type": "string", "format": "byte" })),
        Scalar::Bool => Some(json!({ "type": "boolean" })),
        Scalar::Int32 => Some(json!({ "type": "integer", "format": "int32" })),
        Scalar::Int64 => Some(json!({ "type": "integer", "format": "int64" })),
        Scalar::Double => Some(json!({ "type": "number", "format": "double" })),
        Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration => None,
    }
}

/// The name of a type that Kubernetes has for a single value.
fn well_known(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity",
        Scalar::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        Scalar::Time => "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        Scalar::MicroTime => "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        Scalar::Duration => "io.k8s.apimachinery.pkg.apis.meta.v1.Duration",
        Scalar::String | Scalar::Bytes | Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double => "",
    }
}

fn well_known_type(scalar: Scalar, edition: Edition) -> Value {
    match (scalar, edition) {
        (Scalar::Quantity, Edition::V3) => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        (Scalar::IntOrString, Edition::V3) => {
            json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] })
        }
        (Scalar::IntOrString, Edition::V2) => json!({ "type": "string", "format": "int-or-string" }),
        (Scalar::Time | Scalar::MicroTime, _) => json!({ "type": "string", "format": "date-time" }),
        _ => json!({ "type": "string" }),
    }
}

fn raw_type(raw: Raw) -> (&'static str, Value) {
    match raw {
        Raw::Extension => ("io.k8s.apimachinery.pkg.runtime.RawExtension", json!({ "type": "object" })),
        Raw::Fields => ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", json!({ "type": "object" })),
        Raw::Json => ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", json!({})),
        Raw::SchemaOrBool(_) => {
            ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", json!({}))
        }
        Raw::SchemaOrArray(_) => {
            ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", json!({}))
        }
        Raw::SchemaOrStrings(_) => {
            ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", json!({}))
        }
    }
}

/// As upstream names the types of users' kinds: the group turned around, the version, the kind.
fn custom_name(info: &KindInfo, kind: &str) -> String {
    let mut parts: Vec<&str> = info.group.rsplit('.').collect();
    parts.extend([info.version.as_str(), kind]);
    parts.join(".")
}

/// The value of `x-kubernetes-group-version-kind`.
pub(super) fn group_version_kind(info: &KindInfo, kind: &str) -> Value {
    json!({ "group": &*info.group, "version": &*info.version, "kind": kind })
}
