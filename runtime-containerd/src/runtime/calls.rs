//! The methods of the trait: each hands its call to the file that carries it out. Calls that change something are
//! brought to their end even when nobody waits for them any more.

use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use inboard::runtime::{
    ClaimConfig, ContainerConfig, ContainerId, ContainerResources, ContainerStatus, ExecOutput, ExecRequest,
    ExecSession, ImagePull, ImageStatus, Inventory, LogOptions, LogStream, NodeStats, PodIdentity, PodSandboxStats,
    PortForward, ProbeOutcome, ProbeRequest, Runtime, RuntimeError, RuntimeEvent, RuntimeInfo, SandboxConfig,
    SandboxId, SandboxStatus, VolumeConfig,
};

use super::ContainerdRuntime;
use crate::client::is_away;
use crate::{events, logs};

#[async_trait]
impl Runtime for ContainerdRuntime {
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        match self.inner.daemon.info().await {
            // It was there when the runtime was opened, and will be again.
            Err(error) if is_away(&error) => Ok(self.inner.info.clone()),
            info => info,
        }
    }

    async fn inventory(&self) -> Result<Inventory, RuntimeError> {
        Ok(self.inner.take_inventory())
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        events::listen(&self.inner.events)
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        let config = config.clone();
        self.to_end(async move |inner| inner.run_sandbox(&config).await).await
    }

    async fn stop_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        let sandbox = sandbox.clone();
        self.to_end(async move |inner| inner.stop_sandbox(sandbox.as_str()).await).await
    }

    async fn remove_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        let sandbox = sandbox.clone();
        self.to_end(async move |inner| inner.remove_sandbox(sandbox.as_str()).await).await
    }

    async fn image_status(&self, image: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        self.inner.images.status(image).await
    }

    async fn pull_image(&self, pull: &ImagePull) -> Result<ImageStatus, RuntimeError> {
        let pull = pull.clone();
        self.to_end(async move |inner| inner.images.pull(&inner.settings.registries, &pull).await).await
    }

    async fn list_images(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        self.inner.images.list().await
    }

    async fn remove_image(&self, image: &str) -> Result<(), RuntimeError> {
        let image = image.to_owned();
        self.to_end(async move |inner| inner.images.remove(&image).await).await
    }

    async fn prepare_volume(&self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), RuntimeError> {
        let (pod, volume) = (pod.clone(), volume.clone());
        self.to_end(async move |inner| inner.prepare(&pod, &volume).await).await
    }

    async fn prepare_claim(&self, pod: &PodIdentity, claim: &ClaimConfig) -> Result<(), RuntimeError> {
        let (pod, claim) = (pod.clone(), claim.clone());
        self.to_end(async move |inner| inner.prepare_claim(&pod, &claim).await).await
    }

    async fn forget_claim(&self, pod: &PodIdentity, name: &str) -> Result<(), RuntimeError> {
        let (pod, name) = (pod.clone(), name.to_owned());
        self.to_end(async move |inner| inner.forget_claim(&pod, &name).await).await
    }

    async fn release_claims(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let pod = pod.clone();
        self.to_end(async move |inner| inner.release_claims(&pod).await).await
    }

    async fn remove_volumes(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let pod = pod.clone();
        self.to_end(async move |inner| inner.release(&pod).await).await
    }

    async fn remove_persistent_volume(&self, handle: &str) -> Result<(), RuntimeError> {
        let handle = handle.to_owned();
        self.to_end(async move |inner| inner.remove_persistent(&handle)).await
    }

    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        let (sandbox, config) = (sandbox.clone(), config.clone());
        self.to_end(async move |inner| inner.create(&sandbox, &config).await).await
    }

    async fn start_container(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        let container = container.clone();
        self.to_end(async move |inner| inner.start(container.as_str()).await).await
    }

    async fn stop_container(&self, container: &ContainerId, grace: Duration) -> Result<(), RuntimeError> {
        self.inner.stop(container.as_str(), grace).await
    }

    async fn remove_container(&self, container: &ContainerId) -> Result<(), RuntimeError> {
        let container = container.clone();
        self.to_end(async move |inner| inner.remove(container.as_str()).await).await
    }

    async fn update_container_resources(
        &self,
        container: &ContainerId,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        let (container, resources) = (container.clone(), resources.clone());
        self.to_end(async move |inner| inner.resize(container.as_str(), &resources).await).await
    }

    async fn container_status(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError> {
        self.inner.entry(container.as_str())?.status()
    }

    async fn exec_sync(
        &self,
        container: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        let (container, command) = (container.clone(), command.to_vec());
        self.to_end(async move |inner| inner.run_command(container.as_str(), &command, timeout).await).await
    }

    async fn exec(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let (container, request) = (container.clone(), request.clone());
        self.to_end(async move |inner| inner.exec_session(container.as_str(), &request).await).await
    }

    async fn attach(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        self.inner.attach_session(container.as_str(), request).await
    }

    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeOutcome, RuntimeError> {
        let request = request.clone();
        self.to_end(async move |inner| inner.run_probe(&request).await).await
    }

    async fn logs(&self, container: &ContainerId, options: &LogOptions) -> Result<LogStream, RuntimeError> {
        let entry = self.inner.entry(container.as_str())?;
        logs::read_log(&entry.log, options).await
    }

    async fn port_forward(&self, sandbox: &SandboxId, port: u16) -> Result<PortForward, RuntimeError> {
        self.inner.forward_port(sandbox.as_str(), port).await
    }

    async fn node_stats(&self) -> Result<NodeStats, RuntimeError> {
        self.inner.node_stats().await
    }

    async fn free_images(&self) -> Result<(), RuntimeError> {
        self.remove_unused_images().await.map(drop)
    }

    async fn stats(&self) -> Result<Vec<PodSandboxStats>, RuntimeError> {
        self.inner.all_stats().await
    }
}
