//! Admission: the one way into the store, the same for the typed API, HTTP and controllers.
//!
//! ```text
//! decode -> change -> default -> mutate -> prepare -> validate -> permit -> police -> charge -> commit
//! ```
//! Where there are policies that change objects, they are shown what defaults and plugins make of one, and what they have
//! made of it goes on from there (`core/src/store/changing.rs`). The stages from defaults to permission are in
//! `core/src/store/typed.rs` for built-in kinds, and in `core/src/store/custom.rs` for users' own.
//!
//! A pod whose very spec was admitted before (a template's next pod) takes that result and skips the middle.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::commit::Store;
use super::draft::{Draft, Expect, Misread};
use super::object::{Body, Meta, Object};
use super::owners::{Entries, SharedEntries};
pub use super::part::Part;
use super::pod::PodBody;
use super::policing::{Author, Step};
use super::typed::{exclusive, take_meta};
use super::writing::{Stage, WriteOptions};
use super::{custom, owners};
use crate::error::{ApiError, Reason, Subject};
use crate::ids::Revision;
use crate::object::admission::{Objects, Operation};
use crate::object::kind::{self, KindId};
use crate::object::prepare;
use crate::time::Time;

/// How often a generated name that is taken is drawn anew.
const NAME_DRAWS_MAX: usize = 8;

impl Store {
    /// Creates an object.
    ///
    /// # Errors
    /// `Invalid`, `AlreadyExists`, `NotFound` for its namespace, `Forbidden` when its namespace is terminating.
    pub fn create_with(&mut self, draft: Draft, options: WriteOptions, now: Time) -> Result<Arc<Object>, ApiError> {
        let info = self.info(draft.meta.kind)?;
        if info.defined.as_ref().is_some_and(|defined| defined.is_terminating) {
            let message = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::new(Reason::MethodNotAllowed, message).about(self.subject(draft.meta.kind, "")));
        }
        let create = |store: &mut Self| store.create_as(draft, Entries::of(options.manager.as_ref()), now);
        self.perform(&options, Revision::ZERO, create)
    }

    pub(super) fn create(&mut self, draft: Draft, now: Time) -> Result<Arc<Object>, ApiError> {
        self.create_as(draft, Entries::Kept, now)
    }

    pub(super) fn create_as(&mut self, draft: Draft, entries: Entries<'_>, now: Time) -> Result<Arc<Object>, ApiError> {
        let Draft { mut meta, body, written_as, expect, misread: _ } = draft;
        self.place(&mut meta)?;
        let asked_name = Arc::clone(&meta.name);
        self.name(&mut meta)?;
        meta.uid = self.voice.uid.take().unwrap_or_else(|| self.ids.uid(meta.kind));
        meta.created = now.whole_second();
        meta.deletion = None;
        meta.generation = match &body {
            _ if prepare::has_generation(meta.kind) => 1,
            // Nobody counts: it is what the client says.
            Body::Typed(object) => object.metadata().generation.unwrap_or(0),
            Body::Pod(_) | Body::Custom(_) | Body::Event(_) => 0,
        };
        let entries = self.entries_of_new(&meta, &body, entries, now);
        meta.managed_fields.clone_from(&entries);
        let body = self.change_new(&mut meta, body, written_as, &asked_name)?;
        let body = self.admit_new(&mut meta, body, written_as, now)?;
        meta.managed_fields = entries;
        if self.voice.until == Stage::Mutated {
            return Ok(Arc::new(Object { meta, body }));
        }
        let seen_as = self.seen_as(&meta, &body, written_as);
        let step = Step {
            operation: Operation::Create,
            subresource: "",
            seen_as,
            namespace: &meta.namespace,
            name: &asked_name,
        };
        self.police(&step, |store| Objects { object: store.shown(&meta, &body, seen_as, false), old: None })?;
        self.charge((&meta, &body), None, now)?;
        if expect.revision.is_some_and(|revision| revision != Revision::ZERO) {
            // Without a reason, as upstream's storage says it.
            let message = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(Reason::Unknown, message));
        }
        if let Some(there) = self.live.find(meta.kind, &meta.namespace, &meta.name) {
            let taken = self.taken(&meta);
            return Err(if there.meta.is_deleting() { taken.within("object is being deleted") } else { taken });
        }
        let object = self.add(meta, body);
        self.give_names(now);
        if object.meta.kind == kind::NAMESPACE {
            let account = Draft::of(default_service_account(&object.meta.name, self.live.authority().is_some()));
            self.by(Author::Inside, Value::Null, |store| store.create(account, now)).0?;
        }
        Ok(object)
    }

    /// Creates what every cluster has from the start: its first namespaces.
    pub(crate) fn found(&mut self, now: Time) {
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            self.create(Draft::of(namespace(name)), now).expect("nothing is in the way in an empty store");
        }
    }

    /// Adds a user's own kind.
    pub(crate) fn add_kind(&mut self, info: kind::KindInfo) -> Result<KindId, kind::KindConflict> {
        self.live.kinds.add(info)
    }

    /// The namespace must be there and not be going.
    fn place(&self, meta: &mut Meta) -> Result<(), ApiError> {
        let info = self.info(meta.kind)?;
        if !info.is_namespaced() {
            meta.namespace = "".into();
            return Ok(());
        }
        if meta.namespace.is_empty() {
            meta.namespace = "default".into();
        }
        let name = &meta.namespace;
        let namespace = self
            .live
            .find(kind::NAMESPACE, "", name)
            .ok_or_else(|| ApiError::not_found(self.subject(kind::NAMESPACE, name)))?;
        if !namespace.meta.is_deleting() {
            return Ok(());
        }
        let detail = format!("unable to create new content in namespace {name} because it is being terminated");
        let cause = k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause {
            field: Some("metadata.namespace".to_owned()),
            message: Some(format!("namespace {name} is being terminated")),
            reason: Some("NamespaceTerminating".to_owned()),
        };
        Err(ApiError::forbidden(self.subject(meta.kind, &meta.name), detail).cause(cause))
    }

    /// A name that is not given is drawn from its prefix until it is free.
    fn name(&mut self, meta: &mut Meta) -> Result<(), ApiError> {
        let Some(prefix) = meta.generate_name.clone().filter(|_| meta.name.is_empty()) else {
            if meta.name.is_empty() && meta.kind == kind::LIMIT_RANGE {
                // As upstream: the one kind that can do without a name.
                meta.name = self.ids.uid(meta.kind).to_string().into();
            }
            return Ok(());
        };
        for _ in 0..NAME_DRAWS_MAX {
            meta.name = self.ids.name(meta.kind, &prefix).into();
            if self.live.find(meta.kind, &meta.namespace, &meta.name).is_none() {
                return Ok(());
            }
        }
        Err(self.taken(meta))
    }

    /// That there is an object of this name. With a prefix for names beside it, it counts as drawn.
    fn taken(&self, meta: &Meta) -> ApiError {
        let subject = self.subject(meta.kind, &meta.name);
        match meta.generate_name {
            None => ApiError::already_exists(subject),
            Some(_) => ApiError::no_unique_name(subject),
        }
    }

    /// Replaces an object, or its status.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it has changed since, `Invalid`.
    pub fn update(
        &mut self,
        draft: Draft,
        part: Part,
        options: WriteOptions,
        now: Time,
    ) -> Result<Arc<Object>, ApiError> {
        let namespace = self.namespace_of(draft.meta.kind, &draft.meta.namespace)?;
        if draft.misread.uid.is_some() {
            let there = self.expect(draft.meta.kind, &namespace, &draft.meta.name, Expect::default())?;
            let uid_alone = Misread { revision: None, ..draft.misread };
            return self.check_precondition(&there, Expect::default(), &uid_alone).map(|()| there);
        }
        let uid_alone = Expect { revision: None, ..draft.expect };
        self.expect(draft.meta.kind, &namespace, &draft.meta.name, uid_alone)?;
        draft.check_revision()?;
        let current = self.expect(draft.meta.kind, &namespace, &draft.meta.name, draft.expect)?;
        let (entries, before) = (Entries::of(options.manager.as_ref()), current.meta.revision);
        let replace = |store: &mut Self| store.replace(current, draft, part, entries, now);
        self.perform(&options, before, replace)
    }

    /// Reads an object, lets `edit` make the next one from its JSON, and writes that, all in one step.
    ///
    /// # Errors
    /// What `edit` says, or [`Store::update`].
    pub fn edit(
        &mut self,
        kind: KindId,
        name: (&str, &str),
        part: Part,
        options: WriteOptions,
        now: Time,
        edit: impl FnOnce(Value) -> Result<Value, ApiError>,
    ) -> Result<Arc<Object>, ApiError> {
        self.edit_as((kind, None), name, part, options, now, edit)
    }

    /// As [`Store::edit`], by a client that writes another version of the kind.
    ///
    /// # Errors
    /// What `edit` says, or [`Store::update`].
    pub(crate) fn edit_as(
        &mut self,
        (kind, written_as): (KindId, Option<KindId>),
        (namespace, name): (&str, &str),
        part: Part,
        options: WriteOptions,
        now: Time,
        edit: impl FnOnce(Value) -> Result<Value, ApiError>,
    ) -> Result<Arc<Object>, ApiError> {
        let namespace = self.namespace_of(kind, namespace)?;
        let current = self.expect(kind, &namespace, name, Expect::default())?;
        Self::meets(options.meets, Some(&current), || self.subject(kind, name))?;
        let next = edit(current.to_wire(&self.live.kinds))?;
        let mut next = next;
        if !namespace.is_empty() && next.pointer("/metadata/namespace").is_none_or(Value::is_null) {
            next["metadata"]["namespace"] = namespace.as_str().into();
        }
        let draft = Draft { written_as, ..self.decode(kind, next)? };
        if *draft.meta.name != *current.meta.name {
            let named = &draft.meta.name;
            return Err(ApiError::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        if *draft.meta.namespace != *current.meta.namespace && !draft.meta.namespace.is_empty() {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        // An identity that is another is no precondition of an edit: validation finds it.
        draft.check_revision()?;
        if draft.expect.revision.is_some_and(|revision| revision != current.meta.revision) {
            return Err(ApiError::stale(self.subject(kind, name)));
        }
        let (entries, before) = (Entries::of(options.manager.as_ref()), current.meta.revision);
        let replace = |store: &mut Self| store.replace(current, draft, part, entries, now);
        self.perform(&options, before, replace)
    }

    /// An object must be at the version at which a write says that it meets it.
    pub(super) fn meets(
        wanted: Option<Revision>,
        found: Option<&Arc<Object>>,
        subject: impl FnOnce() -> Subject,
    ) -> Result<(), ApiError> {
        let found = found.map_or(Revision::ZERO, |object| object.meta.revision);
        if wanted.is_none_or(|wanted| wanted == found) { Ok(()) } else { Err(ApiError::stale(subject())) }
    }

    /// A draft from JSON.
    ///
    /// # Errors
    /// `BadRequest` when a field has the wrong type.
    pub fn decode(&self, kind: KindId, value: Value) -> Result<Draft, ApiError> {
        let info = self.info(kind)?;
        match info.codec {
            Some(codec) => {
                let decoded = codec.decode(&value).map_err(|error| ApiError::bad_request(error.to_string()))?;
                Ok(Draft::typed(decoded.object))
            }
            None => Draft::custom(info.stored_as, value).map_err(|error| ApiError::bad_request(error.to_string())),
        }
    }

    pub(super) fn namespace_of(&self, kind: KindId, namespace: &str) -> Result<String, ApiError> {
        let namespaced = self.info(kind)?.is_namespaced();
        Ok(match (namespaced, namespace) {
            (false, _) => String::new(),
            (true, "") => "default".to_owned(),
            (true, namespace) => namespace.to_owned(),
        })
    }

    pub(super) fn replace(
        &mut self,
        current: Arc<Object>,
        draft: Draft,
        part: Part,
        entries: Entries<'_>,
        now: Time,
    ) -> Result<Arc<Object>, ApiError> {
        let seen_as = self.seen_as(&draft.meta, &draft.body, draft.written_as);
        let entries = self.entries_after(&current, (&draft.meta, &draft.body), part, entries, now);
        let draft = self.change_update(&current, draft, part, seen_as)?;
        self.replace_changed(current, draft, part, (entries, seen_as), now)
    }

    /// The same behind the policies that change objects.
    pub(super) fn replace_changed(
        &mut self,
        current: Arc<Object>,
        draft: Draft,
        part: Part,
        (entries, seen_as): (SharedEntries, KindId),
        now: Time,
    ) -> Result<Arc<Object>, ApiError> {
        let mut meta = current.meta.clone();
        let body = match draft.body {
            Body::Typed(mut next) => {
                if draft.meta.managed_fields != entries {
                    exclusive(&mut next).metadata_mut().managed_fields = entries.as_deref().cloned();
                }
                let before = current
                    .to_typed(&self.live.kinds)
                    .ok_or_else(|| ApiError::internal("a built-in object without its type"))?;
                let request = self.request(draft.written_as, now);
                let next = self.admit_update(&meta, next, &*before, part, &request)?;
                take_meta(&mut meta, &*next);
                meta.generation = next.metadata().generation.unwrap_or(0);
                match next.as_any().downcast_ref::<Pod>() {
                    Some(pod) => Body::Pod(kept_parts(PodBody::from_api(pod), &current, part)),
                    None => Body::Typed(next),
                }
            }
            Body::Custom(next) => {
                let Body::Custom(before) = &current.body else {
                    return Err(ApiError::internal("a custom object without its JSON"));
                };
                if matches!(part, Part::Main | Part::Scale) {
                    meta.labels = draft.meta.labels;
                    meta.annotations = draft.meta.annotations;
                    meta.owners = draft.meta.owners;
                    meta.finalizers = draft.meta.finalizers;
                }
                let next = self.admit_custom_update(&current.meta, before, (&meta, &next), part)?;
                if matches!(part, Part::Main | Part::Scale)
                    && custom::is_another(before, &next, self.live.kinds.info(meta.kind))
                {
                    meta.generation += 1;
                }
                Body::Custom(Arc::new(next))
            }
            Body::Pod(_) | Body::Event(_) => return Err(ApiError::new(Reason::BadRequest, "not a whole object")),
        };
        if self.voice.until == Stage::Mutated {
            meta.managed_fields = entries;
            return Ok(Arc::new(Object { meta, body }));
        }
        self.permit_signing(&current, &body, part)?;
        self.police_update(&current, (&meta, &body), (part.subresource(), seen_as))?;
        // A write that changes nothing but the times of owners changes nothing.
        let is_later_alone = owners::differ_in_times(&entries, &current.meta.managed_fields);
        meta.managed_fields = if is_later_alone { current.meta.managed_fields.clone() } else { entries.clone() };
        if meta == current.meta && body.is_same(&current.body) {
            return Ok(current);
        }
        meta.managed_fields = entries;
        if matches!(part, Part::Main | Part::Resize | Part::Scale) {
            self.charge((&meta, &body), Some(&current), now)?;
        }
        let object = self.put(current, meta, body);
        self.give_names(now);
        Ok(object)
    }
}

/// A pod that was written whole keeps what the write did not change: its spec, which it shares with its siblings.
fn kept_parts(mut pod: PodBody, current: &Object, part: Part) -> PodBody {
    let Some(before) = current.pod() else { return pod };
    if before.spec == pod.spec {
        pod.spec = Arc::clone(&before.spec);
    }
    // The API's times are whole seconds: on the way through it the status would lose what it has of finer ones.
    if part != Part::Status {
        pod.state = before.state.clone();
    }
    pod
}

/// The account that a pod has when it names none. A namespace is born with it, so that nobody has to wait for it.
///
/// Its token is not put into pods as long as nobody makes tokens.
pub(crate) fn default_service_account(namespace: &str, has_tokens: bool) -> ServiceAccount {
    ServiceAccount {
        automount_service_account_token: (!has_tokens).then_some(false),
        metadata: ObjectMeta {
            name: Some("default".to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        ..ServiceAccount::default()
    }
}

/// A namespace of this name.
fn namespace(name: &str) -> Namespace {
    Namespace { metadata: ObjectMeta { name: Some(name.to_owned()), ..Default::default() }, ..Namespace::default() }
}
