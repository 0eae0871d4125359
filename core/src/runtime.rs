//! The boundary to what runs containers, shaped after the CRI (`k8s.io/cri-api/pkg/apis/runtime/v1`).
//!
//! One [`Runtime`] serves one node. The node agent decides which [`Call`]s to make; a shell makes them and reports each
//! [`Reply`] or [`RuntimeError`] back. Every call is idempotent: made a second time it finds the work done and says so
//! with the same answer, so that the agent may repeat whatever it is not sure of.
//!
//! ```text
//! node agent (pure)  --Call-->  shell  --Runtime trait-->  containerd, the mock, your own
//!                    <--Reply--        <--RuntimeEvent---
//! ```

mod call;
mod driver;
mod error;
mod plugin;
mod simulated;
mod stream;
mod types;

pub mod conformance;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::time::Time;

pub use self::call::{Call, Reply};
pub use self::driver::DeviceDriver;
pub(crate) use self::driver::Drivers;
pub use self::error::{RuntimeError, RuntimeErrorKind};
pub(crate) use self::plugin::WithDevices;
pub use self::plugin::{Allocation, DevicePlugin, HostDevice, PluginDevice};
pub use self::simulated::{Completion, SimulatedRuntime};
pub use self::stream::{ByteSink, ExecSession, LogEntry, LogOptions, LogStream, PortForward, StdStream, TerminalSize};
pub use self::types::{
    ClaimConfig, ClaimIdentity, ContainerConfig, ContainerId, ContainerKind, ContainerResources, ContainerState,
    ContainerStats, ContainerStatus, Containers, Device, DeviceAccess, DeviceAmount, DeviceSource, DriverShare, EnvVar,
    ExecOutput, ExecRequest, ExitReason, ExitStatus, FileEntry, FileSystemRoom, FileSystemStats, GivenDevice,
    HeldClaim, HostFile, HostMount, HostPathStep, ImageCredentials, ImagePull, ImageStatus, Inventory, Mount,
    MountPropagation, NetworkStats, NodeStats, PodIdentity, PodSandboxStats, PortMapping, PreparedDevice, ProbeAction,
    ProbeOutcome, ProbePurpose, ProbeRequest, Room, RuntimeEvent, RuntimeInfo, SandboxConfig, SandboxDns, SandboxId,
    SandboxState, SandboxStatus, VolumeConfig, VolumeSource, VolumeStats, check_host_path,
};

/// What runs the containers of one node.
///
/// # Guarantees an implementation gives
/// - **Idempotent**: repeating a call that succeeded, or whose answer was lost, succeeds with the same result. Stopping
///   or removing what is not there succeeds.
/// - **Typed errors**: [`RuntimeError::is_retryable`] says whether the same call can succeed later.
/// - **Cancel safe**: a call whose future is dropped leaves nothing that [`Runtime::inventory`] does not list.
/// - **No surprise**: what the agent did not ask for does not happen; a container that exits is never restarted.
///
/// [`conformance`] checks all of it; run it against your implementation.
///
/// # What may be left out
/// Methods with a default are for what a runtime need not have: images (by default every name is there), volumes, logs,
/// commands, probes, forwarded ports, usage, other resources for what runs. A pod that asks for what is not there says so in its events.
#[async_trait]
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Tells what time it is, before any other call. A runtime with real containers has the machine's clock and takes no
    /// notice, as the default does; one in virtual time counts on from here.
    fn set_time(&self, now: Time) {
        let _ = now;
    }

    /// Name and version, as shown in `status.nodeInfo.containerRuntimeVersion` (`containerd://1.7.2`).
    async fn info(&self) -> Result<RuntimeInfo, RuntimeError>;

    /// Everything that this node holds of ours, found by labels: used to adopt what runs after a restart, and to
    /// remove what no pod wants.
    async fn inventory(&self) -> Result<Inventory, RuntimeError>;

    /// Exits and losses as they happen, from the moment of the call. A runtime that may have missed some says
    /// [`RuntimeEvent::Relist`]. The stream ends only when the runtime is gone for good.
    fn events(&self) -> BoxStream<'static, RuntimeEvent>;

    /// Creates and starts the sandbox of a pod: namespaces, network, host name, resolver.
    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Result<SandboxStatus, RuntimeError>;

    /// Stops every container of a sandbox by force and gives back its network.
    async fn stop_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;

    /// Removes a sandbox, its containers and their logs without a trace; stops it first where needed.
    async fn remove_pod_sandbox(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;

    /// The state of one image, or `None` when the node does not have it.
    async fn image_status(&self, image: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        Ok(Some(ImageStatus::named(image)))
    }

    /// Brings an image onto the node.
    async fn pull_image(&self, pull: &ImagePull) -> Result<ImageStatus, RuntimeError> {
        Ok(ImageStatus::named(&pull.image))
    }

    /// All images of the node.
    async fn list_images(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        Ok(Vec::new())
    }

    /// Removes an image; one that is not there is no error.
    async fn remove_image(&self, image: &str) -> Result<(), RuntimeError> {
        let _ = image;
        Ok(())
    }

    /// Makes a volume of a pod ready to be mounted; called again when the content of a [`VolumeSource::Files`] changed.
    async fn prepare_volume(&self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), RuntimeError> {
        let _ = pod;
        Err(has_no(format_args!("volumes: `{}`", volume.name)))
    }

    /// Keeps a claim for a pod, with what the drivers that the node was given ([`DeviceDriver`]) made ready of it: containers of
    /// the pod that name the claim are created after that, and get [`HeldClaim::devices_of`]. Called before the drivers are
    /// asked, and again with their answers; [`Inventory::claims`] lists the last of these calls, also after the process was started
    /// anew.
    ///
    /// Devices of a driver that has no share in it ([`ClaimConfig::missing_driver`]) are refused, unless the runtime plays all
    /// drivers itself, as the mock does.
    async fn prepare_claim(&self, pod: &PodIdentity, claim: &ClaimConfig) -> Result<(), RuntimeError> {
        let _ = pod;
        match (claim.missing_driver(), claim.devices().is_empty()) {
            (Some(driver), _) => Err(RuntimeError::no_driver(driver)),
            (None, true) => Ok(()),
            (None, false) => Err(has_no(format_args!("claims for devices: `{}`", claim.name))),
        }
    }

    /// A pod is done with a claim, and the drivers know what of it they need to: it is not listed any more. One that is not there
    /// is no error.
    async fn forget_claim(&self, pod: &PodIdentity, name: &str) -> Result<(), RuntimeError> {
        let _ = (pod, name);
        Ok(())
    }

    /// Gives back all claims of a pod, whose containers have ended for good. A claim that a driver has a share in was forgotten
    /// before; if it was not, nobody told that driver, and the call is refused.
    async fn release_claims(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let _ = pod;
        Ok(())
    }

    /// Gives back all volumes of a pod: content that belongs to the pod is removed, host paths and persistent volumes stay.
    async fn remove_volumes(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let _ = pod;
        Ok(())
    }

    /// Removes the data of a persistent volume for good; one that is not there is no error. The agent asks for it only
    /// once no pod of the node has the volume.
    async fn remove_persistent_volume(&self, handle: &str) -> Result<(), RuntimeError> {
        let _ = handle;
        Err(has_no("persistent volumes"))
    }

    /// Creates a container in a sandbox, without starting it.
    async fn create_container(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError>;

    /// Starts a created container; one that already runs or has exited is left as it is. The status is the one right
    /// after the start.
    async fn start_container(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError>;

    /// Asks a container to stop with its stop signal, and kills it when `grace` is over. Returns when it has exited.
    async fn stop_container(&self, container: &ContainerId, grace: Duration) -> Result<(), RuntimeError>;

    /// Removes a container and its log; a running one is killed first.
    async fn remove_container(&self, container: &ContainerId) -> Result<(), RuntimeError>;

    /// Gives a running container other resources without a restart (`UpdateContainerResources`). When it fails, the
    /// container has what it had before. One that does not run is [`RuntimeErrorKind::FailedPrecondition`]; what the
    /// container uses already may be more than a new limit, which is [`RuntimeErrorKind::FailedPrecondition`] too.
    async fn update_container_resources(
        &self,
        container: &ContainerId,
        resources: &ContainerResources,
    ) -> Result<(), RuntimeError> {
        let _ = (container, resources);
        Err(has_no("way to give a running container other resources"))
    }

    /// The state of one container.
    async fn container_status(&self, container: &ContainerId) -> Result<ContainerStatus, RuntimeError>;

    /// Runs a command in a container and waits for it, `timeout` at most.
    async fn exec_sync(
        &self,
        container: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        let _ = (container, command, timeout);
        Err(has_no("commands"))
    }

    /// Starts a command in a container with its streams connected.
    async fn exec(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let _ = (container, request);
        Err(has_no("commands"))
    }

    /// Connects to the streams of a container's own process.
    async fn attach(&self, container: &ContainerId, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let _ = (container, request);
        Err(has_no("attached streams"))
    }

    /// Carries out one probe, or one lifecycle hook's action.
    async fn probe(&self, request: &ProbeRequest) -> Result<ProbeOutcome, RuntimeError> {
        let _ = request;
        Err(has_no("probes"))
    }

    /// The log of one container, also after it exited.
    async fn logs(&self, container: &ContainerId, options: &LogOptions) -> Result<LogStream, RuntimeError> {
        let _ = (container, options);
        Err(has_no("logs"))
    }

    /// Connects to a port inside a sandbox.
    async fn port_forward(&self, sandbox: &SandboxId, port: u16) -> Result<PortForward, RuntimeError> {
        let _ = (sandbox, port);
        Err(has_no("forwarded ports"))
    }

    /// How much of the machine is left; asked only for nodes that give up pods for their own sake.
    async fn node_stats(&self) -> Result<NodeStats, RuntimeError> {
        Err(has_no("figures of its machine"))
    }

    /// Removes the images that nobody uses, because the disk is short of room.
    async fn free_images(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Usage of every sandbox and its containers.
    async fn stats(&self) -> Result<Vec<PodSandboxStats>, RuntimeError> {
        Ok(Vec::new())
    }
}

/// The answer to what a runtime was not made for.
fn has_no(what: impl fmt::Display) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Unsupported, format!("this runtime has no {what}"))
}
