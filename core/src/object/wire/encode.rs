//! A typed object to JSON, with what the server's types always print and without what they never do.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Value, value};

use crate::object::quantity;

use super::{Fields, fields, filler, is_built_in, shape_of, vanishes};

/// The object cannot be JSON: a map whose keys are not text, or a type's own refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(String);

impl ser::Error for EncodeError {
    fn custom<M: fmt::Display>(message: M) -> Self {
        EncodeError(message.to_string())
    }
}

impl From<serde_json::Error> for EncodeError {
    fn from(error: serde_json::Error) -> Self {
        EncodeError(error.to_string())
    }
}

/// Prints one object as the server prints it.
///
/// # Errors
/// Only for a user's own type whose `Serialize` fails or has map keys that are not text; never for a built-in kind.
pub fn encode<T: Serialize + ?Sized>(object: &T) -> Result<Value, EncodeError> {
    let api_version = RefCell::new(String::new());
    object.serialize(Encoder { api_version: &api_version })
}

/// Serialises into a [`Value`]; `api_version` is learned from the object's own first field.
#[derive(Clone, Copy)]
struct Encoder<'a> {
    api_version: &'a RefCell<String>,
}

impl Encoder<'_> {
    fn fields(self, type_name: &str) -> Fields {
        let api_version = self.api_version.borrow();
        let always = matches!(type_name, "ObjectMeta" | "OwnerReference" | "ManagedFieldsEntry");
        if is_built_in(&api_version) || always { fields(&api_version, type_name) } else { None }
    }
}

macro_rules! plain {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<Value, EncodeError> {
            Ok(value::Serializer.$method(value)?)
        }
    )*};
}

impl<'a> ser::Serializer for Encoder<'a> {
    type Ok = Value;
    type Error = EncodeError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = ser::Impossible<Value, EncodeError>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = StructVariant<'a>;

    plain! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_f32(f32) serialize_f64(f64)
        serialize_char(char) serialize_str(&str) serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_none(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }

    fn serialize_unit(self) -> Result<Value, EncodeError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, EncodeError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, EncodeError> {
        let value = value.serialize(self)?;
        match (name, &value) {
            ("Quantity", Value::String(text)) => Ok(quantity::normalize(text).map_or(value.clone(), Value::from)),
            _ => Ok(value),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, EncodeError> {
        Ok(Value::Object(Map::from_iter([(variant.to_owned(), value.serialize(self)?)])))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, EncodeError> {
        Ok(Items { items: Vec::with_capacity(length.unwrap_or_default().min(1024)), encoder: self })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        Err(EncodeError::custom(format!("{name}::{variant}: an API type has no tuple variants")))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, EncodeError> {
        Ok(Entries { map: Map::new(), key: None, encoder: self })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a>, EncodeError> {
        Ok(Struct { name, map: Map::new(), encoder: self })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<StructVariant<'a>, EncodeError> {
        Ok(StructVariant { variant, map: Map::new(), encoder: self })
    }
}

/// A list in the making.
struct Items<'a> {
    items: Vec<Value>,
    encoder: Encoder<'a>,
}

macro_rules! items {
    ($($trait:ident::$method:ident)*) => {$(
        impl ser::$trait for Items<'_> {
            type Ok = Value;
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.items.push(value.serialize(self.encoder)?);
                Ok(())
            }

            fn end(self) -> Result<Value, EncodeError> {
                Ok(Value::Array(self.items))
            }
        }
    )*};
}

items! { SerializeSeq::serialize_element SerializeTuple::serialize_element SerializeTupleStruct::serialize_field }

/// A map in the making: all its entries stay.
struct Entries<'a> {
    map: Map<String, Value>,
    key: Option<String>,
    encoder: Encoder<'a>,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = Value;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.key = match key.serialize(value::Serializer)? {
            Value::String(text) => Some(text),
            other => return Err(EncodeError::custom(format!("a key must be text, not {other}"))),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let key = self.key.take().ok_or_else(|| EncodeError::custom("a value came before its key"))?;
        self.map.insert(key, value.serialize(self.encoder)?);
        Ok(())
    }

    fn end(self) -> Result<Value, EncodeError> {
        Ok(Value::Object(self.map))
    }
}

/// A struct in the making.
struct Struct<'a> {
    name: &'static str,
    map: Map<String, Value>,
    encoder: Encoder<'a>,
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = Value;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        let value = value.serialize(self.encoder)?;
        if key == "apiVersion" && self.encoder.api_version.borrow().is_empty() {
            value.as_str().unwrap_or_default().clone_into(&mut self.encoder.api_version.borrow_mut());
        }
        self.map.insert(key.to_owned(), value);
        Ok(())
    }

    fn end(mut self) -> Result<Value, EncodeError> {
        if let Some(shapes) = self.encoder.fields(self.name) {
            self.map.retain(|key, value| !vanishes(shape_of(shapes, key), value));
            let api_version = self.encoder.api_version.borrow();
            for (field, shape) in shapes {
                if !self.map.contains_key(*field)
                    && let Some(value) = filler(&api_version, *shape)
                {
                    self.map.insert((*field).to_owned(), value);
                }
            }
        }
        Ok(Value::Object(self.map))
    }
}

/// A struct variant of a user's own enum.
struct StructVariant<'a> {
    variant: &'static str,
    map: Map<String, Value>,
    encoder: Encoder<'a>,
}

impl ser::SerializeStructVariant for StructVariant<'_> {
    type Ok = Value;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
        self.map.insert(key.to_owned(), value.serialize(self.encoder)?);
        Ok(())
    }

    fn end(self) -> Result<Value, EncodeError> {
        Ok(Value::Object(Map::from_iter([(self.variant.to_owned(), Value::Object(self.map))])))
    }
}
