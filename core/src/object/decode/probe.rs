//! Asking a type what it is made of, to name it in an error: `[]v1.Container`, `map[string]string`.
//!
//! A visitor is handed a list or map whose only element asks for its type, writes the answer down, and fails.

use std::cell::RefCell;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::DecodeError;

/// The name of the list type that a visitor wants.
pub(super) fn list_type<'de, V: Visitor<'de>>(visitor: V) -> String {
    let answer = RefCell::default();
    let _ = visitor.visit_seq(Probe(&answer));
    format!("[]{}", answer.into_inner())
}

/// The name of the map type that a visitor wants.
pub(super) fn map_type<'de, V: Visitor<'de>>(visitor: V) -> String {
    let answer = RefCell::default();
    let _ = visitor.visit_map(Probe(&answer));
    format!("map[string]{}", answer.into_inner())
}

#[derive(Clone, Copy)]
struct Probe<'a>(&'a RefCell<String>);

impl Probe<'_> {
    fn answer<T>(self, text: impl Into<String>) -> Result<T, DecodeError> {
        *self.0.borrow_mut() = text.into();
        Err(DecodeError::message("only asked"))
    }
}

impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        seed.deserialize(*self).map(Some)
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::new("")).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        seed.deserialize(*self)
    }
}

macro_rules! answers {
    ($($method:ident $name:literal,)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
            self.answer($name)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = DecodeError;

    answers! {
        deserialize_any "interface {}",
        deserialize_bool "bool",
        deserialize_i32 "int32",
        deserialize_i64 "int64",
        deserialize_u8 "uint8",
        deserialize_f64 "float64",
        deserialize_str "string",
        deserialize_string "string",
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.answer(list_type(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.answer(map_type(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, DecodeError> {
        self.answer(format!("v1.{name}"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == "Quantity" { self.answer("resource.Quantity") } else { visitor.visit_newtype_struct(self) }
    }

    forward_to_deserialize_any! {
        i8 i16 u16 u32 u64 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}
