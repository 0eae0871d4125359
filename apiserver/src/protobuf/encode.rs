//! From JSON to a message, field by field as the table has them, sorted by number.
//!
//! A field that is absent or null is left out, which means its zero value to whoever reads it. Fields that the table does
//! not have, and the few without a number, cannot be said in protobuf and are left out, too.

use serde_json::Value;

use super::bytes::Writer;
use super::scalar;
use super::{DEPTH_MAX, ProtobufError};
use inboard::object::schema::{Part, Raw, Schema, Shape, Type};

/// The bytes of an object's message.
pub(super) fn message(schema: &Schema, of: &Type, object: &Value, depth: usize) -> Result<Vec<u8>, ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::Malformed("messages nested too deep"));
    }
    let Value::Object(fields) = object else { return Err(ProtobufError::Malformed("expected an object")) };
    let mut out = Writer::default();
    for member in &of.members {
        match member.part {
            // Go always writes it, and some readers insist on it.
            Part::Inlined(part) => out.bytes(member.number, &message(schema, schema.get(part), object, depth + 1)?),
            Part::Field(at) => {
                let Some(field) = of.part(at) else { continue };
                if let Some(value) = fields.get(field.name.as_str()).filter(|value| !value.is_null()) {
                    write(schema, &field.shape, member.number, value, &mut out, depth)
                        .map_err(|error| error.within(&field.name))?;
                }
            }
        }
    }
    Ok(out.finish())
}

fn write(
    schema: &Schema,
    shape: &Shape,
    number: u32,
    value: &Value,
    out: &mut Writer,
    depth: usize,
) -> Result<(), ProtobufError> {
    match shape {
        Shape::Scalar(scalar) => scalar::write(*scalar, number, value, out),
        Shape::Raw(raw) => {
            out.bytes(number, &raw_message(schema, *raw, value, depth)?);
            Ok(())
        }
        Shape::Struct { of, .. } => {
            out.bytes(number, &message(schema, schema.get(*of), value, depth + 1)?);
            Ok(())
        }
        Shape::List { element, is_boxed, .. } => {
            let Value::Array(values) = value else { return Err(ProtobufError::Malformed("expected a list")) };
            let mut list = Writer::default();
            let (target, number_within) = if *is_boxed { (&mut list, 1) } else { (&mut *out, number) };
            for value in values {
                write(schema, element, number_within, value, target, depth)?;
            }
            if *is_boxed {
                out.bytes(number, &list.finish());
            }
            Ok(())
        }
        Shape::Map { value: shape, .. } => {
            let Value::Object(values) = value else { return Err(ProtobufError::Malformed("expected an object")) };
            for (key, value) in values {
                let mut entry = Writer::default();
                entry.bytes(1, key.as_bytes());
                write(schema, shape, 2, value, &mut entry, depth + 1).map_err(|error| error.within(key))?;
                out.bytes(number, &entry.finish());
            }
            Ok(())
        }
    }
}

fn raw_message(schema: &Schema, raw: Raw, value: &Value, depth: usize) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Writer::default();
    match (raw, value) {
        (Raw::Extension | Raw::Fields | Raw::Json, _) => out.bytes(1, value.to_string().as_bytes()),
        (Raw::SchemaOrBool(_), Value::Bool(allows)) => out.number(1, u64::from(*allows)),
        (Raw::SchemaOrBool(of), _) => {
            out.number(1, 1);
            out.bytes(2, &message(schema, schema.get(of), value, depth + 1)?);
        }
        (Raw::SchemaOrArray(of), Value::Array(schemas)) => {
            for value in schemas {
                out.bytes(2, &message(schema, schema.get(of), value, depth + 1)?);
            }
        }
        (Raw::SchemaOrStrings(_), Value::Array(texts)) => {
            for text in texts {
                let text = text.as_str().ok_or(ProtobufError::Malformed("expected a string"))?;
                out.bytes(2, text.as_bytes());
            }
        }
        (Raw::SchemaOrArray(of) | Raw::SchemaOrStrings(of), _) => {
            out.bytes(1, &message(schema, schema.get(of), value, depth + 1)?);
        }
    }
    Ok(out.finish())
}
