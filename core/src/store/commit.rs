//! The store: one writer, one revision counter, every write through here.
//!
//! A plan is committed in order. First all versions it was made from are checked: if one object has changed since, nothing
//! is written ([`CommitError::Conflict`]). Then its actions are applied; one that admission refuses ends the plan there
//! ([`CommitError::Refused`]), and what came before it stays: every plan must be right when cut short.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Value, json};

use super::admit::Part;
use super::apply::ScaleEdit;
use super::binding::Binding;
use super::change::{Change, ChangeKind};
use super::deletion::holds_namespace;
use super::draft::{Draft, Expect, Misread};
use super::event::EventDraft;
use super::event_log::EventIndex;
use super::ids::IdSource;
use super::memo::SpecMemo;
use super::object::{Body, Meta, Object};
use super::owners::FieldManager;
use super::policing::Voice;
use super::snapshot::Snapshot;
use super::typed::exclusive;
use super::writing::WriteOptions;
use crate::authority::Authority;
use crate::control::plan::{Action, MetaEdit, Target};
use crate::error::{ApiError, Reason, Subject};
use crate::ids::Uid;
use crate::object::kind::{self, KindId, KindInfo, Kinds, TypedObject};
use crate::object::patch::Patch;
use crate::object::scale::Scale;
use crate::text::shared;
use crate::time::Time;

/// Why a plan was not committed, or not to its end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommitError {
    /// An object is not the version that the plan was made from; nothing was written.
    #[error("object {uid} has changed since the plan was made")]
    Conflict {
        /// Which object.
        uid: Uid,
    },
    /// Admission refused an action; the actions before it were written.
    #[error("refused: {error}")]
    Refused {
        /// Why.
        error: ApiError,
    },
}

/// All objects, and the right to change them.
#[derive(Debug)]
pub struct Store {
    pub(super) live: Snapshot,
    pub(super) ids: IdSource,
    pub(super) memo: SpecMemo,
    events: EventIndex,
    pub(super) changes: Vec<Change>,
    /// Groups of definitions whose names are to be looked at before this write is done.
    pub(super) unnamed: BTreeSet<String>,
    /// In whose name it writes.
    pub(super) voice: Voice,
    /// Whether there is somebody who shows writes to webhooks.
    pub(super) refers: bool,
}

impl Store {
    /// An empty store; `seed` is where uids and generated names come from.
    pub fn new(seed: u64) -> Self {
        Self {
            live: Snapshot::default(),
            ids: IdSource::new(seed),
            memo: SpecMemo::default(),
            events: EventIndex::default(),
            changes: Vec::new(),
            unnamed: BTreeSet::new(),
            voice: Voice::default(),
            refers: false,
        }
    }

    /// The objects as they are now. A clone costs O(1).
    pub const fn snapshot(&self) -> &Snapshot {
        &self.live
    }

    /// Says who makes tokens of service accounts.
    pub(crate) fn set_authority(&mut self, authority: Option<Arc<dyn Authority>>) {
        self.live.authority = authority;
    }

    /// The kinds that it knows.
    pub const fn kinds(&self) -> &Kinds {
        &self.live.kinds
    }

    /// The changes since this was last called, in the order of their revisions.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The same, put at the end of a list.
    pub(crate) fn move_changes(&mut self, into: &mut Vec<Change>) {
        into.append(&mut self.changes);
    }

    /// Records an event, if its sender may still write about its object.
    pub fn emit(&mut self, draft: EventDraft, now: Time) {
        let revision = self.live.revision.next();
        if let Some(change) = self.events.record(&mut self.live.events, draft, revision, now) {
            self.live.revision = revision;
            self.changes.push(change);
        }
    }

    /// Commits a plan; see the module's documentation.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when an object has changed, [`CommitError::Refused`] when admission says no.
    pub fn commit(&mut self, actions: Vec<Action>, now: Time) -> Result<(), CommitError> {
        for target in actions.iter().filter_map(target_of) {
            self.check(target)?;
        }
        for action in actions {
            let applied = self.apply(action, now);
            self.give_names(now);
            applied.map_err(|error| CommitError::Refused { error })?;
        }
        Ok(())
    }

    fn check(&self, target: Target) -> Result<(), CommitError> {
        let current = self.live.get(target.uid).map(|object| object.meta.revision);
        let fits = match target.seen {
            Some(seen) => current == Some(seen),
            None => current.is_some(),
        };
        if fits { Ok(()) } else { Err(CommitError::Conflict { uid: target.uid }) }
    }

    fn apply(&mut self, action: Action, now: Time) -> Result<(), ApiError> {
        match action {
            Action::Create { draft, announce } => {
                let created = self.create(*draft, now)?;
                self.announce(announce, &created.meta.name, now);
            }
            Action::CreateWithStatus { object } => {
                let created = self.create(Draft::typed(Arc::clone(&object)), now)?;
                let mut next = object;
                *exclusive(&mut next).metadata_mut() = created.meta.to_api();
                let target = Target::any_version(created.meta.uid);
                self.write_current(target, Part::Status, now, |_, _, _| Body::Typed(next))?;
            }
            Action::Update { target, object, spec_changed } => {
                let part = self.part_of_update(target, &*object);
                self.write_current(target, part, now, |meta, _, kinds| {
                    let api = object.metadata();
                    let next = Meta::from_api(meta.kind, api);
                    meta.labels = next.labels;
                    meta.annotations = next.annotations;
                    meta.owners = next.owners;
                    meta.finalizers = next.finalizers;
                    meta.managed_fields = next.managed_fields;
                    if spec_changed && counts_generation(kinds, meta) {
                        meta.generation += 1;
                    }
                    Body::Typed(object)
                })?;
            }
            Action::UpdateStatus { target, object } => {
                self.write_current(target, Part::Status, now, |_, _, _| Body::Typed(object))?;
            }
            Action::UpdatePodState { target, state } => {
                self.write_current(target, Part::Status, now, |_, body, _| match body {
                    Body::Pod(pod) => Body::Pod(pod.with_state(*state)),
                    Body::Typed(_) | Body::Custom(_) | Body::Event(_) => body.clone(),
                })?
            }
            Action::Bind { target, node } => {
                let Some(pod) = self.live.get(target.uid).cloned() else { return Ok(()) };
                self.bind(pod, Binding::to(node), now)?;
            }
            Action::EditMeta { target, edit } => self.edit_meta(target, edit, now)?,
            Action::Delete { target, grace_seconds, propagation, announce } => {
                let Some(object) = self.live.get(target.uid).cloned() else { return Ok(()) };
                self.police_deletion(&object)?;
                self.delete_object(&object, grace_seconds, Some(propagation), now);
                self.announce(announce, &object.meta.name, now);
            }
            Action::Scale { target, replicas } => self.scale(target, replicas, now)?,
            Action::Remember { autoscaler, history } => self.remember(autoscaler, history),
            Action::Notice { of, memory } => self.notice(of, memory),
            Action::BackOff { set, failures } => self.back_off(set, failures),
            Action::Emit(event) => self.emit(*event, now),
        }
        Ok(())
    }

    /// The owners of an object that has some learn of it: who applies the number of replicas meets a conflict then.
    fn scale(&mut self, target: Target, replicas: i32, now: Time) -> Result<(), ApiError> {
        let Some(object) = self.live.get(target.uid).cloned() else { return Ok(()) };
        if object.meta.managed_fields.is_some() {
            let patch = ScaleEdit::Patch(Patch::Merge(json!({"spec": {"replicas": replicas}})));
            let manager = Some(FieldManager::new("kube-controller-manager"));
            let options = WriteOptions { manager, ..WriteOptions::default() };
            let name = (&*object.meta.namespace, &*object.meta.name);
            return self.edit_scale(object.meta.kind, name, &patch, &options, now).map(|_| ());
        }
        let (info, name) = (self.info(object.meta.kind)?.clone(), (&*object.meta.namespace, &*object.meta.name));
        let edit = |mut value: Value| {
            Scale::set(&info, &mut value, replicas);
            Ok(value)
        };
        self.edit(object.meta.kind, name, Part::Scale, WriteOptions::default(), now, edit).map(|_| ())
    }

    pub(crate) fn announce(&mut self, event: Option<Box<EventDraft>>, name: &str, now: Time) {
        if let Some(mut event) = event {
            event.message = shared(format_args!("{}{name}", event.message)).into();
            self.emit(*event, now);
        }
    }

    /// Changes an object that the plan was checked against, or a part of it. One that an earlier action of the same plan
    /// removed is left alone; one that becomes free to go by this write goes.
    fn write_current(
        &mut self,
        target: Target,
        part: Part,
        now: Time,
        change: impl FnOnce(&mut Meta, &Body, &Kinds) -> Body,
    ) -> Result<(), ApiError> {
        let Some(before) = self.live.get(target.uid).cloned() else { return Ok(()) };
        let mut meta = before.meta.clone();
        let mut body = change(&mut meta, &before.body, &self.live.kinds);
        if !self.live.policies.are_none() {
            // What they are shown says the same of its metadata everywhere.
            body = Object { meta: meta.clone(), body }.in_accord().body;
        }
        if let Some((next, body)) = self.changed_update(&before, (&meta, &body), part, meta.kind)? {
            // What policies have made of it is looked at like what a client writes.
            let draft =
                Draft { meta: next, body, expect: Expect::default(), written_as: None, misread: Default::default() };
            let written_as = (meta.managed_fields, meta.kind);
            return self.replace_changed(before, draft, part, written_as, now).map(|_| ());
        }
        self.police_update(&before, (&meta, &body), (part.subresource(), before.meta.kind))?;
        self.put(before, meta, body);
        Ok(())
    }

    /// What takes away the finalizers of a namespace is its subresource, whoever writes it.
    pub(crate) fn part_of_update(&self, target: Target, next: &dyn TypedObject) -> Part {
        let finalizers = |namespace: &Namespace| namespace.spec.as_ref().and_then(|spec| spec.finalizers.clone());
        let before = self.live.get(target.uid).and_then(|object| object.typed::<Namespace>().map(finalizers));
        let next = next.as_any().downcast_ref::<Namespace>().map(finalizers);
        if before == next { Part::Main } else { Part::Finalize }
    }

    /// Puts a new version in place, or takes the object out when nothing holds it any more.
    pub(super) fn put(&mut self, before: Arc<Object>, meta: Meta, body: Body) -> Arc<Object> {
        let was_held = !before.meta.finalizers.is_empty() || holds_namespace(&before.body);
        let released = was_held
            && meta.finalizers.is_empty()
            && !holds_namespace(&body)
            && meta.deletion.is_some_and(|deletion| deletion.grace_seconds.unwrap_or(0) == 0);
        let change = if released {
            self.live.remove(Arc::new(Object { meta, body }))
        } else {
            self.live.replace(before, meta, body)
        };
        self.push(change)
    }

    pub(super) fn add(&mut self, meta: Meta, body: Body) -> Arc<Object> {
        let change = self.live.insert(meta, body);
        self.push(change)
    }

    pub(super) fn take_out(&mut self, object: Arc<Object>) -> Arc<Object> {
        let change = self.live.remove(object);
        self.push(change)
    }

    fn push(&mut self, change: Change) -> Arc<Object> {
        let object = Arc::clone(&change.object);
        debug_assert!(change.kind != ChangeKind::Modified || change.before.is_some(), "a change has a before");
        self.memo.heed(object.meta.kind);
        self.changes.push(change.clone());
        self.bill(&change);
        if object.meta.kind == kind::CUSTOM_RESOURCE_DEFINITION {
            self.heed_definition(&change);
        }
        object
    }

    fn edit_meta(&mut self, target: Target, edit: MetaEdit, now: Time) -> Result<(), ApiError> {
        self.write_current(target, Part::Main, now, |meta, body, _| {
            edit.apply(meta);
            body.clone()
        })
    }

    /// Tries a write without keeping it: the result is what the write would have given.
    pub(super) fn rehearse<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let live = self.live.clone();
        let kept = self.changes.len();
        let was_rehearsing = std::mem::replace(&mut self.voice.is_rehearsing, true);
        let result = write(self);
        self.voice.is_rehearsing = was_rehearsing;
        self.live = live;
        self.changes.truncate(kept);
        result
    }

    /// What error messages name: group and plural.
    pub(super) fn subject(&self, kind: KindId, name: &str) -> Subject {
        match self.live.kinds.info(kind) {
            Some(info) => Subject::new(info.group.to_string(), info.plural.to_string(), name),
            None => Subject::new("", "objects", name),
        }
    }

    /// What `Invalid` messages name: group and kind.
    pub(super) fn kind_subject(&self, kind: KindId, name: &str) -> Subject {
        match self.live.kinds.info(kind) {
            Some(info) => Subject::new(info.group.to_string(), info.kind.to_string(), name),
            None => Subject::new("", "Object", name),
        }
    }

    /// The object that a request names, if what it expects holds.
    pub(super) fn expect(
        &self,
        kind: KindId,
        namespace: &str,
        name: &str,
        expect: Expect,
    ) -> Result<Arc<Object>, ApiError> {
        let subject = || self.subject(kind, name);
        let object = self.live.find(kind, namespace, name).ok_or_else(|| ApiError::not_found(subject()))?;
        self.check_precondition(object, Expect { revision: None, ..expect }, &Misread::default())?;
        if expect.revision.is_some_and(|revision| revision != object.meta.revision) {
            return Err(ApiError::stale(subject()));
        }
        Ok(Arc::clone(object))
    }

    /// Whether an object is the one that a write is for, and the version of it.
    pub(crate) fn check_precondition(
        &self,
        object: &Object,
        expect: Expect,
        misread: &Misread,
    ) -> Result<(), ApiError> {
        let meta = &object.meta;
        let odd = |what, given: &str, found: String| Err(self.other_object(object, what, given, &found));
        match (expect.uid, &misread.uid) {
            (Some(uid), _) if uid != meta.uid => return odd("UID", &uid.to_string(), meta.uid.to_string()),
            (None, Some(uid)) => return odd("UID", uid, meta.uid.to_string()),
            _ => {}
        }
        let found = meta.revision.to_string();
        match (expect.revision, &misread.revision) {
            (Some(revision), _) if revision != meta.revision => odd("ResourceVersion", &revision.to_string(), found),
            (None, Some(revision)) => odd("ResourceVersion", revision, found),
            _ => Ok(()),
        }
    }

    /// That an object is not the one that was meant. Upstream's storage says it, and where it looked.
    fn other_object(&self, object: &Object, what: &str, given: &str, found: &str) -> ApiError {
        let Meta { kind, namespace, name, .. } = &object.meta;
        let place = self.live.kinds.info(*kind).map(KindInfo::storage_place).unwrap_or_default();
        let slash = if namespace.is_empty() { "" } else { "/" };
        let detail = format_args!(
            "StorageError: invalid object, Code: 4, Key: /registry/{place}/{namespace}{slash}{name}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: {what} in precondition: {given}, {what} in object meta: {found}"
        );
        ApiError::conflict(self.subject(*kind, name), detail)
    }

    /// The info of a kind that is stored here.
    pub(super) fn info(&self, kind: KindId) -> Result<&KindInfo, ApiError> {
        self.live
            .kinds
            .info(kind)
            .ok_or_else(|| ApiError::new(Reason::NotFound, "the server could not find the requested resource"))
    }
}

/// Whether a kind counts how often its spec changed.
pub(super) fn counts_generation(_kinds: &Kinds, meta: &Meta) -> bool {
    meta.generation > 0
}

fn target_of(action: &Action) -> Option<Target> {
    match action {
        Action::Update { target, .. }
        | Action::UpdateStatus { target, .. }
        | Action::UpdatePodState { target, .. }
        | Action::Bind { target, .. }
        | Action::EditMeta { target, .. }
        | Action::Delete { target, .. }
        | Action::Scale { target, .. } => Some(*target),
        Action::Create { .. }
        | Action::CreateWithStatus { .. }
        | Action::Remember { .. }
        | Action::Notice { .. }
        | Action::BackOff { .. }
        | Action::Emit(_) => None,
    }
}
