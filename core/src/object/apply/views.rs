//! The versions in which an object can be seen: owners may have written in different ones.

use std::borrow::Cow;

use serde_json::Value;

use super::declared::Declared;
use super::elsewhere::Converted;
use super::shape::Type;
use crate::object::kind::{self, KindInfo, Kinds};
use crate::object::schema::Schema;

/// The versions of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Views<'k> {
    kinds: &'k Kinds,
    kind: &'k str,
    /// What somebody outside has made, where versions are made there.
    converted: Option<&'k Converted>,
}

/// The type of a kind's objects: that of the schema table, the one that a user's own kind declares, or whatever they are.
pub(super) fn type_of(info: &KindInfo) -> Type<'_> {
    if let Some(schema) = &info.schema {
        return Type::Declared(Declared::root(schema));
    }
    let declared = if info.codec.is_some() { Schema::built_in().kind(info) } else { None };
    declared.map_or(Type::Deduced, |of| Type::Struct(Schema::built_in(), of))
}

impl<'k> Views<'k> {
    /// Of the kind that goes by this name in all of its versions.
    pub(super) const fn new(kinds: &'k Kinds, kind: &'k str) -> Self {
        Self { kinds, kind, converted: None }
    }

    /// The same with versions that somebody outside makes.
    pub(super) const fn with_converted(self, converted: Option<&'k Converted>) -> Self {
        Self { converted, ..self }
    }

    /// The type of objects in a version; nothing for one that is not known, or is no more.
    pub(super) fn type_in(&self, api_version: &str) -> Option<Type<'k>> {
        if self.is_scale(api_version) {
            let of = Schema::built_in().find(api_version, self.kind)?;
            return Some(Type::Struct(Schema::built_in(), of));
        }
        self.kinds.by_api_version(api_version, self.kind).map(type_of)
    }

    /// Scales are only seen, never kept: they are no kind of a cluster.
    fn is_scale(&self, api_version: &str) -> bool {
        self.kind == "Scale" && api_version == "autoscaling/v1"
    }

    /// An object as another version has it; nothing for one that is not known.
    pub(super) fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Option<Cow<'v, Value>> {
        let current = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if current == api_version {
            return Some(Cow::Borrowed(object));
        }
        let from = self.kinds.by_api_version(current, self.kind)?;
        let to = self.kinds.by_api_version(api_version, self.kind)?;
        if from.stored_as != to.stored_as {
            return None;
        }
        Some(Cow::Owned(match to.codec {
            Some(codec) => {
                let converted = kind::convert(from.id, to.id, object.clone())?;
                codec.decode(&converted).ok()?.object.to_wire()
            }
            None => {
                let mut object = match self.converted {
                    Some(converted) => converted.get(object, api_version).unwrap_or(object).clone(),
                    None => object.clone(),
                };
                object.as_object_mut()?.insert("apiVersion".to_owned(), Value::from(api_version));
                object
            }
        }))
    }
}
