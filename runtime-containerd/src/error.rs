//! From what the daemon and the kernel say to the kinds of error that the node agent knows.

use std::path::Path;

use inboard::runtime::{RuntimeError, RuntimeErrorKind as Kind};
use tonic::{Code, Status};

/// The runtime could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The process does not have the rights that namespaces and mounts need.
    #[error("starting containers needs root, but the process runs as uid {uid}")]
    NotRoot {
        /// Who it runs as.
        uid: u32,
    },
    /// A setting cannot be used.
    #[error("{setting} {value:?} cannot be used: {reason}")]
    Setting {
        /// The name of the builder's method.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A plugin of the network is not on the machine.
    #[error(
        "the network plugin {plugin} is not in {dir}; install the CNI plugins (Debian: containernetworking-plugins)"
    )]
    PluginMissing {
        /// The name of the plugin.
        plugin: &'static str,
        /// Where it was looked for.
        dir: String,
    },
    /// The daemon does not answer on its socket.
    #[error("containerd does not answer on {socket}")]
    Connect {
        /// The path of the socket.
        socket: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// A call that setting up needs has failed.
    #[error("{0}")]
    Runtime(#[from] RuntimeError),
}

/// An error of one of containerd's services; `doing` says what was tried, in the form `create container x`.
pub(crate) fn daemon(doing: impl AsRef<str>, status: &Status) -> RuntimeError {
    let kind = match status.code() {
        Code::NotFound => Kind::NotFound,
        Code::InvalidArgument => Kind::InvalidArgument,
        Code::Unimplemented => Kind::Unsupported,
        Code::FailedPrecondition => Kind::FailedPrecondition,
        Code::ResourceExhausted => Kind::ResourceExhausted,
        Code::DeadlineExceeded => Kind::DeadlineExceeded,
        Code::Unavailable | Code::Cancelled => Kind::Unavailable,
        Code::Unknown if is_transport(status) || is_shim_failure(status) => Kind::Unavailable,
        Code::Unknown if status.message().contains("no space left") => Kind::ResourceExhausted,
        _ => Kind::Internal,
    };
    RuntimeError::new(kind, format!("{}: {}", doing.as_ref(), status.message()))
}

/// Whether the daemon itself, and not the request, is what failed.
pub(crate) fn is_transport(status: &Status) -> bool {
    let text = status.message();
    status.code() == Code::Unavailable || text.contains("transport error") || text.contains("ttrpc: closed")
}

/// Whether the daemon could not start its helper for a container: nothing that the container could do about.
pub(crate) fn is_shim_failure(status: &Status) -> bool {
    status.message().contains("failed to start shim")
}

/// An error of the kernel at a path.
pub(crate) fn io(doing: &str, path: &Path, error: &std::io::Error) -> RuntimeError {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::ResourceExhausted,
        std::io::ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Internal,
    };
    // What is missing below our own directories is our fault, not the absence of what the caller asked for.
    let kind = if kind == Kind::NotFound { Kind::Internal } else { kind };
    RuntimeError::new(kind, format!("{doing} {}: {error}", path.display()))
}

/// An error of the kernel without a path.
pub(crate) fn system(doing: &str, error: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::new(Kind::Internal, format!("{doing}: {error}"))
}

pub(crate) fn not_found(what: &str, id: &str) -> RuntimeError {
    RuntimeError::new(Kind::NotFound, format!("{what} {id} is not there"))
}
