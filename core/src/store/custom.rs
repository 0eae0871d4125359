//! Objects of a user's own kind, as JSON: their status is apart from the rest when their kind says so.

use std::sync::Arc;

use serde_json::Value;

use super::admit::Part;
use crate::object::kind::KindInfo;

/// An update of one part.
pub(super) fn merge(before: &Value, next: &Value, part: Part, info: Option<&KindInfo>) -> Value {
    if !info.is_some_and(|info| info.has_subresource("status")) {
        return next.clone();
    }
    let (mut merged, status) = match part {
        Part::Main => (next.clone(), before.get("status")),
        Part::Status => (before.clone(), next.get("status")),
    };
    if let Some(object) = merged.as_object_mut() {
        match status {
            Some(status) => object.insert("status".to_owned(), status.clone()),
            None => object.remove("status"),
        };
    }
    merged
}

/// Whether an object asks for something else than before: anything that is neither metadata nor, where it is apart,
/// status.
pub(super) fn is_another(before: &Value, next: &Value, info: Option<&KindInfo>) -> bool {
    let apart = info.is_some_and(|info| info.has_subresource("status"));
    let asked = |value: &Value| {
        let mut asked = value.as_object().cloned().unwrap_or_default();
        asked.retain(|field, _| field != "metadata" && !(apart && field == "status"));
        asked
    };
    asked(before) != asked(next)
}

/// A new object has no status yet.
pub(super) fn without_status(value: Arc<Value>, info: Option<&KindInfo>) -> Arc<Value> {
    let has_status = info.is_some_and(|info| info.has_subresource("status"));
    if !has_status || value.get("status").is_none() {
        return value;
    }
    let mut value = (*value).clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    Arc::new(value)
}
