//! Warnings: what is allowed, and surely not meant.
//!
//! The kernel finds them with each write that it takes from outside ([`Warning`]); here they are handed to the embedding
//! program, as kube-rs and client-go hand on the `Warning` headers of an API server: to one handler for the whole
//! cluster. Without one they go to the log.

use std::fmt;
use std::sync::Arc;

use crate::kernel::Warning;

/// Who is told of warnings.
#[derive(Clone)]
pub(super) struct WarningHandler(Arc<dyn Fn(&Warning) + Send + Sync>);

impl WarningHandler {
    pub(super) fn new(handler: impl Fn(&Warning) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }

    pub(super) fn tell(&self, warning: &Warning) {
        (self.0)(warning);
    }
}

impl Default for WarningHandler {
    /// The log.
    fn default() -> Self {
        Self::new(|warning| tracing::warn!(resource = warning.resource, object = warning.object, "{}", warning.text))
    }
}

impl fmt::Debug for WarningHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WarningHandler")
    }
}
