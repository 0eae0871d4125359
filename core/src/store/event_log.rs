//! The events of a cluster (`v1/Event`): counted when they repeat, the oldest forgotten, never written to disk.

use std::sync::Arc;

use imbl::OrdMap;
use k8s_openapi::api::core::v1 as api;

use super::change::{Change, ChangeKind};
use super::correlate::{Correlated, Correlator};
use super::event::{EventDraft, Involved};
use super::object::{Body, Meta, Object};
use crate::ids::{Revision, Uid};
use crate::numbers::Numbers;
use crate::object::kind::{self, Kinds};
use crate::text::{Hexadecimal, Text, shared};
use crate::time::Time;

/// How many events are kept; upstream keeps each for an hour, whatever their number.
pub(super) const EVENTS_MAX: usize = 10_000;

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// What happened.
    pub draft: EventDraft,
    /// When it was first seen.
    pub first: Time,
    /// When it was last seen.
    pub last: Time,
    /// How often it was seen.
    pub count: u32,
    /// A hash of all that makes two events equal.
    identity: u64,
}

impl EventRecord {
    /// As clients see it.
    pub fn to_api(&self, meta: &Meta, kinds: &Kinds) -> api::Event {
        let draft = &self.draft;
        let count = i32::try_from(self.count).unwrap_or(i32::MAX);
        let common = api::Event {
            metadata: meta.to_api(),
            involved_object: reference(&draft.involved, kinds),
            message: Some(draft.message.to_string()),
            reason: Some(draft.reason.to_owned()),
            reporting_component: Some(draft.component.to_string()),
            type_: Some(draft.event_type.as_str().to_owned()),
            ..api::Event::default()
        };
        let Some(series) = &draft.series else {
            return api::Event {
                count: Some(count),
                first_timestamp: Some(self.first.to_api()),
                last_timestamp: Some(self.last.to_api()),
                reporting_instance: Some(draft.host.as_deref().unwrap_or_default().to_owned()),
                source: Some(api::EventSource {
                    component: Some(draft.component.to_string()),
                    host: draft.host.as_deref().map(str::to_owned),
                }),
                ..common
            };
        };
        api::Event {
            action: Some(series.action.to_owned()),
            event_time: Some(self.first.to_api_micro()),
            related: series.related.as_ref().map(|related| reference(related, kinds)),
            reporting_instance: Some(format!("{}-inboard", draft.component)),
            series: (count > 1)
                .then(|| api::EventSeries { count: Some(count), last_observed_time: Some(self.last.to_api_micro()) }),
            source: Some(api::EventSource::default()),
            ..common
        }
    }
}

fn reference(object: &Involved, kinds: &Kinds) -> api::ObjectReference {
    let info = kinds.info(object.kind);
    api::ObjectReference {
        api_version: info.map(kind::KindInfo::api_version),
        field_path: (!object.field_path.is_empty()).then(|| object.field_path.to_string()),
        kind: info.map(|info| info.kind.to_string()),
        name: Some(object.name.to_string()),
        namespace: (!object.namespace.is_empty()).then(|| object.namespace.to_string()),
        resource_version: None,
        uid: (object.uid != Uid::LOWEST).then(|| object.uid.to_string()),
    }
}

/// Where a repeated event is counted. Kept beside the tables: only the writer needs it.
#[derive(Debug, Default)]
pub(super) struct EventIndex {
    /// By a hash of all that makes two events equal. Events that the log has forgotten stay in it for a while.
    latest: Numbers<Revision>,
    correlator: Correlator,
}

/// How many forgotten events are found before the index is cleared of them: all at once costs less than one by one, and
/// a small table stays in the processor's caches.
const FORGOTTEN_MAX: usize = 6_000;

impl EventIndex {
    /// Records an event at this revision: a new one, or one more of the same. Nothing when there are too many of its kind.
    pub(super) fn record(
        &mut self,
        log: &mut OrdMap<Revision, Arc<Object>>,
        draft: EventDraft,
        revision: Revision,
        now: Time,
    ) -> Option<Change> {
        let Correlated { draft, identity, unwritten } = self.correlator.hear(draft, now)?;
        let known = self.latest.insert(identity, revision);
        let is_same = |known: &Revision| log.get(known).is_some_and(|object| identity_of(object) == Some(identity));
        let before = known.filter(is_same).and_then(|revision| log.remove(&revision));
        let change = match before {
            Some(before) => repeat(before, draft.message, unwritten, revision, now),
            None => first(draft, identity, unwritten, revision, now),
        };
        log.insert(revision, Arc::clone(&change.object));
        self.forget_oldest(log);
        Some(change)
    }

    fn forget_oldest(&mut self, log: &mut OrdMap<Revision, Arc<Object>>) {
        while log.len() > EVENTS_MAX
            && let Some(oldest) = log.get_min().map(|(revision, _)| *revision)
        {
            log.remove(&oldest);
        }
        if self.latest.len() > EVENTS_MAX + FORGOTTEN_MAX
            && let Some(oldest) = log.get_min().map(|(revision, _)| *revision)
        {
            // What was counted again has its newer revision here: older ones are all forgotten.
            self.latest.retain(|revision| revision >= oldest);
        }
    }
}

fn identity_of(object: &Object) -> Option<u64> {
    match &object.body {
        Body::Event(record) => Some(record.identity),
        Body::Pod(_) | Body::Typed(_) | Body::Custom(_) => None,
    }
}

fn first(draft: EventDraft, identity: u64, unwritten: u32, revision: Revision, now: Time) -> Change {
    let namespace: Arc<str> =
        if draft.involved.namespace.is_empty() { "default".into() } else { Arc::clone(&draft.involved.namespace) };
    let name = shared(format_args!("{}.{}", draft.involved.name, Hexadecimal(revision.get())));
    let meta = Meta {
        uid: Uid::from_random(u128::from(identity) << 64 | u128::from(revision.get())),
        revision,
        created: now.whole_second(),
        ..Meta::draft(kind::EVENT, namespace, name)
    };
    let record = EventRecord { draft, first: now, last: now, count: unwritten.saturating_add(1), identity };
    let object = Arc::new(Object { meta, body: Body::Event(record) });
    Change { kind: ChangeKind::Added, object, before: None }
}

fn repeat(before: Arc<Object>, message: Text, unwritten: u32, revision: Revision, now: Time) -> Change {
    let mut next = (*before).clone();
    next.meta.revision = revision;
    if let Body::Event(record) = &mut next.body {
        record.count = record.count.saturating_add(unwritten).saturating_add(1);
        record.draft.message = message;
        record.last = now;
    }
    Change { kind: ChangeKind::Modified, object: Arc::new(next), before: Some(before) }
}
