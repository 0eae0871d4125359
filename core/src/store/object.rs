//! An object as the store holds it: a header that every kind shares, and a body.
//!
//! A write replaces only the part that it changes. The whole Kubernetes type is made when somebody asks for it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde_json::Value;

use super::custom;
use super::event_log::EventRecord;
use super::pod::PodBody;
use crate::ids::{NodeName, Revision, Uid};
use crate::object::kind::{KindId, Kinds, TypedObject};
use crate::time::Time;

/// Labels or annotations.
pub type StringMap = BTreeMap<String, String>;

/// The metadata of an object, in parts that its relatives share.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// Its kind.
    pub kind: KindId,
    /// Its namespace; empty for a cluster-scoped kind.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its identity.
    pub uid: Uid,
    /// The write that made it what it is.
    pub revision: Revision,
    /// How often its spec changed; 0 for kinds that do not count it.
    pub generation: i64,
    /// When it was created (whole seconds).
    pub created: Time,
    /// Set once its deletion was asked for.
    pub deletion: Option<Deletion>,
    /// Its labels.
    pub labels: Arc<StringMap>,
    /// Its annotations.
    pub annotations: Arc<StringMap>,
    /// Its owners.
    pub owners: Arc<[OwnerReference]>,
    /// What must be done before it may go.
    pub finalizers: Arc<[String]>,
    /// The prefix its name was made from.
    pub generate_name: Option<Arc<str>>,
    /// Who manages which of its fields.
    pub managed_fields: Option<Arc<Vec<ManagedFieldsEntry>>>,
}

/// A deletion that was asked for and is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When the grace is over: `metadata.deletionTimestamp`.
    pub at: Time,
    /// `metadata.deletionGracePeriodSeconds`, where the kind has it.
    pub grace_seconds: Option<i64>,
}

static NO_STRINGS: LazyLock<Arc<StringMap>> = LazyLock::new(Arc::default);
static NO_OWNERS: LazyLock<Arc<[OwnerReference]>> = LazyLock::new(|| Arc::new([]));
static NO_FINALIZERS: LazyLock<Arc<[String]>> = LazyLock::new(|| Arc::new([]));

impl Meta {
    /// The header of an object that does not exist yet: it gets its uid, revision and time when it is committed.
    pub fn draft(kind: KindId, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
            uid: Uid::from_random(0),
            revision: Revision::ZERO,
            generation: 0,
            created: Time::EPOCH,
            deletion: None,
            labels: Arc::clone(&NO_STRINGS),
            annotations: Arc::clone(&NO_STRINGS),
            owners: Arc::clone(&NO_OWNERS),
            finalizers: Arc::clone(&NO_FINALIZERS),
            generate_name: None,
            managed_fields: None,
        }
    }

    /// Takes over what a client may set. Uid, revision, generation and times are the store's and are left out.
    pub fn from_api(kind: KindId, meta: &ObjectMeta) -> Self {
        let share = |map: &Option<StringMap>| match map {
            Some(map) if !map.is_empty() => Arc::new(map.clone()),
            _ => Arc::clone(&NO_STRINGS),
        };
        Self {
            labels: share(&meta.labels),
            annotations: share(&meta.annotations),
            owners: match &meta.owner_references {
                Some(owners) if !owners.is_empty() => owners.as_slice().into(),
                _ => Arc::clone(&NO_OWNERS),
            },
            finalizers: match &meta.finalizers {
                Some(finalizers) if !finalizers.is_empty() => finalizers.as_slice().into(),
                _ => Arc::clone(&NO_FINALIZERS),
            },
            generate_name: meta.generate_name.as_deref().filter(|prefix| !prefix.is_empty()).map(Arc::from),
            // An empty list is kept: it asks that the entries be cleared.
            managed_fields: meta.managed_fields.clone().map(Arc::new),
            ..Self::draft(kind, meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
        }
    }

    /// As clients see it.
    pub fn to_api(&self) -> ObjectMeta {
        let some_map = |map: &Arc<StringMap>| (!map.is_empty()).then(|| (**map).clone());
        ObjectMeta {
            annotations: some_map(&self.annotations),
            creation_timestamp: Some(self.created.to_api()),
            deletion_grace_period_seconds: self.deletion.and_then(|deletion| deletion.grace_seconds),
            deletion_timestamp: self.deletion.map(|deletion| deletion.at.to_api()),
            finalizers: (!self.finalizers.is_empty()).then(|| self.finalizers.to_vec()),
            generate_name: self.generate_name.as_deref().map(str::to_owned),
            generation: (self.generation != 0).then_some(self.generation),
            labels: some_map(&self.labels),
            managed_fields: self.managed_fields.as_deref().filter(|entries| !entries.is_empty()).cloned(),
            name: Some(self.name.to_string()),
            namespace: (!self.namespace.is_empty()).then(|| self.namespace.to_string()),
            owner_references: (!self.owners.is_empty()).then(|| self.owners.to_vec()),
            resource_version: (self.revision != Revision::ZERO).then(|| self.revision.to_string()),
            self_link: None,
            uid: Some(self.uid.to_string()),
        }
    }

    /// The owner that controls it, if any.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }

    /// The uid of the owner that controls it.
    pub fn controller_uid(&self) -> Option<Uid> {
        self.controller().and_then(|owner| owner.uid.parse().ok())
    }

    /// Whether another version, or a relative, has the same owners.
    pub fn has_owners_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.owners, &other.owners) || self.owners == other.owners
    }

    /// Whether its deletion was asked for.
    pub const fn is_deleting(&self) -> bool {
        self.deletion.is_some()
    }

    /// `namespace/name`, or the name alone for a cluster-scoped kind.
    pub fn path(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// What an object says beside its metadata.
#[derive(Clone, Debug)]
pub enum Body {
    /// A pod, in shared parts: there are many.
    Pod(PodBody),
    /// Any other built-in kind, as its Kubernetes type, metadata included.
    Typed(Arc<dyn TypedObject>),
    /// An object of a user's own kind: everything but `metadata`, as JSON.
    Custom(Arc<Value>),
    /// An event that the cluster itself recorded.
    Event(EventRecord),
}

impl Body {
    /// Whether two bodies of one kind say the same; metadata does not count.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pod(one), Self::Pod(other)) => one == other,
            (Self::Typed(one), Self::Typed(other)) => without_metadata(&**one) == without_metadata(&**other),
            (Self::Custom(one), Self::Custom(other)) => one == other,
            _ => false,
        }
    }
}

fn without_metadata(object: &dyn TypedObject) -> Value {
    let mut value = object.to_value();
    if let Some(object) = value.as_object_mut() {
        object.remove("metadata");
    }
    value
}

/// One version of one object. Never changed once made: a write makes the next one.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its metadata.
    pub meta: Meta,
    /// The rest.
    pub body: Body,
}

impl Object {
    /// The pod's parts, when it is a pod.
    pub const fn pod(&self) -> Option<&PodBody> {
        match &self.body {
            Body::Pod(pod) => Some(pod),
            Body::Typed(_) | Body::Custom(_) | Body::Event(_) => None,
        }
    }

    /// The node that the pod is bound to, when it is a pod and bound.
    pub fn node(&self) -> Option<&NodeName> {
        self.pod().and_then(|pod| pod.node.as_ref())
    }

    /// Its Kubernetes type, borrowed; `None` for another kind and for pods, which are held in parts.
    ///
    /// The metadata in it is that of this object.
    pub fn typed<K: Any>(&self) -> Option<&K> {
        match &self.body {
            Body::Typed(typed) => typed.as_any().downcast_ref(),
            Body::Pod(_) | Body::Custom(_) | Body::Event(_) => None,
        }
    }

    /// The whole pod as its Kubernetes type, made now.
    pub fn to_pod(&self) -> Option<Pod> {
        self.pod().map(|pod| pod.to_api(&self.meta))
    }

    /// Its Kubernetes type behind a pointer: shared where it is held whole, made now otherwise. `None` for a user's own
    /// kind.
    pub fn to_typed(&self, kinds: &Kinds) -> Option<Arc<dyn TypedObject>> {
        match &self.body {
            Body::Pod(pod) => Some(Arc::new(pod.to_api(&self.meta))),
            Body::Typed(typed) => Some(Arc::clone(typed)),
            Body::Event(record) => Some(Arc::new(record.to_api(&self.meta, kinds))),
            Body::Custom(_) => None,
        }
    }

    /// As JSON, with `apiVersion` and `kind`.
    pub fn to_value(&self, kinds: &Kinds) -> Value {
        self.to_json(kinds, |typed| typed.to_value())
    }

    /// As JSON in the form in which an API server prints it.
    pub fn to_wire(&self, kinds: &Kinds) -> Value {
        self.to_json(kinds, |typed| typed.to_wire())
    }

    fn to_json(&self, kinds: &Kinds, print: impl FnOnce(&dyn TypedObject) -> Value) -> Value {
        match (&self.body, self.to_typed(kinds)) {
            (_, Some(typed)) => print(&*typed),
            (Body::Custom(value), None) => {
                let mut value = (**value).clone();
                if let Some(info) = kinds.info(self.meta.kind) {
                    custom::refresh(info, &mut value);
                }
                if let Some(object) = value.as_object_mut() {
                    let metadata = serde_json::to_value(self.meta.to_api()).unwrap_or_default();
                    object.insert("metadata".to_owned(), metadata);
                }
                value
            }
            (Body::Pod(_) | Body::Typed(_) | Body::Event(_), None) => Value::Null,
        }
    }
}
