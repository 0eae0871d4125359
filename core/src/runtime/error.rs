//! What can go wrong in a runtime, and whether trying again can help.

use std::fmt;

/// The kind of a [`RuntimeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeErrorKind {
    /// The sandbox, container or image is not there.
    NotFound,
    /// The request itself is wrong: the same request will fail again.
    InvalidArgument,
    /// The runtime cannot do this at all.
    Unsupported,
    /// The name of the image cannot be parsed (`InvalidImageName`).
    InvalidImageName,
    /// The registry does not have the image (`ErrImagePull`).
    ImageNotFound,
    /// The registry refused the credentials (`ErrImagePull`).
    Unauthorized,
    /// The registry cannot be reached or is broken (`RegistryUnavailable`).
    RegistryUnavailable,
    /// A container could not be made or started as asked: a missing command, a bad mount (`RunContainerError`).
    CannotRun,
    /// The sandbox is not in a state in which the call makes sense: stopped, or half made.
    FailedPrecondition,
    /// Disk, memory, process or address space is used up.
    ResourceExhausted,
    /// The call took too long.
    DeadlineExceeded,
    /// The runtime does not answer.
    Unavailable,
    /// Anything else.
    Internal,
}

/// A call to the runtime failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeError {
    kind: RuntimeErrorKind,
    message: String,
}

impl RuntimeError {
    /// An error of this kind; the message is lowercase, says what failed and names the value.
    pub fn new(kind: RuntimeErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The refusal of devices whose driver the node was not given, in upstream's words.
    pub fn no_driver(name: &str) -> Self {
        Self::new(RuntimeErrorKind::Unsupported, format!("DRA driver {name} is not registered"))
    }

    /// The kind of the error.
    pub const fn kind(&self) -> RuntimeErrorKind {
        self.kind
    }

    /// What failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same call can succeed later without anybody changing the request.
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            RuntimeErrorKind::InvalidArgument | RuntimeErrorKind::Unsupported | RuntimeErrorKind::InvalidImageName => {
                false
            }
            RuntimeErrorKind::NotFound
            | RuntimeErrorKind::ImageNotFound
            | RuntimeErrorKind::Unauthorized
            | RuntimeErrorKind::RegistryUnavailable
            | RuntimeErrorKind::CannotRun
            | RuntimeErrorKind::FailedPrecondition
            | RuntimeErrorKind::ResourceExhausted
            | RuntimeErrorKind::DeadlineExceeded
            | RuntimeErrorKind::Unavailable
            | RuntimeErrorKind::Internal => true,
        }
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RuntimeError {}
