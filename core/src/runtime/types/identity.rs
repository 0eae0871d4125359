//! Who is meant: a pod, a sandbox, a container.

use std::fmt;
use std::sync::Arc;

use crate::ids::{Uid, text_id};

text_id! {
    /// The id of a sandbox, as its runtime gave it.
    SandboxId
}

text_id! {
    /// The id of a container, as its runtime gave it: without the `containerd://` that `status.containerID` has.
    ContainerId
}

/// Which pod something belongs to. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodIdentity {
    /// The pod's uid: a later pod of the same name is another pod.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Debug for PodIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}({})", self.namespace, self.name, self.uid)
    }
}
