//! Containers, chained.

use k8s_openapi::api::core::v1::{
    ConfigMapEnvSource, Container, ContainerPort, EnvFromSource, EnvVar, Lifecycle, LifecycleHandler, Probe,
    ResourceRequirements, SecretEnvSource, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{EnvVarExt, push};

/// Chained methods for containers; each gives the container back.
pub trait ContainerExt: Sized {
    /// Begins a container with a name and an image.
    fn builder(name: impl Into<String>, image: impl Into<String>) -> Container;

    /// Changes whatever has no method here.
    #[must_use]
    fn with(self, change: impl FnOnce(&mut Container)) -> Container;

    /// Sets the program to run instead of the image's entry point.
    #[must_use]
    fn command<T: Into<String>>(self, command: impl IntoIterator<Item = T>) -> Container {
        self.with(|container| container.command = Some(command.into_iter().map(Into::into).collect()))
    }

    /// Sets the arguments of the program.
    #[must_use]
    fn args<T: Into<String>>(self, args: impl IntoIterator<Item = T>) -> Container {
        self.with(|container| container.args = Some(args.into_iter().map(Into::into).collect()))
    }

    /// Sets the directory that the program starts in.
    #[must_use]
    fn working_dir(self, path: impl Into<String>) -> Container {
        self.with(|container| container.working_dir = Some(path.into()))
    }

    /// Names a TCP port that the container listens on.
    #[must_use]
    fn port(self, port: i32) -> Container {
        self.with(|container| push(&mut container.ports, ContainerPort { container_port: port, ..Default::default() }))
    }

    /// Names a TCP port by a name, which services and probes can use.
    #[must_use]
    fn named_port(self, name: impl Into<String>, port: i32) -> Container {
        let port = ContainerPort { name: Some(name.into()), container_port: port, ..Default::default() };
        self.with(|container| push(&mut container.ports, port))
    }

    /// Adds an environment variable.
    #[must_use]
    fn env(self, name: impl Into<String>, value: impl Into<String>) -> Container {
        self.env_var(EnvVar::value(name, value))
    }

    /// Adds an environment variable that takes its value from elsewhere.
    #[must_use]
    fn env_var(self, variable: EnvVar) -> Container {
        self.with(|container| push(&mut container.env, variable))
    }

    /// Makes an environment variable of each entry of a ConfigMap.
    #[must_use]
    fn env_from_config_map(self, name: impl Into<String>) -> Container {
        let source = ConfigMapEnvSource { name: name.into(), ..Default::default() };
        let source = EnvFromSource { config_map_ref: Some(source), ..Default::default() };
        self.with(|container| push(&mut container.env_from, source))
    }

    /// Makes an environment variable of each entry of a Secret.
    #[must_use]
    fn env_from_secret(self, name: impl Into<String>) -> Container {
        let source = SecretEnvSource { name: name.into(), ..Default::default() };
        let source = EnvFromSource { secret_ref: Some(source), ..Default::default() };
        self.with(|container| push(&mut container.env_from, source))
    }

    /// Asks for an amount of a resource: `request("cpu", "100m")`.
    #[must_use]
    fn request(self, resource: impl Into<String>, amount: impl Into<String>) -> Container {
        self.resources(|resources| {
            resources.requests.get_or_insert_default().insert(resource.into(), Quantity(amount.into()));
        })
    }

    /// Caps the use of a resource: `limit("memory", "64Mi")`.
    #[must_use]
    fn limit(self, resource: impl Into<String>, amount: impl Into<String>) -> Container {
        self.resources(|resources| {
            resources.limits.get_or_insert_default().insert(resource.into(), Quantity(amount.into()));
        })
    }

    /// Changes requests and limits.
    #[must_use]
    fn resources(self, change: impl FnOnce(&mut ResourceRequirements)) -> Container {
        self.with(|container| change(container.resources.get_or_insert_default()))
    }

    /// Mounts a volume of the pod.
    #[must_use]
    fn mount(self, volume: impl Into<String>, path: impl Into<String>) -> Container {
        let mount = VolumeMount { name: volume.into(), mount_path: path.into(), ..Default::default() };
        self.with(|container| push(&mut container.volume_mounts, mount))
    }

    /// Mounts a volume of the pod that the container may not write to.
    #[must_use]
    fn mount_read_only(self, volume: impl Into<String>, path: impl Into<String>) -> Container {
        let mount =
            VolumeMount { name: volume.into(), mount_path: path.into(), read_only: Some(true), ..Default::default() };
        self.with(|container| push(&mut container.volume_mounts, mount))
    }

    /// Sets what tells whether the container is ready for traffic.
    #[must_use]
    fn readiness(self, probe: Probe) -> Container {
        self.with(|container| container.readiness_probe = Some(probe))
    }

    /// Sets what tells whether the container must be restarted.
    #[must_use]
    fn liveness(self, probe: Probe) -> Container {
        self.with(|container| container.liveness_probe = Some(probe))
    }

    /// Sets what tells whether the container has started: the other probes wait for it.
    #[must_use]
    fn startup(self, probe: Probe) -> Container {
        self.with(|container| container.startup_probe = Some(probe))
    }

    /// Sets what happens before the container is stopped.
    #[must_use]
    fn pre_stop(self, handler: LifecycleHandler) -> Container {
        self.lifecycle(|lifecycle| lifecycle.pre_stop = Some(handler))
    }

    /// Sets what happens once the container has been started.
    #[must_use]
    fn post_start(self, handler: LifecycleHandler) -> Container {
        self.lifecycle(|lifecycle| lifecycle.post_start = Some(handler))
    }

    /// Changes the hooks.
    #[must_use]
    fn lifecycle(self, change: impl FnOnce(&mut Lifecycle)) -> Container {
        self.with(|container| change(container.lifecycle.get_or_insert_default()))
    }

    /// Changes what the container is allowed to do.
    #[must_use]
    fn security(self, change: impl FnOnce(&mut SecurityContext)) -> Container {
        self.with(|container| change(container.security_context.get_or_insert_default()))
    }

    /// Sets when the image is pulled: `Always`, `IfNotPresent` or `Never`.
    #[must_use]
    fn image_pull_policy(self, policy: impl Into<String>) -> Container {
        self.with(|container| container.image_pull_policy = Some(policy.into()))
    }
}

impl ContainerExt for Container {
    fn builder(name: impl Into<String>, image: impl Into<String>) -> Container {
        Container { name: name.into(), image: Some(image.into()), ..Default::default() }
    }

    fn with(mut self, change: impl FnOnce(&mut Container)) -> Container {
        change(&mut self);
        self
    }
}
