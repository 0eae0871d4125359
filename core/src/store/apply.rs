//! Server-side apply, and writes of the subresource `scale`.
//!
//! An apply creates an object that is not there. What it makes of the object and its owners is worked out by
//! [`apply`](crate::object::apply) before admission sees it; then it is a write like any other.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v1 as autoscaling;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use super::admit::Part;
use super::commit::Store;
use super::draft::{Draft, Expect};
use super::object::Object;
use super::owners::{Entries, FieldManager};
use super::writing::WriteOptions;
use crate::error::{ApiError, Reason, Subject};
use crate::ids::Revision;
use crate::object::apply::scale::{self as owners_of_scale, ReplicasPaths, SCALE_VERSION};
use crate::object::apply::{Outcome, Tracker, Writer, empty, patch_options};
use crate::object::decode;
use crate::object::field::{FieldErrors, Path};
use crate::object::kind::{KindId, KindInfo, Kinds, convert};
use crate::object::patch::{Patch, merge};
use crate::object::scale::Scale;
use crate::object::wire;
use crate::time::Time;

/// An object to apply: what it says shall be so, and what else it says nothing about stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// The kind as which it is applied, be it the one that is stored or another version of it.
    pub kind: KindId,
    /// The namespace of the object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which part of it.
    pub part: Part,
    /// What is applied, with `apiVersion` and `kind`.
    pub object: Value,
    /// Whether fields change their owner where they conflict.
    pub force: bool,
}

/// A write to the subresource `scale`.
#[derive(Clone, Debug, PartialEq)]
pub enum ScaleEdit {
    /// It shall be this `autoscaling/v1` Scale.
    Replace(Value),
    /// It is changed by a patch.
    Patch(Patch),
    /// It is applied; whether by force.
    Apply(Value, bool),
}

impl Store {
    /// Applies an object in the name of the options' manager; says whether the object was created.
    ///
    /// # Errors
    /// `Invalid` without a manager; `BadRequest` for another version, kind, name or namespace; `Conflict` for fields of other
    /// owners, another uid or version; an error without a reason for an object that is not of its type; `NotFound` for the
    /// status of an object that is not there; and what creating or replacing it says.
    pub fn apply_object(
        &mut self,
        application: &Application,
        options: &WriteOptions,
        now: Time,
    ) -> Result<(Arc<Object>, bool), ApiError> {
        let Application { kind, part, force, .. } = *application;
        let manager = options.manager.clone().unwrap_or_default();
        patch_options(&manager.name, Some(force), true)?;
        let manager = FieldManager { seen_as: Some(kind), ..manager };
        let info = self.info(kind)?.clone();
        let namespace = self.namespace_of(info.stored_as, &application.namespace)?;
        let current = self.live.find(info.stored_as, &namespace, &application.name).cloned();
        let subject = || self.subject(info.stored_as, &application.name);
        Self::meets(options.meets, current.as_ref(), subject)?;
        if current.is_none() && part == Part::Status {
            return Err(ApiError::not_found(subject()));
        }
        let api_version = info.api_version();
        let subresource = manager.subresource(part);
        let writer = Writer { manager: &manager.name, subresource, api_version: &api_version, now };
        let live = match &current {
            Some(object) => self.seen(&manager, &object.meta, &object.body).map(|(_, live)| live),
            None => Some(empty(&self.live.kinds, &api_version, &info.kind)),
        };
        let live = live.ok_or_else(|| ApiError::internal("an object that cannot be seen in this version"))?;
        let entries = current.as_ref().and_then(|object| object.meta.managed_fields.clone()).unwrap_or_default();
        let tracker = Tracker::new(&self.live.kinds, &info, writer);
        let Outcome { object, entries } = tracker.apply(&live, &application.object, &entries, force)?;
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut draft = self.decode_applied(&info, object, &application.object)?;
        if current.is_none() && !uid.is_empty() {
            let detail =
                format_args!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(subject(), detail));
        }
        place_applied(&mut draft, &namespace, &application.name)?;
        let Some(current) = current else {
            // Which version was there before does not matter then.
            draft.expect.revision = None;
            let create = |store: &mut Self| store.create_as(draft, Entries::Are(entries), now);
            return self.perform(options, Revision::ZERO, create).map(|object| (object, true));
        };
        if uid != current.meta.uid.to_string() {
            let mut errors = FieldErrors::new();
            errors.invalid(&Path::new("metadata").field("uid"), uid, "field is immutable");
            let subject = Subject::new(info.group.to_string(), info.kind.to_string(), &*application.name);
            return Err(ApiError::invalid(subject, errors));
        }
        if draft.expect.revision.is_some_and(|revision| revision != current.meta.revision) {
            return Err(ApiError::stale(subject()));
        }
        let before = current.meta.revision;
        let replace = |store: &mut Self| store.replace(current, draft, part, Entries::Are(entries), now);
        self.perform(options, before, replace).map(|object| (object, false))
    }

    /// What came of an apply, as it is stored.
    fn decode_applied(&self, info: &KindInfo, object: Value, applied: &Value) -> Result<Draft, ApiError> {
        let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let unreadable = |error: &dyn std::fmt::Display| {
            let api_version = info.api_version();
            let slash = if info.group.is_empty() { "/" } else { "" };
            let message = format!(
                "failed to convert new object ({}/{}; {slash}{api_version}, Kind={}) to proper version: {error}",
                text("/metadata/namespace"),
                text("/metadata/name"),
                info.kind
            );
            ApiError::new(Reason::Unknown, message)
        };
        let Some(codec) = info.codec else {
            let mut object = object;
            if info.id != info.stored_as
                && let (Some(stored), Some(fields)) = (self.live.kinds.info(info.stored_as), object.as_object_mut())
            {
                fields.insert("apiVersion".to_owned(), Value::from(stored.api_version()));
            }
            return Draft::custom(info.stored_as, object).map_err(|error| unreadable(&error));
        };
        let decoded = codec.decode(&object).map_err(|error| unreadable(&error))?;
        if info.id == info.stored_as {
            return Ok(Draft::typed(decoded.object));
        }
        let stored = convert(info.id, info.stored_as, object).ok_or_else(|| unreadable(&"no such conversion"))?;
        self.decode(info.stored_as, stored)
    }

    /// Writes the scale of an object; the answer is the object.
    ///
    /// # Errors
    /// `NotFound` when there is no such object, or its kind has no scale; `Invalid` for a negative number; and what
    /// [`Store::apply_object`] and [`Store::update`] say.
    pub fn edit_scale(
        &mut self,
        kind: KindId,
        (namespace, name): (&str, &str),
        edit: &ScaleEdit,
        options: &WriteOptions,
        now: Time,
    ) -> Result<Arc<Object>, ApiError> {
        let info = self.info(kind)?.clone();
        let namespace = self.namespace_of(info.stored_as, namespace)?;
        if let ScaleEdit::Apply(_, force) = edit {
            let manager = options.manager.as_ref().map(|manager| &*manager.name).unwrap_or_default();
            patch_options(manager, Some(*force), true)?;
        }
        let current = self.expect(info.stored_as, &namespace, name, Expect::default())?;
        let stored = self.info(info.stored_as)?.clone();
        let live = current.to_scale(&self.live.kinds)?;
        let (next, entries) = self.scaled(&info, &current, &live, edit, options.manager.as_ref(), now)?;
        let next = read_scale(&next)?;
        judge_scale(&info, name, &current, &next)?;
        let mut value = current.to_value(&self.live.kinds);
        Scale::set(&stored, &mut value, next.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default());
        let draft = self.decode(info.stored_as, value)?;
        let revision = next.metadata.resource_version.as_deref().filter(|text| !text.is_empty());
        if revision.is_some_and(|revision| revision != current.meta.revision.to_string()) {
            return Err(ApiError::stale(self.subject(kind, name)));
        }
        let entries = entries.map_or(Entries::Kept, Entries::Are);
        let before = current.meta.revision;
        let replace = |store: &mut Self| store.replace(current, draft, Part::Scale, entries, now);
        self.perform(options, before, replace)
    }

    /// The scale as it shall be, and the entries of its object then, if somebody keeps them.
    fn scaled(
        &self,
        info: &KindInfo,
        current: &Object,
        live: &Value,
        edit: &ScaleEdit,
        manager: Option<&FieldManager>,
        now: Time,
    ) -> Result<(Value, Option<Vec<ManagedFieldsEntry>>), ApiError> {
        let entries = current.meta.managed_fields.as_deref().map(Vec::as_slice).unwrap_or_default();
        let paths = self.replicas_paths(info);
        let name = manager.map(|manager| &*manager.name).unwrap_or_default();
        let writer = Writer { manager: name, subresource: "scale", api_version: SCALE_VERSION, now };
        let tracker = Tracker::of_scale(&self.live.kinds, writer);
        let in_scale = owners_of_scale::to_scale(entries, &paths);
        let back =
            |scaled: &[ManagedFieldsEntry]| owners_of_scale::to_object(entries, scaled, &info.api_version(), &paths);
        let next = match edit {
            ScaleEdit::Apply(applied, force) => {
                let Outcome { object, entries } = tracker.apply(live, applied, &in_scale, *force)?;
                return Ok((object, Some(back(&entries))));
            }
            ScaleEdit::Replace(scale) => scale.clone(),
            ScaleEdit::Patch(patch) => {
                let mut next = live.clone();
                match patch {
                    // A scale has no lists: a strategic merge is a merge.
                    Patch::Merge(patch) | Patch::Strategic(patch) => merge(&mut next, patch),
                    Patch::Json(_) | Patch::Unreadable(_) => {
                        patch.apply(info.stored_as, &mut next).map_err(|error| error.refusal())?;
                    }
                }
                next
            }
        };
        let next = wire::encode(&read_scale(&next)?).map_err(ApiError::internal)?;
        let entries = manager.map(|_| back(&tracker.update(live, &next, &in_scale, None)));
        Ok((next, entries.filter(|_| !current.meta.managed_fields.as_ref().is_none_or(|entries| entries.is_empty()))))
    }

    /// Where each version of a kind keeps its number of replicas.
    fn replicas_paths(&self, info: &KindInfo) -> ReplicasPaths {
        let versions = self.live.kinds.iter().filter(|other| other.stored_as == info.stored_as);
        let path = |info: &KindInfo| {
            info.has_subresource("scale").then(|| Scale::path(info).trim_start_matches('.').to_owned())
        };
        versions.map(|info| (info.api_version(), path(info))).collect()
    }
}

/// Sees to it that an applied object is where and what the request says; it may leave out its namespace.
///
/// # Errors
/// `BadRequest` for another name or namespace.
pub fn place_applied(draft: &mut Draft, namespace: &str, name: &str) -> Result<(), ApiError> {
    if draft.meta.namespace.is_empty() {
        draft.meta.namespace = namespace.into();
    } else if *draft.meta.namespace != *namespace {
        let text = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(text));
    }
    let given = &draft.meta.name;
    if given.is_empty() {
        let text = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
        return Err(ApiError::bad_request(text));
    }
    if **given != *name {
        let text = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(ApiError::bad_request(text));
    }
    Ok(())
}

impl Object {
    /// The subresource `scale` of an object, `autoscaling/v1`, as the server prints it.
    ///
    /// # Errors
    /// `NotFound` when its kind has none.
    pub fn to_scale(&self, kinds: &Kinds) -> Result<Value, ApiError> {
        let missing = || ApiError::new(Reason::NotFound, "the server could not find the requested resource");
        let scale = Scale::of(kinds.info(self.meta.kind).ok_or_else(missing)?, &self.to_value(kinds))?;
        let meta = self.meta.to_api();
        let scale = autoscaling::Scale {
            metadata: ObjectMeta {
                name: meta.name,
                namespace: meta.namespace,
                uid: meta.uid,
                resource_version: meta.resource_version,
                creation_timestamp: meta.creation_timestamp,
                ..ObjectMeta::default()
            },
            spec: Some(autoscaling::ScaleSpec { replicas: Some(scale.replicas) }),
            status: Some(autoscaling::ScaleStatus { replicas: scale.actual, selector: Some(scale.selector) }),
        };
        wire::encode(&scale).map_err(ApiError::internal)
    }
}

pub(super) fn read_scale(value: &Value) -> Result<autoscaling::Scale, ApiError> {
    let (scale, _) =
        decode::from_value::<autoscaling::Scale>(value).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(scale)
}

/// A scale must fit the object that it belongs to.
fn judge_scale(info: &KindInfo, name: &str, current: &Object, scale: &autoscaling::Scale) -> Result<(), ApiError> {
    let replicas = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
    if replicas < 0 {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("spec").field("replicas"), replicas, "must be greater than or equal to 0");
        return Err(ApiError::invalid(Subject::new("autoscaling", "Scale", name), errors));
    }
    let uid = current.meta.uid.to_string();
    match scale.metadata.uid.as_deref().filter(|given| !given.is_empty() && *given != uid) {
        Some(given) => {
            let subject = Subject::new(info.group.to_string(), format!("{}/scale", info.plural), name);
            let detail = format_args!("Precondition failed: UID in precondition: {given}, UID in object meta: {uid}");
            Err(ApiError::conflict(subject, detail))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
