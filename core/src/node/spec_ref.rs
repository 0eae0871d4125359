//! A container of a spec, whichever list it stands in: ephemeral containers have a type of their own.

use k8s_openapi::api::core::v1::{Container, ContainerPort, Lifecycle, Probe};

/// The container's part of the spec, whichever list it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) enum SpecRef<'a> {
    Container(&'a Container),
    Ephemeral(&'a k8s_openapi::api::core::v1::EphemeralContainer),
}

macro_rules! common {
    ($self:ident, $container:ident => $get:expr) => {
        match $self {
            SpecRef::Container($container) => $get,
            SpecRef::Ephemeral($container) => $get,
        }
    };
}

impl<'a> SpecRef<'a> {
    pub(super) fn name(self) -> &'a str {
        common!(self, c => &c.name)
    }

    pub(super) fn image(self) -> &'a str {
        common!(self, c => c.image.as_deref().unwrap_or_default())
    }

    pub(super) fn image_pull_policy(self) -> &'a str {
        let said = common!(self, c => c.image_pull_policy.as_deref().unwrap_or_default());
        match said {
            "" if super::images::is_latest(self.image()) => "Always",
            "" => "IfNotPresent",
            said => said,
        }
    }

    pub(super) fn command(self) -> &'a [String] {
        common!(self, c => c.command.as_deref().unwrap_or_default())
    }

    pub(super) fn args(self) -> &'a [String] {
        common!(self, c => c.args.as_deref().unwrap_or_default())
    }

    pub(super) fn env(self) -> &'a [k8s_openapi::api::core::v1::EnvVar] {
        common!(self, c => c.env.as_deref().unwrap_or_default())
    }

    pub(super) fn env_from(self) -> &'a [k8s_openapi::api::core::v1::EnvFromSource] {
        common!(self, c => c.env_from.as_deref().unwrap_or_default())
    }

    pub(super) fn mounts(self) -> &'a [k8s_openapi::api::core::v1::VolumeMount] {
        common!(self, c => c.volume_mounts.as_deref().unwrap_or_default())
    }

    pub(super) fn devices(self) -> &'a [k8s_openapi::api::core::v1::VolumeDevice] {
        common!(self, c => c.volume_devices.as_deref().unwrap_or_default())
    }

    pub(super) fn ports(self) -> &'a [ContainerPort] {
        common!(self, c => c.ports.as_deref().unwrap_or_default())
    }

    pub(super) fn lifecycle(self) -> Option<&'a Lifecycle> {
        common!(self, c => c.lifecycle.as_ref())
    }

    pub(super) fn security(self) -> Option<&'a k8s_openapi::api::core::v1::SecurityContext> {
        common!(self, c => c.security_context.as_ref())
    }

    pub(super) fn probe(self, purpose: crate::runtime::ProbePurpose) -> Option<&'a Probe> {
        match self {
            Self::Container(container) => purpose.probe_of(container),
            Self::Ephemeral(_) => None,
        }
    }

    pub(super) const fn container(self) -> Option<&'a Container> {
        match self {
            Self::Container(container) => Some(container),
            Self::Ephemeral(_) => None,
        }
    }
}
