//! The controllers: one file or folder each, all of the shape of [`Controller`](crate::control::Controller).

mod deployment;
mod garbage;
mod node_lifecycle;
mod replica_set;
mod taint_eviction;

pub use self::deployment::DeploymentController;
pub use self::garbage::GarbageCollector;
pub use self::node_lifecycle::{LEASE_NAMESPACE, NodeLifecycleController};
pub use self::replica_set::ReplicaSetController;
pub use self::taint_eviction::TaintEvictionController;

use crate::control::{AnyLoop, Loop};

/// All of them, in the order in which they take turns.
pub(crate) fn all() -> Vec<Box<dyn AnyLoop>> {
    vec![
        Loop::<DeploymentController>::boxed(),
        Loop::<ReplicaSetController>::boxed(),
        Loop::<GarbageCollector>::boxed(),
        Loop::<NodeLifecycleController>::boxed(),
        Loop::<TaintEvictionController>::boxed(),
    ]
}
