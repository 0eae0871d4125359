//! Who writes, and that each write meets the policies that concern it.
//!
//! Clients, controllers and the scheduler write in a name; what the cluster does inside of itself has none, and meets no
//! policy: what node agents say of pods, leases, the first namespaces.

use std::sync::Arc;

use serde_json::{Value, json};

use super::commit::Store;
use super::object::{Body, Meta, Object};
use super::policies::Turn;
use super::writing::Stage;
use crate::access::User;
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::admission::{Asked, Objects, Operation};
use crate::object::kind::{self, KindId, KindInfo, Kinds};

/// Who writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Author {
    /// The cluster, inside of itself.
    #[default]
    Inside,
    /// A controller, by its service account.
    Controller(&'static str),
    /// The scheduler.
    Scheduler,
    /// A client.
    Client(Arc<User>),
}

impl Author {
    pub(crate) fn user(&self) -> Option<User> {
        match self {
            Self::Inside => None,
            Self::Controller(name) => Some(User::service_account("kube-system", name, "")),
            Self::Scheduler => Some(User::new("system:kube-scheduler", [""; 0])),
            Self::Client(user) => Some((**user).clone()),
        }
    }
}

/// In whose name the store writes now, and what is to be told of it.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    author: Author,
    /// The options of the request, with their kind, where a client made one.
    options: Value,
    pub(super) is_rehearsing: bool,
    /// How far the write goes that is made now.
    pub(super) until: Stage,
    /// Which turn of the mutating policies it meets.
    pub(super) turn: Turn,
    /// The uid that the object that is created now has been given already.
    pub(super) uid: Option<Uid>,
    told: Told,
}

impl Voice {
    /// In whose name the store writes; `None` for the cluster itself.
    pub(super) fn user(&self) -> Option<User> {
        self.author.user()
    }

    /// The client that the store writes for, if it is one.
    pub(super) fn client(&self) -> Option<&User> {
        match &self.author {
            Author::Client(user) => Some(user),
            Author::Inside | Author::Controller(_) | Author::Scheduler => None,
        }
    }

    /// A write on its way in as policies see it; nothing for a kind that is not known.
    pub(super) fn asks<'a>(&self, step: &Step<'a>, kinds: &'a Kinds, user: &'a User) -> Option<Asked<'a>> {
        let info = kinds.info(step.seen_as)?;
        Some(Asked {
            operation: step.operation,
            info,
            subresource: step.subresource,
            namespace: if info.stored_as == kind::NAMESPACE { step.name } else { step.namespace },
            name: step.name,
            user,
            dry_run: self.is_rehearsing,
            options: match &self.options {
                Value::Null => options_of(step.operation),
                given => given.clone(),
            },
        })
    }
}

/// What policies had to say besides.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// To the author.
    pub(crate) warnings: Vec<String>,
    /// To the audit.
    pub(crate) annotations: Vec<(String, String)>,
}

/// A write on its way in.
pub(super) struct Step<'a> {
    pub(super) operation: Operation,
    pub(super) subresource: &'a str,
    /// As which kind the author sees the object.
    pub(super) seen_as: KindId,
    pub(super) namespace: &'a str,
    /// Empty where it was still to be given.
    pub(super) name: &'a str,
}

impl Store {
    /// Does something in a name; the result comes with what policies had to say of it.
    pub(crate) fn by<T>(&mut self, author: Author, options: Value, act: impl FnOnce(&mut Self) -> T) -> (T, Told) {
        let before = self.speak_as(author, options);
        let result = act(self);
        (result, self.fall_silent(before))
    }

    /// Writes in this name from here on. The voice it had before is what [`Store::fall_silent`] wants.
    pub(crate) fn speak_as(&mut self, author: Author, options: Value) -> Voice {
        let is_rehearsing = self.voice.is_rehearsing;
        std::mem::replace(&mut self.voice, Voice { author, options, is_rehearsing, ..Voice::default() })
    }

    /// Writes in the name it had before; says what policies had to say meanwhile.
    pub(crate) fn fall_silent(&mut self, before: Voice) -> Told {
        std::mem::replace(&mut self.voice, before).told
    }

    /// Lets the policies judge a write. `objects` is only asked where one of them concerns it.
    pub(super) fn police(&mut self, step: &Step<'_>, objects: impl FnOnce(&Self) -> Objects) -> Result<(), ApiError> {
        if self.live.policies.judge_nothing() {
            return Ok(());
        }
        let Some(user) = self.voice.user() else { return Ok(()) };
        let Some(asked) = self.voice.asks(step, &self.live.kinds, &user) else { return Ok(()) };
        if !self.live.has_policy_for(&asked) {
            return Ok(());
        }
        let verdict = self.live.judge(&asked, &objects(self));
        self.voice.told.warnings.extend(verdict.warnings);
        self.voice.told.annotations.extend(verdict.annotations);
        verdict.denial.map_or(Ok(()), Err)
    }

    /// The same for an object that is to replace another, or a part of it.
    pub(super) fn police_update(
        &mut self,
        current: &Object,
        (meta, body): (&Meta, &Body),
        (subresource, seen_as): (&str, KindId),
    ) -> Result<(), ApiError> {
        let (namespace, name) = (&*current.meta.namespace, &*current.meta.name);
        let step = Step { operation: Operation::Update, subresource, seen_as, namespace, name };
        let is_scale = subresource == "scale";
        self.police(&step, |store| Objects {
            object: store.shown(meta, body, seen_as, is_scale),
            old: store.shown(&current.meta, &current.body, seen_as, is_scale),
        })
    }

    /// The same for an object that is to go.
    pub(super) fn police_deletion(&mut self, object: &Object) -> Result<(), ApiError> {
        let meta = &object.meta;
        let step = Step {
            operation: Operation::Delete,
            subresource: "",
            seen_as: meta.kind,
            namespace: &meta.namespace,
            name: &meta.name,
        };
        self.police(&step, |store| Objects { object: None, old: store.shown(meta, &object.body, meta.kind, false) })
    }

    /// Lets policies change and judge what is asked of a pod beside itself: a binding, an eviction. The answer is what they
    /// have made of it; nothing where they leave it as it is.
    pub(super) fn pass_beside(
        &mut self,
        pod: &Object,
        subresource: &str,
        object: impl Fn() -> Value,
    ) -> Result<Option<Value>, ApiError> {
        let (namespace, name) = (&*pod.meta.namespace, &*pod.meta.name);
        let step = Step { operation: Operation::Create, subresource, seen_as: kind::POD, namespace, name };
        let changed = self.change_beside(&step, &object)?;
        let judged = |_: &Self| Objects { object: Some(changed.clone().unwrap_or_else(object)), old: None };
        self.police(&step, judged)?;
        Ok(changed)
    }

    /// An object, or its scale, as the author of a write sees it.
    pub(super) fn shown(&self, meta: &Meta, body: &Body, seen_as: KindId, is_scale: bool) -> Option<Value> {
        let object = Object { meta: meta.clone(), body: body.clone() };
        if is_scale {
            return object.to_scale(&self.live.kinds).ok();
        }
        self.live.kinds.convert(meta.kind, seen_as, object.to_wire(&self.live.kinds))
    }

    /// As which kind an object is seen that says itself in which version it is.
    pub(super) fn seen_as(&self, meta: &Meta, body: &Body, written_as: Option<KindId>) -> KindId {
        let own = match body {
            Body::Custom(value) => self.version_of(meta, value).ok().map(|info: &KindInfo| info.id),
            Body::Pod(_) | Body::Typed(_) | Body::Event(_) => written_as,
        };
        own.unwrap_or(meta.kind)
    }
}

/// The options of a request that nobody sent.
fn options_of(operation: Operation) -> Value {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Value::Null,
    };
    json!({ "kind": kind, "apiVersion": "meta.k8s.io/v1" })
}

/// Something that is asked of a pod.
pub(super) fn of_pod(pod: &Object, api_version: &str, kind: &str) -> Value {
    let metadata = json!({ "name": &*pod.meta.name, "namespace": &*pod.meta.namespace });
    json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata })
}
