//! What people look at: tables of objects, the events of an object, and descriptions (`kubectl get`, `kubectl describe`).

use std::fmt;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube_core::params::ListParams;
use serde_json::Value;

use super::Cluster;
use super::api::{Api, to_kind};
use super::apply::kind_name;
use super::dynamic::DynamicApi;
use crate::error::ApiError;
use crate::object::describe::describe;
use crate::object::kind::{self, Kind, TypedObject};
use crate::object::table::{Table, human_duration};
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
        let uid = value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (snapshot, now) = self.inspect(|kernel, now| (kernel.snapshot().clone(), now)).await?;
        let kinds = self.kinds().await?;
        let here = crate::ids::NodeName::from(name);
        let pods: Vec<Pod> = match value.get("kind").and_then(Value::as_str).unwrap_or_default() {
            "Node" => snapshot.pods_on(&here).filter_map(|pod| pod.to_pod()).collect(),
            _ => uid.parse().map(|uid| pods_of(&snapshot, uid)).unwrap_or_default(),
        };
        let text = describe(&value, &pods).map_err(ApiError::internal)?;
        let events = events_of(&snapshot, &kinds, &uid)?;
        Ok(Description { text, events, now })
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

fn pods_of(snapshot: &Snapshot, owner: crate::ids::Uid) -> Vec<Pod> {
    snapshot.owned_by(owner).filter_map(|pod| pod.to_pod()).collect()
}

fn events_of(snapshot: &Snapshot, kinds: &crate::object::kind::Kinds, uid: &str) -> Result<Vec<Event>, ApiError> {
    let mut found: Vec<(Time, &std::sync::Arc<Object>)> = Vec::new();
    for event in snapshot.events().chain(snapshot.list(kind::EVENT)) {
        match &event.body {
            Body::Event(record) if record.draft.involved.uid.to_string() == uid => found.push((record.first, event)),
            Body::Typed(typed) => {
                let written: Option<&Event> = typed.as_any().downcast_ref();
                if let Some(written) = written.filter(|event| event.involved_object.uid.as_deref() == Some(uid)) {
                    let first = written.first_timestamp.as_ref().map(Time::from_api);
                    found.push((first.unwrap_or(event.meta.created), event));
                }
            }
            Body::Event(_) | Body::Pod(_) | Body::Custom(_) => {}
        }
    }
    found.sort_by_key(|(first, event)| (*first, event.meta.revision));
    found.into_iter().map(|(_, event)| to_kind(event, kinds)).collect()
}

/// What there is to say of an object. Its text is laid out as `kubectl describe` does.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    text: String,
    /// Its events, in the order in which they first happened.
    pub events: Vec<Event>,
    now: Time,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.events.is_empty() {
            return f.write_str("Events:  <none>\n");
        }
        f.write_str("Events:\n")?;
        let ago = |time: Option<Time>| time.map_or(0, |time| self.now.as_secs() - time.as_secs());
        let mut lines = vec![["Type", "Reason", "Age", "From", "Message"].map(str::to_owned)];
        for event in &self.events {
            let last = ago(event.last_timestamp.as_ref().map(Time::from_api));
            let first = ago(event.first_timestamp.as_ref().map(Time::from_api));
            let age = match event.count.unwrap_or(1) {
                ..=1 => human_duration(last),
                count => format!("{} (x{count} over {})", human_duration(last), human_duration(first)),
            };
            let from = event.source.as_ref().and_then(|source| source.component.clone()).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            lines.push([text(&event.type_), text(&event.reason), age, from, text(&event.message)]);
        }
        let widths =
            [0, 1, 2, 3].map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
        for [kind, reason, age, from, message] in &lines {
            let [a, b, c, d] = widths;
            writeln!(f, "  {kind:<a$}  {reason:<b$}  {age:<c$}  {from:<d$}  {}", message.trim())?;
        }
        Ok(())
    }
}
