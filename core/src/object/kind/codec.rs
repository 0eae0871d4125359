//! How JSON becomes an object of a built-in kind and back.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{BuiltInKind, TypedObject};
use crate::object::decode::{self, DecodeError};

/// An object made from JSON.
#[derive(Debug)]
pub struct Decoded {
    /// The object.
    pub object: Arc<dyn TypedObject>,
    /// The paths of fields that the kind does not have, in the order of the JSON.
    pub unknown_fields: Vec<String>,
}

/// The functions that turn JSON into objects of one kind.
#[derive(Clone, Copy)]
pub struct Codec {
    decode: fn(&Value) -> Result<Decoded, DecodeError>,
    adopt: fn(Box<dyn Any + Send + Sync>) -> Option<Arc<dyn TypedObject>>,
}

impl Codec {
    pub(super) const fn of<K: BuiltInKind>() -> Self {
        Self { decode: decode_as::<K>, adopt: adopt_as::<K> }
    }

    /// Makes an object from JSON. A missing `apiVersion` or `kind` is no error here, a wrong one is.
    ///
    /// # Errors
    /// When a field has the wrong type, in the words of upstream's decoder.
    pub fn decode(self, value: &Value) -> Result<Decoded, DecodeError> {
        (self.decode)(value)
    }

    /// Takes over a value that is of the kind's own type already; `None` when it is not.
    pub fn adopt(self, object: Box<dyn Any + Send + Sync>) -> Option<Arc<dyn TypedObject>> {
        (self.adopt)(object)
    }

    /// The JSON of an object, with `apiVersion` and `kind`.
    pub fn encode(self, object: &dyn TypedObject) -> Value {
        object.to_value()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

fn adopt_as<K: BuiltInKind>(object: Box<dyn Any + Send + Sync>) -> Option<Arc<dyn TypedObject>> {
    let object: Box<K> = object.downcast().ok()?;
    Some(Arc::new(*object))
}

fn decode_as<K: BuiltInKind>(value: &Value) -> Result<Decoded, DecodeError> {
    let (object, unknown_fields) = decode::from_value::<K>(value)?;
    Ok(Decoded { object: Arc::new(object), unknown_fields })
}
