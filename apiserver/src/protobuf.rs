//! Kubernetes's protobuf, as JSON values: `application/vnd.kubernetes.protobuf`.
//!
//! An object travels in an envelope: four bytes that say what it is, then a message with `apiVersion`, `kind` and the bytes
//! of the object's own message. What its fields are is in the table of types ([`Schema`]). Kinds that users add have no
//! protobuf.
//!
//! 1. [`decode`] opens the envelope and reads the message (`decode.rs`), leaving out what Go's JSON would leave out.
//! 2. [`encode`] writes both (`encode.rs`); [`encode_event`] makes a frame of a watch stream.
//! 3. Values that are messages of their own, such as times and quantities, are in `scalar.rs`; bytes in `bytes.rs`.
//!
//! Input may be hostile: nothing panics, messages nest no deeper than [`DEPTH_MAX`], and what is read is no larger than
//! a few times what was sent.

mod bytes;
mod decode;
mod encode;
mod scalar;

use serde_json::Value;

pub(crate) use bytes::Writer;
use bytes::{Reader, Wire};
use inboard::object::schema::{Schema, Type};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// How deep messages may nest.
pub const DEPTH_MAX: usize = 64;

/// The bytes before the envelope.
const MAGIC: &[u8] = b"k8s\0";

/// Why bytes cannot be read as an object, or a value not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtobufError {
    /// The bytes do not begin as an envelope does.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoEnvelope,
    /// The bytes end in the middle of something, or are no message at all.
    #[error("malformed protobuf: {0}")]
    Malformed(&'static str),
    /// A field has bytes that its type cannot have.
    #[error("malformed protobuf in field {field}: {problem}")]
    Field {
        /// The field, with those that it is in: `spec.template`.
        field: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The envelope or the value names no kind.
    #[error("Object 'Kind' is missing")]
    NoKind,
    /// The kind has no protobuf: one of a user's own, or `Table`.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\" in protobuf")]
    UnknownKind {
        /// The version that was named.
        api_version: String,
        /// The kind that was named.
        kind: String,
    },
}

impl ProtobufError {
    /// Says in which field it happened.
    fn within(self, name: &str) -> Self {
        match self {
            Self::Malformed(problem) => Self::Field { field: name.to_owned(), problem },
            Self::Field { field, problem } => Self::Field { field: format!("{name}.{field}"), problem },
            Self::NoEnvelope | Self::NoKind | Self::UnknownKind { .. } => self,
        }
    }
}

/// Whether these bytes are an object in an envelope.
pub fn is_envelope(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Whether objects of a kind have protobuf.
pub fn has(api_version: &str, kind: &str) -> bool {
    type_of(api_version, kind).is_ok()
}

/// Reads an object, with `apiVersion` and `kind`.
///
/// # Errors
/// When the bytes are no envelope, are malformed, or the kind has no protobuf.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    decode_within(bytes, 0)
}

/// An envelope that may stand in a field of another object.
fn decode_within(bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(bytes)?;
    let of = type_of(&envelope.api_version, &envelope.kind)?;
    let mut object = serde_json::Map::new();
    object.insert("apiVersion".to_owned(), envelope.api_version.into());
    object.insert("kind".to_owned(), envelope.kind.into());
    decode::message(Schema::built_in(), of, envelope.raw, &mut object, depth)?;
    Ok(Value::Object(object))
}

/// Writes an object, a list of objects or anything else that has `apiVersion` and `kind`.
///
/// # Errors
/// When the kind has no protobuf, or a field has a value that its type cannot have.
pub fn encode(value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let of = type_of(api_version, kind)?;
    let message = encode::message(Schema::built_in(), of, value, 0)?;
    let mut meta = Writer::default();
    meta.bytes(1, api_version.as_bytes());
    meta.bytes(2, kind.as_bytes());
    let mut envelope = Writer::starting_with(MAGIC, message.len() + 64);
    envelope.bytes(1, &meta.finish());
    envelope.bytes(2, &message);
    // Go writes these two even when they are empty.
    envelope.bytes(3, b"");
    envelope.bytes(4, b"");
    Ok(envelope.finish())
}

/// An event of a watch (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`) as a frame of its stream: the length in four
/// bytes, then the event with the object's envelope in it.
///
/// # Errors
/// As [`encode`].
pub fn encode_event(kind: &str, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut raw = Writer::default();
    raw.bytes(1, &encode(object)?);
    let mut event = Writer::default();
    event.bytes(1, kind.as_bytes());
    event.bytes(2, &raw.finish());
    let event = event.finish();
    let length = u32::try_from(event.len()).map_err(|_| ProtobufError::Malformed("an event of more than 4 GiB"))?;
    Ok([&length.to_be_bytes()[..], &event].concat())
}

fn type_of(api_version: &str, kind: &str) -> Result<&'static Type, ProtobufError> {
    if kind.is_empty() {
        return Err(ProtobufError::NoKind);
    }
    Schema::built_in()
        .find(api_version, kind)
        .ok_or_else(|| ProtobufError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

/// `runtime.Unknown`: what is around an object.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ProtobufError> {
        let bytes = bytes.strip_prefix(MAGIC).ok_or(ProtobufError::NoEnvelope)?;
        let mut envelope = Self { api_version: String::new(), kind: String::new(), raw: &[] };
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match (number, wire) {
                (1, Wire::Bytes(meta)) => envelope.read_meta(meta)?,
                (2, Wire::Bytes(raw)) => envelope.raw = raw,
                (3, Wire::Bytes(encoding)) if !encoding.is_empty() => {
                    return Err(ProtobufError::Malformed("a content encoding in the envelope"));
                }
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn read_meta(&mut self, bytes: &[u8]) -> Result<(), ProtobufError> {
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match (number, wire) {
                (1, Wire::Bytes(text)) => self.api_version = scalar::text(text)?,
                (2, Wire::Bytes(text)) => self.kind = scalar::text(text)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The runs of bytes that a message has in the field of this number.
#[cfg(test)]
pub(crate) fn fields(bytes: &[u8], wanted: u32) -> Result<Vec<Vec<u8>>, ProtobufError> {
    let mut found = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if let (true, Wire::Bytes(bytes)) = (number == wanted, wire) {
            found.push(bytes.to_vec());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
