//! Which writes webhooks want to see before they are made.
//!
//! The store makes no calls: whoever does (see [`crate::kernel::Referral`]) is told of such writes. What is said here goes by
//! the rules of the webhooks and by the namespaces that they select; the rest is seen to where they are asked.

use std::sync::Arc;

use super::commit::Store;
use super::part::Part;
use super::policing::Author;
use crate::access::User;
use crate::control::plan::{Action, Target};
use crate::object::admission::{Asked, Operation};
use crate::object::kind::{self, KindId, TypedObject};

/// A write, as far as the rules of webhooks look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline<'a> {
    pub(crate) operation: Operation,
    pub(crate) subresource: &'a str,
    pub(crate) kind: KindId,
    pub(crate) namespace: &'a str,
    /// Empty where it is still to be given.
    pub(crate) name: &'a str,
}

impl Store {
    /// Says whether there is somebody who asks webhooks.
    pub(crate) const fn set_refers(&mut self, refers: bool) {
        self.refers = refers;
    }

    /// Whether any write may have to be shown to a webhook.
    pub(crate) fn may_refer(&self) -> bool {
        self.refers && !self.live.policies.ask_nobody()
    }

    /// Whether a webhook wants to see a write of this author.
    pub(crate) fn is_referred(&self, outline: &Outline<'_>, user: &User) -> bool {
        let Outline { operation, subresource, kind, namespace, name } = *outline;
        let Some(info) = self.live.kinds.info(kind) else { return false };
        let namespace = if info.stored_as == kind::NAMESPACE { name } else { namespace };
        let options = serde_json::Value::Null;
        let asked = Asked { operation, info, subresource, namespace, name, user, dry_run: false, options };
        self.live.has_webhook_for(&asked)
    }

    /// The same actions, where policies or webhooks may look at them: what replaces an object and its status at once becomes
    /// two writes, as of a client.
    pub(crate) fn in_parts(&self, actions: Vec<Action>) -> Vec<Action> {
        if !self.may_refer() && self.live.policies.are_none() {
            return actions;
        }
        let mut parts = Vec::with_capacity(actions.len());
        for action in actions {
            match action {
                Action::Update { target, object, spec_changed } => {
                    self.update_in_parts(target, object, spec_changed, &mut parts);
                }
                other => parts.push(other),
            }
        }
        parts
    }

    fn update_in_parts(
        &self,
        target: Target,
        object: Arc<dyn TypedObject>,
        spec_changed: bool,
        parts: &mut Vec<Action>,
    ) {
        let before = self.live.get(target.uid).map(|before| (before.meta.kind, before.to_value(&self.live.kinds)));
        let info = before.as_ref().and_then(|(kind, _)| self.live.kinds.info(*kind));
        let (Some((_, before)), Some(info)) = (before, info.filter(|info| info.has_subresource("status"))) else {
            return parts.push(Action::Update { target, object, spec_changed });
        };
        let mut main = object.to_value();
        let status = std::mem::replace(&mut main["status"], before["status"].clone());
        let is_same = |field: &str| main[field] == before[field];
        let is_main = spec_changed || main.as_object().is_some_and(|fields| fields.keys().any(|field| !is_same(field)));
        if status == before["status"] {
            return parts.push(Action::Update { target, object, spec_changed });
        }
        if is_main && let Some(decoded) = info.codec.and_then(|codec| codec.decode(&main).ok()) {
            parts.push(Action::Update { target, object: decoded.object, spec_changed });
        }
        parts.push(Action::UpdateStatus { target, object });
    }

    /// The actions of a plan that webhooks want to see, taken out of it: the first of them and those right behind it. What
    /// comes after them is left out, because every plan is right when it is cut short.
    pub(crate) fn take_referred(&self, actions: &mut Vec<Action>, author: &Author) -> Vec<Action> {
        if !self.may_refer() {
            return Vec::new();
        }
        let Some(user) = author.user() else { return Vec::new() };
        let is_referred =
            |action: &Action| self.outline(action).is_some_and(|outline| self.is_referred(&outline, &user));
        let Some(first) = actions.iter().position(is_referred) else { return Vec::new() };
        let mut referred = actions.split_off(first);
        let run = referred.iter().take_while(|action| is_referred(action)).count();
        referred.truncate(run);
        referred
    }

    fn outline<'a>(&'a self, action: &'a Action) -> Option<Outline<'a>> {
        let of = |target: &Target, operation, subresource| {
            let meta = &self.live.get(target.uid)?.meta;
            Some(Outline { operation, subresource, kind: meta.kind, namespace: &meta.namespace, name: &meta.name })
        };
        match action {
            Action::Create { draft, .. } => Some(Outline {
                operation: Operation::Create,
                subresource: "",
                kind: draft.meta.kind,
                namespace: &draft.meta.namespace,
                name: &draft.meta.name,
            }),
            Action::Update { target, object, .. } => {
                of(target, Operation::Update, self.part_of_update(*target, &**object).subresource())
            }
            Action::UpdateStatus { target, .. } | Action::UpdatePodState { target, .. } => {
                of(target, Operation::Update, Part::Status.subresource())
            }
            Action::EditMeta { target, .. } => of(target, Operation::Update, ""),
            Action::Scale { target, .. } => of(target, Operation::Update, Part::Scale.subresource()),
            Action::Delete { target, .. } => of(target, Operation::Delete, ""),
            Action::Bind { .. }
            | Action::CreateWithStatus { .. }
            | Action::Remember { .. }
            | Action::Notice { .. }
            | Action::BackOff { .. }
            | Action::Emit(_) => None,
        }
    }
}
