//! Compares a Rust type of `k8s-openapi` with the table: a deserializer that has every field of the table to give, and
//! notes what the type asks for instead.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::{BorrowedStrDeserializer, Error};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Field, Raw, Scalar, Schema, Shape, TypeId};
use crate::object::kind::BuiltInKind;

/// Every difference between a kind's Rust type, with all types that it is made of, and the table.
pub(crate) fn differences<K: BuiltInKind>() -> Vec<String> {
    let schema = Schema::built_in();
    let name = K::ID.built_in().map(|info| (info.api_version(), info.kind.to_string())).unwrap_or_default();
    let Some(of) = schema.find(&name.0, &name.1).and_then(|found| schema.id(&found.name)) else {
        return vec![format!("{name:?} is not in the table")];
    };
    let seen = RefCell::default();
    let notes = RefCell::default();
    let root = Probe { shape: &Shape::Struct { of, is_atomic: false }, path: &name.1, seen: &seen, notes: &notes };
    if let Err(error) = K::deserialize(root) {
        notes.borrow_mut().push(format!("{name:?}: {error}"));
    }
    notes.into_inner()
}

/// A value of a shape, with every field that there is; the fields of each type are given only once.
#[derive(Clone, Copy)]
struct Probe<'a> {
    shape: &'a Shape,
    path: &'a str,
    seen: &'a RefCell<BTreeSet<TypeId>>,
    notes: &'a RefCell<Vec<String>>,
}

impl Probe<'_> {
    fn expect(&self, is_right: bool, asked: &str) {
        if !is_right {
            self.notes.borrow_mut().push(format!("{}: asked for {asked}, the table has {:?}", self.path, self.shape));
        }
    }

    fn is(&self, scalar: Scalar) -> bool {
        *self.shape == Shape::Scalar(scalar)
    }

    fn is_empty(&self) -> bool {
        matches!(self.shape, Shape::Struct { of, .. } if Schema::built_in().get(*of).fields.is_empty())
    }
}

impl<'de> Deserializer<'de> for Probe<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.shape {
            Shape::Scalar(Scalar::IntOrString) => visitor.visit_i32(1),
            Shape::Raw(Raw::SchemaOrBool(_)) => visitor.visit_bool(true),
            Shape::Raw(Raw::SchemaOrArray(_) | Raw::SchemaOrStrings(_)) => {
                visitor.visit_map(Fields { fields: &[], here: self })
            }
            Shape::Raw(_) => visitor.visit_unit(),
            Shape::Scalar(Scalar::Quantity) => visitor.visit_str("1"),
            Shape::Struct { .. } if self.is_empty() => visitor.visit_unit(),
            Shape::Scalar(_) | Shape::Struct { .. } | Shape::List { .. } | Shape::Map { .. } => {
                self.expect(false, "anything");
                visitor.visit_unit()
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match name {
            "Quantity" => self.expect(self.is(Scalar::Quantity), name),
            "Time" => self.expect(self.is(Scalar::Time), name),
            "MicroTime" => self.expect(self.is(Scalar::MicroTime), name),
            "RawExtension" => self.expect(*self.shape == Shape::Raw(Raw::Extension), name),
            "FieldsV1" => self.expect(*self.shape == Shape::Raw(Raw::Fields), name),
            "JSON" => self.expect(*self.shape == Shape::Raw(Raw::Json), name),
            // A structure without fields is any JSON to these types.
            other => self.expect(self.is_empty(), other),
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let is_text = [Scalar::String, Scalar::Quantity, Scalar::Duration].into_iter().any(|scalar| self.is(scalar));
        self.expect(is_text, "a string");
        visitor.visit_str("1")
    }

    /// Base64 and times are asked for in this way.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is(Scalar::Time) || self.is(Scalar::MicroTime) {
            return visitor.visit_borrowed_str("2026-01-02T03:04:05.000000Z");
        }
        self.expect(self.is(Scalar::Bytes), "a str");
        visitor.visit_borrowed_str("AAAA")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(self.is(Scalar::Bool), "a bool");
        visitor.visit_bool(true)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(self.is(Scalar::Int32), "an i32");
        visitor.visit_i32(1)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(self.is(Scalar::Int64), "an i64");
        visitor.visit_i64(1)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.expect(self.is(Scalar::Double), "an f64");
        visitor.visit_f64(1.0)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let element = match self.shape {
            Shape::List { element, .. } => Some(Probe { shape: element, ..self }),
            _ => None,
        };
        self.expect(element.is_some(), "a list");
        visitor.visit_seq(serde::de::value::SeqDeserializer::new(element.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = match self.shape {
            Shape::Map { value, .. } => Some(("key", Probe { shape: value, ..self })),
            _ => {
                self.expect(false, "a map");
                None
            }
        };
        visitor.visit_map(serde::de::value::MapDeserializer::new(value.into_iter()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Shape::Struct { of, .. } = self.shape else {
            self.expect(false, name);
            return visitor.visit_map(Fields { fields: &[], here: self });
        };
        let of_type = Schema::built_in().get(*of);
        self.expect(of_type.short_name() == name, name);
        let known: BTreeSet<&str> = known.iter().copied().collect();
        let ours: BTreeSet<&str> = of_type.fields.iter().map(|field| field.name.as_str()).collect();
        let differing: Vec<&str> = known.symmetric_difference(&ours).copied().collect();
        self.expect(differing.is_empty(), &format!("other fields of {name}: {}", differing.join(", ")));
        let fields: &[Field] = if self.seen.borrow_mut().insert(*of) { &of_type.fields } else { &[] };
        visitor.visit_map(Fields { fields, here: self })
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Probe<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Fields<'de> {
    fields: &'de [Field],
    here: Probe<'de>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        // The header of a kind is no concern of the table.
        while let Some((Field { name, .. }, rest)) = self.fields.split_first()
            && matches!(&**name, "apiVersion" | "kind")
        {
            self.fields = rest;
        }
        let Some(field) = self.fields.first() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(&field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((field, rest)) = self.fields.split_first() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        self.fields = rest;
        seed.deserialize(Probe { shape: &field.shape, path: &field.name, ..self.here })
    }
}
