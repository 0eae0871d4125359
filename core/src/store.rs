//! One revisioned store: objects, snapshots, commit, indexes, watch.
//!
//! A snapshot at a revision costs O(1), because the tables are persistent maps; every decision in the cluster is made
//! from one snapshot and committed against it.

mod accounts;
mod addresses;
mod admit;
mod apply;
mod binding;
mod change;
mod changing;
mod charge;
mod commit;
mod correlate;
mod custom;
mod definitions;
mod deletion;
mod draft;
mod durable;
mod event;
mod event_log;
mod eviction;
mod ids;
mod links;
mod measures;
mod memo;
pub mod object;
mod owners;
mod part;
pub mod permission;
pub mod pod;
mod policies;
mod policing;
mod posts;
mod referring;
mod restore;
mod ring;
mod roster;
mod signers;
mod snapshot;
mod surroundings;
mod table;
mod typed;
mod writing;

pub use self::accounts::Account;
pub use self::admit::Part;
pub(crate) use self::admit::default_service_account;
pub use self::apply::{Application, ScaleEdit, place_applied};
pub use self::binding::Binding;
pub use self::change::{Change, ChangeKind};
pub use self::commit::{CommitError, Store};
pub use self::deletion::{DeleteOptions, Deleted, FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
pub use self::draft::{Draft, Expect, Misread};
pub use self::durable::{Batch, Durability, DurabilityError, Memory, Recovered};
pub use self::event::{EventDraft, EventType, Involved, Series};
pub use self::event_log::EventRecord;
pub(crate) use self::eviction::{DISRUPTION_ALLOWED, SYNC_FAILED, budget_selector, say_what_is_allowed};
pub(crate) use self::ids::suffixed;
pub use self::links::Owners;
pub(crate) use self::links::{SERVICE_NAME, evicting_taints, ready_of};
pub use self::measures::{
    AutoscalingSettings, ContainerUsage, FailureTimes, MetricAnswer, MetricQuery, MetricSample, NodeMonitorGrace,
    PodUsage, ScaleHistory, TaintMemory,
};
pub use self::object::{Body, Deletion, Meta, Object, StringMap};
pub use self::owners::FieldManager;
pub(crate) use self::pod::raise;
pub use self::pod::{
    ClaimRecord, ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, ExitRecord, Given, GivenResources,
    PodBody, PodCondition, PodPhase, PodState, QosClass, Why,
};
pub use self::policies::Verdict;
pub use self::policing::Author;
pub(crate) use self::posts::is_same_node;
pub use self::posts::{Group, Post, node_of_daemon};
pub(crate) use self::referring::Outline;
pub use self::restore::{Committed, RestoreError};
pub use self::ring::{Expired, Ring};
pub use self::roster::{POD_INDEX_LABEL, POD_NAME_LABEL, Squad, Standing};
pub use self::snapshot::{NameKey, Snapshot};
pub use self::writing::{Stage, WriteOptions};
