//! Objects of a user's own kind, as JSON: what they say follows their schema, and their status is apart from the rest when
//! their kind says so.

use std::sync::Arc;

use serde_json::Value;

use super::admit::Part;
use super::commit::Store;
use super::object::Meta;
use super::writing::Stage;
use crate::error::ApiError;
use crate::object::custom::{check_new, check_update, complete};
use crate::object::kind::KindInfo;

impl Store {
    /// A new object, as it is stored.
    pub(super) fn admit_custom(&self, meta: &Meta, value: &Value) -> Result<Arc<Value>, ApiError> {
        let info = self.version_of(meta, value)?;
        if info.defined.as_ref().is_some_and(|defined| defined.is_terminating) {
            let detail = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::forbidden(self.subject(meta.kind, &meta.name), detail));
        }
        let mut next = completed(info, value)?;
        if info.has_subresource("status")
            && let Some(fields) = next.as_object_mut()
        {
            // It has no status yet.
            fields.remove("status");
        }
        let errors = check_new(info, (&meta.to_api(), &next));
        if self.voice.until == Stage::Committed && !errors.is_empty() {
            return Err(ApiError::invalid(self.kind_subject(meta.kind, &meta.name), errors));
        }
        Ok(Arc::new(self.in_stored_version(meta, next)))
    }

    /// What an object becomes that `new` is to replace, or whose status it is to replace.
    pub(super) fn admit_custom_update(
        &self,
        before_meta: &Meta,
        before: &Value,
        (meta, value): (&Meta, &Value),
        part: Part,
    ) -> Result<Value, ApiError> {
        let info = self.version_of(meta, value)?;
        let next = completed(info, value)?;
        let mut before = before.clone();
        if let Some(stored) = self.live.kinds.info(meta.kind) {
            refresh(stored, &mut before);
        }
        let before = self.live.kinds.convert(meta.kind, info.id, before).unwrap_or_default();
        let merged = merge(&before, &next, part, Some(info));
        let (new, old) = (meta.to_api(), before_meta.to_api());
        let errors = check_update(info, (&new, &merged), (&old, &before), part == Part::Status);
        if self.voice.until == Stage::Committed && !errors.is_empty() {
            return Err(ApiError::invalid(self.kind_subject(meta.kind, &meta.name), errors));
        }
        Ok(self.in_stored_version(meta, merged))
    }

    /// The kind in the version that an object says it is of; the stored one where it says nothing.
    pub(super) fn version_of(&self, meta: &Meta, value: &Value) -> Result<&KindInfo, ApiError> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let said = self.live.kinds.in_any_version(text("apiVersion"), text("kind"));
        match said.filter(|info| info.stored_as == meta.kind) {
            Some(info) => Ok(info),
            None => self.info(meta.kind),
        }
    }

    fn in_stored_version(&self, meta: &Meta, mut value: Value) -> Value {
        if let (Some(info), Some(fields)) = (self.live.kinds.info(meta.kind), value.as_object_mut())
            && fields.contains_key("apiVersion")
        {
            fields.insert("apiVersion".to_owned(), info.api_version().into());
        }
        value
    }
}

/// An object as its version has it.
pub(super) fn completed(info: &KindInfo, value: &Value) -> Result<Value, ApiError> {
    let mut next = value.clone();
    if let Some(defined) = &info.defined {
        complete(defined, &mut next, None).map_err(|error| {
            let (kind, version) = (&info.kind, &info.version);
            ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"))
        })?;
    }
    Ok(next)
}

/// A stored object as it is read: in the version that is stored now, by its schema as it is now.
pub(super) fn refresh(info: &KindInfo, value: &mut Value) {
    let Some(defined) = &info.defined else { return };
    // What was let in can be read.
    let _ = complete(defined, value, None);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".to_owned(), info.api_version().into());
    }
}

/// An update of one part.
fn merge(before: &Value, next: &Value, part: Part, info: Option<&KindInfo>) -> Value {
    if !info.is_some_and(|info| info.has_subresource("status")) {
        return next.clone();
    }
    let (mut merged, status) = match part {
        Part::Main | Part::EphemeralContainers | Part::Resize | Part::Finalize | Part::Scale | Part::Approval => {
            (next.clone(), before.get("status"))
        }
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
