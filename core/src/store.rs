//! One revisioned store: objects, snapshots, commit, indexes, watch.
//!
//! A snapshot at a revision costs O(1), because the tables are persistent maps; every decision in the cluster is made
//! from one snapshot and committed against it.

pub mod event;
pub mod object;
pub mod pod;
pub mod snapshot;

pub use self::event::{EventDraft, EventType, Involved};
pub use self::object::{Body, Deletion, Meta, Object, StringMap};
pub use self::pod::{
    ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, ExitRecord, PodBody, PodCondition, PodPhase,
    PodState, QosClass, Why,
};
pub use self::snapshot::{NameKey, Snapshot};
