//! What people look at: tables of objects, the events of an object, and descriptions (`kubectl get`, `kubectl describe`).

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Event;
use kube_core::params::ListParams;
use serde_json::Value;

use super::Cluster;
use super::api::{Api, to_kind};
use super::apply::kind_name;
use super::dynamic::DynamicApi;
use crate::error::ApiError;
use crate::ids::NodeName;
use crate::object::describe::{Around, describe};
use crate::object::kind::{self, Kind, KindId, Kinds, TypedObject};
use crate::object::table::Table;
use crate::store::{Body, Object, Snapshot};
use crate::time::Time;

impl Cluster {
    /// What `kubectl get` prints: a table of the objects that `name` means (see [`Cluster::dynamic`]), in one namespace
    /// or, with `None`, in all; `wide` shows more columns (`-o wide`).
    ///
    /// # Errors
    /// `NotFound` when nothing has that name.
    pub async fn table(&self, name: &str, namespace: Option<&str>, wide: bool) -> Result<String, ApiError> {
        let api = self.dynamic(name).await?;
        let api = match namespace {
            Some(namespace) => api.namespace(namespace),
            None => api.all_namespaces(),
        };
        api.table(&ListParams::default(), wide).await
    }

    /// What `kubectl describe` tells of an object: its state, its parts and its events.
    ///
    /// # Errors
    /// `NotFound` when there is no such object or kind.
    pub async fn describe(&self, kind: &str, namespace: &str, name: &str) -> Result<Description, ApiError> {
        let api = self.dynamic(kind).await?.namespace(namespace);
        let value = api.get(name).await?;
        let uid = value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        let (snapshot, now) = self.inspect(|kernel, now| (kernel.snapshot().clone(), now)).await?;
        let kinds = self.kinds().await?;
        let events = events_of(&snapshot, &kinds, uid)?;
        let text = describe(&value, &Neighbours { snapshot, kinds, now }, &events);
        Ok(Description { text, events })
    }
}

/// The other objects of a cluster, as they are at one moment.
struct Neighbours {
    snapshot: Snapshot,
    kinds: Kinds,
    now: Time,
}

impl Neighbours {
    fn values<'o>(&self, objects: impl Iterator<Item = &'o Arc<Object>>) -> Vec<Value> {
        objects.map(|object| object.to_value(&self.kinds)).collect()
    }
}

impl Around for Neighbours {
    fn find(&self, kind: KindId, namespace: &str, name: &str) -> Option<Value> {
        self.snapshot.find(kind, namespace, name).map(|object| object.to_value(&self.kinds))
    }

    fn all(&self, kind: KindId, namespace: &str) -> Vec<Value> {
        match namespace {
            "" => self.values(self.snapshot.list(kind)),
            _ => self.values(self.snapshot.list_in(kind, namespace)),
        }
    }

    fn owned(&self, owner: &Value, kind: KindId) -> Vec<Value> {
        let owner = owner.pointer("/metadata/uid").and_then(Value::as_str).and_then(|uid| uid.parse().ok());
        let mut owned: Vec<Value> =
            owner.map_or_else(Vec::new, |owner| self.values(self.snapshot.owned_of_kind(owner, kind)));
        owned.sort_by(|one, other| one["metadata"]["name"].as_str().cmp(&other["metadata"]["name"].as_str()));
        owned
    }

    fn pods_on(&self, node: &str) -> Vec<Value> {
        self.values(self.snapshot.pods_on(&NodeName::from(node)))
    }

    fn now(&self) -> Time {
        self.now
    }
}

impl DynamicApi {
    /// What `kubectl get` prints of those that the selectors match: a table for each kind.
    ///
    /// # Errors
    /// `BadRequest` for a selector that cannot be understood.
    pub async fn table(&self, params: &ListParams, wide: bool) -> Result<String, ApiError> {
        let now = self.cluster().now();
        let mut printed = Vec::new();
        for (info, values) in self.list_by_kind(params).await? {
            let mut table = match info.codec {
                Some(codec) => {
                    let objects: Result<Vec<_>, _> = values.iter().map(|value| codec.decode(value)).collect();
                    let objects = objects.map_err(ApiError::internal)?;
                    Table::of(info.id, objects.iter().map(|decoded| &*decoded.object as &dyn TypedObject), now)
                }
                None => Table::of_values(info, &values, now),
            };
            if self.is_mixed() {
                let prefix = kind_name(info);
                for cell in table.rows.iter_mut().filter_map(|row| row.first_mut()) {
                    *cell = format!("{prefix}/{}", cell.as_str().unwrap_or_default()).into();
                }
            }
            printed.push(table.print(wide));
        }
        Ok(if printed.is_empty() { "No resources found\n".to_owned() } else { printed.join("\n") })
    }
}

impl<K: Kind> Api<K> {
    /// The events of an object, in the order in which they first happened.
    ///
    /// # Errors
    /// `NotFound` when there is no such object.
    pub async fn events(&self, name: &str) -> Result<Vec<Event>, ApiError> {
        let view = self.view().await?;
        let object = self.find(&view, name)?;
        events_of(&view.snapshot, &view.kinds, &object.meta.uid.to_string())
    }
}

fn events_of(snapshot: &Snapshot, kinds: &Kinds, uid: &str) -> Result<Vec<Event>, ApiError> {
    let mut found: Vec<(Time, &std::sync::Arc<Object>)> = Vec::new();
    for event in snapshot.events().chain(snapshot.list(kind::EVENT)) {
        match &event.body {
            Body::Event(record) if record.draft.involved.uid.to_string() == uid => found.push((record.first, event)),
            Body::Typed(typed) => {
                let written: Option<&Event> = typed.as_any().downcast_ref();
                if let Some(written) = written.filter(|event| event.involved_object.uid.as_deref() == Some(uid)) {
                    let moment = written.event_time.as_ref().map(|time| Time::from_timestamp(time.0));
                    let first = moment.or_else(|| written.first_timestamp.as_ref().map(Time::from_api));
                    found.push((first.unwrap_or(event.meta.created), event));
                }
            }
            Body::Event(_) | Body::Pod(_) | Body::Custom(_) => {}
        }
    }
    found.sort_by_key(|(first, event)| (*first, event.meta.revision));
    found.into_iter().map(|(_, event)| to_kind(event, kinds)).collect()
}

/// What there is to say of an object, in the words and the layout of `kubectl describe`; times are in UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    text: String,
    /// Its events, in the order in which they first happened.
    pub events: Vec<Event>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
