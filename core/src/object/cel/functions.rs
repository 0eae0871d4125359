//! What functions do. The checker has seen to the number of arguments; what they are shows only here where it was not known.

mod lists;
pub(super) mod network;
mod operators;
mod quantities;
pub(super) mod semver;
mod texts;
pub(super) mod time;

pub(in crate::object::cel) use self::texts::plain;
use super::value::{Key, Value};
use super::{Budget, Failure};
use crate::object::structural::compile_pattern;
use crate::text::Text;

pub(super) type Called = Result<Value, Failure>;

/// Calls a function; the receiver of a method is its first value.
pub(super) fn call(name: &str, is_method: bool, values: &[Value], budget: &mut Budget) -> Called {
    if let (true, Some(Value::Extension(own))) = (is_method, values.first()) {
        return own.call(name, &values[1..], budget).unwrap_or_else(|| Err(Failure::no_overload()));
    }
    let found = operators::call(name, values, budget)
        .or_else(|| of_optionals(name, values))
        .or_else(|| conversions(name, is_method, values, budget))
        .or_else(|| texts::call(name, values, budget))
        .or_else(|| lists::call(name, values, budget))
        .or_else(|| time::call(name, values))
        .or_else(|| network::call(name, is_method, values, budget))
        .or_else(|| quantities::call(name, values))
        .or_else(|| semver::call(name, values));
    found.unwrap_or_else(|| Err(Failure::no_overload()))
}

fn of_optionals(name: &str, values: &[Value]) -> Option<Called> {
    Some(Ok(match (name, values) {
        ("optional.none", []) => Value::Optional(None),
        ("optional.of", [value]) => Value::optional(Some(value.clone())),
        ("optional.ofNonZeroValue", [value]) => Value::optional((!is_zero(value)).then(|| value.clone())),
        ("hasValue", [Value::Optional(value)]) => Value::Bool(value.is_some()),
        ("value", [Value::Optional(Some(value))]) => (**value).clone(),
        ("value", [Value::Optional(None)]) => return Some(Err(Failure::new("optional.none() dereference"))),
        ("or", [Value::Optional(None), other]) => other.clone(),
        ("or", [given @ Value::Optional(Some(_)), _]) => given.clone(),
        ("orValue", [Value::Optional(None), other]) => other.clone(),
        ("orValue", [Value::Optional(Some(value)), _]) => (**value).clone(),
        _ => return None,
    }))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null
        | Value::Bool(false)
        | Value::Int(0)
        | Value::Uint(0)
        | Value::Duration(0)
        | Value::Optional(None) => true,
        Value::Double(number) => *number == 0.0,
        Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => value.size() == 0,
        _ => false,
    }
}

fn conversions(name: &str, is_method: bool, values: &[Value], budget: &mut Budget) -> Option<Called> {
    if is_method {
        return None;
    }
    let overflow = |what: &str| Failure::new(format!("{what} overflow"));
    let unreadable =
        |text: &str, what: &str| Failure::new(format!("type conversion error from 'string' to '{what}': {text}"));
    let [value] = values else { return None };
    if budget.spend(value.weight()).is_err() {
        return Some(Err(Failure::TooExpensive));
    }
    Some(match (name, value) {
        ("dyn", value) => Ok(value.clone()),
        ("type", value) => Ok(Value::Type(Text::Static(value.type_name()))),
        ("bool", Value::Bool(_)) | ("int", Value::Int(_)) | ("uint", Value::Uint(_)) | ("double", Value::Double(_)) => {
            Ok(value.clone())
        }
        ("string", Value::Text(_)) | ("bytes", Value::Bytes(_)) => Ok(value.clone()),
        ("bool", Value::Text(text)) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(unreadable(text, "bool")),
        },
        ("int", Value::Uint(number)) => i64::try_from(*number).map(Value::Int).map_err(|_| overflow("integer")),
        ("int", Value::Double(number)) => match number.trunc() {
            whole if whole.abs() < 9.2e18 => Ok(Value::Int(whole as i64)),
            _ => Err(overflow("integer")),
        },
        ("int", Value::Text(text)) => text.parse().map(Value::Int).map_err(|_| unreadable(text, "int")),
        ("int", Value::Timestamp(at)) => Ok(Value::Int(at.as_second())),
        ("int", Value::Duration(nanos)) => Ok(Value::Int(*nanos)),
        ("uint", Value::Int(number)) => {
            u64::try_from(*number).map(Value::Uint).map_err(|_| overflow("unsigned integer"))
        }
        ("uint", Value::Double(number)) => match number.trunc() {
            whole if (0.0..1.8e19).contains(&whole) => Ok(Value::Uint(whole as u64)),
            _ => Err(overflow("unsigned integer")),
        },
        ("uint", Value::Text(text)) => text.parse().map(Value::Uint).map_err(|_| unreadable(text, "uint")),
        ("double", Value::Int(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Text(text)) => text.parse().map(Value::Double).map_err(|_| unreadable(text, "double")),
        ("bytes", Value::Text(text)) => Ok(Value::Bytes(text.as_bytes().into())),
        ("string", Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::text(text)),
            Err(_) => Err(Failure::new("invalid UTF-8 in bytes, cannot convert to string")),
        },
        ("string", value) => texts::plain(value).map(Value::text).ok_or_else(Failure::no_overload),
        ("duration", Value::Duration(_)) | ("timestamp", Value::Timestamp(_)) => Ok(value.clone()),
        ("duration", Value::Text(text)) => {
            time::duration(text).map(Value::Duration).ok_or_else(|| unreadable(text, "google.protobuf.Duration"))
        }
        ("duration", Value::Int(nanos)) => Ok(Value::Duration(*nanos)),
        ("timestamp", Value::Text(text)) => {
            time::timestamp(text).map(Value::Timestamp).ok_or_else(|| unreadable(text, "google.protobuf.Timestamp"))
        }
        ("timestamp", Value::Int(seconds)) => {
            jiff::Timestamp::from_second(*seconds).map(Value::Timestamp).map_err(|_| overflow("timestamp"))
        }
        _ => return None,
    })
}

/// A regular expression of an expression, and a text that is looked at with it.
fn pattern(pattern: &str, text: &str, budget: &mut Budget) -> Result<regex::Regex, Failure> {
    budget.spend((1 + pattern.len() as u64 / 4) * (1 + text.len() as u64 / 10))?;
    compile_pattern(pattern).map_err(Failure::new)
}

/// Bytes from base64 of either alphabet.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let quoted = serde_json::Value::from(text.replace('-', "+").replace('_', "/"));
    serde_json::from_value::<k8s_openapi::ByteString>(quoted).ok().map(|bytes| bytes.0)
}

/// The value under a key, or at an index.
fn at(of: &Value, index: &Value) -> Result<Option<Value>, Failure> {
    match of {
        Value::List(list) => {
            let place = match index {
                Value::Int(place) => *place,
                Value::Uint(place) => i64::try_from(*place).unwrap_or(i64::MAX),
                Value::Double(place) if place.fract() == 0.0 => *place as i64,
                _ => return Err(Failure::no_overload()),
            };
            Ok(usize::try_from(place).ok().and_then(|place| list.items.get(place)).cloned())
        }
        Value::Map(map) => Ok(Key::of(index).and_then(|key| map.get(&key)).cloned()),
        Value::Extension(own) => match index {
            Value::Text(name) if own.entries().is_some() => Ok(own.field(name)),
            _ => Err(Failure::no_overload()),
        },
        _ => Err(Failure::no_overload()),
    }
}
