//! An object on its way into the store, before it has been admitted.

use std::sync::Arc;

use serde_json::Value;

use super::object::{Body, Meta};
use super::typed::exclusive;
use crate::ids::{Revision, Uid};
use crate::object::kind::{BuiltInKind, KindId, TypedObject};

/// What the writer says must still hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The identity of the object.
    pub uid: Option<Uid>,
    /// Its version.
    pub revision: Option<Revision>,
}

/// An object to create, or to put in the place of one that exists.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its metadata; uid, revision and times are the store's business.
    pub meta: Meta,
    /// The rest.
    pub body: Body,
    /// What must still hold; for updates.
    pub expect: Expect,
    /// The version that it was written in, where that is another than the stored one: some have stricter rules.
    pub written_as: Option<KindId>,
}

impl Draft {
    /// From a built-in type.
    pub fn of<K: BuiltInKind>(object: K) -> Self {
        Self::typed(Arc::new(object))
    }

    /// From a built-in object.
    pub fn typed(object: Arc<dyn TypedObject>) -> Self {
        let meta = object.metadata();
        let expect = Expect {
            uid: meta.uid.as_deref().and_then(|uid| uid.parse().ok()),
            revision: meta.resource_version.as_deref().and_then(|revision| revision.parse().ok()),
        };
        Self { meta: Meta::from_api(object.kind_id(), meta), body: Body::Typed(object), expect, written_as: None }
    }

    /// The same in this namespace; in none when it is empty.
    pub fn place(&mut self, namespace: &str) {
        if *self.meta.namespace == *namespace {
            return;
        }
        self.meta.namespace = namespace.into();
        if let Body::Typed(object) = &mut self.body {
            exclusive(object).metadata_mut().namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        }
    }

    /// From an object of a user's own kind, as JSON.
    ///
    /// # Errors
    /// When its `metadata` is not what metadata must be.
    pub fn custom(kind: KindId, mut value: Value) -> Result<Self, serde_json::Error> {
        let metadata = value.as_object_mut().and_then(|object| object.remove("metadata")).unwrap_or_default();
        let api: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta = serde_json::from_value(metadata)?;
        let expect = Expect {
            uid: api.uid.as_deref().and_then(|uid| uid.parse().ok()),
            revision: api.resource_version.as_deref().and_then(|revision| revision.parse().ok()),
        };
        Ok(Self { meta: Meta::from_api(kind, &api), body: Body::Custom(Arc::new(value)), expect, written_as: None })
    }
}
