//! How JSON becomes an object of a built-in kind and back.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
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

/// Takes over a value that is of the kind's own type.
type Adopt = fn(Box<dyn Any + Send + Sync>) -> Option<Arc<dyn TypedObject>>;

/// The functions that turn JSON into objects of one kind.
#[derive(Clone, Copy)]
pub struct Codec {
    decode: fn(&Value) -> Result<Decoded, DecodeError>,
    adopt: Adopt,
    /// How the Rust type differs from the table of types.
    #[cfg(test)]
    pub(crate) differences: fn() -> Vec<String>,
}

impl Codec {
    pub(super) const fn of<K: BuiltInKind>() -> Self {
        Self {
            decode: decode_as::<K>,
            adopt: adopt_as::<K>,
            #[cfg(test)]
            differences: crate::object::schema::probe::differences::<K>,
        }
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
    let (mut object, unknown_fields) = decode::from_value::<K>(value)?;
    if value.pointer("/spec/selector").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        mark_empty_selector(&mut object);
    }
    Ok(Decoded { object: Arc::new(object), unknown_fields })
}

/// The types of workloads hold a selector whether one was given or not. One that was given and is empty gets a list of
/// labels, if an empty one, so that validation can tell it from none: it refuses both, each in its own words.
fn mark_empty_selector(object: &mut dyn Any) {
    let selector = if let Some(deployment) = object.downcast_mut::<Deployment>() {
        &mut deployment.spec.selector
    } else if let Some(set) = object.downcast_mut::<ReplicaSet>() {
        &mut set.spec.selector
    } else if let Some(set) = object.downcast_mut::<StatefulSet>() {
        &mut set.spec.selector
    } else if let Some(set) = object.downcast_mut::<DaemonSet>() {
        &mut set.spec.selector
    } else {
        return;
    };
    selector.match_labels.get_or_insert_default();
}
