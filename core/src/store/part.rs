//! Objects are written in parts: the object itself, its status, and what else has a subresource of its own.

/// The part of an object that a write replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All but the status, for kinds that have a status subresource.
    #[default]
    Main,
    /// The status.
    Status,
    /// The ephemeral containers of a pod, which can only become more.
    EphemeralContainers,
    /// The resources of a pod's containers.
    Resize,
    /// The finalizers in the spec of a namespace.
    Finalize,
}

impl Part {
    /// The part that a subresource of this name writes.
    pub fn of_subresource(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Main),
            "status" => Some(Self::Status),
            "ephemeralcontainers" => Some(Self::EphemeralContainers),
            "resize" => Some(Self::Resize),
            "finalize" => Some(Self::Finalize),
            _ => None,
        }
    }
}
