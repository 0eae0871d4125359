//! The deserializer: serde's data model over JSON, with Kubernetes's leniency.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Number, Value};

use super::probe::{list_type, map_type};
use super::{DecodeError, Place, base64};
use crate::object::quantity;
use crate::object::wire::means_nothing;

/// One value at one place.
#[derive(Clone, Copy)]
pub(super) struct De<'a, 'de> {
    pub(super) value: &'de Value,
    pub(super) place: &'a Place<'a>,
    /// Whether the types are Kubernetes's own, in which an empty value is mostly an absent one.
    pub(super) built_in: bool,
    pub(super) unknown: &'a RefCell<Vec<String>>,
}

impl<'de> De<'_, 'de> {
    fn found(self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    fn wrong<T>(self, wanted: impl Into<String>) -> Result<T, DecodeError> {
        Err(DecodeError::wrong_type(self.found(), wanted))
    }

    /// A whole number between two bounds; `3.0` is none.
    fn integer(self, wanted: &str, min: i128, max: i128) -> Result<i128, DecodeError> {
        let Value::Number(number) = self.value else {
            return if self.value.is_null() { Ok(0) } else { self.wrong(wanted) };
        };
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole
            .filter(|whole| (min..=max).contains(whole))
            .ok_or_else(|| DecodeError::wrong_type(format!("number {number}"), wanted))
    }

    fn text(self) -> Result<&'de str, DecodeError> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(""),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => self.wrong("string"),
        }
    }

    fn fields<V: Visitor<'de>>(
        self,
        owner: Option<&'static str>,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let entries = match self.value {
            Value::Object(map) => Some(map.iter()),
            Value::Null => None,
            _ => return self.wrong(owner.map_or_else(|| map_type(visitor), |owner| format!("v1.{owner}"))),
        };
        visitor.visit_map(Fields { entries, next: None, owner, known, here: self })
    }

    /// A quantity may be a text or a number, and is kept as an API server shows it.
    fn quantity<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let given = match self.value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            Value::Null => Cow::Borrowed("0"),
            Value::Number(number) => Cow::Owned(whole(number).map_or_else(|| number.to_string(), |n| n.to_string())),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(self.value.to_string()),
        };
        let shown = quantity::normalize(&given).map_err(DecodeError::custom)?;
        visitor.visit_newtype_struct(CowStrDeserializer::new(shown))
    }

    fn timestamp<V: Visitor<'de>>(self, layout: &str, visitor: V) -> Result<V::Value, DecodeError> {
        let Value::String(text) = self.value else { return self.wrong("string") };
        visitor.visit_newtype_struct(self).map_err(|_| {
            DecodeError::message(format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""))
        })
    }
}

fn whole(number: &Number) -> Option<i128> {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    // Floating point numbers are exact integers below 2^53.
    let exact = |float: &f64| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
    integer.or_else(|| number.as_f64().filter(exact).map(|float| float as i128))
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $wanted:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let number = self.integer($wanted, i128::from(<$type>::MIN), i128::from(<$type>::MAX))?;
            visitor.$visit(<$type>::try_from(number).map_err(DecodeError::custom)?)
        })*
    };
}

impl<'de> Deserializer<'de> for De<'_, 'de> {
    type Error = DecodeError;

    integers! {
        deserialize_i8 visit_i8 i8, "int8";
        deserialize_i16 visit_i16 i16, "int16";
        deserialize_i32 visit_i32 i32, "int32";
        deserialize_i64 visit_i64 i64, "int64";
        deserialize_u8 visit_u8 u8, "uint8";
        deserialize_u16 visit_u16 u16, "uint16";
        deserialize_u32 visit_u32 u32, "uint32";
        deserialize_u64 visit_u64 u64, "uint64";
    }

    /// Free-form JSON, and types that are one thing or another.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => visitor.visit_i64(number),
                (None, Some(number)) => visitor.visit_u64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.fields(None, &[], visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Null => visitor.visit_bool(false),
            _ => self.wrong("bool"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            Value::Null => visitor.visit_f64(0.0),
            _ => self.wrong("float64"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    /// Only base64 data and times are asked for in this way.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.text()?;
        match base64::canonical(text) {
            Ok(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Ok(Cow::Owned(text)) => visitor.visit_string(text),
            Err(at) => visitor
                .visit_borrowed_str(text)
                .map_err(|_: DecodeError| DecodeError::message(format!("illegal base64 data at input byte {at}"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let elements: &[Value] = match self.value {
            Value::Array(elements) => elements,
            Value::Null => &[],
            _ => return self.wrong(list_type(visitor)),
        };
        visitor.visit_seq(Elements { elements: elements.iter().enumerate(), here: self })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.fields(None, &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.fields(Some(name), known, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            "Quantity" => self.quantity(visitor),
            "Time" => self.timestamp("2006-01-02T15:04:05Z07:00", visitor),
            "MicroTime" => self.timestamp("2006-01-02T15:04:05.000000Z07:00", visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Users' own types have enums; Kubernetes's have none.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.value.deserialize_enum(name, variants, visitor).map_err(DecodeError::custom)
    }

    /// A field that its type does not have.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.unknown.borrow_mut().push(self.place.to_string());
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char bytes byte_buf unit unit_struct tuple tuple_struct identifier i128 u128 }
}

impl<'de> IntoDeserializer<'de, DecodeError> for De<'_, 'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements<'a, 'de> {
    elements: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    here: De<'a, 'de>,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, value)) = self.elements.next() else { return Ok(None) };
        let place = self.here.place.index(index);
        let element = De { value, place: &place, ..self.here };
        seed.deserialize(element).map(Some).map_err(|error| error.at(&place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

struct Fields<'a, 'de> {
    /// None where the object is `null`.
    entries: Option<serde_json::map::Iter<'de>>,
    next: Option<(&'de str, &'de Value)>,
    /// The type whose fields these are; none for a map.
    owner: Option<&'static str>,
    /// The names of its fields.
    known: &'static [&'static str],
    here: De<'a, 'de>,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let owner = self.owner.filter(|_| self.here.built_in);
        let known = self.known;
        let matters = |(key, value): &(&String, &Value)| {
            !(known.contains(&key.as_str()) && owner.is_some_and(|owner| means_nothing(owner, key, value)))
        };
        let Some((key, value)) = self.entries.as_mut().and_then(|entries| entries.find(matters)) else {
            return Ok(None);
        };
        self.next = Some((key, value));
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let (key, value) =
            self.next.take().ok_or_else(|| DecodeError::message("a value was asked for before its key"))?;
        let place = self.here.place.below(self.owner, key);
        seed.deserialize(De { value, place: &place, ..self.here }).map_err(|error| error.at(&place))
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.as_ref().map(ExactSizeIterator::len)
    }
}
