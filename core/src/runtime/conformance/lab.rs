//! What the checks have in common: pods to make, containers to run, states to wait for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Fixture;
use crate::ids::Uid;
use crate::runtime::{
    ContainerConfig, ContainerId, ContainerKind, ContainerState, ContainerStatus, ExecOutput, ExitStatus, ImagePull,
    Mount, MountPropagation, PodIdentity, Runtime, RuntimeError, RuntimeErrorKind, SandboxConfig, SandboxId,
    SandboxStatus, VolumeConfig, VolumeSource,
};
use crate::time::Time;

/// The namespace of everything that the suite makes.
const NAMESPACE: &str = "conformance";
/// How often a state is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why a check does not hold.
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails the check unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::runtime::conformance::lab::Failure::new(format!($($text)+)));
        }
    };
}
pub(super) use ensure;

/// Says at which step an unexpected error came.
pub(super) trait At<T> {
    fn at(self, step: &str) -> Result<T, Failure>;
}

impl<T> At<T> for Result<T, RuntimeError> {
    fn at(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{step}: {:?}: {error}", error.kind())))
    }
}

/// Fails unless the call failed with this kind of error.
pub(super) fn must_fail<T>(
    step: &str,
    result: Result<T, RuntimeError>,
    kinds: &[RuntimeErrorKind],
) -> Result<(), Failure> {
    match result {
        Ok(_) => Err(Failure(format!("{step}: succeeded, expected {kinds:?}"))),
        Err(error) if kinds.contains(&error.kind()) => Ok(()),
        Err(error) => Err(Failure(format!("{step}: {:?} ({error}), expected {kinds:?}", error.kind()))),
    }
}

/// A runtime under test, for one check.
pub(super) struct Lab<'f> {
    pub(super) fixture: &'f dyn Fixture,
    pub(super) runtime: Arc<dyn Runtime>,
    image_id: Arc<str>,
    seed: u128,
    pods: AtomicU64,
}

/// A pod of the suite: two containers, `main` and `other`.
pub(super) struct Pod {
    pub(super) identity: PodIdentity,
    spec: Arc<PodSpec>,
}

/// A container that runs alone in its pod.
pub(super) struct Alone {
    pub(super) pod: Pod,
    pub(super) sandbox: SandboxId,
    pub(super) container: ContainerId,
}

/// How a container ended.
pub(super) struct Ended {
    pub(super) started_at: Time,
    pub(super) finished_at: Time,
    pub(super) exit: ExitStatus,
}

impl<'f> Lab<'f> {
    pub(super) async fn new(fixture: &'f dyn Fixture, check: usize) -> Result<Self, Failure> {
        let runtime = fixture.runtime().await;
        let image = fixture.image();
        let status = match runtime.image_status(image).await.at("asking for the image")? {
            Some(status) => status,
            None => {
                let pull = ImagePull { image: image.into(), credentials: Vec::new(), pod: None };
                runtime.pull_image(&pull).await.at("pulling the image")?
            }
        };
        // Different in each run, so that a run that was broken off does not disturb the next.
        let seed = u128::from(fixture.now().as_nanos().unsigned_abs()) << 48 | (check as u128) << 32;
        Ok(Self { fixture, runtime, image_id: status.id, seed, pods: AtomicU64::new(0) })
    }

    /// A new pod, of which the runtime knows nothing yet.
    pub(super) fn pod(&self) -> Pod {
        let number = self.pods.fetch_add(1, Ordering::Relaxed);
        let bits = (self.seed | u128::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let uid = Uid::from_random(bits ^ bits.rotate_right(61));
        let name = format!("pod-{:08x}", uid.as_u128() >> 96);
        let container = |name: &str| Container {
            name: name.to_owned(),
            image: Some(self.fixture.image().to_owned()),
            termination_message_path: Some("/dev/termination-log".to_owned()),
            ..Container::default()
        };
        let spec = PodSpec { containers: vec![container("main"), container("other")], ..PodSpec::default() };
        Pod { identity: PodIdentity { uid, namespace: NAMESPACE.into(), name: name.into() }, spec: Arc::new(spec) }
    }

    pub(super) fn sandbox_config(&self, pod: &Pod) -> SandboxConfig {
        SandboxConfig {
            pod: pod.identity.clone(),
            attempt: 0,
            node: self.fixture.node(),
            spec: pod.spec.clone(),
            labels: Arc::new(BTreeMap::new()),
            annotations: Arc::new(BTreeMap::new()),
            hostname: pod.identity.name.clone(),
            domain_name: None,
            dns: None,
            ports: Vec::new(),
        }
    }

    pub(super) async fn sandbox(&self, pod: &Pod) -> Result<SandboxStatus, Failure> {
        self.runtime.run_pod_sandbox(&self.sandbox_config(pod)).await.at("running a sandbox")
    }

    /// A container of the pod, `main` or `other`, that does what a text for `sh -c` says.
    pub(super) fn container(&self, pod: &Pod, name: &str, script: &str) -> ContainerConfig {
        self.command(pod, name, &["/bin/sh", "-c", script])
    }

    /// The same with a command; none at all for the image's own.
    pub(super) fn command(&self, pod: &Pod, name: &str, command: &[&str]) -> ContainerConfig {
        ContainerConfig {
            pod: pod.identity.clone(),
            spec: pod.spec.clone(),
            kind: ContainerKind::Regular,
            index: usize::from(name != "main"),
            name: name.into(),
            attempt: 0,
            image: self.fixture.image().into(),
            image_id: self.image_id.clone(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            args: Vec::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            devices: Vec::new(),
            given: Vec::new(),
            host_mounts: Vec::new(),
            cdi_devices: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    pub(super) async fn start(&self, sandbox: &SandboxId, config: &ContainerConfig) -> Result<ContainerId, Failure> {
        let id = self.runtime.create_container(sandbox, config).await.at("creating a container")?;
        self.runtime.start_container(&id).await.at("starting a container")?;
        Ok(id)
    }

    /// Runs a text for `sh -c` in a pod of its own.
    pub(super) async fn alone(&self, script: &str) -> Result<Alone, Failure> {
        let pod = self.pod();
        let sandbox = self.sandbox(&pod).await?.id;
        let container = self.start(&sandbox, &self.container(&pod, "main", script)).await?;
        Ok(Alone { pod, sandbox, container })
    }

    /// The same with these limits for the processor and the memory, which it requests too.
    pub(super) async fn alone_sized(&self, script: &str, cpu: &str, memory: &str) -> Result<Alone, Failure> {
        let mut pod = self.pod();
        pod.spec = Arc::new(Self::sized(&pod, cpu, memory));
        let sandbox = self.sandbox(&pod).await?.id;
        let container = self.start(&sandbox, &self.container(&pod, "main", script)).await?;
        Ok(Alone { pod, sandbox, container })
    }

    /// The spec of a pod with other resources for its container `main`.
    pub(super) fn sized(pod: &Pod, cpu: &str, memory: &str) -> PodSpec {
        let amounts =
            [("cpu", cpu), ("memory", memory)].map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())));
        let amounts = Some(BTreeMap::from(amounts));
        let resources = ResourceRequirements { requests: amounts.clone(), limits: amounts, claims: None };
        let mut spec = (*pod.spec).clone();
        if let Some(main) = spec.containers.first_mut() {
            main.resources = Some(resources);
        }
        spec
    }

    pub(super) async fn status(&self, container: &ContainerId) -> Result<ContainerStatus, Failure> {
        self.runtime.container_status(container).await.at("asking for a container's status")
    }

    /// Waits until a container has exited.
    pub(super) async fn ended(&self, container: &ContainerId) -> Result<Ended, Failure> {
        let wait = async {
            loop {
                let status = self.status(container).await?;
                if let ContainerState::Exited { started_at, finished_at, exit } = status.state {
                    return Ok(Ended { started_at, finished_at, exit });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        self.in_time("a container to exit", wait).await
    }

    /// Waits for something that should come soon.
    pub(super) async fn in_time<T>(
        &self,
        what: &str,
        wait: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.fixture.patience(), wait).await {
            Ok(result) => result,
            Err(_) => Err(Failure(format!("waited {:?} in vain for {what}", self.fixture.patience()))),
        }
    }

    /// Runs a text for `sh -c` inside a running container.
    pub(super) async fn sh(&self, container: &ContainerId, script: &str) -> Result<ExecOutput, Failure> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        self.runtime.exec_sync(container, &command, self.fixture.patience()).await.at(&format!("running {script:?}"))
    }

    /// The same, when it must succeed: its output without the last line feed.
    pub(super) async fn out(&self, container: &ContainerId, script: &str) -> Result<String, Failure> {
        let output = self.sh(container, script).await?;
        ensure!(output.code == 0, "{script:?} ended with {}: {:?}", output.code, output.stderr);
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    pub(super) async fn prepare(&self, pod: &Pod, name: &str, source: VolumeSource) -> Result<(), Failure> {
        let volume = VolumeConfig { name: name.into(), source, fs_group: None };
        self.runtime.prepare_volume(&pod.identity, &volume).await.at("preparing a volume")
    }

    /// Removes what this check made, and looks that nothing is left.
    pub(super) async fn clean_up(&self) -> Result<(), Failure> {
        let inventory = self.runtime.inventory().await.at("listing")?;
        for sandbox in inventory.sandboxes.iter().filter(|sandbox| is_ours(&sandbox.pod)) {
            self.runtime.remove_pod_sandbox(&sandbox.id).await.at("removing a sandbox")?;
        }
        for pod in inventory.volumes.iter().filter(|pod| is_ours(pod)) {
            self.runtime.remove_volumes(pod).await.at("removing volumes")?;
        }
        for held in inventory.claims.iter().filter(|held| is_ours(&held.pod)) {
            self.runtime.forget_claim(&held.pod, &held.name).await.at("forgetting a claim")?;
            self.runtime.release_claims(&held.pod).await.at("giving back claims")?;
        }
        let left = self.runtime.inventory().await.at("listing")?;
        let sandboxes = left.sandboxes.iter().filter(|sandbox| is_ours(&sandbox.pod)).count();
        let containers = left.containers.iter().filter(|container| is_ours(&container.pod)).count();
        let volumes = left.volumes.iter().filter(|pod| is_ours(pod)).count();
        let claims = left.claims.iter().filter(|held| is_ours(&held.pod)).count();
        ensure!(
            sandboxes + containers + volumes + claims == 0,
            "{sandboxes} sandboxes, {containers} containers, {claims} claims and the volumes of {volumes} pods are left"
        );
        Ok(())
    }
}

fn is_ours(pod: &PodIdentity) -> bool {
    *pod.namespace == *NAMESPACE
}

/// A mount of a whole volume that can be written to.
pub(super) fn mount(volume: &str, path: &str) -> Mount {
    Mount {
        volume: volume.into(),
        container_path: path.to_owned(),
        sub_path: String::new(),
        read_only: false,
        recursive_read_only: false,
        propagation: MountPropagation::Private,
    }
}
