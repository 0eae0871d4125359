//! A node's mock runtime driven by hand, and a story of what happens in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use inboard::ids::{NodeName, Uid};
use inboard::k8s_openapi::api::core::v1::{Container, PodSpec};
use inboard::runtime::{
    Call, ContainerConfig, ContainerId, ContainerKind, ContainerState, ExitReason, ImagePull, PodIdentity, ProbeAction,
    ProbeOutcome, ProbePurpose, ProbeRequest, Reply, RuntimeError, RuntimeEvent, SandboxConfig, SandboxId,
    SimulatedRuntime,
};
use inboard::time::Time;
use inboard_runtime_mock::MockState;

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn identity(name: &str) -> PodIdentity {
    let bits = name.bytes().fold(7_u128, |bits, byte| bits.wrapping_mul(0x1_0000_01b3).wrapping_add(u128::from(byte)));
    PodIdentity { uid: Uid::from_random(bits), namespace: "default".into(), name: name.into() }
}

fn spec(image: &str) -> Arc<PodSpec> {
    let container = Container { name: "main".to_owned(), image: Some(image.to_owned()), ..Container::default() };
    Arc::new(PodSpec { containers: vec![container], ..PodSpec::default() })
}

pub(crate) fn sandbox_config(name: &str, image: &str) -> SandboxConfig {
    SandboxConfig {
        pod: identity(name),
        attempt: 0,
        node: NodeName::new("host01"),
        spec: spec(image),
        labels: Arc::new(BTreeMap::new()),
        annotations: Arc::new(BTreeMap::new()),
        hostname: name.into(),
        domain_name: None,
        dns: None,
        ports: Vec::new(),
    }
}

pub(crate) fn container_config(name: &str, image: &str, command: &[&str], attempt: u32) -> ContainerConfig {
    ContainerConfig {
        pod: identity(name),
        spec: spec(image),
        kind: ContainerKind::Regular,
        index: 0,
        name: "main".into(),
        attempt,
        image: image.into(),
        image_id: image.into(),
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

/// A node and the time there.
pub(crate) struct World {
    pub(crate) state: MockState,
    now: Time,
    story: String,
}

impl World {
    pub(crate) fn new(state: MockState) -> Self {
        Self { state, now: Time::EPOCH, story: String::new() }
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass, and tells what happened.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.state.next_event_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.tell_events();
        }
        self.now = until;
        self.tell_events();
    }

    fn tell_events(&mut self) {
        for event in self.state.take_events(self.now) {
            let text = match event {
                RuntimeEvent::Exited(status) => match status.state {
                    ContainerState::Exited { exit, .. } if exit.reason == ExitReason::OutOfMemory => {
                        format!("{} out of memory", status.pod.name)
                    }
                    ContainerState::Exited { exit, .. } => format!("{} exited {}", status.pod.name, exit.code),
                    state => format!("{} told as exited is {state:?}", status.pod.name),
                },
                RuntimeEvent::SandboxLost(_) => "sandbox lost".to_owned(),
                other => format!("{other:?}"),
            };
            self.tell(&text);
        }
    }

    pub(crate) fn tell(&mut self, text: &str) {
        let _ = writeln!(self.story, "{}s {text}", self.now.as_nanos() as f64 / 1e9);
    }

    /// What was told since the last time.
    pub(crate) fn story(&mut self) -> String {
        std::mem::take(&mut self.story)
    }

    /// Makes a call and waits for its answer.
    pub(crate) fn call(&mut self, call: &Call) -> Result<Reply, RuntimeError> {
        let completion = self.state.call(self.now, call);
        assert!(completion.at < Time::MAX, "{call:?} hangs");
        self.pass(completion.at - self.now);
        completion.result
    }

    pub(crate) fn pull(&mut self, image: &str) -> Result<(), RuntimeError> {
        let pull = ImagePull { image: image.into(), credentials: Vec::new(), pod: None };
        self.call(&Call::PullImage(Arc::new(pull))).map(|_| ())
    }

    pub(crate) fn sandbox(&mut self, pod: &str, image: &str) -> SandboxId {
        match self.call(&Call::RunPodSandbox(Arc::new(sandbox_config(pod, image)))) {
            Ok(Reply::Sandbox(status)) => status.id,
            other => panic!("running a sandbox: {other:?}"),
        }
    }

    /// A pod with one started container.
    pub(crate) fn run(&mut self, pod: &str, image: &str, command: &[&str], attempt: u32) -> ContainerId {
        self.pull(image).expect("pulled");
        let sandbox = self.sandbox(pod, image);
        let config = Arc::new(container_config(pod, image, command, attempt));
        let id = match self.call(&Call::CreateContainer(sandbox, config)) {
            Ok(Reply::Created(id)) => id,
            other => panic!("creating: {other:?}"),
        };
        self.call(&Call::StartContainer(id.clone())).expect("started");
        id
    }

    pub(crate) fn probe(&mut self, id: &ContainerId, purpose: ProbePurpose) -> String {
        let request = ProbeRequest {
            container: id.clone(),
            sandbox: SandboxId::new(""),
            ip: None,
            action: ProbeAction::Http {
                host: None,
                port: 80,
                path: "/".to_owned(),
                scheme: "http".to_owned(),
                headers: Vec::new(),
            },
            timeout: secs(1),
            purpose,
        };
        match self.call(&Call::Probe(Arc::new(request))) {
            Ok(Reply::Probe(ProbeOutcome::Success)) => "ok".to_owned(),
            Ok(Reply::Probe(ProbeOutcome::Failure(text))) => text.to_string(),
            other => format!("{other:?}"),
        }
    }

    pub(crate) fn exec(&mut self, id: &ContainerId, command: &[&str]) -> String {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        match self.call(&Call::ExecSync(id.clone(), command.into(), secs(600))) {
            Ok(Reply::Exec(output)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                format!("{}{}[{}]", text(&output.stdout), text(&output.stderr), output.code)
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{:?}: {error}", error.kind()),
        }
    }
}
