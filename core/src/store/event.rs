//! Events (`v1/Event`) before they are recorded: what happened to which object, and who says so.

use std::sync::Arc;

use super::object::Meta;
use crate::ids::Uid;
use crate::object::kind::KindId;
use crate::text::Text;

/// Whether an event is good or bad news: its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Somebody may want to look.
    Warning,
}

impl EventType {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Involved {
    /// Its kind.
    pub kind: KindId,
    /// Its namespace, or empty.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its identity; [`Uid::LOWEST`] for an object that could not be made.
    pub uid: Uid,
    /// The part of it that is meant, such as `spec.containers{nginx}`; empty for the whole.
    pub field_path: Text,
}

impl Involved {
    /// The whole of an object.
    pub fn object(meta: &Meta) -> Self {
        Self {
            kind: meta.kind,
            namespace: Arc::clone(&meta.namespace),
            name: Arc::clone(&meta.name),
            uid: meta.uid,
            field_path: Text::default(),
        }
    }

    /// An object that could not be made.
    pub fn unmade(kind: KindId, namespace: &Arc<str>, name: &Arc<str>) -> Self {
        let (namespace, name) = (Arc::clone(namespace), Arc::clone(name));
        Self { kind, namespace, name, uid: Uid::LOWEST, field_path: Text::default() }
    }

    /// One part of an object.
    #[must_use]
    pub fn part(mut self, field_path: impl Into<Text>) -> Self {
        self.field_path = field_path.into();
        self
    }
}

/// An event to record. Equal events are counted, not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// What it is about.
    pub involved: Involved,
    /// Good news or bad.
    pub event_type: EventType,
    /// A word for machines: `Scheduled`, `FailedCreate`.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: Text,
    /// Who says so: `kubelet`, `replicaset-controller`, for a scheduler the name of its profile.
    pub component: Text,
    /// The node it happened on (`source.host`), where it did.
    pub host: Option<Arc<str>>,
    /// It is one of a series (as of `events.k8s.io`): it is written however many there are. Others are put together when
    /// there are too many about one object.
    pub series: Option<Series>,
}

/// What an event of a series says more than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// `action`: what was done, or could not be done.
    pub action: &'static str,
    /// `related`: for the sake of which other object.
    pub related: Option<Box<Involved>>,
}

impl EventDraft {
    /// Good news about an object.
    pub fn normal(meta: &Meta, component: impl Into<Text>, reason: &'static str, message: impl Into<Text>) -> Self {
        Self::new(EventType::Normal, meta, component, reason, message)
    }

    /// Bad news about an object.
    pub fn warning(meta: &Meta, component: impl Into<Text>, reason: &'static str, message: impl Into<Text>) -> Self {
        Self::new(EventType::Warning, meta, component, reason, message)
    }

    fn new(
        event_type: EventType,
        meta: &Meta,
        component: impl Into<Text>,
        reason: &'static str,
        message: impl Into<Text>,
    ) -> Self {
        Self {
            involved: Involved::object(meta),
            event_type,
            reason,
            message: message.into(),
            component: component.into(),
            host: None,
            series: None,
        }
    }

    /// The same event as one of a series, about this action.
    #[must_use]
    pub fn in_series(self, action: &'static str) -> Self {
        Self { series: Some(Series { action, related: None }), ..self }
    }

    /// The same event of a series, for the sake of this object.
    #[must_use]
    pub fn related_to(mut self, meta: &Meta) -> Self {
        if let Some(series) = &mut self.series {
            series.related = Some(Box::new(Involved::object(meta)));
        }
        self
    }
}
