//! What lists and watches let through: label selectors and field selectors.

use std::fmt;

use serde_json::Value;

use crate::error::ApiError;
use crate::object::kind::Kinds;
use crate::object::selector::{FieldSelector, Selector};
use crate::store::Object;

/// What a list or a watch lets through.
#[derive(Debug)]
pub(super) struct Filter {
    labels: Option<Selector>,
    fields: Option<FieldSelector>,
}

impl Filter {
    pub(super) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, ApiError> {
        let bad = |error: &dyn fmt::Display| ApiError::bad_request(error.to_string());
        let some = |text: Option<&'_ str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            labels: some(labels)
                .map(|text| text.parse().map_err(|error: _| bad(&error as &dyn fmt::Display)))
                .transpose()?,
            fields: some(fields)
                .map(|text| text.parse().map_err(|error: _| bad(&error as &dyn fmt::Display)))
                .transpose()?,
        })
    }

    pub(super) fn matches(&self, object: &Object, kinds: &Kinds) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.matches(&object.meta.labels))
            && self.fields.as_ref().is_none_or(|fields| matches_fields(fields, object, kinds))
    }
}

/// The fields that most selectors name are at hand; others are looked up in the object's JSON.
fn matches_fields(fields: &FieldSelector, object: &Object, kinds: &Kinds) -> bool {
    let json = std::cell::OnceCell::new();
    fields.matches(|path| match path {
        "metadata.name" => Some(object.meta.name.to_string()),
        "metadata.namespace" => Some(object.meta.namespace.to_string()),
        other => {
            let json = json.get_or_init(|| object.to_value(kinds));
            match json.pointer(&format!("/{}", other.replace('.', "/"))) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Null) | None => Some(String::new()),
                Some(value) => Some(value.to_string()),
            }
        }
    })
}
