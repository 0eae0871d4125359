//! A runtime whose containers get devices of plugins, and whose claims are made ready by drivers: everything else is passed
//! on as it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex;

use super::choose::Holders;
use super::{Allocation, DevicePlugin};
use crate::object::quantity::Quantity;
use crate::runtime::{
    ClaimConfig, ContainerConfig, ContainerId, ContainerResources, ContainerStatus, Device, DeviceAmount, DeviceSource,
    Drivers, ExecOutput, ExecRequest, ExecSession, GivenDevice, ImagePull, ImageStatus, Inventory, LogOptions,
    LogStream, NodeStats, PodIdentity, PodSandboxStats, PortForward, ProbeOutcome, ProbeRequest, Runtime, RuntimeError,
    RuntimeErrorKind, RuntimeEvent, RuntimeInfo, SandboxConfig, SandboxId, SandboxStatus, VolumeConfig,
};
use crate::time::Time;

type Plugins = Arc<[Arc<dyn DevicePlugin>]>;

/// A node's runtime, and the plugins and drivers of its devices.
pub(crate) struct WithDevices {
    runtime: Arc<dyn Runtime>,
    plugins: Plugins,
    drivers: Drivers,
    /// Held while a container is given devices, until the runtime knows of it.
    giving: Mutex<()>,
}

impl fmt::Debug for WithDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("WithDevices");
        shown.field("runtime", &self.runtime).field("plugins", &self.plugins).field("drivers", &self.drivers).finish()
    }
}

impl WithDevices {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, plugins: Vec<Arc<dyn DevicePlugin>>, drivers: Drivers) -> Self {
        Self { runtime, plugins: plugins.into(), drivers, giving: Mutex::default() }
    }

    /// What the node has of each resource now.
    pub(crate) fn amounts(&self) -> Vec<DeviceAmount> {
        amounts(&self.plugins)
    }

    /// How many devices of each plugin a container asks for.
    fn wanted(&self, config: &ContainerConfig) -> Vec<(&Arc<dyn DevicePlugin>, usize)> {
        let limits = config.container().and_then(|container| container.resources.as_ref()?.limits.as_ref());
        let count = |plugin: &Arc<dyn DevicePlugin>| {
            let amount = Quantity::from_api(limits?.get(plugin.resource())?).ok()?;
            usize::try_from(amount.value()).ok().filter(|count| *count > 0)
        };
        self.plugins.iter().filter_map(|plugin| Some((plugin, count(plugin)?))).collect()
    }

    /// The container with the devices that it asks for.
    async fn given(
        &self,
        mut config: ContainerConfig,
        wanted: &[(&Arc<dyn DevicePlugin>, usize)],
    ) -> Result<ContainerConfig, RuntimeError> {
        let inventory = self.runtime.inventory().await?;
        for (plugin, count) in wanted {
            let resource = plugin.resource();
            let holders = Holders::of(resource, &inventory, &config);
            let chosen = holders.choose(&plugin.devices(), *count).map_err(|available| {
                let message = format!(
                    "requested number of devices unavailable for {resource}. Requested: {count}, Available: {available}"
                );
                RuntimeError::new(RuntimeErrorKind::ResourceExhausted, message)
            })?;
            add(&mut config, plugin.allocate(&chosen).await?);
            let resource: Arc<str> = resource.into();
            let given = chosen.into_iter().map(|id| GivenDevice { resource: Arc::clone(&resource), id });
            config.given.extend(given);
        }
        Ok(config)
    }
}

fn add(config: &mut ContainerConfig, allocation: Allocation) {
    let own = std::mem::replace(&mut config.env, allocation.env);
    config.env.retain(|variable| !own.iter().any(|own| own.name == variable.name));
    config.env.extend(own);
    config.host_mounts.extend(allocation.mounts);
    config.devices.extend(allocation.devices.into_iter().map(|device| Device {
        source: DeviceSource::Host(device.host_path),
        container_path: device.container_path,
        access: device.access,
    }));
    config.cdi_devices.extend(allocation.cdi_devices);
    config.annotations.extend(allocation.annotations);
}

fn amounts(plugins: &[Arc<dyn DevicePlugin>]) -> Vec<DeviceAmount> {
    let amount = |plugin: &Arc<dyn DevicePlugin>| {
        let devices = plugin.devices();
        DeviceAmount {
            resource: plugin.resource().into(),
            capacity: devices.len(),
            allocatable: devices.iter().filter(|device| device.healthy).count(),
        }
    };
    plugins.iter().map(amount).collect()
}

#[async_trait]
impl Runtime for WithDevices {
    fn set_time(&self, now: Time) {
        self.runtime.set_time(now);
    }

    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        self.runtime.info().await
    }

    async fn inventory(&self) -> Result<Inventory, RuntimeError> {
        self.runtime.inventory().await
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        let changes = stream::select_all(self.plugins.iter().map(|plugin| plugin.changes()));
        let plugins = Arc::clone(&self.plugins);
        let changed = changes.map(move |()| RuntimeEvent::Devices(amounts(&plugins)));
        stream::select(self.runtime.events(), changed).boxed()
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        self.runtime.run_pod_sandbox(config).await
    }

    async fn stop_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.runtime.stop_pod_sandbox(sandbox).await
    }

    async fn remove_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.runtime.remove_pod_sandbox(sandbox).await
    }

    async fn image_status(&self, image: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        self.runtime.image_status(image).await
    }

    async fn pull_image(&self, pull: &ImagePull) -> Result<ImageStatus, RuntimeError> {
        self.runtime.pull_image(pull).await
    }

    async fn list_images(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        self.runtime.list_images().await
    }

    async fn remove_image(&self, image: &str) -> Result<(), RuntimeError> {
        self.runtime.remove_image(image).await
    }

    async fn prepare_volume(&self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), RuntimeError> {
        self.runtime.prepare_volume(pod, volume).await
    }

    async fn prepare_claim(&self, pod: &PodIdentity, claim: &ClaimConfig) -> Result<(), RuntimeError> {
        self.drivers.prepare(&*self.runtime, pod, claim).await
    }

    async fn forget_claim(&self, pod: &PodIdentity, name: &str) -> Result<(), RuntimeError> {
        self.runtime.forget_claim(pod, name).await
    }

    async fn release_claims(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        self.drivers.release(&*self.runtime, pod).await
    }

    async fn remove_volumes(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        self.runtime.remove_volumes(pod).await
    }

    async fn remove_persistent_volume(&self, handle: &str) -> Result<(), RuntimeError> {
        self.runtime.remove_persistent_volume(handle).await
    }

    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        let wanted = self.wanted(config);
        if wanted.is_empty() {
            return self.runtime.create_container(sandbox, config).await;
        }
        let _giving = self.giving.lock().await;
        let config = self.given(config.clone(), &wanted).await?;
        self.runtime.create_container(sandbox, &config).await
    }

    async fn start_container(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        self.runtime.start_container(container).await
    }

    async fn stop_container(&self, container: &ContainerId, grace: Duration) -> Result<(), RuntimeError> {
        self.runtime.stop_container(container, grace).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), RuntimeError> {
        self.runtime.remove_container(container).await
    }

    async fn update_container_resources(
        &self,
        container: &ContainerId,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        self.runtime.update_container_resources(container, resources).await
    }

    async fn container_status(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        self.runtime.container_status(container).await
    }

    async fn exec_sync(
        &self,
        container: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        self.runtime.exec_sync(container, command, timeout).await
    }

    async fn exec(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        self.runtime.exec(container, request).await
    }

    async fn attach(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        self.runtime.attach(container, request).await
    }

    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeOutcome, RuntimeError> {
        self.runtime.probe(request).await
    }

    async fn logs(&self, container: &ContainerId, options: &LogOptions) -> Result<LogStream, RuntimeError> {
        self.runtime.logs(container, options).await
    }

    async fn port_forward(&self, sandbox: &SandboxId, port: u16) -> Result<PortForward, RuntimeError> {
        self.runtime.port_forward(sandbox, port).await
    }

    async fn node_stats(&self) -> Result<NodeStats, RuntimeError> {
        self.runtime.node_stats().await
    }

    async fn free_images(&self) -> Result<(), RuntimeError> {
        self.runtime.free_images().await
    }

    async fn stats(&self) -> Result<Vec<PodSandboxStats>, RuntimeError> {
        self.runtime.stats().await
    }
}
