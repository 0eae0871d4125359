//! What a value of a type may be, as far as ownership goes: a scalar, a list or a map, and which of them are one whole.
//!
//! The types of built-in kinds come from the table of [`schema`](crate::object::schema), those of a user's own kind from
//! the schema that it declares (`declared.rs`). Without one they are deduced from the objects: maps entry by entry, lists as a
//! whole, as upstream does it.

use serde_json::Value;

use super::declared::Declared;
use crate::object::schema::{self, Key, ListKind, Raw, Schema};

/// A type. Cheap to copy; what it may be is looked up when it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type<'s> {
    /// Whatever the value is; maps are owned entry by entry, lists as a whole.
    Deduced,
    /// Whatever the value is, owned as a whole.
    Whole,
    /// A structure of a schema.
    Struct(&'s Schema, &'s schema::Type),
    /// What stands in a field of a schema.
    Field(&'s Schema, &'s schema::Shape),
    /// What a user's own kind declares.
    Declared(Declared<'s>),
}

/// A single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Number,
    Text,
    Bool,
    Any,
}

/// How the items of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Items<'s> {
    /// Not at all: the list is owned as a whole.
    Whole,
    /// By their values.
    Set,
    /// By fields of theirs.
    ByKey(&'s [Key]),
    /// By the fields of these names, which the type of the items declares.
    ByName(&'s [Value], Declared<'s>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ListShape<'s> {
    pub(super) kind: Items<'s>,
    pub(super) items: Type<'s>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct MapShape<'s> {
    /// Owned as a whole.
    pub(super) is_whole: bool,
    entries: Entries<'s>,
}

#[derive(Clone, Copy, Debug)]
enum Entries<'s> {
    Struct(&'s Schema, &'s schema::Type),
    Own(Declared<'s>),
    Any(Type<'s>),
}

/// What a value may be: at most one of each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape<'s> {
    pub(super) scalar: Option<Scalar>,
    pub(super) list: Option<ListShape<'s>>,
    pub(super) map: Option<MapShape<'s>>,
}

impl<'s> Shape<'s> {
    fn scalar(scalar: Scalar) -> Self {
        Self { scalar: Some(scalar), ..Self::default() }
    }

    fn map(is_whole: bool, entries: Entries<'s>) -> Self {
        Self { map: Some(MapShape { is_whole, entries }), ..Self::default() }
    }

    /// Anything; maps and their entries are of the type `of`.
    fn anything(is_whole: bool, of: Type<'s>) -> Self {
        Self {
            scalar: Some(Scalar::Any),
            list: Some(ListShape { kind: Items::Whole, items: Type::Whole }),
            ..Self::map(is_whole, Entries::Any(of))
        }
    }
}

impl<'s> Type<'s> {
    pub(super) fn shape(self) -> Shape<'s> {
        match self {
            Self::Deduced => Shape::anything(false, Type::Deduced),
            Self::Whole => Shape::anything(true, Type::Whole),
            Self::Struct(schema, of) => Shape::map(of.is_atomic, entries(schema, of)),
            Self::Field(schema, shape) => of_field(schema, shape),
            Self::Declared(declared) => of_declared(declared),
        }
    }
}

fn of_field<'s>(schema: &'s Schema, shape: &'s schema::Shape) -> Shape<'s> {
    match shape {
        schema::Shape::Scalar(scalar) => Shape::scalar(of_scalar(*scalar)),
        schema::Shape::Raw(Raw::Extension) => Type::Whole.shape(),
        schema::Shape::Raw(Raw::Fields) => Shape::map(false, Entries::Any(Type::Deduced)),
        schema::Shape::Raw(Raw::Json | Raw::SchemaOrBool(_) | Raw::SchemaOrArray(_) | Raw::SchemaOrStrings(_)) => {
            Type::Deduced.shape()
        }
        schema::Shape::Struct { of, is_atomic } => Shape::map(*is_atomic, entries(schema, schema.get(*of))),
        schema::Shape::Map { value, is_atomic } => Shape::map(*is_atomic, Entries::Any(Type::Field(schema, value))),
        schema::Shape::List { element, kind, .. } => {
            let kind = match kind {
                ListKind::Atomic => Items::Whole,
                ListKind::Set => Items::Set,
                ListKind::Map(keys) => Items::ByKey(keys),
            };
            Shape { list: Some(ListShape { kind, items: Type::Field(schema, element) }), ..Shape::default() }
        }
    }
}

/// A type that says nothing of itself may be anything.
fn of_declared(declared: Declared<'_>) -> Shape<'_> {
    let map = || Shape::map(declared.is_atomic_map(), Entries::Own(declared));
    let list =
        || Shape { list: Some(ListShape { kind: declared.list_kind(), items: declared.items() }), ..Shape::default() };
    match declared.type_name() {
        "object" => map(),
        "array" => list(),
        "integer" | "number" => Shape::scalar(Scalar::Number),
        "boolean" => Shape::scalar(Scalar::Bool),
        "string" if declared.is_int_or_string() => Shape::scalar(Scalar::Any),
        "string" => Shape::scalar(Scalar::Text),
        _ => Shape { scalar: Some(Scalar::Any), list: list().list, map: map().map },
    }
}

const fn of_scalar(scalar: schema::Scalar) -> Scalar {
    match scalar {
        schema::Scalar::String
        | schema::Scalar::Bytes
        | schema::Scalar::Time
        | schema::Scalar::MicroTime
        | schema::Scalar::Duration => Scalar::Text,
        schema::Scalar::Bool => Scalar::Bool,
        schema::Scalar::Int32 | schema::Scalar::Int64 | schema::Scalar::Double => Scalar::Number,
        schema::Scalar::Quantity | schema::Scalar::IntOrString => Scalar::Any,
    }
}

/// A structure of which no fields are declared may have any.
fn entries<'s>(schema: &'s Schema, of: &'s schema::Type) -> Entries<'s> {
    if of.fields.is_empty() { Entries::Any(Type::Deduced) } else { Entries::Struct(schema, of) }
}

impl<'s> MapShape<'s> {
    /// The type of a field that the type declares.
    pub(super) fn declared(&self, name: &str) -> Option<Type<'s>> {
        match self.entries {
            Entries::Struct(schema, of) => of.field(name).map(|field| Type::Field(schema, &field.shape)),
            Entries::Own(declared) => declared.field(name),
            Entries::Any(_) => None,
        }
    }

    /// The type of the other entries, where there may be any.
    pub(super) fn others(&self) -> Option<Type<'s>> {
        match self.entries {
            Entries::Struct(..) => None,
            Entries::Own(declared) => declared.others(),
            Entries::Any(of) => Some(of),
        }
    }

    /// The type of an entry, declared or not.
    pub(super) fn entry(&self, name: &str) -> Option<Type<'s>> {
        self.declared(name).or_else(|| self.others())
    }

    /// Whether nothing is known of its entries, so that nothing of it can have been another before.
    pub(super) fn is_free(&self) -> bool {
        match self.entries {
            Entries::Struct(..) => false,
            Entries::Own(declared) => declared.is_free(),
            Entries::Any(of) => matches!(of, Type::Deduced),
        }
    }
}

impl Items<'_> {
    /// The fields that name an item, with what they have in this one; a default counts.
    pub(super) fn keys(&self, item: &serde_json::Map<String, Value>) -> Vec<(String, Option<Value>)> {
        let of = |name: &str, default: Option<&Value>| (name.to_owned(), item.get(name).or(default).cloned());
        match self {
            Self::Whole | Self::Set => Vec::new(),
            Self::ByKey(keys) => keys.iter().map(|key| of(&key.name, key.default.as_ref())).collect(),
            Self::ByName(names, items) => {
                let names = names.iter().filter_map(Value::as_str);
                names.map(|name| of(name, items.default_of(name))).collect()
            }
        }
    }
}
