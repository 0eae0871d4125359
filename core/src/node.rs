//! The node agent: upstream's kubelet as a deterministic state machine without I/O.
//!
//! It gets told what changed (pods, inputs, answers of the runtime, time) and says what is to be done: calls to the
//! runtime, writes of pod status, events. One pod at a time is looked at:
//!
//! ```text
//! input ── absorb ──> PodWork ── plan (pure) ──> actions ── apply ──> calls
//!                        └────── status (pure) ─> PodWrite::Status, when it differs from what is stored
//! ```
//!
//! Nothing polls. A pod that has settled has no timer unless it has probes, and takes a few hundred bytes.

mod absorb;
mod admit;
mod agent;
mod backoff;
mod claims;
mod config;
mod container;
mod env;
mod events;
mod eviction;
mod fields;
mod images;
mod inputs;
mod node_status;
mod output;
mod plan;
mod pressure;
mod probes;
mod pull_secrets;
mod rank;
mod resize;
mod restart;
mod sandbox;
mod slot;
mod spec_ref;
mod status;
mod storage;
mod verdict;
mod volumes;
mod work;

#[cfg(test)]
mod tests;

pub use self::agent::NodeAgent;
pub use self::config::{ClusterDns, NodeConfig, Resources};
pub use self::eviction::{Amount, EvictionRules, Pressure, Signal};
pub use self::node_status::apply_report;
pub(crate) use self::node_status::refreshed;
pub use self::output::{CallId, NodeOutputs, NodeReport, PodWrite};
pub use self::plan::WaitingOn;
pub use self::pressure::Pressures;
