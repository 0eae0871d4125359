//! **Inboard**: a Kubernetes cluster inside your process.
//!
//! Floors, each built only on those below:
//!
//! | module | what it is |
//! |---|---|
//! | [`access`] | who asks, and for what |
//! | [`object`] | the object model over `k8s-openapi`: builders, manifests, defaults, validation |
//! | [`scheduler`] | which pod goes to which node, and why |
//! | [`store`] | one revisioned store: snapshots, commit, indexes, watch, admission |
//! | [`control`], [`controllers`] | the loop that all controllers share, and the controllers |
//! | [`node`] | the node agent |
//! | [`kernel`] | the deterministic state machine of it all |
//! | [`cluster`] | the handle: a kernel in a tokio task |
//! | [`simulation`] | the same kernel in virtual time, with faults; [`invariants`]: what always holds |
//! | [`runtime`] | the boundary to what runs containers |

pub mod access;
pub mod authority;
pub mod cluster;
pub mod control;
pub mod controllers;
pub mod error;
mod hashing;
pub mod ids;
pub mod invariants;
pub mod kernel;
pub mod node;
mod numbers;
pub mod object;
pub mod prelude;
pub mod provision;
pub mod runtime;
pub mod scheduler;
pub mod simulation;
pub mod store;
pub mod text;
pub mod time;

pub use authority::Authority;
pub use cluster::{
    Api, Applied, ApplyAction, ApplyError, Cluster, ClusterBuilder, Description, DrainOptions, DynamicApi, ExecOptions,
    LogRequest, MetricsSource, NodeLocal, NodeMetrics, NodeSpec, PodMetrics, Revision, Revisioned, RolloutStatus,
    Shutdown, StartError, WaitError, conditions,
};
pub use error::{ApiError, Reason};
pub use k8s_openapi;
pub use kernel::Warning;
pub use kube_core;
pub use kube_core::params::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
pub use kube_core::subresource::EvictParams;
pub use kube_core::watch::WatchEvent;
