//! What Kubernetes's types look like: one table of all built-in kinds, for all that is decided by a type's fields.
//!
//! Strategic merge, server-side apply, protobuf and OpenAPI all ask here which fields a type has, of what shape each is,
//! how its lists are merged, and by which number protobuf knows it. The table is a text of 100 kB (`schema/table.txt`: 655
//! types with 2,400 fields), written by the program `schema-generator` from upstream's API repositories. It is read when
//! somebody first asks ([`Schema::built_in`]), which takes some milliseconds and 600 kB; who never asks pays nothing.
//!
//! A schema can as well be made of types that a user declares ([`Schema::new`]).

mod read;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::kind::KindInfo;
use crate::text::Text;

/// A set of types that refer to each other.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    types: Vec<Type>,
    by_name: BTreeMap<String, TypeId>,
    /// By the name without its package, which types of several packages may share.
    by_short_name: BTreeMap<String, Vec<TypeId>>,
    /// By `apiVersion` and `kind` with a space between them.
    kinds: BTreeMap<String, TypeId>,
}

/// A type, as its place in a [`Schema`]; means nothing to another schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u16);

/// A structure with named fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// As OpenAPI names it: `io.k8s.api.apps.v1.Deployment`.
    pub name: Text,
    /// The `apiVersion` of its objects when it is a kind (it has `apiVersion` and `kind` among its fields then).
    pub api_version: Option<Text>,
    /// Whether it is owned and replaced as a whole: `+structType=atomic`. Where a field says something else, that counts,
    /// so ask [`Shape::Struct`] rather than the type.
    pub is_atomic: bool,
    /// The fields as JSON has them, sorted by name.
    pub fields: Vec<Field>,
    /// The fields as protobuf has them, sorted by number.
    pub members: Vec<Member>,
}

/// A field of a [`Type`] in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub name: Text,
    /// What it holds.
    pub shape: Shape,
    /// Whether OpenAPI lists it as required.
    pub is_required: bool,
    /// Whether absent differs from its zero value: a pointer in Go.
    pub is_pointer: bool,
    /// Whether Go prints it even when it has its zero value: no `omitempty`, or a structure.
    pub is_always_printed: bool,
    /// The value that OpenAPI gives as the default: `+default`, `{}` for a structure, the zero value for what Go always prints.
    pub default: Option<Value>,
    /// How a strategic merge patch changes it.
    pub patch: Patch,
    /// The values that it may have, sorted, if it is an enum or a list of them; empty otherwise.
    pub values: Vec<Text>,
    /// Its place among the fields as upstream's type declares them, in which Go prints them.
    pub place: u16,
}

/// How a strategic merge patch changes a field: `patchStrategy` and `patchMergeKey`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// A list is merged: by `key`, or as a set when there is none.
    pub is_merged: bool,
    /// The field by which elements are found.
    pub key: Option<Text>,
    /// Of an object only those fields remain that the patch names.
    pub retains_keys: bool,
    /// It is replaced as a whole although it is an object.
    pub is_replaced: bool,
}

/// A field of a [`Type`] in protobuf.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its number.
    pub number: u32,
    /// What stands there.
    pub part: Part,
}

/// What a protobuf field is to JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A field of the type: its place in [`Type::fields`].
    Field(u16),
    /// A message of its own, whose fields JSON has among those of the outer one.
    Inlined(TypeId),
}

/// What a field, an element of a list or a value of a map holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A single value.
    Scalar(Scalar),
    /// JSON of which nothing is known.
    Raw(Raw),
    /// A structure.
    Struct {
        /// Its type.
        of: TypeId,
        /// Whether it is owned and replaced as a whole.
        is_atomic: bool,
    },
    /// A list.
    List {
        /// What it holds.
        element: Box<Shape>,
        /// How it is merged.
        kind: ListKind,
        /// Whether protobuf wraps it into a message with the single field `items`, number 1.
        is_boxed: bool,
    },
    /// A map from texts.
    Map {
        /// What it holds.
        value: Box<Shape>,
        /// Whether it is owned and replaced as a whole.
        is_atomic: bool,
    },
}

/// A single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    String,
    /// Bytes, in JSON as base64.
    Bytes,
    /// True or false.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A floating point number.
    Double,
    /// `resource.Quantity`: a text such as `500m`, or a number.
    Quantity,
    /// `intstr.IntOrString`: a number or a text.
    IntOrString,
    /// `metav1.Time`: a text such as `2026-01-02T03:04:05Z`.
    Time,
    /// `metav1.MicroTime`: the same with six digits of a second.
    MicroTime,
    /// `metav1.Duration`: a text such as `1m30s`.
    Duration,
}

/// JSON of which nothing is known but where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    /// `runtime.RawExtension`: an object.
    Extension,
    /// `metav1.FieldsV1`: a set of fields.
    Fields,
    /// `apiextensions.JSON`: any value.
    Json,
    /// A JSON schema, or `true` or `false`.
    SchemaOrBool(TypeId),
    /// A JSON schema, or a list of them.
    SchemaOrArray(TypeId),
    /// A JSON schema, or a list of texts.
    SchemaOrStrings(TypeId),
}

/// How server-side apply merges a list: `+listType`.
#[derive(Clone, Debug, PartialEq)]
pub enum ListKind {
    /// It is owned and replaced as a whole.
    Atomic,
    /// Each value is there once and has its own owners.
    Set,
    /// Elements are told apart by these fields and have their own owners.
    Map(Vec<Key>),
}

/// A field that tells elements of a list apart: `+listMapKey`.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The field.
    pub name: Text,
    /// Its value where an element has none: that of [`Field::default`].
    pub default: Option<Value>,
}

impl Schema {
    /// All types that are built in.
    pub fn built_in() -> &'static Self {
        static TABLE: OnceLock<Schema> = OnceLock::new();
        TABLE.get_or_init(|| {
            read::read(include_str!("schema/table.txt"))
                .expect("a test reads the same text, which is part of the program")
        })
    }

    /// A schema of these types, which refer to each other by their place among them. Fields and members are sorted here,
    /// and keys of lists get their defaults.
    pub fn new(types: Vec<Type>) -> Self {
        let mut schema = Self { types, ..Self::default() };
        schema.index();
        schema
    }

    /// The type of a kind; `None` for one that the schema does not have.
    pub fn kind(&self, info: &KindInfo) -> Option<&Type> {
        self.find(&info.api_version(), &info.kind)
    }

    /// The type of a kind by what manifests say. Kinds that every version of every group has (`DeleteOptions`) are found
    /// whatever `api_version` is.
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&Type> {
        let of = |version: &str| self.kinds.get(&format!("{version} {kind}"));
        of(api_version).or_else(|| of("meta.k8s.io/v1")).map(|id| self.get(*id))
    }

    /// The type of this name: `io.k8s.api.core.v1.PodSpec`.
    pub fn named(&self, name: &str) -> Option<&Type> {
        self.id(name).map(|id| self.get(id))
    }

    /// The place of the type of this name.
    pub fn id(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// A type by its place.
    ///
    /// # Panics
    ///
    /// When the place is of a larger schema.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[usize::from(id.0)]
    }

    /// The fields of this name in all types that have this name without their package.
    pub(crate) fn fields_of<'s>(&'s self, short_name: &str, field: &'s str) -> impl Iterator<Item = &'s Field> {
        let types = self.by_short_name.get(short_name).into_iter().flatten();
        types.filter_map(move |id| self.get(*id).field(field))
    }

    /// All types, those of a package together.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0..).map(TypeId).zip(&self.types)
    }

    /// What stands in the field `name` of values of this shape; `None` when it has no such field, or nothing is known of it.
    pub fn field<'a>(&'a self, shape: &Shape, name: &str) -> Option<&'a Field> {
        match shape {
            Shape::Struct { of, .. } => self.get(*of).field(name),
            Shape::Scalar(_) | Shape::Raw(_) | Shape::List { .. } | Shape::Map { .. } => None,
        }
    }
}

impl Type {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
        self.fields.get(at)
    }

    /// The name without its package: `Deployment`.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The field that a part of it is.
    pub fn part(&self, at: u16) -> Option<&Field> {
        self.fields.get(usize::from(at))
    }
}

impl Field {
    /// A field that holds this, of which nothing else is known.
    pub fn new(name: impl Into<Text>, shape: Shape) -> Self {
        Self {
            name: name.into(),
            shape,
            is_required: false,
            is_pointer: false,
            is_always_printed: false,
            default: None,
            patch: Patch::default(),
            values: Vec::new(),
            place: 0,
        }
    }
}

impl Shape {
    /// Whether a value of JSON is of a type that may stand here at all.
    pub(crate) fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Raw(_), _) | (_, Value::Null) => true,
            (Self::Scalar(scalar), Value::String(_)) => {
                !matches!(scalar, Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double)
            }
            (Self::Scalar(scalar), Value::Number(_)) => matches!(
                scalar,
                Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString | Scalar::Quantity
            ),
            (Self::Scalar(scalar), Value::Bool(_)) => *scalar == Scalar::Bool,
            (Self::List { .. }, Value::Array(_)) => true,
            (Self::Struct { .. } | Self::Map { .. }, Value::Object(_)) => true,
            _ => false,
        }
    }
}

impl TypeId {
    /// The type at this place of those that [`Schema::new`] gets; `None` beyond what a schema can hold.
    pub fn new(place: usize) -> Option<Self> {
        u16::try_from(place).ok().map(Self)
    }
}

#[cfg(test)]
pub(crate) mod probe;
#[cfg(test)]
mod tests;
