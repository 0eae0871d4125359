//! Policies that change what is written (`MutatingAdmissionPolicy`).
//!
//! They come after the plugins that change objects and before mutating webhooks: they are shown what defaults and plugins make
//! of an object. What they have made of it then takes the way of every write, through the plugins once more.

use std::sync::Arc;

use serde_json::Value;

use super::commit::Store;
use super::custom;
use super::draft::Draft;
use super::object::{Body, Meta, Object};
use super::part::Part;
use super::policing::Step;
use super::snapshot::Snapshot;
use super::typed::exclusive;
use crate::error::ApiError;
use crate::object::admission::{Objects, Operation};
use crate::object::defaults;
use crate::object::kind::{self, KindId, TypedObject};
use crate::object::mutate::Suffix;
use crate::object::strategy as rules;

/// What plugins do with an object.
type Plugins<'p> = &'p dyn Fn(&mut dyn TypedObject) -> Result<(), ApiError>;

impl Store {
    /// A new object as the policies leave it.
    pub(super) fn change_new(
        &mut self,
        meta: &mut Meta,
        body: Body,
        written_as: Option<KindId>,
        asked_name: &str,
    ) -> Result<Body, ApiError> {
        if self.live.policies.change_nothing() {
            return Ok(body);
        }
        let seen_as = self.seen_as(meta, &body, written_as);
        let namespace = Arc::clone(&meta.namespace);
        let step =
            Step { operation: Operation::Create, subresource: "", seen_as, namespace: &namespace, name: asked_name };
        if !self.is_to_be_changed(&step) {
            return Ok(body);
        }
        let suffix = if meta.kind == kind::POD { self.ids.name(kind::SERVICE_ACCOUNT, "") } else { String::new() };
        let plugins = |object: &mut dyn TypedObject| {
            rules::mutate_new(object, &self.live, Suffix(&suffix)).map_err(|rejection| self.rejected(meta, rejection))
        };
        let shown = match &body {
            Body::Typed(typed) => {
                let mut typed = typed.clone_arc();
                *exclusive(&mut typed).metadata_mut() = meta.to_api();
                self.shown(meta, &Body::Typed(typed), seen_as, false)
            }
            body => self.shown(meta, body, seen_as, false),
        };
        match self.changed(&step, shown, None, &plugins)? {
            None => Ok(body),
            Some(next) => {
                meta.labels = next.meta.labels;
                meta.annotations = next.meta.annotations;
                meta.owners = next.meta.owners;
                meta.finalizers = next.meta.finalizers;
                Ok(next.body)
            }
        }
    }

    /// What is to replace an object, or a part of it, as the policies leave it.
    pub(super) fn change_update(
        &self,
        current: &Object,
        draft: Draft,
        part: Part,
        seen_as: KindId,
    ) -> Result<Draft, ApiError> {
        if self.live.policies.change_nothing() {
            return Ok(draft);
        }
        let (namespace, name) = (&*current.meta.namespace, &*current.meta.name);
        let step = Step { operation: Operation::Update, subresource: part.subresource(), seen_as, namespace, name };
        if !self.is_to_be_changed(&step) {
            return Ok(draft);
        }
        let before = current.to_typed(&self.live.kinds);
        let plugins = |object: &mut dyn TypedObject| {
            match &before {
                Some(before) if part == Part::Main => rules::mutate_update(object, &**before),
                _ => defaults::apply(object.as_any_mut()),
            }
            Ok(())
        };
        let shown = self.shown(&draft.meta, &draft.body, seen_as, false);
        let old = self.shown(&current.meta, &current.body, seen_as, false);
        let Some(next) = self.changed(&step, shown, old, &plugins)? else { return Ok(draft) };
        Ok(Draft { body: next.body, meta: Meta { managed_fields: draft.meta.managed_fields, ..next.meta }, ..draft })
    }

    fn is_to_be_changed(&self, step: &Step<'_>) -> bool {
        let Some(user) = self.voice.user() else { return false };
        self.voice.asks(step, &self.live.kinds, &user).is_some_and(|asked| self.live.has_mutation_for(&asked))
    }

    /// What the policies make of an object, which is shown as its author sees it.
    fn changed(
        &self,
        step: &Step<'_>,
        object: Option<Value>,
        old: Option<Value>,
        plugins: Plugins<'_>,
    ) -> Result<Option<Draft>, ApiError> {
        let Some(user) = self.voice.user() else { return Ok(None) };
        let Some(asked) = self.voice.asks(step, &self.live.kinds, &user) else { return Ok(None) };
        let stored_as = asked.info.stored_as;
        let mut normal = |object: Value| self.normal((step.seen_as, stored_as), object, plugins);
        let object = object.map(&mut normal).transpose()?;
        let changed = self.live.mutated(&asked, Objects { object, old }, self.voice.turn, &mut normal)?;
        let Some(changed) = changed else { return Ok(None) };
        let stored = in_version(&self.live, step.seen_as, stored_as, changed)?;
        self.decode(stored_as, stored).map(Some).map_err(ApiError::internal)
    }

    /// An object as the server reads it: with its defaults, and what plugins make of it.
    fn normal(
        &self,
        (seen_as, stored_as): (KindId, KindId),
        object: Value,
        plugins: Plugins<'_>,
    ) -> Result<Value, ApiError> {
        let stored = in_version(&self.live, seen_as, stored_as, object)?;
        let Draft { meta, body, .. } = self.decode(stored_as, stored).map_err(ApiError::internal)?;
        let body = match body {
            Body::Typed(mut typed) => {
                plugins(exclusive(&mut typed))?;
                Body::Typed(typed)
            }
            Body::Custom(value) => Body::Custom(Arc::new(custom::completed(self.info(stored_as)?, &value)?)),
            body => body,
        };
        self.shown(&meta, &body, seen_as, false).ok_or_else(|| ApiError::internal("a version that cannot be shown"))
    }
}

fn in_version(live: &Snapshot, from: KindId, to: KindId, object: Value) -> Result<Value, ApiError> {
    live.kinds.convert(from, to, object).ok_or_else(|| ApiError::internal("a version that cannot be converted"))
}
