//! Commands and probes: what is asked of what runs, and what it answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Container, Probe};

use super::identity::{ContainerId, SandboxId};

/// What a probe or a lifecycle hook does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProbeAction {
    /// Run a command: success is exit code 0.
    Exec {
        /// The command.
        command: Vec<String>,
    },
    /// GET a URL: success is a status from 200 to 399.
    Http {
        /// The host; the pod's address when absent.
        host: Option<String>,
        /// The port.
        port: u16,
        /// Path and query.
        path: String,
        /// `http` or `https` (whose certificate is not checked).
        scheme: String,
        /// Headers to send.
        headers: Vec<(String, String)>,
    },
    /// Open a TCP connection.
    Tcp {
        /// The host; the pod's address when absent.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// Ask the gRPC health service (`grpc.health.v1.Health/Check`).
    Grpc {
        /// The port.
        port: u16,
        /// The name of the service to ask for.
        service: String,
    },
}

/// One probe to carry out now.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeRequest {
    /// The container that is probed.
    pub container: ContainerId,
    /// The sandbox it is in.
    pub sandbox: SandboxId,
    /// The pod's address, when it has one of its own.
    pub ip: Option<IpAddr>,
    /// What to do.
    pub action: ProbeAction,
    /// How long it may take.
    pub timeout: Duration,
    /// Which probe this is, for runtimes that script their answers.
    pub purpose: ProbePurpose,
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbePurpose {
    /// `startupProbe`
    Startup,
    /// `livenessProbe`
    Liveness,
    /// `readinessProbe`
    Readiness,
    /// `lifecycle.postStart` or `lifecycle.preStop`
    Hook,
}

impl ProbePurpose {
    /// The name that events use: `Readiness probe failed: ...`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Hook => "Hook",
        }
    }

    /// The probe of this purpose that a container has.
    pub const fn probe_of(self, container: &Container) -> Option<&Probe> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Hook => None,
        }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The container answered well.
    Success,
    /// The container answered badly, or not in time; with the text for the event.
    Failure(Arc<str>),
}

/// A command to run with connected streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The command; not used when attaching.
    pub command: Vec<String>,
    /// Whether its input is connected.
    pub stdin: bool,
    /// Whether its output is wanted.
    pub stdout: bool,
    /// Whether its error output is wanted; with a terminal it comes with the output.
    pub stderr: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
}

/// What a command that has ended wrote and returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its output.
    pub stdout: Bytes,
    /// Its error output.
    pub stderr: Bytes,
    /// Its exit code.
    pub code: i32,
}
