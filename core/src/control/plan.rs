//! What a controller wants done, as a value: it can be printed, compared and tested, and leaves the executor no choice.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::ids::{NodeName, Revision, Uid};
use crate::object::kind::TypedObject;
use crate::store::{Draft, EventDraft, FailureTimes, Meta, Object, PodState, ScaleHistory, TaintMemory};
use crate::time::Time;

/// Most objects that one plan creates or deletes: others get their turn in between
/// (upstream's burst limits are 500 for a ReplicaSet or a Job).
pub const CREATES_AND_DELETES_MAX: usize = 500;

/// The object that an action writes, and the version of it that the decision saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its identity.
    pub uid: Uid,
    /// The version that was seen; another one is a conflict. `None`: any version will do.
    pub seen: Option<Revision>,
}

impl Target {
    /// This version of this object.
    pub fn seen(object: &Object) -> Self {
        Self { uid: object.meta.uid, seen: Some(object.meta.revision) }
    }

    /// This object in whatever version.
    pub const fn any_version(uid: Uid) -> Self {
        Self { uid, seen: None }
    }
}

/// What becomes of the dependents of an object that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They follow later.
    Background,
    /// They go first.
    Foreground,
    /// They stay, without this owner.
    Orphan,
}

/// Who says what when an object was created or deleted: the name is known only then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The event; its message is completed with the object's name.
    pub event: EventDraft,
}

/// One write. Every variant names what it touches and what it saw.
#[derive(Clone, Debug)]
pub enum Action {
    /// Creates an object. A draft without a name gets one from its `generate_name`.
    Create {
        /// The object.
        draft: Box<Draft>,
        /// The event to emit with the new name behind its message.
        announce: Option<Box<EventDraft>>,
    },
    /// Creates an object that has a status from the start.
    CreateWithStatus {
        /// The object, its status included; it says all that admission would fill in.
        object: Arc<dyn TypedObject>,
    },
    /// Replaces an object, all but its status: its generation goes up when its spec is another.
    Update {
        /// What is replaced.
        target: Target,
        /// The whole object as it shall be.
        object: Arc<dyn TypedObject>,
        /// Whether the spec is another than before.
        spec_changed: bool,
    },
    /// Replaces the status of an object.
    UpdateStatus {
        /// What is replaced.
        target: Target,
        /// The whole object with its new status.
        object: Arc<dyn TypedObject>,
    },
    /// Replaces the status of a pod.
    UpdatePodState {
        /// Which pod.
        target: Target,
        /// Its new status.
        state: Box<PodState>,
    },
    /// Binds a pod to a node.
    Bind {
        /// Which pod.
        target: Target,
        /// Where to.
        node: NodeName,
    },
    /// Changes the metadata of an object of any kind.
    EditMeta {
        /// Which object.
        target: Target,
        /// What changes.
        edit: MetaEdit,
    },
    /// Asks for the deletion of an object.
    Delete {
        /// Which object.
        target: Target,
        /// Seconds of grace; the object's own when absent.
        grace_seconds: Option<i64>,
        /// What becomes of its dependents.
        propagation: Propagation,
        /// The event to emit with the name behind its message.
        announce: Option<Box<EventDraft>>,
    },
    /// Gives an object of a kind with a scale another number of replicas.
    Scale {
        /// Which object.
        target: Target,
        /// `spec.replicas`.
        replicas: i32,
    },
    /// Keeps in mind what an autoscaler has done: beside the objects, and never durable.
    Remember {
        /// Which autoscaler.
        autoscaler: Uid,
        /// All that it remembers from here on.
        history: Arc<ScaleHistory>,
    },
    /// Keeps in mind what matters of a node whose taints send pods away, or of a pod that taints of its devices will: beside
    /// the objects, and never durable.
    Notice {
        /// Of which node or pod.
        of: Uid,
        /// All that is remembered of it from here on.
        memory: Arc<TaintMemory>,
    },
    /// Keeps in mind on which nodes the pods of a DaemonSet fail: beside the objects, and never durable.
    BackOff {
        /// Which set.
        set: Uid,
        /// All such nodes.
        failures: Arc<FailureTimes>,
    },
    /// Records an event.
    Emit(Box<EventDraft>),
}

/// A change of an object's metadata; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaEdit {
    /// All owners, as they shall be.
    pub owners: Option<Vec<OwnerReference>>,
    /// All finalizers, as they shall be.
    pub finalizers: Option<Vec<String>>,
    /// Labels to set, or to remove.
    pub labels: Vec<(String, Option<String>)>,
    /// Annotations to set, or to remove.
    pub annotations: Vec<(String, Option<String>)>,
}

impl MetaEdit {
    /// Makes the change.
    pub(crate) fn apply(self, meta: &mut Meta) {
        if let Some(owners) = self.owners {
            meta.owners = owners.into();
        }
        if let Some(finalizers) = self.finalizers {
            meta.finalizers = finalizers.into();
        }
        for (map, edits) in [(&mut meta.labels, self.labels), (&mut meta.annotations, self.annotations)] {
            for (key, value) in edits {
                let map = Arc::make_mut(map);
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
    }
}

/// Why there is nothing more to do now, though the goal is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingOn(pub String);

impl WaitingOn {
    /// Waiting on this: a phrase that goes on after "waiting on".
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// What a controller decided.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Plan {
    /// What to write, in this order, in one transaction.
    pub actions: Vec<Action>,
    /// Look again then, even if nothing changes.
    pub wake_at: Option<Time>,
    /// Why there is nothing more to do now.
    pub waiting_on: Option<WaitingOn>,
    /// Whether the cap on one plan cut it short: look again at once.
    pub more: bool,
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Nothing to do until this happens.
    pub fn wait_on(what: impl Into<String>) -> Self {
        Self { waiting_on: Some(WaitingOn::new(what)), ..Self::default() }
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether it changes an object: events and what is remembered change none.
    pub fn changes_something(&self) -> bool {
        self.actions.iter().any(|action| match action {
            Action::Emit(_) | Action::Remember { .. } | Action::Notice { .. } | Action::BackOff { .. } => false,
            Action::Create { .. }
            | Action::CreateWithStatus { .. }
            | Action::Update { .. }
            | Action::UpdateStatus { .. }
            | Action::UpdatePodState { .. }
            | Action::Bind { .. }
            | Action::EditMeta { .. }
            | Action::Delete { .. }
            | Action::Scale { .. } => true,
        })
    }

    /// Adds an action.
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Looks again at this moment, or earlier if the plan already says so.
    pub fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}
