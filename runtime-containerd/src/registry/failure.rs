//! Why a registry did not give what was asked for, and how the node agent is told.

use inboard::runtime::{RuntimeError, RuntimeErrorKind};

/// What went wrong, each with the host in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The registry has no such image, or no such part of it.
    NotFound(String),
    /// The registry wants other credentials, or any.
    Denied(String),
    /// It cannot be reached, broke off, or says that it is overloaded or broken.
    Unavailable(String),
    /// It answers what no registry should.
    Wrong(String),
}

impl Failure {
    /// The failure to tell of two, when all that was tried has failed: what somebody can do something about comes first.
    pub(crate) fn or(self, later: Self) -> Self {
        let rank = |failure: &Self| match failure {
            Self::Denied(_) => 0,
            Self::Unavailable(_) => 1,
            Self::Wrong(_) => 2,
            Self::NotFound(_) => 3,
        };
        if rank(&later) < rank(&self) { later } else { self }
    }

    pub(crate) fn into_error(self, image: &str) -> RuntimeError {
        let (kind, text) = match self {
            Self::NotFound(text) => (RuntimeErrorKind::ImageNotFound, text),
            Self::Denied(text) => (RuntimeErrorKind::Unauthorized, text),
            Self::Unavailable(text) => (RuntimeErrorKind::RegistryUnavailable, text),
            Self::Wrong(text) => (RuntimeErrorKind::Internal, text),
        };
        RuntimeError::new(kind, format!("failed to pull image {image:?}: {text}"))
    }
}

/// An error with all its causes, which HTTP clients hide behind "client error (Connect)".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
