//! Containers: create, start, stop, remove, status.

use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::{self as k8s, PodSpec};
use inboard::object::quantity::Quantity;
use inboard::runtime::{
    ContainerConfig, ContainerId, ContainerKind, ContainerResources, ContainerState, ContainerStatus, Device,
    DeviceSource, ExitReason, ExitStatus, GivenDevice, Mount, RuntimeError, RuntimeErrorKind, SandboxId,
};
use inboard::time::Time;

use super::log::Log;
use super::sandbox::Sandbox;
use super::serve::About;
use super::stats::CpuMeter;
use super::{Answer, MockState, error, not_found};
use crate::calls::Verb;
use crate::files::{self, Tree};
use crate::ids::Key;
use crate::script::{Script, Subject};
use crate::shell::Process;

/// What is kept of a container. Small on purpose; what most containers do not have is behind a pointer.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: ContainerId,
    pub(super) name: Arc<str>,
    pub(super) image: Arc<str>,
    pub(super) image_id: Arc<str>,
    pub(super) spec: Arc<PodSpec>,
    pub(super) script: Option<Arc<Script>>,
    pub(super) given: Option<Box<Given>>,
    pub(super) live: Option<Box<Live>>,
    pub(super) created_at: Time,
    pub(super) phase: Phase,
    pub(super) ordinal: u32,
    pub(super) index: u32,
    pub(super) attempt: u32,
    pub(super) kind: ContainerKind,
}

/// Where it is in its life. The times of a container that is being started lie ahead: until then it is only created.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Created,
    Running { since: Time },
    Exited { since: Time, until: Time, code: i32, reason: ExitReason },
}

/// What it was given, for those that were given something.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) command: Box<[String]>,
    /// `NAME=value`, each followed by a zero byte.
    pub(super) environment: Box<str>,
    pub(super) mounts: Box<[Mount]>,
    pub(super) devices: Box<[Device]>,
    pub(super) given: Box<[GivenDevice]>,
}

/// What happens in it, for those in which something does.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The next moment at which it changes by itself; see [`MockState::set_due`].
    pub(super) due: Option<Time>,
    /// How it will end, when that is settled.
    pub(super) end: Option<(Time, ExitStatus)>,
    /// When it will be killed because its grace period is over.
    pub(super) kill_at: Option<Time>,
    pub(super) process: Option<Process>,
    /// When its process goes on.
    pub(super) resume_at: Option<Time>,
    pub(super) log: Log,
    pub(super) files: Tree,
    pub(super) exit_message: Option<Arc<str>>,
    pub(super) cpu: CpuMeter,
    /// What [`MockState::set_ready`] and [`MockState::set_healthy`] said.
    pub(super) forced: Forced,
}

/// What probes find, whatever the script says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forced {
    pub(super) ready: Option<bool>,
    pub(super) healthy: Option<bool>,
}

impl Container {
    pub(super) fn live_mut(&mut self) -> &mut Live {
        self.live.get_or_insert_default()
    }

    pub(super) fn command(&self) -> &[String] {
        self.given.as_ref().map_or(&[], |given| &given.command)
    }

    /// Since when its process runs, if it does at this moment.
    pub(super) fn running_since(&self, now: Time) -> Option<Time> {
        match self.phase {
            Phase::Running { since } if since <= now => Some(since),
            Phase::Running { .. } | Phase::Created | Phase::Exited { .. } => None,
        }
    }

    pub(super) fn is_exited(&self) -> bool {
        matches!(self.phase, Phase::Exited { .. })
    }

    pub(super) fn status(&self, sandbox: &Sandbox, now: Time) -> ContainerStatus {
        let state = match self.phase {
            Phase::Running { since } if since <= now => ContainerState::Running { started_at: since },
            Phase::Created | Phase::Running { .. } => ContainerState::Created,
            Phase::Exited { since, until, code, reason } => {
                let message = self.live.as_ref().and_then(|live| live.exit_message.clone());
                let exit = ExitStatus { code, reason, message: message.unwrap_or_else(|| "".into()) };
                ContainerState::Exited { started_at: since, finished_at: until, exit }
            }
        };
        ContainerStatus {
            id: self.id.clone(),
            sandbox: sandbox.id.clone(),
            pod: sandbox.pod.clone(),
            name: self.name.clone(),
            kind: self.kind,
            attempt: self.attempt,
            image: self.image.clone(),
            image_id: self.image_id.clone(),
            created_at: self.created_at,
            state,
            termination_message: if self.is_exited() { self.termination_message() } else { None },
            devices: self.given.as_ref().map(|given| given.given.to_vec()).unwrap_or_default(),
        }
    }

    fn termination_message(&self) -> Option<Arc<str>> {
        if let Some(message) = self.script.as_ref().and_then(|script| script.termination_message.clone()) {
            return Some(message);
        }
        let path = self.spec_path().unwrap_or("/dev/termination-log");
        let content = self.live.as_ref()?.files.read(path.trim_start_matches('/')).ok()?;
        (!content.is_empty()).then(|| String::from_utf8_lossy(&content).into())
    }

    /// Its part of the pod's spec, unless it is an ephemeral one.
    fn in_spec(&self) -> Option<&k8s::Container> {
        self.kind.container_of(&self.spec, self.index as usize)
    }

    fn spec_path(&self) -> Option<&str> {
        self.in_spec()?.termination_message_path.as_deref()
    }

    /// What it may use of this resource, if there is a limit.
    pub(super) fn limit(&self, resource: &str) -> Option<Quantity> {
        let limits = self.in_spec()?.resources.as_ref()?.limits.as_ref()?;
        Quantity::from_api(limits.get(resource)?).ok()
    }

    pub(super) fn has_read_only_root(&self) -> bool {
        let context = self.in_spec().and_then(|container| container.security_context.as_ref());
        context.and_then(|context| context.read_only_root_filesystem) == Some(true)
    }

    /// Whether it is an init container that has to end before the next one is started.
    pub(super) fn must_end(&self) -> bool {
        let policy = self.in_spec().and_then(|container| container.restart_policy.as_deref());
        self.kind == ContainerKind::Init && policy != Some("Always")
    }
}

impl Given {
    fn of(config: &ContainerConfig) -> Option<Box<Self>> {
        let sees_nothing = config.mounts.is_empty() && config.devices.is_empty() && config.host_mounts.is_empty();
        let sees_nothing = sees_nothing && config.given.is_empty();
        if config.command.is_empty() && config.args.is_empty() && config.env.is_empty() && sees_nothing {
            return None;
        }
        let mut environment = String::new();
        for variable in &config.env {
            environment.extend([&*variable.name, "=", &variable.value, "\0"]);
        }
        Some(Box::new(Self {
            command: config.command.iter().chain(&config.args).cloned().collect(),
            environment: environment.into(),
            mounts: config.mounts.iter().cloned().chain(config.host_mounts.iter().map(files::mount_of_host)).collect(),
            devices: config.devices.clone().into(),
            given: config.given.clone().into(),
        }))
    }
}

impl MockState {
    /// The place of the container with this id.
    pub(super) fn find_container(&self, id: &ContainerId) -> Option<Key> {
        let key = Key::of_id(id.as_str(), self.salt)?;
        self.container(key).filter(|(_, container)| container.id == *id).map(|_| key)
    }

    pub(super) fn known_container(&self, id: &ContainerId) -> Result<Key, RuntimeError> {
        self.find_container(id).ok_or_else(|| not_found("container", id))
    }

    /// The first script that is for such a container.
    fn script_for(&self, config: &ContainerConfig) -> Option<Arc<Script>> {
        if self.scripts.is_empty() {
            return None;
        }
        let command = config.command.iter().chain(&config.args).cloned().collect::<Vec<_>>().join(" ");
        let subject = Subject {
            pod: Some(&config.pod),
            container: Some(&config.name),
            image: Some(&config.image),
            command: Some(&command),
            attempt: Some(config.attempt),
        };
        self.scripts.iter().find(|script| script.matcher.matches(&subject)).cloned()
    }

    pub(crate) fn create_container(
        &mut self,
        now: Time,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Answer<ContainerId> {
        self.serve(now, Verb::CreateContainer, About::New(config), |state, now| {
            let result = state.create(now, sandbox, config);
            let takes = match &result {
                Ok(_) => state.script_for(config).map_or(Duration::ZERO, |script| script.create_takes),
                Err(_) => Duration::ZERO,
            };
            Answer::after(now, takes, result)
        })
    }

    fn create(
        &mut self,
        now: Time,
        sandbox_id: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        let number = self.sandbox_number(sandbox_id).ok_or_else(|| not_found("sandbox", sandbox_id))?;
        if !self.has_image(now, &config.image) {
            return Err(not_found("image", &config.image));
        }
        let mounts = config.mounts.iter().map(|mount| (&mount.container_path, &mount.volume));
        let devices = config.devices.iter().filter_map(|device| match &device.source {
            DeviceSource::Volume(volume) => Some((&device.container_path, volume)),
            DeviceSource::Host(_) => None,
        });
        for (path, volume) in mounts.chain(devices) {
            if !self.volumes.has(config.pod.uid, volume) {
                let message = format!("mount {path}: volume {volume:?} was not prepared");
                return Err(error(RuntimeErrorKind::CannotRun, message));
            }
        }
        for device in &config.devices {
            if let DeviceSource::Host(path) = &device.source {
                self.volumes.make_device(path).map_err(|why| error(RuntimeErrorKind::CannotRun, why))?;
            }
        }
        let script = self.script_for(config);
        let salt = self.salt;
        let Some(sandbox) = self.sandbox_mut(number) else { return Err(not_found("sandbox", sandbox_id)) };
        let mut same = sandbox.containers.iter();
        let same = same.find(|there| there.name == config.name && there.attempt == config.attempt);
        if let Some(there) = same {
            return Ok(there.id.clone());
        }
        if !sandbox.ready {
            let message = format!("sandbox {sandbox_id:?} is not ready");
            return Err(error(RuntimeErrorKind::FailedPrecondition, message));
        }
        let ordinal = sandbox.next_ordinal;
        sandbox.next_ordinal += 1;
        let id = ContainerId::new(Key::sandbox(number).container(ordinal).id(salt));
        // Most pods have one container; growing by the usual steps would make room for four.
        sandbox.containers.reserve_exact(1);
        sandbox.containers.push(Container {
            id: id.clone(),
            name: config.name.clone(),
            image: config.image.clone(),
            image_id: config.image_id.clone(),
            spec: config.spec.clone(),
            script,
            given: Given::of(config),
            live: None,
            created_at: now,
            phase: Phase::Created,
            ordinal,
            index: u32::try_from(config.index).unwrap_or(u32::MAX),
            attempt: config.attempt,
            kind: config.kind,
        });
        Ok(id)
    }

    pub(crate) fn start_container(&mut self, now: Time, id: &ContainerId) -> Answer<ContainerStatus> {
        self.serve(now, Verb::StartContainer, About::Container(id), |state, now| {
            let key = match state.known_container(id) {
                Ok(key) => key,
                Err(error) => return (now, Err(error)).into(),
            };
            let at = match state.start(now, key) {
                Ok(at) => at,
                Err(error) => return (now, Err(error)).into(),
            };
            let status = state.container(key).map(|(sandbox, container)| container.status(sandbox, at.max(now)));
            (at, status.ok_or_else(|| not_found("container", id))).into()
        })
    }

    pub(crate) fn stop_container(&mut self, now: Time, id: &ContainerId, grace: Duration) -> Answer<()> {
        self.serve(now, Verb::StopContainer, About::Container(id), |state, now| {
            let at = state.find_container(id).map_or(now, |key| state.terminate(now, key, grace));
            (at, Ok(())).into()
        })
    }

    pub(crate) fn remove_container(&mut self, now: Time, id: &ContainerId) -> Answer<()> {
        self.serve(now, Verb::RemoveContainer, About::Container(id), |state, now| {
            if let Some(key) = state.find_container(id) {
                state.kill(now, key);
                if let Some(sandbox) = state.sandbox_mut(key.sandbox_number()) {
                    sandbox.containers.retain(|container| container.ordinal != key.ordinal());
                }
            }
            (now, Ok(())).into()
        })
    }

    pub(crate) fn update_container_resources(
        &mut self,
        now: Time,
        id: &ContainerId,
        resources: &ContainerResources,
    ) -> Answer<()> {
        self.serve(now, Verb::UpdateContainerResources, About::Container(id), |state, now| {
            (now, state.known_container(id).and_then(|key| state.update_resources(now, key, resources))).into()
        })
    }

    fn update_resources(&mut self, now: Time, key: Key, resources: &ContainerResources) -> Result<(), RuntimeError> {
        let Some(container) = self.container_mut(key) else { return Err(not_found("container", "")) };
        if container.running_since(now).is_none() {
            let message = format!("container {:?} does not run", container.id.as_str());
            return Err(error(RuntimeErrorKind::FailedPrecondition, message));
        }
        container.spec = resources.spec.clone();
        Ok(())
    }

    pub(crate) fn container_status(&mut self, now: Time, id: &ContainerId) -> Answer<ContainerStatus> {
        self.serve(now, Verb::ContainerStatus, About::Container(id), |state, now| {
            let found = state.find_container(id).and_then(|key| state.container(key));
            let status = found.map(|(sandbox, container)| container.status(sandbox, now));
            (now, status.ok_or_else(|| not_found("container", id))).into()
        })
    }
}
