//! Writes that webhooks are to see before they are made.
//!
//! ```text
//! controller ─► plan ─► Referral ─► whoever asks webhooks ─► requests like any client's ─► Input::Referred ─► look again
//! ```
//! The kernel makes no calls. What a controller or a client of this process wants to write, and a webhook wants to see,
//! leaves as a value; what came of it comes back as one. Until then the controller does not look at that key again. Bindings
//! of the scheduler, events, and what the cluster does inside of itself are shown to no webhook.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::{Answer, Kernel, Output, Request, RequestId};
use crate::access::User;
use crate::control::{Action, Target};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::admission::Operation;
use crate::object::patch::Patch;
use crate::store::{
    Author, DeleteOptions, Draft, EventDraft, Expect, FieldManager, Object, Outline, Part, ScaleEdit, Store,
    WriteOptions,
};
use crate::time::Time;

/// Which answer belongs to which referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferralId(u64);

/// Writes that webhooks want to see first: to be made one after the other, until one of them fails.
#[derive(Debug)]
pub struct Referral {
    /// In whose name.
    pub user: Arc<User>,
    /// The writes.
    pub requests: Vec<Request>,
    /// Who waits for what comes of them.
    pub asker: Asker,
}

/// Who waits for a referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A controller: what came of it is [`Input::Referred`](super::Input::Referred).
    Controller(ReferralId),
    /// A client of this process, who is answered by the shell.
    Client(RequestId),
}

/// A controller's key that is not looked at until its referral has come back.
#[derive(Debug)]
struct Away {
    controller: usize,
    key: Uid,
    /// The events to record when the writes have been made.
    announced: Vec<Option<Box<EventDraft>>>,
}

/// All that is away.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    away: BTreeMap<ReferralId, Away>,
    next: u64,
}

impl Kernel {
    /// Sends out what a controller wants to write of a key.
    pub(super) fn refer(&mut self, controller: usize, key: Uid, actions: Vec<Action>, output: &mut Output) {
        let author = Author::Controller(self.loops[controller].name());
        let (mut requests, mut announced) = (Vec::new(), Vec::new());
        for action in actions {
            // What has gone since the plan was made needs no write.
            let Some((request, event)) = request(&self.store, action) else { continue };
            requests.push(request);
            announced.push(event);
        }
        let id = ReferralId(self.referrals.next);
        self.referrals.next += 1;
        self.referrals.away.insert(id, Away { controller, key, announced });
        let user = Arc::new(author.user().unwrap_or_default());
        output.referrals.push(Referral { user, requests, asker: Asker::Controller(id) });
    }

    /// What came of a controller's writes: one answer for each that was tried.
    pub(super) fn referred(&mut self, id: ReferralId, answers: Vec<Result<Answer, ApiError>>, now: Time) {
        let Some(Away { controller, key, announced }) = self.referrals.away.remove(&id) else { return };
        let mut result = Ok(());
        for (answer, event) in answers.into_iter().zip(announced) {
            match answer {
                Ok(answer) => {
                    let name = match &answer {
                        Answer::Object(object) | Answer::Created(object) => Arc::clone(&object.meta.name),
                        Answer::Deleted(deleted) => Arc::clone(&deleted.object().meta.name),
                        Answer::Snapshot(_) | Answer::Kind(_) | Answer::Done => continue,
                    };
                    self.store.announce(event, &name, now);
                }
                Err(error) => result = Err(error),
            }
        }
        self.loops[controller].referred(&mut self.store, key, result, now);
    }

    /// Whether a request of a client of this process is one that a webhook wants to see: then it goes out instead of being
    /// answered here, and comes back in its author's name.
    pub(super) fn is_for_webhooks(&self, request: &Request) -> bool {
        if !self.store.may_refer() {
            return false;
        }
        let admin = User::admin();
        outlines(request).is_some_and(|outlines| outlines.iter().any(|outline| self.store.is_referred(outline, &admin)))
    }
}

/// What a request may turn out to be; nothing for one that comes back from webhooks or writes no object.
fn outlines(request: &Request) -> Option<Vec<Outline<'_>>> {
    let one = |operation, subresource, kind, namespace, name| {
        Some(vec![Outline { operation, subresource, kind, namespace, name }])
    };
    match request {
        Request::Create(draft, _) => {
            one(Operation::Create, "", draft.meta.kind, &*draft.meta.namespace, &*draft.meta.name)
        }
        Request::Update(draft, part, _) => {
            let meta = &draft.meta;
            one(Operation::Update, part.subresource(), meta.kind, &*meta.namespace, &*meta.name)
        }
        Request::Patch { kind, namespace, name, part, .. } => {
            one(Operation::Update, part.subresource(), *kind, namespace, name)
        }
        Request::Apply(application, _) => {
            let (kind, namespace, name) = (application.kind, &*application.namespace, &*application.name);
            let subresource = application.part.subresource();
            let either = [Operation::Create, Operation::Update];
            Some(either.map(|operation| Outline { operation, subresource, kind, namespace, name }).to_vec())
        }
        Request::Scale { kind, namespace, name, .. } => one(Operation::Update, "scale", *kind, namespace, name),
        Request::Delete { kind, namespace, name, .. } => one(Operation::Delete, "", *kind, namespace, name),
        Request::Evict { namespace, name, .. } => {
            one(Operation::Create, "eviction", crate::object::kind::POD, namespace, name)
        }
        Request::Bind { namespace, name, .. } => {
            one(Operation::Create, "binding", crate::object::kind::POD, namespace, name)
        }
        Request::By(..)
        | Request::Snapshot
        | Request::AddNode(_)
        | Request::RemoveAgent(_)
        | Request::SetController(..)
        | Request::Measures
        | Request::SetUsage { .. }
        | Request::AddKind(_) => None,
    }
}

/// An action as a client would ask for it, and the event that is to be recorded then.
fn request(store: &Store, action: Action) -> Option<(Request, Option<Box<EventDraft>>)> {
    let current = |target: Target| store.snapshot().get(target.uid).cloned();
    let update = |draft: Draft, target: Target, part| {
        let expect = Expect { uid: Some(target.uid), revision: target.seen };
        Some((Request::Update(Draft { expect, ..draft }, part, WriteOptions::default()), None))
    };
    match action {
        Action::Create { draft, announce } => Some((Request::Create(*draft, WriteOptions::default()), announce)),
        Action::Update { target, object, .. } => {
            let part = store.part_of_update(target, &*object);
            update(Draft::typed(object), target, part)
        }
        Action::UpdateStatus { target, object } => update(Draft::typed(object), target, Part::Status),
        Action::UpdatePodState { target, state } => {
            let object = current(target)?;
            let body = crate::store::Body::Pod(object.pod()?.with_state(*state));
            let next = Object { meta: object.meta.clone(), body };
            update(Draft::typed(next.to_typed(store.kinds())?), target, Part::Status)
        }
        Action::EditMeta { target, edit } => {
            let object = current(target)?;
            let mut next = Object::clone(&object);
            edit.apply(&mut next.meta);
            let next = next.in_accord();
            update(store.decode(next.meta.kind, next.to_wire(store.kinds())).ok()?, target, Part::Main)
        }
        Action::Delete { target, grace_seconds, propagation, announce } => {
            let object = current(target)?;
            let options = DeleteOptions {
                grace_seconds,
                propagation: Some(propagation),
                expect: Expect { uid: Some(target.uid), revision: target.seen },
                ..DeleteOptions::default()
            };
            let (namespace, name) = (object.meta.namespace.to_string(), object.meta.name.to_string());
            Some((Request::Delete { kind: object.meta.kind, namespace, name, options }, announce))
        }
        Action::Scale { target, replicas } => {
            let object = current(target)?;
            // As where nobody is asked: owners learn of it where there are some.
            let manager = object.meta.managed_fields.as_ref().map(|_| FieldManager::new("kube-controller-manager"));
            let request = Request::Scale {
                kind: object.meta.kind,
                namespace: object.meta.namespace.to_string(),
                name: object.meta.name.to_string(),
                edit: ScaleEdit::Patch(Patch::Merge(json!({ "spec": { "replicas": replicas } }))),
                options: WriteOptions { manager, ..WriteOptions::default() },
            };
            Some((request, None))
        }
        Action::Bind { .. }
        | Action::CreateWithStatus { .. }
        | Action::Remember { .. }
        | Action::Notice { .. }
        | Action::BackOff { .. }
        | Action::Emit(_) => None,
    }
}
