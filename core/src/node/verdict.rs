//! Why a pod may not run on its node any more.

use std::time::Duration;

use crate::text::Text;

/// What a pod is told that was refused, or is to end.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) reason: &'static str,
    pub(super) message: Text,
    /// What its containers get to stop in, instead of what its spec says.
    pub(super) grace: Option<Duration>,
    /// It goes for the sake of its node, not for what it did: a disruption, which those that made it may not count.
    pub(super) for_the_node: bool,
}

impl Verdict {
    /// One that leaves it to the spec how much time there is.
    pub(super) const fn new(reason: &'static str, message: Text) -> Self {
        Self { reason, message, grace: None, for_the_node: false }
    }
}
