//! What is written down of a container: what it is, once, and how far it has got.

use inboard::runtime::{ContainerConfig, ContainerKind, ExitReason, ExitStatus, GivenDevice};
use inboard::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sandbox::{PodRecord, hashed_id};

/// What a container is; never changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContainerRecord {
    pub(crate) id: String,
    pub(crate) sandbox: String,
    pub(crate) pod: PodRecord,
    pub(crate) name: String,
    pub(crate) kind: ContainerKind,
    pub(crate) attempt: u32,
    pub(crate) image: String,
    pub(crate) image_id: String,
    pub(crate) created_at: i64,
    pub(crate) stop_signal: i32,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) tty: bool,
    /// `terminationMessagePolicy: FallbackToLogsOnError`.
    pub(crate) message_from_log: bool,
    pub(crate) cgroup: String,
    /// The devices that it was given for extended resources.
    #[serde(default)]
    pub(crate) devices: Vec<GivenDevice>,
    /// The network interfaces of the host that it takes with it.
    #[serde(default)]
    pub(crate) interfaces: Vec<String>,
    /// The process of the specification: what further commands in the container are modelled on.
    pub(crate) process: Value,
}

/// How far a container has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) started_at: Option<i64>,
    pub(crate) exit: Option<ExitRecord>,
}

impl RunRecord {
    /// Whether somebody has tried to start it.
    pub(crate) const fn is_begun(&self) -> bool {
        self.started_at.is_some() || self.exit.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    pub(crate) finished_at: i64,
    pub(crate) code: i32,
    pub(crate) reason: String,
    /// An error text, for a container that could not be started or was lost.
    pub(crate) error: String,
    /// What it wrote to its termination message path.
    pub(crate) message: Option<String>,
}

const OUT_OF_MEMORY: &str = "OutOfMemory";
const CANNOT_RUN: &str = "CannotRun";

impl ExitRecord {
    pub(crate) fn new(at: Time, code: i32, reason: ExitReason, error: impl Into<String>) -> Self {
        let reason = match reason {
            ExitReason::OutOfMemory => OUT_OF_MEMORY,
            ExitReason::CannotRun => CANNOT_RUN,
            _ => "Exited",
        };
        let (finished_at, reason) = (at.as_nanos(), reason.to_owned());
        Self { finished_at, code, reason, error: error.into(), message: None }
    }

    pub(crate) fn status(&self) -> ExitStatus {
        let reason = match self.reason.as_str() {
            OUT_OF_MEMORY => ExitReason::OutOfMemory,
            CANNOT_RUN => ExitReason::CannotRun,
            _ => ExitReason::Exited,
        };
        ExitStatus { code: self.code, reason, message: self.error.as_str().into() }
    }
}

/// The id follows from the sandbox, the place in the pod and the attempt, so that a repeated call finds what the first
/// one made.
pub(crate) fn container_id(sandbox: &str, config: &ContainerConfig) -> String {
    let kind = format!("{:?}", config.kind);
    hashed_id(&["container", sandbox, &config.name, &kind, &config.attempt.to_string()])
}
