//! An object on its way into the store, before it has been admitted.

use std::str::FromStr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::object::{Body, Meta};
use super::typed::exclusive;
use crate::error::{ApiError, Reason};
use crate::ids::{Revision, Uid};
use crate::object::field::GoQuoted;
use crate::object::kind::{BuiltInKind, KindId, TypedObject};

/// What the writer says must still hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The identity of the object.
    pub uid: Option<Uid>,
    /// Its version.
    pub revision: Option<Revision>,
}

impl Expect {
    /// From what a client has given; what is no uid and no version comes apart.
    pub fn read(uid: Option<&str>, revision: Option<&str>) -> (Self, Misread) {
        fn read<T: FromStr>(given: Option<&str>) -> (Option<T>, Option<String>) {
            let Some(text) = given.filter(|text| !text.is_empty()) else { return (None, None) };
            text.parse().map_or_else(|_| (None, Some(text.to_owned())), |value| (Some(value), None))
        }
        let (uid, odd_uid) = read(uid);
        let (revision, odd_revision) = read(revision);
        (Self { uid, revision }, Misread { uid: odd_uid, revision: odd_revision })
    }
}

/// A uid and a version that are none, as a client has given them: no object can meet them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misread {
    /// The identity of the object.
    pub uid: Option<String>,
    /// Its version.
    pub revision: Option<String>,
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
    /// What else it says of the object that it replaces, which no object can meet.
    pub misread: Misread,
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
        let (expect, misread) = expectations(meta);
        let (meta, body) = (Meta::from_api(object.kind_id(), meta), Body::Typed(object));
        Self { meta, body, expect, misread, written_as: None }
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
        let api: ObjectMeta = serde_json::from_value(metadata)?;
        let (expect, misread) = expectations(&api);
        let (meta, body) = (Meta::from_api(kind, &api), Body::Custom(Arc::new(value)));
        Ok(Self { meta, body, expect, misread, written_as: None })
    }

    /// Refuses what cannot be compared with the version that is there, in upstream's words.
    pub(super) fn check_revision(&self) -> Result<(), ApiError> {
        let Some(text) = &self.misread.revision else { return Ok(()) };
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let problem = if is_number { "value out of range" } else { "invalid syntax" };
        Err(ApiError::new(Reason::Unknown, format!("strconv.ParseUint: parsing {}: {problem}", GoQuoted(text))))
    }
}

/// What metadata says must still hold, and what nothing can be compared with. Version 0 is whichever is there.
fn expectations(meta: &ObjectMeta) -> (Expect, Misread) {
    let (expect, misread) = Expect::read(meta.uid.as_deref(), meta.resource_version.as_deref());
    let revision = expect.revision.filter(|revision| *revision != Revision::ZERO);
    (Expect { revision, ..expect }, misread)
}
