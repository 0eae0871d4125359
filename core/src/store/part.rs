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
    /// How many replicas there shall be: the object, by way of its subresource.
    Scale,
    /// The conditions of a certificate request that approve or deny it.
    Approval,
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
            "scale" => Some(Self::Scale),
            "approval" => Some(Self::Approval),
            _ => None,
        }
    }

    /// The name of the subresource that writes it; empty for the object itself.
    pub const fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Finalize => "finalize",
            Self::Scale => "scale",
            Self::Approval => "approval",
        }
    }
}
