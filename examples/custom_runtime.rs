//! A runtime of one's own in a hundred lines: containers are plain processes of this machine, without images and
//! without isolation.
//!
//! ```text
//! cargo run --example custom_runtime
//! ```
//! What the node agent needs is there: sandboxes, containers that start, stop and end, and the news of their end. What is
//! left out (volumes, logs, commands, probes, ports) has a default that refuses it, and the cluster says so in the pod's
//! events. `inboard::runtime::conformance` checks a runtime that wants to be complete.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use inboard::runtime::*;
use inboard::time::Time;
use inboard::{Api, Cluster, NodeSpec, Shutdown, conditions, prelude::*};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

type Answer<T> = Result<T, RuntimeError>;

/// A node whose containers are processes. A clone is the same node.
#[derive(Clone, Debug)]
struct Processes(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    clock: (Time, Instant),
    sandboxes: BTreeMap<SandboxId, SandboxStatus>,
    containers: BTreeMap<ContainerId, Process>,
    listeners: Vec<mpsc::UnboundedSender<RuntimeEvent>>,
}

#[derive(Debug)]
struct Process {
    config: ContainerConfig,
    status: ContainerStatus,
    /// Told true when it shall end; dropped by the process's task when it has.
    kill: watch::Sender<bool>,
}

impl State {
    fn now(&self) -> Time {
        self.clock.0 + self.clock.1.elapsed()
    }

    fn container(&mut self, id: &ContainerId) -> Answer<&mut Process> {
        let missing = || RuntimeError::new(RuntimeErrorKind::NotFound, format!("no container {id}"));
        self.containers.get_mut(id).ok_or_else(missing)
    }
}

impl Processes {
    fn new() -> Self {
        let (sandboxes, containers, listeners) = Default::default();
        Self(Arc::new(Mutex::new(State { clock: (Time::EPOCH, Instant::now()), sandboxes, containers, listeners })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a process to its end, and tells of it.
    async fn follow(self, id: ContainerId, mut child: tokio::process::Child, mut kill: watch::Receiver<bool>) {
        let is_wanted = async { kill.wait_for(|kill| *kill).await.is_ok() };
        let ended = tokio::select! {
            status = child.wait() => status.ok(),
            _ = is_wanted => child.kill().await.ok().and(None),
        };
        // A process that a signal ended has no code: 137 is what SIGKILL leaves.
        let code = ended.and_then(|status| status.code()).unwrap_or(137);
        let mut state = self.state();
        let now = state.now();
        let Ok(process) = state.container(&id) else { return };
        let ContainerState::Running { started_at } = process.status.state else { return };
        process.status.state = ContainerState::Exited { started_at, finished_at: now, exit: ExitStatus::exited(code) };
        let event = RuntimeEvent::Exited(Box::new(process.status.clone()));
        state.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

#[async_trait]
impl Runtime for Processes {
    fn set_time(&self, now: Time) {
        self.state().clock = (now, Instant::now());
    }

    async fn info(&self) -> Answer<RuntimeInfo> {
        Ok(RuntimeInfo { name: "process".into(), version: "1.0".into() })
    }

    async fn inventory(&self) -> Answer<Inventory> {
        let state = self.state();
        let containers = state.containers.values().map(|process| process.status.clone()).collect();
        Ok(Inventory { sandboxes: state.sandboxes.values().cloned().collect(), containers, ..Inventory::default() })
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().listeners.push(sender);
        stream::unfold(receiver, |mut news| async { news.recv().await.map(|event| (event, news)) }).boxed()
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Answer<SandboxStatus> {
        let mut state = self.state();
        let id = SandboxId::new(format!("{}-{}", config.pod.uid, config.attempt));
        let ips = vec![std::net::Ipv4Addr::LOCALHOST.into()];
        let new = SandboxStatus::ready(id.clone(), config, state.now(), ips);
        Ok(state.sandboxes.entry(id).or_insert(new).clone())
    }

    async fn stop_pod_sandbox(&self, sandbox: &SandboxId) -> Answer<()> {
        let mut state = self.state();
        for process in state.containers.values().filter(|process| process.status.sandbox == *sandbox) {
            process.kill.send_replace(true);
        }
        if let Some(status) = state.sandboxes.get_mut(sandbox) {
            status.state = SandboxState::NotReady;
        }
        Ok(())
    }

    async fn remove_pod_sandbox(&self, sandbox: &SandboxId) -> Answer<()> {
        self.stop_pod_sandbox(sandbox).await?;
        let mut state = self.state();
        state.containers.retain(|_, process| process.status.sandbox != *sandbox);
        state.sandboxes.remove(sandbox);
        Ok(())
    }

    async fn create_container(&self, sandbox: &SandboxId, config: &ContainerConfig) -> Answer<ContainerId> {
        let mut state = self.state();
        let id = ContainerId::new(format!("{sandbox}-{}-{}", config.name, config.attempt));
        let status = ContainerStatus::created(id.clone(), sandbox, config, state.now());
        let new = Process { config: config.clone(), status, kill: watch::Sender::new(false) };
        state.containers.entry(id.clone()).or_insert(new);
        Ok(id)
    }

    async fn start_container(&self, id: &ContainerId) -> Answer<ContainerStatus> {
        let mut state = self.state();
        let now = state.now();
        let process = state.container(id)?;
        if process.status.state == ContainerState::Created {
            let words: Vec<&String> = process.config.command.iter().chain(&process.config.args).collect();
            let cannot = |why: String| RuntimeError::new(RuntimeErrorKind::CannotRun, why);
            let (program, args) = words.split_first().ok_or_else(|| cannot("a process needs a command".into()))?;
            let mut command = tokio::process::Command::new(program);
            command.args(args).envs(process.config.env.iter().map(|variable| (&variable.name, &variable.value)));
            let child = command.kill_on_drop(true).spawn().map_err(|error| cannot(format!("{program}: {error}")))?;
            process.status.state = ContainerState::Running { started_at: now };
            tokio::spawn(self.clone().follow(id.clone(), child, process.kill.subscribe()));
        }
        Ok(process.status.clone())
    }

    async fn stop_container(&self, id: &ContainerId, _: Duration) -> Answer<()> {
        let kill = match self.state().container(id) {
            Ok(process) if process.status.state.is_running() => process.kill.clone(),
            Ok(_) | Err(_) => return Ok(()),
        };
        kill.send_replace(true);
        // Its task lets go of the other end when the process has ended.
        kill.closed().await;
        Ok(())
    }

    async fn remove_container(&self, id: &ContainerId) -> Answer<()> {
        self.stop_container(id, Duration::ZERO).await?;
        self.state().containers.remove(id);
        Ok(())
    }

    async fn container_status(&self, id: &ContainerId) -> Answer<ContainerStatus> {
        Ok(self.state().container(id)?.status.clone())
    }
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  restartPolicy: Never
  containers:
  - name: hello
    image: none
    command: [sh, -c, 'echo \"hello from process $$$$\"; sleep 0.1; exit 3']
";

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows what it did")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = NodeSpec::new("this-machine", Arc::new(Processes::new()));
    let cluster = Cluster::builder().node(node).start().await?;
    cluster.apply(POD).await?;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    pods.wait("hello", Duration::from_secs(10), conditions::is_pod_finished()).await?;
    print!("{}", cluster.table("pods", Some("default"), true).await?);
    print!("{}", cluster.describe("pod", "default", "hello").await?);
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await?;
    Ok(())
}
