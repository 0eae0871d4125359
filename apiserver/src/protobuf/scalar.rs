//! Single values, some of which are messages of their own: quantities, times, and what is a number or a text.

use inboard::k8s_openapi::ByteString;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};

use super::ProtobufError;
use super::bytes::{Reader, Wire, Writer};
use inboard::object::schema::{Scalar, Shape};

/// Another kind of bytes than the field has.
pub(super) const WRONG_WIRE: ProtobufError = ProtobufError::Malformed("a wire type that the field does not have");

const NO_TEXT: ProtobufError = ProtobufError::Malformed("a text that is not UTF-8");

/// A text.
pub(super) fn text(bytes: &[u8]) -> Result<String, ProtobufError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| NO_TEXT)
}

/// A value that stands in the field itself.
pub(super) fn number(shape: &Shape, wire: Wire<'_>) -> Result<Value, ProtobufError> {
    match (shape, wire) {
        (Shape::Scalar(Scalar::Bool), Wire::Number(number)) => Ok(Value::Bool(number != 0)),
        // As in Go, what does not fit loses its upper half.
        (Shape::Scalar(Scalar::Int32), Wire::Number(number)) => Ok(Value::from(number as i32)),
        (Shape::Scalar(Scalar::Int64), Wire::Number(number)) => Ok(Value::from(number.cast_signed())),
        (Shape::Scalar(Scalar::Double), Wire::Eight(bytes)) => {
            let number = Number::from_f64(f64::from_le_bytes(bytes));
            number.map(Value::Number).ok_or(ProtobufError::Malformed("a number that JSON does not have"))
        }
        _ => Err(WRONG_WIRE),
    }
}

/// A value that is a run of bytes.
pub(super) fn value(shape: &Shape, bytes: &[u8]) -> Result<Value, ProtobufError> {
    let Shape::Scalar(scalar) = shape else { return Err(WRONG_WIRE) };
    match scalar {
        Scalar::String => text(bytes).map(Value::String),
        Scalar::Bytes => Ok(base64(bytes)),
        Scalar::Quantity => {
            let parts = Parts::read(bytes)?;
            Ok(Value::String(if parts.text.is_empty() { "0".to_owned() } else { parts.text }))
        }
        Scalar::IntOrString => int_or_string(bytes),
        Scalar::Time if bytes.is_empty() => Ok(Value::Null),
        Scalar::MicroTime if bytes.is_empty() => Ok(Value::Null),
        Scalar::Time => time(Parts::read(bytes)?.first, 0).map(|time| Value::String(time.to_string())),
        Scalar::MicroTime => {
            let Parts { first, second, .. } = Parts::read(bytes)?;
            time(first, second).map(|time| Value::String(time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()))
        }
        Scalar::Duration => Ok(Value::String(duration(Parts::read(bytes)?.first))),
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double => Err(WRONG_WIRE),
    }
}

fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(ByteString(bytes.to_vec())).unwrap_or_default()
}

fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let mut is_text = false;
    let mut number = 0_i32;
    let mut string = String::new();
    let mut reader = Reader::new(bytes);
    while let Some((field, wire)) = reader.next()? {
        match (field, wire) {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value as i32,
            (3, Wire::Bytes(bytes)) => string = text(bytes)?,
            (1..=3, _) => return Err(WRONG_WIRE),
            _ => {}
        }
    }
    Ok(if is_text { Value::String(string) } else { Value::from(number) })
}

fn time(seconds: i64, nanos: i64) -> Result<Timestamp, ProtobufError> {
    let nanos = i32::try_from(nanos).unwrap_or_default();
    Timestamp::new(seconds, nanos / 1000 * 1000).map_err(|_| ProtobufError::Malformed("a time out of range"))
}

/// As Go reads it, if not always as it prints it: in seconds.
fn duration(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let fraction = format!("{:09}", nanos % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}s", nanos / 1_000_000_000)
}

/// The message of a quantity, a time or a duration: a text, or one or two numbers.
#[derive(Default)]
struct Parts {
    text: String,
    first: i64,
    second: i64,
}

impl Parts {
    fn read(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let mut parts = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => parts.text = text(bytes)?,
                (1, Wire::Number(number)) => parts.first = number.cast_signed(),
                (2, Wire::Number(number)) => parts.second = number.cast_signed(),
                (1 | 2, _) => return Err(WRONG_WIRE),
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// Writes a value as the field of this number.
pub(super) fn write(scalar: Scalar, number: u32, value: &Value, out: &mut Writer) -> Result<(), ProtobufError> {
    let mut message = Writer::default();
    match (scalar, value) {
        (Scalar::String, Value::String(text)) => out.bytes(number, text.as_bytes()),
        (Scalar::Bytes, Value::String(_)) => {
            let bytes: Result<ByteString, _> = serde_json::from_value(value.clone());
            out.bytes(number, &bytes.map_err(|_| ProtobufError::Malformed("expected base64"))?.0);
        }
        (Scalar::Bool, Value::Bool(value)) => out.number(number, u64::from(*value)),
        (Scalar::Int32 | Scalar::Int64, Value::Number(value)) => out.number(number, integer(value)?),
        (Scalar::Double, Value::Number(value)) => {
            out.eight(number, value.as_f64().unwrap_or_default().to_le_bytes());
        }
        (Scalar::Quantity, Value::String(text)) => message.bytes(1, text.as_bytes()),
        (Scalar::Quantity, Value::Number(value)) => message.bytes(1, value.to_string().as_bytes()),
        (Scalar::IntOrString, Value::String(text)) => {
            message.number(1, 1);
            message.number(2, 0);
            message.bytes(3, text.as_bytes());
        }
        (Scalar::IntOrString, Value::Number(value)) => {
            message.number(1, 0);
            message.number(2, integer(value)?);
            message.bytes(3, b"");
        }
        (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
            let time: Timestamp = text.parse().map_err(|_| ProtobufError::Malformed("expected a time"))?;
            let nanos = if scalar == Scalar::Time { 0 } else { time.subsec_nanosecond() / 1000 * 1000 };
            message.number(1, time.as_second().cast_unsigned());
            message.number(2, i64::from(nanos).cast_unsigned());
        }
        (Scalar::Duration, Value::String(text)) => {
            let duration: SignedDuration = text.parse().map_err(|_| ProtobufError::Malformed("expected a duration"))?;
            let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
            message.number(1, nanos.cast_unsigned());
        }
        _ => return Err(ProtobufError::Malformed(expected(scalar))),
    }
    match scalar {
        Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration => {
            out.bytes(number, &message.finish());
        }
        Scalar::String | Scalar::Bytes | Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double => {}
    }
    Ok(())
}

/// A whole number; `3.0` is one, too.
fn integer(number: &Number) -> Result<u64, ProtobufError> {
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15).map(|float| float as i64);
    let whole = number.as_i64().or_else(float);
    whole.map(i64::cast_unsigned).ok_or(ProtobufError::Malformed("expected a whole number"))
}

fn expected(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "expected a string",
        Scalar::Bytes => "expected base64",
        Scalar::Bool => "expected true or false",
        Scalar::Int32 | Scalar::Int64 => "expected a whole number",
        Scalar::Double => "expected a number",
        Scalar::Quantity => "expected a quantity",
        Scalar::IntOrString => "expected a number or a string",
        Scalar::Time | Scalar::MicroTime => "expected a time",
        Scalar::Duration => "expected a duration",
    }
}
