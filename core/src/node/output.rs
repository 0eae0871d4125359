//! What a node agent asks for.

use std::sync::Arc;

use super::config::Resources;
use super::pressure::Pressures;
use crate::ids::{Revision, Uid};
use crate::runtime::Call;
use crate::store::{EventDraft, PodState};
use crate::time::Time;

/// The number of a call that an agent asked for: counted by each agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The call with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A change of a pod that its node asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum PodWrite {
    /// Its status is this now. Made from what the pod was at that revision; when it has changed since, the write is
    /// to be refused and [`NodeAgent::pod_changed`](super::NodeAgent::pod_changed) called.
    Status {
        /// The pod.
        uid: Uid,
        /// The revision of the pod that the status was made from.
        at: Revision,
        /// The whole status.
        state: Box<PodState>,
    },
    /// Nothing of the pod is left on the node: delete it now (grace 0, if it still has this uid).
    Finish {
        /// The pod.
        uid: Uid,
    },
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReport {
    /// When it said so.
    pub at: Time,
    /// Its `Ready` condition: an error is the message of a node that is not ready.
    pub ready: Result<(), String>,
    /// What it is short of.
    pub pressures: Pressures,
    /// Its capacity and what of it is allocatable, when that has changed.
    pub amounts: Option<(Arc<Resources>, Arc<Resources>)>,
}

/// What one [`step`](super::NodeAgent::step) asks for. Writes come first: a call leaves after they are committed.
#[derive(Debug, Default)]
pub struct NodeOutputs {
    /// Calls to make on the node's runtime.
    pub calls: Vec<(CallId, Call)>,
    /// Changes of pods, in order.
    pub writes: Vec<PodWrite>,
    /// Volumes whose data is gone: their objects may go.
    pub emptied: Vec<Uid>,
    /// Events to record.
    pub events: Vec<EventDraft>,
    /// What the node says of itself: to be written into its `Node` object
    /// ([`apply_report`](super::apply_report)) and its lease.
    pub report: Option<NodeReport>,
}
