//! The calls that a node agent asks its shell to make, and the replies to them, as values.

use std::sync::Arc;
use std::time::Duration;

use super::{
    ClaimConfig, ContainerConfig, ContainerId, ContainerResources, ContainerStatus, ExecOutput, ImagePull, ImageStatus,
    Inventory, NodeStats, PodIdentity, PodSandboxStats, ProbeOutcome, ProbeRequest, Runtime, RuntimeError, RuntimeInfo,
    SandboxConfig, SandboxId, SandboxStatus, VolumeConfig,
};

/// One call to a node's runtime. Each variant is the method of [`Runtime`] with the same name.
#[derive(Clone, Debug)]
pub enum Call {
    /// [`Runtime::info`]
    Info,
    /// [`Runtime::inventory`]
    Inventory,
    /// [`Runtime::run_pod_sandbox`]
    RunPodSandbox(Arc<SandboxConfig>),
    /// [`Runtime::stop_pod_sandbox`]
    StopPodSandbox(SandboxId),
    /// [`Runtime::remove_pod_sandbox`]
    RemovePodSandbox(SandboxId),
    /// [`Runtime::image_status`]
    ImageStatus(Arc<str>),
    /// [`Runtime::pull_image`]
    PullImage(Arc<ImagePull>),
    /// [`Runtime::list_images`]
    ListImages,
    /// [`Runtime::prepare_volume`]
    PrepareVolume(PodIdentity, Arc<VolumeConfig>),
    /// [`Runtime::prepare_claim`]
    PrepareClaim(PodIdentity, Arc<ClaimConfig>),
    /// [`Runtime::release_claims`]
    ReleaseClaims(PodIdentity),
    /// [`Runtime::remove_volumes`]
    RemoveVolumes(PodIdentity),
    /// [`Runtime::remove_persistent_volume`]
    RemovePersistentVolume(Arc<str>),
    /// [`Runtime::create_container`]
    CreateContainer(SandboxId, Arc<ContainerConfig>),
    /// [`Runtime::start_container`]
    StartContainer(ContainerId),
    /// [`Runtime::stop_container`]
    StopContainer(ContainerId, Duration),
    /// [`Runtime::remove_container`]
    RemoveContainer(ContainerId),
    /// [`Runtime::update_container_resources`]
    UpdateContainerResources(ContainerId, Arc<ContainerResources>),
    /// [`Runtime::container_status`]
    ContainerStatus(ContainerId),
    /// [`Runtime::exec_sync`]
    ExecSync(ContainerId, Arc<[String]>, Duration),
    /// [`Runtime::probe`]
    Probe(Arc<ProbeRequest>),
    /// [`Runtime::stats`]
    Stats,
    /// [`Runtime::node_stats`]
    NodeStats,
    /// [`Runtime::free_images`]
    FreeImages,
}

/// What a [`Call`] answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The call is done and has nothing to tell.
    Done,
    /// To [`Call::Info`].
    Info(RuntimeInfo),
    /// To [`Call::Inventory`].
    Inventory(Inventory),
    /// To [`Call::RunPodSandbox`].
    Sandbox(SandboxStatus),
    /// To [`Call::ImageStatus`] and [`Call::PullImage`].
    Image(Option<ImageStatus>),
    /// To [`Call::ListImages`].
    Images(Vec<ImageStatus>),
    /// To [`Call::CreateContainer`].
    Created(ContainerId),
    /// To [`Call::StartContainer`] and [`Call::ContainerStatus`].
    Container(ContainerStatus),
    /// To [`Call::ExecSync`].
    Exec(ExecOutput),
    /// To [`Call::Probe`].
    Probe(ProbeOutcome),
    /// To [`Call::Stats`].
    Stats(Vec<PodSandboxStats>),
    /// To [`Call::NodeStats`].
    NodeStats(NodeStats),
}

impl Call {
    /// Makes this call on a runtime.
    ///
    /// # Errors
    /// What the runtime answered.
    pub async fn make(&self, runtime: &dyn Runtime) -> Result<Reply, RuntimeError> {
        match self {
            Self::Info => runtime.info().await.map(Reply::Info),
            Self::Inventory => runtime.inventory().await.map(Reply::Inventory),
            Self::RunPodSandbox(config) => runtime.run_pod_sandbox(config).await.map(Reply::Sandbox),
            Self::StopPodSandbox(sandbox) => runtime.stop_pod_sandbox(sandbox).await.map(|()| Reply::Done),
            Self::RemovePodSandbox(sandbox) => runtime.remove_pod_sandbox(sandbox).await.map(|()| Reply::Done),
            Self::ImageStatus(image) => runtime.image_status(image).await.map(Reply::Image),
            Self::PullImage(pull) => runtime.pull_image(pull).await.map(|image| Reply::Image(Some(image))),
            Self::ListImages => runtime.list_images().await.map(Reply::Images),
            Self::PrepareVolume(pod, volume) => runtime.prepare_volume(pod, volume).await.map(|()| Reply::Done),
            Self::PrepareClaim(pod, claim) => runtime.prepare_claim(pod, claim).await.map(|()| Reply::Done),
            Self::ReleaseClaims(pod) => runtime.release_claims(pod).await.map(|()| Reply::Done),
            Self::RemoveVolumes(pod) => runtime.remove_volumes(pod).await.map(|()| Reply::Done),
            Self::RemovePersistentVolume(handle) => {
                runtime.remove_persistent_volume(handle).await.map(|()| Reply::Done)
            }
            Self::CreateContainer(sandbox, config) => {
                runtime.create_container(sandbox, config).await.map(Reply::Created)
            }
            Self::StartContainer(container) => runtime.start_container(container).await.map(Reply::Container),
            Self::StopContainer(container, grace) => {
                runtime.stop_container(container, *grace).await.map(|()| Reply::Done)
            }
            Self::RemoveContainer(container) => runtime.remove_container(container).await.map(|()| Reply::Done),
            Self::UpdateContainerResources(container, resources) => {
                runtime.update_container_resources(container, resources).await.map(|()| Reply::Done)
            }
            Self::ContainerStatus(container) => runtime.container_status(container).await.map(Reply::Container),
            Self::ExecSync(container, command, timeout) => {
                runtime.exec_sync(container, command, *timeout).await.map(Reply::Exec)
            }
            Self::Probe(request) => runtime.probe(request).await.map(Reply::Probe),
            Self::Stats => runtime.stats().await.map(Reply::Stats),
            Self::NodeStats => runtime.node_stats().await.map(Reply::NodeStats),
            Self::FreeImages => runtime.free_images().await.map(|()| Reply::Done),
        }
    }
}
