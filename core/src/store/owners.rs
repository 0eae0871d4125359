//! Who owns the fields of an object that is written: `metadata.managedFields`.
//!
//! A write without a manager (all that the cluster itself does) leaves the entries as they are and costs nothing. Others
//! are worked out by [`apply`](crate::object::apply), from the object as it was and as the client wants it: what
//! admission adds besides has no owner.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use super::admit::Part;
use super::commit::Store;
use super::object::{Body, Meta, Object};
use super::typed::exclusive;
use crate::object::apply::{Tracker, Writer, empty};
use crate::object::defaults;
use crate::object::kind::{KindId, KindInfo};
use crate::text::Text;
use crate::time::Time;

/// The entries of an object, shared; nothing when there are none.
pub(super) type SharedEntries = Option<Arc<Vec<ManagedFieldsEntry>>>;

/// In whose name a client writes: it comes to own the fields that it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldManager {
    /// Its name: `kubectl`, `my-controller`.
    pub name: Text,
    /// The subresource that it writes, where [`Part`] does not say it; empty for the object.
    pub subresource: Text,
    /// As which kind it sees the object, where that is not the kind that is stored (`autoscaling/v1`).
    pub seen_as: Option<KindId>,
}

impl FieldManager {
    /// A manager of this name that writes objects as they are stored.
    pub fn new(name: impl Into<Text>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same, seeing objects as this kind.
    #[must_use]
    pub fn seen_as(self, kind: KindId) -> Self {
        Self { seen_as: Some(kind), ..self }
    }

    pub(super) fn subresource(&self, part: Part) -> &str {
        match part {
            Part::Main => &self.subresource,
            part => part.subresource(),
        }
    }
}

/// What becomes of an object's entries by a write.
#[derive(Debug)]
pub(super) enum Entries<'w> {
    /// They stay, unless the writer sent others.
    Kept,
    /// The writer owns what it changes.
    Of(&'w FieldManager),
    /// They are these.
    Are(Vec<ManagedFieldsEntry>),
}

impl<'w> Entries<'w> {
    /// Those of a write in this name, or in none.
    pub(super) fn of(manager: Option<&'w FieldManager>) -> Self {
        manager.map_or(Self::Kept, Self::Of)
    }
}

impl Store {
    /// The entries of a new object, as it comes from the client.
    pub(super) fn entries_of_new(&self, meta: &Meta, body: &Body, entries: Entries<'_>, now: Time) -> SharedEntries {
        let manager = match entries {
            Entries::Kept => return meta.managed_fields.clone().filter(|entries| !entries.is_empty()),
            Entries::Are(entries) => return shared(entries),
            Entries::Of(manager) => manager,
        };
        let (info, next) = self.seen(manager, meta, body)?;
        let api_version = info.api_version();
        let writer = Writer { manager: &manager.name, subresource: "", api_version: &api_version, now };
        let nothing = empty(&self.live.kinds, &api_version, &info.kind);
        let sent = meta.managed_fields.as_deref().map(Vec::as_slice);
        shared(Tracker::new(&self.live.kinds, info, writer).update(&nothing, &next, &[], sent))
    }

    /// The entries of an object that is to be replaced by another, as that comes from the client.
    pub(super) fn entries_after(
        &self,
        current: &Object,
        (meta, body): (&Meta, &Body),
        part: Part,
        entries: Entries<'_>,
        now: Time,
    ) -> SharedEntries {
        let sent = meta.managed_fields.as_ref();
        let before = &current.meta.managed_fields;
        let manager = match entries {
            Entries::Kept => return sent.filter(|sent| !sent.is_empty()).or(before.as_ref()).cloned(),
            Entries::Are(entries) => return shared(entries),
            Entries::Of(manager) => manager,
        };
        let before_slice = before.as_deref().map(Vec::as_slice).unwrap_or_default();
        let subresource = manager.subresource(part);
        // A subresource cannot change entries by hand.
        let sent = sent.map(|sent| sent.as_slice()).filter(|_| subresource.is_empty());
        // Most objects that are written without ever having been applied are left as quickly as they came.
        if before_slice.is_empty() && sent.is_none_or(<[_]>::is_empty) {
            return None;
        }
        let Some((info, next)) = self.seen(manager, meta, body) else { return before.clone() };
        let Some((_, live)) = self.seen(manager, &current.meta, &current.body) else { return before.clone() };
        let api_version = info.api_version();
        let writer = Writer { manager: &manager.name, subresource, api_version: &api_version, now };
        shared(Tracker::new(&self.live.kinds, info, writer).update(&live, &next, before_slice, sent))
    }

    /// An object as a manager sees it, printed as the server prints it.
    pub(super) fn seen(&self, manager: &FieldManager, meta: &Meta, body: &Body) -> Option<(&KindInfo, Value)> {
        let info = self.live.kinds.info(manager.seen_as.unwrap_or(meta.kind))?;
        let value = match body {
            Body::Typed(typed) => {
                let mut object = Arc::clone(typed);
                let object = exclusive(&mut object);
                defaults::apply(object.as_any_mut());
                *object.metadata_mut() = meta.to_api();
                object.to_wire()
            }
            Body::Pod(pod) => crate::object::wire::encode(&pod.to_api(meta)).ok()?,
            Body::Custom(value) => {
                let mut value = (**value).clone();
                let metadata = crate::object::wire::encode(&meta.to_api()).ok()?;
                value.as_object_mut()?.insert("metadata".to_owned(), metadata);
                value
            }
            Body::Event(record) => crate::object::wire::encode(&record.to_api(meta, &self.live.kinds)).ok()?,
        };
        if info.id == meta.kind {
            return Some((info, value));
        }
        let converted = self.live.kinds.convert(meta.kind, info.id, value)?;
        Some(match info.codec {
            Some(codec) => (info, codec.decode(&converted).ok()?.object.to_wire()),
            None => (info, converted),
        })
    }
}

/// Whether two sets of entries differ in nothing but their times.
pub(super) fn differ_in_times(one: &SharedEntries, other: &SharedEntries) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    let timeless = |entry: &ManagedFieldsEntry| ManagedFieldsEntry { time: None, ..entry.clone() };
    one != other
        && one.len() == other.len()
        && one.iter().zip(&**other).all(|(one, other)| timeless(one) == timeless(other))
}

fn shared(entries: Vec<ManagedFieldsEntry>) -> SharedEntries {
    (!entries.is_empty()).then(|| Arc::new(entries))
}
