//! All containers of a pod in upstream's order: init containers, app containers, ephemeral ones.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EphemeralContainer, PodSpec, ResourceRequirements, SecurityContext, VolumeDevice,
};

use super::super::field::Path;
use super::fields::list;

/// A container of any sort.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyContainer<'a> {
    /// An init or app container.
    Usual(&'a Container),
    /// One added for debugging.
    Ephemeral(&'a EphemeralContainer),
}

macro_rules! either {
    ($self:expr, $container:ident => $value:expr) => {
        match $self {
            Self::Usual($container) => $value,
            Self::Ephemeral($container) => $value,
        }
    };
}

impl<'a> AnyContainer<'a> {
    /// Its name.
    pub(super) fn name(self) -> &'a str {
        either!(self, container => &container.name)
    }

    /// Its security context.
    pub(super) fn security(self) -> Option<&'a SecurityContext> {
        either!(self, container => container.security_context.as_ref())
    }

    /// Its variables.
    pub(super) fn env(self) -> &'a [EnvVar] {
        either!(self, container => list(&container.env))
    }

    /// Its ports.
    pub(super) fn ports(self) -> &'a [ContainerPort] {
        either!(self, container => list(&container.ports))
    }

    /// Its block devices.
    pub(super) fn devices(self) -> &'a [VolumeDevice] {
        either!(self, container => list(&container.volume_devices))
    }

    /// What it asks for.
    pub(super) fn resources(self) -> Option<&'a ResourceRequirements> {
        either!(self, container => container.resources.as_ref())
    }
}

/// Calls `each` with each container and its path.
pub(super) fn containers<'a>(spec: &'a PodSpec, path: &Path<'_>, mut each: impl FnMut(AnyContainer<'a>, &Path<'_>)) {
    for (field, containers) in
        [("initContainers", list(&spec.init_containers)), ("containers", spec.containers.as_slice())]
    {
        let path = path.field(field);
        for (index, container) in containers.iter().enumerate() {
            each(AnyContainer::Usual(container), &path.index(index));
        }
    }
    let path = path.field("ephemeralContainers");
    for (index, container) in list(&spec.ephemeral_containers).iter().enumerate() {
        each(AnyContainer::Ephemeral(container), &path.index(index));
    }
}
