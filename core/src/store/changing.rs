//! Policies that change what is written (`MutatingAdmissionPolicy`).
//!
//! They come after the plugins that change objects and before mutating webhooks: they are shown what defaults and plugins make
//! of an object. What they have made of it then takes the way of every write, through the plugins once more.

use std::sync::Arc;

use serde_json::Value;

use super::apply::read_scale;
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
use crate::object::scale::Scale;
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
        let whole = Object { meta: meta.clone(), body: body.clone() }.in_accord();
        let shown = self.shown(meta, &whole.body, seen_as, false);
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
        Ok(match self.changed_update(current, (&draft.meta, &draft.body), part, seen_as)? {
            None => draft,
            Some((meta, body)) => {
                Draft { body, meta: Meta { managed_fields: draft.meta.managed_fields, ..meta }, ..draft }
            }
        })
    }

    /// The same; nothing where they leave it as it is.
    pub(super) fn changed_update(
        &self,
        current: &Object,
        (meta, body): (&Meta, &Body),
        part: Part,
        seen_as: KindId,
    ) -> Result<Option<(Meta, Body)>, ApiError> {
        if self.live.policies.change_nothing() {
            return Ok(None);
        }
        let (namespace, name) = (&*current.meta.namespace, &*current.meta.name);
        let step = Step { operation: Operation::Update, subresource: part.subresource(), seen_as, namespace, name };
        if !self.is_to_be_changed(&step) {
            return Ok(None);
        }
        if part == Part::Scale {
            let scaled = self.changed_scale(&step, current, (meta, body))?;
            return Ok(scaled.map(|body| (meta.clone(), body)));
        }
        let before = current.to_typed(&self.live.kinds);
        let plugins = |object: &mut dyn TypedObject| {
            match &before {
                Some(before) if part == Part::Main => rules::mutate_update(object, &**before),
                _ => defaults::apply(object.as_any_mut()),
            }
            Ok(())
        };
        let shown = self.shown(meta, body, seen_as, false);
        let old = self.shown(&current.meta, &current.body, seen_as, false);
        let next = self.changed(&step, shown, old, &plugins)?;
        Ok(next.map(|Draft { meta, body, .. }| (meta, body)))
    }

    /// An object with as many replicas as the policies leave in its scale.
    fn changed_scale(
        &self,
        step: &Step<'_>,
        current: &Object,
        (meta, body): (&Meta, &Body),
    ) -> Result<Option<Body>, ApiError> {
        let shown = self.shown(meta, body, step.seen_as, true);
        let old = self.shown(&current.meta, &current.body, step.seen_as, true);
        let Some(next) = self.changed_beside(step, shown, old)? else { return Ok(None) };
        let replicas = read_scale(&next)?.spec.and_then(|spec| spec.replicas).unwrap_or_default();
        let info = self.info(current.meta.kind)?;
        let mut value = Object { meta: meta.clone(), body: body.clone() }.to_wire(&self.live.kinds);
        Scale::set(info, &mut value, replicas);
        Ok(Some(self.decode(info.stored_as, value)?.body))
    }

    /// What is asked for beside an object (an eviction, a binding), as the policies leave it; nothing where they leave it as
    /// it is. `object` is only asked where one of them concerns it.
    pub(super) fn change_beside(
        &self,
        step: &Step<'_>,
        object: impl FnOnce() -> Value,
    ) -> Result<Option<Value>, ApiError> {
        if self.live.policies.change_nothing() || !self.is_to_be_changed(step) {
            return Ok(None);
        }
        self.changed_beside(step, Some(object()), None)
    }

    fn changed_beside(
        &self,
        step: &Step<'_>,
        object: Option<Value>,
        old: Option<Value>,
    ) -> Result<Option<Value>, ApiError> {
        let Some(user) = self.voice.user() else { return Ok(None) };
        let Some(asked) = self.voice.asks(step, &self.live.kinds, &user) else { return Ok(None) };
        // No plugin changes such objects.
        self.live.mutated(&asked, Objects { object, old }, self.voice.turn, &mut Ok)
    }

    pub(super) fn is_to_be_changed(&self, step: &Step<'_>) -> bool {
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
