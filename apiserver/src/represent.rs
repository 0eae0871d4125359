//! From stored objects to what a client is shown: whole objects, their metadata, or lines of a table.

use std::borrow::Cow;
use std::sync::Arc;

use inboard::cluster::Moment;
use inboard::ids::Revision;
use inboard::k8s_openapi::api::flowcontrol::v1::FlowSchema;
use inboard::object::kind::{self, KindInfo, Kinds, convert};
use inboard::object::table::{Column, Table};
use inboard::store::{Object, PodPhase};
use inboard::time::Time;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::negotiate::{Form, Include};
use crate::respond::KindFirst;

/// Says in a bookmark that everything that there was has been told.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// How the objects of one request are shown.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    pub(crate) kinds: Kinds,
    /// The kind that the request named, in its version.
    pub(crate) info: KindInfo,
    pub(crate) form: Form,
}

/// What stands in the metadata of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListMeta {
    pub(crate) resource_version: String,
    pub(crate) next: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl ListMeta {
    fn to_value(&self) -> Value {
        let mut meta = Map::new();
        meta.insert("resourceVersion".to_owned(), self.resource_version.as_str().into());
        if let Some(next) = &self.next {
            meta.insert("continue".to_owned(), next.as_str().into());
        }
        if let Some(remaining) = self.remaining {
            meta.insert("remainingItemCount".to_owned(), remaining.into());
        }
        meta.into()
    }
}

impl Representation {
    pub(crate) fn new(moment: &Moment, info: &KindInfo, form: Form) -> Self {
        Self { kinds: moment.kinds.clone(), info: info.clone(), form }
    }

    /// One object in the form that is wanted.
    pub(crate) fn object(&self, object: &Arc<Object>, now: Time) -> Value {
        match self.form {
            Form::Whole => self.whole(object),
            Form::Metadata(version, _) => metadata(&self.whole(object), version),
            Form::Table(version, include) => {
                let meta = json!({ "resourceVersion": object.meta.revision.to_string() });
                self.table(std::slice::from_ref(object), meta, version, include, now, true)
            }
        }
    }

    /// One object of a watch; only the first table of a watch says what its columns are.
    pub(crate) fn watched(&self, object: &Arc<Object>, now: Time, is_first: bool) -> Value {
        match self.form {
            Form::Table(version, include) => {
                let meta = json!({ "resourceVersion": object.meta.revision.to_string() });
                self.table(std::slice::from_ref(object), meta, version, include, now, is_first)
            }
            _ => self.object(object, now),
        }
    }

    /// A bookmark of a watch: an object of the kind that has nothing but a version, in the form that is wanted.
    pub(crate) fn bookmark(&self, seen: Revision, is_end_of_initial: bool, now: Time, is_first: bool) -> Value {
        let mut meta = json!({ "resourceVersion": seen.to_string() });
        if is_end_of_initial {
            meta["annotations"] = json!({ INITIAL_EVENTS_END: "true" });
        }
        let info = &self.info;
        let object = json!({ "kind": info.kind.to_string(), "apiVersion": info.api_version(), "metadata": meta });
        match self.form {
            Form::Whole => object,
            Form::Metadata(version, _) => metadata(&object, version),
            Form::Table(version, include) => {
                // The end of what there was is told in the metadata, so that those are shown at least.
                let include =
                    if include == Include::Nothing && is_end_of_initial { Include::Metadata } else { include };
                let stored = self.kinds.info(info.stored_as).and_then(|stored| stored.codec);
                let typed = stored.and_then(|codec| codec.decode(&json!({ "metadata": meta })).ok());
                let table = match &typed {
                    Some(typed) => Table::of(info.stored_as, [&*typed.object], now),
                    None => Table::of_values(info, [&object], now),
                };
                let meta = json!({ "resourceVersion": seen.to_string() });
                let rows =
                    table.rows.into_iter().map(|cells| row(cells, None, shown(include, version, || object.clone())));
                assembled(is_first.then_some(&*table.columns), rows.collect(), meta, version)
            }
        }
    }

    /// The scale of an object in the form that is wanted.
    pub(crate) fn scale(&self, scale: Value, now: Time) -> Value {
        match self.form {
            Form::Whole => scale,
            Form::Metadata(version, _) => metadata(&scale, version),
            Form::Table(version, include) => {
                let meta = json!({ "resourceVersion": scale["metadata"]["resourceVersion"] });
                let table = match self.info.id.built_in() {
                    Some(_) => Table::of_scale(&scale, now),
                    None => Table::of_values(
                        &self.info,
                        [&json!({ "metadata": { "name": scale["metadata"]["name"] } })],
                        now,
                    ),
                };
                let rows =
                    table.rows.into_iter().map(|cells| row(cells, None, shown(include, version, || scale.clone())));
                assembled(Some(&*table.columns), rows.collect(), meta, version)
            }
        }
    }

    /// A list in the form that is wanted.
    pub(crate) const fn list<'a>(&'a self, objects: &'a [Arc<Object>], meta: &'a ListMeta, now: Time) -> List<'a> {
        List { representation: self, objects, meta, now }
    }

    /// The whole object, in the version that the request named.
    pub(crate) fn whole(&self, object: &Object) -> Value {
        let stored = object.meta.kind;
        let value = object.to_wire(&self.kinds);
        match self.info.codec.filter(|_| stored != self.info.id) {
            None => self.kinds.convert(stored, self.info.id, value).unwrap_or_default(),
            Some(codec) => {
                let converted = convert(stored, self.info.id, value).unwrap_or_default();
                // Each version prints in its own way what is empty.
                codec.decode(&converted).map_or(converted, |decoded| decoded.object.to_wire())
            }
        }
    }

    /// As an item of a list: built-in kinds do not say there what they are.
    fn item(&self, object: &Object) -> Value {
        let mut value = self.whole(object);
        if self.info.id.built_in().is_some()
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        value
    }

    fn table(
        &self,
        objects: &[Arc<Object>],
        meta: Value,
        version: &str,
        include: Include,
        now: Time,
        has_columns: bool,
    ) -> Value {
        let objects = self.in_rows(objects);
        let table = self.lines(&objects, now);
        let rows = objects.iter().zip(table.rows);
        let rows =
            rows.map(|(object, cells)| row(cells, completed(object), shown(include, version, || self.whole(object))));
        assembled(has_columns.then_some(&*table.columns), rows.collect(), meta, version)
    }

    /// The objects in the order of their rows: that of the list, but for flow schemas, which are shown as they are tried.
    fn in_rows<'o>(&self, objects: &'o [Arc<Object>]) -> Cow<'o, [Arc<Object>]> {
        if self.info.stored_as != kind::FLOW_SCHEMA {
            return Cow::Borrowed(objects);
        }
        let precedence = |object: &Object| {
            let schema = object.typed::<FlowSchema>()?;
            Some((schema.spec.matching_precedence, object.meta.name.to_string()))
        };
        let mut sorted = objects.to_vec();
        sorted.sort_by_key(|object| precedence(object));
        Cow::Owned(sorted)
    }

    fn lines(&self, objects: &[Arc<Object>], now: Time) -> Table {
        let typed: Option<Vec<_>> = objects.iter().map(|object| object.to_typed(&self.kinds)).collect();
        match typed.filter(|_| self.info.id.built_in().is_some()) {
            Some(typed) => Table::of(self.info.stored_as, typed.iter().map(|object| &**object), now),
            None => {
                let values: Vec<Value> = objects.iter().map(|object| self.whole(object)).collect();
                Table::of_values(&self.info, &values, now)
            }
        }
    }
}

/// A list. Its items are made one by one, as it is written: there may be many.
pub(crate) struct List<'a> {
    representation: &'a Representation,
    objects: &'a [Arc<Object>],
    meta: &'a ListMeta,
    now: Time,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { representation, objects, meta, now } = self;
        let meta = meta.to_value();
        match representation.form {
            Form::Whole => {
                let info = &representation.info;
                let mut map = serializer.serialize_map(Some(4))?;
                map.serialize_entry("kind", &info.list_kind())?;
                map.serialize_entry("apiVersion", &info.api_version())?;
                map.serialize_entry("metadata", &meta)?;
                map.serialize_entry("items", &Items(objects, |object: &Object| representation.item(object)))?;
                map.end()
            }
            Form::Metadata(version, _) => {
                let mut map = serializer.serialize_map(Some(4))?;
                map.serialize_entry("kind", "PartialObjectMetadataList")?;
                map.serialize_entry("apiVersion", &format_args!("meta.k8s.io/{version}"))?;
                map.serialize_entry("metadata", &meta)?;
                let of = |object: &Object| metadata(&representation.whole(object), version);
                map.serialize_entry("items", &Items(objects, of))?;
                map.end()
            }
            Form::Table(version, include) => {
                let table = representation.table(objects, meta, version, include, *now, true);
                KindFirst(&table).serialize(serializer)
            }
        }
    }
}

/// Objects, each shown in its turn.
struct Items<'a, F>(&'a [Arc<Object>], F);

impl<F: Fn(&Object) -> Value> Serialize for Items<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|object| (self.1)(object)))
    }
}

/// What marks the line of a pod that has ended.
fn completed(object: &Object) -> Option<Value> {
    let (reason, message) = match object.pod()?.state.phase {
        PodPhase::Succeeded => ("Succeeded", "The pod has completed successfully."),
        PodPhase::Failed => ("Failed", "The pod failed."),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => return None,
    };
    Some(json!([{ "type": "Completed", "status": "True", "reason": reason, "message": message }]))
}

/// What comes with a line.
fn shown(include: Include, version: &str, whole: impl FnOnce() -> Value) -> Option<Value> {
    match include {
        Include::Nothing => None,
        Include::Metadata => Some(metadata(&whole(), version)),
        Include::Object => Some(whole()),
    }
}

/// A line of a table.
fn row(cells: Vec<Value>, conditions: Option<Value>, shown: Option<Value>) -> Value {
    let mut row = Map::new();
    row.insert("cells".to_owned(), cells.into());
    for (field, value) in [("conditions", conditions), ("object", shown)] {
        if let Some(value) = value {
            row.insert(field.to_owned(), value);
        }
    }
    row.into()
}

/// A table of its lines.
fn assembled(columns: Option<&[Column]>, rows: Vec<Value>, meta: Value, version: &str) -> Value {
    let columns = columns.map(|columns| columns.iter().map(column).collect::<Vec<_>>());
    json!({
        "kind": "Table",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn column(column: &Column) -> Value {
    json!({
        "name": &*column.name,
        "type": column.kind.name(),
        "format": &*column.format,
        "description": "",
        "priority": column.priority,
    })
}

/// What identifies an object and says who manages it, without what it is.
pub(crate) fn metadata(object: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}
