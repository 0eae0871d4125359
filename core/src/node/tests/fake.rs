//! A runtime in a few lines: it keeps what it is told to make, and does what its script says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::runtime::*;
use crate::time::Time;

/// How a container runs: after this long it exits with this code.
pub(super) type Run = Option<(Duration, i32)>;

/// What is scripted: looked up by `Verb name`, where the name is that of a container, volume or image.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) images: Vec<String>,
    /// How the instances of a container run, by attempt; the last goes on for all later ones.
    pub(super) runs: BTreeMap<String, Vec<Run>>,
    /// Calls that fail so often.
    pub(super) fails: BTreeMap<String, (usize, RuntimeError)>,
    /// Calls that take so long; [`Duration::MAX`] is for ever.
    pub(super) takes: BTreeMap<String, Duration>,
    /// Probes that fail from one moment until another, in seconds.
    pub(super) unwell: BTreeMap<String, (i64, i64)>,
    pub(super) sandboxes: Vec<SandboxStatus>,
    pub(super) containers: Vec<ContainerStatus>,
    pub(super) volumes: Vec<PodIdentity>,
    /// What it will report by itself.
    pub(super) news: Vec<RuntimeEvent>,
    pub(super) configs: BTreeMap<String, Arc<ContainerConfig>>,
    pub(super) files: BTreeMap<String, Arc<VolumeConfig>>,
    /// What is left of the machine.
    pub(super) machine: NodeStats,
    /// What pods use.
    pub(super) usage: Vec<PodSandboxStats>,
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Fake {
    /// The words for a call, and how it ends.
    pub(super) fn call(&mut self, call: &Call, now: Time) -> (String, Duration, Result<Reply, RuntimeError>) {
        let words = self.words(call);
        let takes = self.takes.get(&words).copied().unwrap_or(Duration::ZERO);
        if let Some((left, error)) = self.fails.get_mut(&words)
            && *left > 0
        {
            *left -= 1;
            let error = error.clone();
            return (words, takes, Err(error));
        }
        let reply = self.make(call, now + takes);
        (words, takes, reply)
    }

    fn name_of(&self, id: &ContainerId) -> String {
        self.containers
            .iter()
            .find(|container| container.id == *id)
            .map_or_else(|| format!("?{id}"), |container| container.name.to_string())
    }

    fn words(&self, call: &Call) -> String {
        match call {
            Call::Info => "Info".to_owned(),
            Call::Inventory => "Inventory".to_owned(),
            Call::RunPodSandbox(config) => format!("RunPodSandbox {}", config.attempt),
            Call::StopPodSandbox(_) => "StopPodSandbox".to_owned(),
            Call::RemovePodSandbox(_) => "RemovePodSandbox".to_owned(),
            Call::ImageStatus(image) => format!("ImageStatus {image}"),
            Call::PullImage(pull) => format!("PullImage {}", pull.image),
            Call::ListImages => "ListImages".to_owned(),
            Call::PrepareVolume(_, volume) => format!("PrepareVolume {}", volume.name),
            Call::PrepareClaim(_, claim) => format!("PrepareClaim {}", claim.name),
            Call::ReleaseClaims(_) => "ReleaseClaims".to_owned(),
            Call::RemoveVolumes(_) => "RemoveVolumes".to_owned(),
            Call::RemovePersistentVolume(handle) => format!("RemovePersistentVolume {handle}"),
            Call::CreateContainer(_, config) => format!("CreateContainer {} {}", config.name, config.attempt),
            Call::StartContainer(id) => format!("StartContainer {}", self.name_of(id)),
            Call::StopContainer(id, grace) => format!("StopContainer {} {}s", self.name_of(id), grace.as_secs_f64()),
            Call::RemoveContainer(id) => format!("RemoveContainer {id}"),
            Call::UpdateContainerResources(id, resources) => {
                let shown = resources.container().and_then(|container| container.resources.as_ref()).map(sizes);
                format!("UpdateContainerResources {} {}", self.name_of(id), shown.unwrap_or_default())
            }
            Call::ContainerStatus(id) => format!("ContainerStatus {}", self.name_of(id)),
            Call::ExecSync(..) => "ExecSync".to_owned(),
            Call::Stats => "Stats".to_owned(),
            Call::NodeStats => "NodeStats".to_owned(),
            Call::FreeImages => "FreeImages".to_owned(),
            Call::Probe(probe) => format!("{} {}", probe.purpose.title(), self.name_of(&probe.container)),
        }
    }

    fn make(&mut self, call: &Call, now: Time) -> Result<Reply, RuntimeError> {
        Ok(match call {
            Call::Inventory => Reply::Inventory(Inventory {
                sandboxes: self.sandboxes.clone(),
                containers: self.containers.clone(),
                volumes: self.volumes.clone(),
                claims: Vec::new(),
            }),
            Call::RunPodSandbox(config) => {
                let sandbox = SandboxStatus {
                    id: SandboxId::new(format!("{}-s{}", config.pod.name, config.attempt)),
                    pod: config.pod.clone(),
                    attempt: config.attempt,
                    state: SandboxState::Ready,
                    created_at: now,
                    ips: vec![[10, 0, 0, 1 + u8::try_from(config.attempt).unwrap_or(0)].into()],
                };
                self.sandboxes.push(sandbox.clone());
                Reply::Sandbox(sandbox)
            }
            Call::StopPodSandbox(_) => Reply::Done,
            Call::RemovePodSandbox(id) => {
                self.sandboxes.retain(|sandbox| sandbox.id != *id);
                self.containers.retain(|container| container.sandbox != *id);
                Reply::Done
            }
            Call::ImageStatus(image) => {
                Reply::Image(self.images.iter().any(|has| **has == **image).then(|| status_of(image)))
            }
            Call::PullImage(pull) => {
                self.images.push(pull.image.to_string());
                Reply::Image(Some(status_of(&pull.image)))
            }
            Call::PrepareVolume(pod, volume) => {
                self.volumes.retain(|has| has != pod);
                self.volumes.push(pod.clone());
                self.files.insert(volume.name.to_string(), Arc::clone(volume));
                Reply::Done
            }
            Call::RemovePersistentVolume(_) => Reply::Done,
            Call::RemoveVolumes(pod) => {
                self.volumes.retain(|has| has != pod);
                Reply::Done
            }
            Call::CreateContainer(sandbox, config) => Reply::Created(self.create(sandbox, config, now)),
            Call::StartContainer(id) => Reply::Container(self.start(id, now)?),
            Call::StopContainer(id, _) => {
                let exited = self.exit(id, 143, now);
                self.news.extend(exited);
                Reply::Done
            }
            Call::RemoveContainer(id) => {
                self.containers.retain(|container| container.id != *id);
                Reply::Done
            }
            Call::ContainerStatus(id) => Reply::Container(self.find(id)?.clone()),
            Call::Probe(probe) => {
                let words = self.words(call);
                let unwell = self.unwell.get(&words).is_some_and(|(from, to)| (*from..*to).contains(&now.as_secs()));
                let _ = probe;
                Reply::Probe(if unwell { ProbeOutcome::Failure("unwell".into()) } else { ProbeOutcome::Success })
            }
            Call::NodeStats => Reply::NodeStats(self.machine),
            Call::Stats => Reply::Stats(self.usage.clone()),
            Call::UpdateContainerResources(..)
            | Call::Info
            | Call::ListImages
            | Call::ExecSync(..)
            | Call::PrepareClaim(..)
            | Call::ReleaseClaims(..)
            | Call::FreeImages => Reply::Done,
        })
    }

    fn find(&mut self, id: &ContainerId) -> Result<&mut ContainerStatus, RuntimeError> {
        let found = self.containers.iter_mut().find(|container| container.id == *id);
        found.ok_or_else(|| RuntimeError::new(RuntimeErrorKind::NotFound, format!("container {id} not found")))
    }

    fn create(&mut self, sandbox: &SandboxId, config: &Arc<ContainerConfig>, now: Time) -> ContainerId {
        let id = ContainerId::new(format!("{}-{}-{}", config.pod.name, config.name, config.attempt));
        self.configs.insert(config.name.to_string(), Arc::clone(config));
        self.containers.push(ContainerStatus {
            id: id.clone(),
            sandbox: sandbox.clone(),
            pod: config.pod.clone(),
            name: Arc::clone(&config.name),
            kind: config.kind,
            attempt: config.attempt,
            image: Arc::clone(&config.image),
            image_id: Arc::clone(&config.image_id),
            created_at: now,
            state: ContainerState::Created,
            termination_message: None,
            devices: config.given.clone(),
        });
        id
    }

    fn start(&mut self, id: &ContainerId, now: Time) -> Result<ContainerStatus, RuntimeError> {
        let container = self.find(id)?;
        container.state = ContainerState::Running { started_at: now };
        Ok(container.clone())
    }

    /// When the first of the running containers exits by itself.
    pub(super) fn next_exit(&self) -> Option<(Time, ContainerId, i32)> {
        let exits = self.containers.iter().filter_map(|container| {
            let ContainerState::Running { started_at } = container.state else { return None };
            let runs = self.runs.get(&*container.name)?;
            let run = runs.get(container.attempt as usize).or(runs.last()).copied().flatten()?;
            Some((started_at + run.0, container.id.clone(), run.1))
        });
        exits.min()
    }

    pub(super) fn exit(&mut self, id: &ContainerId, code: i32, now: Time) -> Option<RuntimeEvent> {
        let container = self.containers.iter_mut().find(|container| container.id == *id)?;
        let ContainerState::Running { started_at } = container.state else { return None };
        container.state = ContainerState::Exited { started_at, finished_at: now, exit: ExitStatus::exited(code) };
        Some(RuntimeEvent::Exited(Box::new(container.clone())))
    }
}

/// `cpu=1..2 memory=64Mi..` for requests and limits.
fn sizes(resources: &ResourceRequirements) -> String {
    let of = |list: &Option<BTreeMap<String, Quantity>>, name| {
        list.as_ref().and_then(|list| list.get(name)).map(|amount| amount.0.clone()).unwrap_or_default()
    };
    let shown = ["cpu", "memory"]
        .map(|name| format!("{name}={}..{}", of(&resources.requests, name), of(&resources.limits, name)));
    shown.join(" ")
}

fn status_of(image: &str) -> ImageStatus {
    ImageStatus { id: format!("sha256:{image}").into(), names: vec![image.into()], size_bytes: 1000, user: None }
}
