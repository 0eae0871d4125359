//! From a message to JSON, field by field as the table has them.
//!
//! Go writes every field of a message that is no pointer, empty or not, and its JSON leaves empty ones out where a tag says
//! so. The values made here have what that JSON would have. A field that comes twice is merged if it is a message, else
//! the last one counts; fields with unknown numbers are skipped, as Go does.

use serde_json::{Map, Value};

use super::bytes::{Reader, Wire};
use super::scalar::{self, WRONG_WIRE};
use super::{DEPTH_MAX, ProtobufError, decode_within, is_envelope};
use inboard::object::schema::{Field, Part, Raw, Scalar, Schema, Shape, Type, TypeId};

/// Reads the fields of a message into an object.
pub(super) fn message(
    schema: &Schema,
    of: &Type,
    bytes: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::Malformed("messages nested too deep"));
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        let member = of.members.binary_search_by_key(&number, |member| member.number);
        match member.ok().and_then(|at| of.members.get(at)).map(|member| member.part) {
            None => {}
            Some(Part::Inlined(part)) => {
                let Wire::Bytes(bytes) = wire else { return Err(WRONG_WIRE) };
                message(schema, schema.get(part), bytes, object, depth + 1)?;
            }
            Some(Part::Field(at)) => {
                let Some(field) = of.part(at) else { continue };
                let old = object.remove(field.name.as_str());
                let value = read(schema, &field.shape, wire, old, depth).map_err(|error| error.within(&field.name))?;
                if !is_left_out(field, &value) {
                    object.insert(field.name.to_string(), value);
                }
            }
        }
    }
    Ok(())
}

/// Whether Go's JSON would not have this value of the field.
fn is_left_out(field: &Field, value: &Value) -> bool {
    if field.is_pointer {
        // A pointer to a time that is none is as good as no pointer.
        return value.is_null();
    }
    if field.is_always_printed {
        return value.is_null();
    }
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}

/// A value of this shape; `old` is what the field had already.
fn read(
    schema: &Schema,
    shape: &Shape,
    wire: Wire<'_>,
    old: Option<Value>,
    depth: usize,
) -> Result<Value, ProtobufError> {
    match shape {
        Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double) => scalar::number(shape, wire),
        Shape::List { element, is_boxed, .. } => {
            let mut list = match old {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            match (is_boxed, wire) {
                (true, Wire::Bytes(bytes)) => boxed(schema, element, bytes, &mut list, depth)?,
                (true, _) => return Err(WRONG_WIRE),
                (false, _) => elements(schema, element, wire, &mut list, depth)?,
            }
            Ok(Value::Array(list))
        }
        Shape::Scalar(_) | Shape::Raw(_) | Shape::Struct { .. } | Shape::Map { .. } => {
            let Wire::Bytes(bytes) = wire else { return Err(WRONG_WIRE) };
            match shape {
                Shape::Struct { of, .. } => structure(schema, *of, bytes, old, depth),
                Shape::Map { value, .. } => entry(schema, value, bytes, old, depth),
                Shape::Raw(raw) => raw_value(schema, *raw, bytes, depth),
                Shape::Scalar(_) | Shape::List { .. } => scalar::value(shape, bytes),
            }
        }
    }
}

fn structure(
    schema: &Schema,
    of: TypeId,
    bytes: &[u8],
    old: Option<Value>,
    depth: usize,
) -> Result<Value, ProtobufError> {
    let mut object = match old {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    message(schema, schema.get(of), bytes, &mut object, depth + 1)?;
    Ok(Value::Object(object))
}

/// One more element, or several numbers at once.
fn elements(
    schema: &Schema,
    element: &Shape,
    wire: Wire<'_>,
    list: &mut Vec<Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    let is_number = matches!(element, Shape::Scalar(Scalar::Bool | Scalar::Int32 | Scalar::Int64));
    if let (true, Wire::Bytes(packed)) = (is_number, wire) {
        let mut reader = Reader::new(packed);
        while let Some(number) = reader.next_number()? {
            list.push(scalar::number(element, Wire::Number(number))?);
        }
        return Ok(());
    }
    list.push(read(schema, element, wire, None, depth)?);
    Ok(())
}

/// A list in a message of its own, whose field 1 are the elements.
fn boxed(
    schema: &Schema,
    element: &Shape,
    bytes: &[u8],
    list: &mut Vec<Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            elements(schema, element, wire, list, depth)?;
        }
    }
    Ok(())
}

/// One more entry of a map: a message with key and value.
fn entry(
    schema: &Schema,
    shape: &Shape,
    bytes: &[u8],
    old: Option<Value>,
    depth: usize,
) -> Result<Value, ProtobufError> {
    let mut map = match old {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut key = String::new();
    let mut value = None;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = scalar::text(bytes)?,
            (1, _) => return Err(WRONG_WIRE),
            (2, wire) => value = Some(read(schema, shape, wire, None, depth + 1)?),
            _ => {}
        }
    }
    map.insert(key, value.unwrap_or_else(|| zero(shape)));
    Ok(Value::Object(map))
}

/// The value of a map's entry that has only a key.
fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Scalar(Scalar::Bool) => Value::Bool(false),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString) => Value::from(0),
        Shape::Scalar(Scalar::Quantity) => Value::from("0"),
        Shape::Scalar(Scalar::String | Scalar::Bytes) => Value::from(""),
        Shape::Scalar(Scalar::Duration) => Value::from("0s"),
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) | Shape::Raw(_) => Value::Null,
        Shape::Struct { .. } | Shape::Map { .. } => Value::Object(Map::new()),
        Shape::List { .. } => Value::Array(Vec::new()),
    }
}

fn raw_value(schema: &Schema, raw: Raw, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::Malformed("messages nested too deep"));
    }
    let mut inner: &[u8] = &[];
    let mut allows = false;
    let mut first = None;
    let mut others = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match (raw, number, wire) {
            (Raw::Extension | Raw::Fields | Raw::Json, 1, Wire::Bytes(bytes)) => inner = bytes,
            (Raw::SchemaOrBool(_), 1, Wire::Number(number)) => allows = number != 0,
            (Raw::SchemaOrBool(of), 2, Wire::Bytes(bytes))
            | (Raw::SchemaOrArray(of) | Raw::SchemaOrStrings(of), 1, Wire::Bytes(bytes)) => {
                first = Some(structure(schema, of, bytes, first, depth)?);
            }
            (Raw::SchemaOrArray(of), 2, Wire::Bytes(bytes)) => others.push(structure(schema, of, bytes, None, depth)?),
            (Raw::SchemaOrStrings(_), 2, Wire::Bytes(bytes)) => others.push(scalar::text(bytes)?.into()),
            (_, 1 | 2, _) => return Err(WRONG_WIRE),
            _ => {}
        }
    }
    match raw {
        Raw::Extension if is_envelope(inner) => decode_within(inner, depth + 1),
        Raw::Extension | Raw::Fields | Raw::Json if inner.is_empty() => Ok(Value::Null),
        Raw::Extension | Raw::Fields | Raw::Json => {
            serde_json::from_slice(inner).map_err(|_| ProtobufError::Malformed("raw bytes that are no JSON"))
        }
        Raw::SchemaOrBool(_) => Ok(first.unwrap_or(Value::Bool(allows))),
        Raw::SchemaOrArray(_) | Raw::SchemaOrStrings(_) if !others.is_empty() => Ok(Value::Array(others)),
        Raw::SchemaOrArray(_) | Raw::SchemaOrStrings(_) => Ok(first.unwrap_or(Value::Null)),
    }
}
