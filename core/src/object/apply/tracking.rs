//! The chain of rules around every write that has a manager, as upstream's field managers have it.
//!
//! Of a create, update or patch ([`Tracker::update`]):
//!
//! 1. Entries that the client sent are taken when they can be read, otherwise those of the object; `[]` or `[{}]` clears them.
//! 2. An object whose entries are empty stays untracked; a new one is tracked from the start.
//! 3. The writer owns what it changed, together with what it wrote before; identity, times and versions belong to nobody.
//! 4. Of more than [`UPDATERS_MAX`] writers the oldest share one entry.
//!
//! Of an apply ([`Tracker::apply`]): what an untracked object has belongs to `before-first-apply`; `kubectl` may take over
//! what its client-side apply has left in its annotation.

use std::sync::LazyLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value};

use super::check::Duplicates;
use super::elsewhere::Converted;
use super::last_applied;
use super::owners::{Operation, Owned, Owner, Owners};
use super::path;
use super::set::FieldSet;
use super::updater::{Failure, Merged, Rules};
use super::views::Views;
use super::{conflict, reset};
use crate::error::{ApiError, Reason};
use crate::object::kind::{KindInfo, Kinds};
use crate::time::Time;

/// How many writers have an entry of their own. Appliers do not count.
const UPDATERS_MAX: usize = 10;

/// In whose name the oldest writers share an entry.
const ANCIENT: &str = "ancient-changes";

/// In whose name an untracked object's fields are when it is applied for the first time.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What belongs to nobody.
static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    let paths = [
        "apiVersion",
        "kind",
        "metadata",
        "metadata.name",
        "metadata.namespace",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.clusterName",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
    ];
    paths.into_iter().map(path::fields).collect()
});

/// Who writes, and in which words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer<'w> {
    /// The name that it gives itself.
    pub(crate) manager: &'w str,
    /// The subresource that it writes; empty for the object itself.
    pub(crate) subresource: &'w str,
    /// The version in which it writes.
    pub(crate) api_version: &'w str,
    /// When.
    pub(crate) now: Time,
}

/// What an object's owners are once it is written.
#[derive(Debug)]
pub(crate) struct Tracker<'k> {
    kinds: &'k Kinds,
    kind: &'k str,
    reset: FieldSet,
    writer: Writer<'k>,
    converted: Option<&'k Converted>,
}

/// What an apply leads to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The object as it shall be, in the version that was applied, without its entries.
    pub(crate) object: Value,
    /// Its entries.
    pub(crate) entries: Vec<ManagedFieldsEntry>,
}

impl<'k> Tracker<'k> {
    /// Of a write to an object of this kind, as the writer sees it.
    pub(crate) fn new(kinds: &'k Kinds, info: &'k KindInfo, writer: Writer<'k>) -> Self {
        Self { kinds, kind: &info.kind, reset: reset::of(info, writer.subresource), writer, converted: None }
    }

    /// Of a write to the scale of an object.
    pub(crate) fn of_scale(kinds: &'k Kinds, writer: Writer<'k>) -> Self {
        Self { kinds, kind: "Scale", reset: FieldSet::new(), writer, converted: None }
    }

    /// The same with versions that somebody outside has made.
    pub(super) fn with_converted(self, converted: &'k Converted) -> Self {
        Self { converted: Some(converted), ..self }
    }

    fn rules(&self) -> Rules<'_> {
        Rules { views: Views::new(self.kinds, self.kind).with_converted(self.converted), reset: &self.reset }
    }

    /// The entries of an object once `live` has become `next`; `live` is the empty object where there was none. `sent` are
    /// the entries that the client sent, if it may send some.
    pub(crate) fn update(
        &self,
        live: &Value,
        next: &Value,
        current: &[ManagedFieldsEntry],
        sent: Option<&[ManagedFieldsEntry]>,
    ) -> Vec<ManagedFieldsEntry> {
        let owners = starting_from(current, sent);
        if owners.is_empty() && !is_new(live) {
            return Vec::new();
        }
        let (live, next) = (without_entries(live), without_entries(next));
        match self.updated(&live, &next, owners, self.writer.manager) {
            Ok(owners) => owners.write(),
            // An object that is not of its type keeps the owners that it had.
            Err(_) => current.to_vec(),
        }
    }

    fn updated(&self, live: &Value, next: &Value, owners: Owners, manager: &str) -> Result<Owners, Failure> {
        let Writer { api_version, subresource, now, .. } = self.writer;
        // The writer of this very write: what it does is told from what the same name did before.
        let this = Owner::updater("\0", api_version, subresource);
        for (side, object) in [("new", next), ("live", live)] {
            let checked = self.rules().check(object, api_version, Duplicates::Allowed);
            checked.map_err(|problems| {
                Failure::Text(format!("failed to convert {side} object to smd typed: {problems}"))
            })?;
        }
        let mut owners = self.rules().update(live, next, api_version, owners, &this)?;
        if let Some(written) = owners.0.remove(&this) {
            let fields = written.fields.difference(&NOBODYS);
            if !fields.is_empty() {
                let writer = Owner::updater(manager, api_version, subresource);
                let before = owners.0.remove(&writer).map(|owned| owned.fields).unwrap_or_default();
                let api_version = api_version.to_owned();
                owners.0.insert(writer, Owned { fields: fields.union(&before), api_version, time: Some(now) });
            }
        }
        Ok(capped(owners))
    }

    /// Applies an object to `live`, which is the empty object where there is none.
    ///
    /// # Errors
    /// `BadRequest` for another version or kind or with entries, `Conflict` when others own what is applied, and an error
    /// without a reason when it is not of its type, all as upstream.
    pub(crate) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        current: &[ManagedFieldsEntry],
        force: bool,
    ) -> Result<Outcome, ApiError> {
        let owners = Owners::read(current)
            .map_err(|error| ApiError::new(Reason::Unknown, format!("failed to decode managed fields: {error}")))?;
        self.check_version(applied)?;
        let live = without_entries(live);
        let mut result = self.applied(&live, applied, &owners, force);
        if let (Err(Failure::Conflicts(conflicts)), "kubectl") = (&mut result, self.writer.manager)
            && let Some(allowed) = last_applied::allowed(&self.rules(), &live, self.writer.api_version)
        {
            conflicts.retain(|conflict| !allowed.has(&conflict.path));
            if conflicts.is_empty() {
                result = self.applied(&live, applied, &owners, true);
            }
        }
        let Merged { object, owners } = result.map_err(|failure| match failure {
            Failure::Conflicts(conflicts) => conflict::error(&conflicts),
            Failure::Text(text) => ApiError::new(Reason::Unknown, text),
            Failure::Refused(text) => ApiError::bad_request(text),
        })?;
        let mut object = object.unwrap_or(live);
        if self.writer.manager == "kubectl" {
            last_applied::renew(&mut object, applied);
        }
        Ok(Outcome { object, entries: owners.write() })
    }

    fn check_version(&self, applied: &Value) -> Result<(), ApiError> {
        let text = |field: &str| applied.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if api_version == self.writer.api_version && kind == self.kind {
            return Ok(());
        }
        Err(ApiError::bad_request(format!("invalid object type: {}", version_and_kind(api_version, kind))))
    }

    fn applied(&self, live: &Value, applied: &Value, owners: &Owners, force: bool) -> Result<Merged, Failure> {
        let Writer { manager, api_version, subresource, now } = self.writer;
        let mut owners = owners.clone();
        if owners.is_empty() {
            let nothing = empty(self.kinds, api_version, self.kind);
            owners = self.updated(&nothing, live, owners, BEFORE_FIRST_APPLY).map_err(|failure| match failure {
                Failure::Text(text) => Failure::Text(format!("failed to create manager for existing fields: {text}")),
                other @ (Failure::Conflicts(_) | Failure::Refused(_)) => other,
            })?;
        }
        if applied.pointer("/metadata/managedFields").is_some_and(Value::is_array) {
            return Err(Failure::Refused("metadata.managedFields must be nil"));
        }
        let named = |what: &str, object: &Value| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            format!(
                "failed to create typed {what} object ({namespace}/{name}; {})",
                version_and_kind(api_version, self.kind)
            )
        };
        let rules = self.rules();
        let failed = |what, object| move |problems| Failure::Text(format!("{}: {problems}", named(what, object)));
        rules.check(applied, api_version, Duplicates::Refused).map_err(failed("patch", applied))?;
        rules.check(live, api_version, Duplicates::Allowed).map_err(failed("live", live))?;
        let applier = Owner::applier(manager, subresource);
        let mut merged = rules.apply(live, applied, api_version, &owners, &applier, force)?;
        if let Some(owned) = merged.owners.0.get_mut(&applier) {
            owned.fields = owned.fields.difference(&NOBODYS);
            if merged.object.is_some() {
                owned.time = Some(now);
            }
        }
        merged.owners.0.retain(|_, owned| !owned.fields.is_empty());
        Ok(merged)
    }
}

/// An object of a kind about which nothing is said, as the server would print it.
pub(crate) fn empty(kinds: &Kinds, api_version: &str, kind: &str) -> Value {
    let mut fields = Map::new();
    fields.insert("apiVersion".to_owned(), Value::from(api_version));
    fields.insert("kind".to_owned(), Value::from(kind));
    let object = Value::Object(fields);
    let codec = kinds.by_api_version(api_version, kind).and_then(|info| info.codec);
    let printed = codec.and_then(|codec| codec.decode(&object).ok()).map(|decoded| decoded.object.to_wire());
    printed.unwrap_or(object)
}

fn is_new(live: &Value) -> bool {
    live.pointer("/metadata/uid").and_then(Value::as_str).is_none_or(str::is_empty)
}

/// The entries that a client sent if it sent some, or those that the object has.
fn starting_from(current: &[ManagedFieldsEntry], sent: Option<&[ManagedFieldsEntry]>) -> Owners {
    match sent {
        Some([]) => Owners::default(),
        Some([only]) if *only == ManagedFieldsEntry::default() => Owners::default(),
        Some(sent) => match Owners::read(sent) {
            Ok(owners) if !owners.is_empty() => owners,
            _ => Owners::read(current).unwrap_or_default(),
        },
        None => Owners::read(current).unwrap_or_default(),
    }
}

fn without_entries(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// As Go prints a version and a kind: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
fn version_and_kind(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

/// The oldest writers in a version share an entry when there are too many.
fn capped(mut owners: Owners) -> Owners {
    let mut writers: Vec<(Time, Owner)> = owners
        .0
        .iter()
        .filter(|(owner, _)| owner.operation == Operation::Update)
        .map(|(owner, owned)| (owned.time.map_or(Time::EPOCH, Time::whole_second), owner.clone()))
        .collect();
    let mut count = writers.len();
    writers.sort();
    let mut first_in: std::collections::BTreeMap<String, Owner> = std::collections::BTreeMap::new();
    for (_, writer) in writers {
        if count <= UPDATERS_MAX {
            break;
        }
        let Some(owned) = owners.0.get(&writer).cloned() else { continue };
        let bucket = Owner::updater(ANCIENT, &owned.api_version, "");
        let Some(first) = first_in.get(&owned.api_version) else {
            first_in.insert(owned.api_version, writer);
            continue;
        };
        if !owners.0.contains_key(&bucket)
            && let Some(oldest) = owners.0.remove(first)
        {
            owners.0.insert(bucket.clone(), oldest);
        }
        let before = owners.0.get(&bucket).map(|bucket| bucket.fields.clone()).unwrap_or_default();
        owners.0.remove(&writer);
        owners.0.insert(bucket, Owned { fields: owned.fields.union(&before), ..owned });
        count -= 1;
    }
    owners
}
