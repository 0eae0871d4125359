//! A runtime of one's own: containers are plain processes of this machine, without images and without isolation.
//!
//! ```text
//! cargo run --example custom_runtime
//! ```
//! What the node agent needs is there: sandboxes, containers that start, stop and end, their logs, and the news of their
//! end. What such processes cannot have (volumes, sessions, forwarded ports) is refused, and the cluster says so in the
//! pod's events. `inboard::runtime::conformance` checks a runtime that wants to be complete.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use inboard::runtime::*;
use inboard::time::Time;
use inboard::{Api, Cluster, LogRequest, NodeSpec, Shutdown, conditions, prelude::*};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
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
    log: Vec<LogEntry>,
    /// Told true when it shall end; dropped by the process's task when it has.
    kill: watch::Sender<bool>,
}

impl State {
    fn now(&self) -> Time {
        self.clock.0 + self.clock.1.elapsed()
    }

    fn container(&mut self, id: &ContainerId) -> Answer<&mut Process> {
        self.containers.get_mut(id).ok_or_else(|| failed(RuntimeErrorKind::NotFound, format!("no container {id}")))
    }
}

fn failed(kind: RuntimeErrorKind, text: impl Into<String>) -> RuntimeError {
    RuntimeError::new(kind, text)
}

fn unsupported<T>(what: &str) -> Answer<T> {
    Err(failed(RuntimeErrorKind::Unsupported, format!("processes have no {what}")))
}

fn image(name: &str) -> ImageStatus {
    ImageStatus { id: name.into(), names: vec![name.into()], size_bytes: 0, user: None }
}

impl Processes {
    fn new() -> Self {
        let (sandboxes, containers, listeners) = Default::default();
        Self(Arc::new(Mutex::new(State { clock: (Time::EPOCH, Instant::now()), sandboxes, containers, listeners })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a process to its end.
    async fn follow(self, id: ContainerId, mut child: tokio::process::Child, mut kill: watch::Receiver<bool>) {
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let whole_life = async {
            if let Some(mut lines) = lines {
                while let Ok(Some(line)) = lines.next_line().await {
                    self.write(&id, line);
                }
            }
            child.wait().await
        };
        let is_wanted = async { kill.wait_for(|kill| *kill).await.is_ok() };
        let ended = tokio::select! {
            status = whole_life => status,
            _ = is_wanted => match child.kill().await {
                Ok(()) => child.wait().await,
                Err(error) => Err(error),
            },
        };
        // A process that a signal ended has no code: 137 is what SIGKILL leaves.
        let code = ended.ok().and_then(|status| status.code()).unwrap_or(137);
        let mut state = self.state();
        let now = state.now();
        let Ok(process) = state.container(&id) else { return };
        let ContainerState::Running { started_at } = process.status.state else { return };
        process.status.state = ContainerState::Exited { started_at, finished_at: now, exit: ExitStatus::exited(code) };
        let event = RuntimeEvent::Exited(Box::new(process.status.clone()));
        state.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }

    fn write(&self, id: &ContainerId, line: String) {
        let mut state = self.state();
        let time = state.now();
        if let Ok(process) = state.container(id) {
            process.log.push(LogEntry { time, stream: StdStream::Stdout, line: Bytes::from(line), partial: false });
        }
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
        Ok(Inventory { sandboxes: state.sandboxes.values().cloned().collect(), containers, volumes: Vec::new() })
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().listeners.push(sender);
        stream::unfold(receiver, |mut news| async { news.recv().await.map(|event| (event, news)) }).boxed()
    }

    async fn run_pod_sandbox(&self, config: &SandboxConfig) -> Answer<SandboxStatus> {
        let mut state = self.state();
        let id = SandboxId::new(format!("{}-{}", config.pod.uid, config.attempt));
        let (pod, attempt, created_at) = (config.pod.clone(), config.attempt, state.now());
        let ips = vec![std::net::Ipv4Addr::LOCALHOST.into()];
        let new = SandboxStatus { id: id.clone(), pod, attempt, state: SandboxState::Ready, created_at, ips };
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

    async fn image_status(&self, name: &str) -> Answer<Option<ImageStatus>> {
        Ok(Some(image(name)))
    }

    async fn pull_image(&self, pull: &ImagePull) -> Answer<ImageStatus> {
        Ok(image(&pull.image))
    }

    async fn list_images(&self) -> Answer<Vec<ImageStatus>> {
        Ok(Vec::new())
    }

    async fn remove_image(&self, _: &str) -> Answer<()> {
        Ok(())
    }

    async fn prepare_volume(&self, _: &PodIdentity, _: &VolumeConfig) -> Answer<()> {
        unsupported("volumes")
    }

    async fn remove_volumes(&self, _: &PodIdentity) -> Answer<()> {
        Ok(())
    }

    async fn create_container(&self, sandbox: &SandboxId, config: &ContainerConfig) -> Answer<ContainerId> {
        let mut state = self.state();
        let id = ContainerId::new(format!("{sandbox}-{}-{}", config.name, config.attempt));
        let status = ContainerStatus {
            id: id.clone(),
            sandbox: sandbox.clone(),
            pod: config.pod.clone(),
            name: Arc::clone(&config.name),
            kind: config.kind,
            attempt: config.attempt,
            image: Arc::clone(&config.image),
            image_id: Arc::clone(&config.image_id),
            created_at: state.now(),
            state: ContainerState::Created,
            termination_message: None,
        };
        let new = Process { config: config.clone(), status, log: Vec::new(), kill: watch::Sender::new(false) };
        state.containers.entry(id.clone()).or_insert(new);
        Ok(id)
    }

    async fn start_container(&self, id: &ContainerId) -> Answer<ContainerStatus> {
        let mut state = self.state();
        let now = state.now();
        let process = state.container(id)?;
        if process.status.state != ContainerState::Created {
            return Ok(process.status.clone());
        }
        let words: Vec<&String> = process.config.command.iter().chain(&process.config.args).collect();
        let missing = || failed(RuntimeErrorKind::CannotRun, "a process needs a command: there is no image");
        let (program, args) = words.split_first().ok_or_else(missing)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command.envs(process.config.env.iter().map(|variable| (&variable.name, &variable.value)));
        let cannot = |error| failed(RuntimeErrorKind::CannotRun, format!("{program}: {error}"));
        let child = command.spawn().map_err(cannot)?;
        process.status.state = ContainerState::Running { started_at: now };
        tokio::spawn(self.clone().follow(id.clone(), child, process.kill.subscribe()));
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

    async fn exec_sync(&self, _: &ContainerId, command: &[String], timeout: Duration) -> Answer<ExecOutput> {
        let (program, args) =
            command.split_first().ok_or_else(|| failed(RuntimeErrorKind::InvalidArgument, "no command"))?;
        let run = Command::new(program).args(args).kill_on_drop(true).output();
        let late = |_| failed(RuntimeErrorKind::DeadlineExceeded, format!("{program} took more than {timeout:?}"));
        let output = tokio::time::timeout(timeout, run).await.map_err(late)?;
        let output = output.map_err(|error| failed(RuntimeErrorKind::CannotRun, format!("{program}: {error}")))?;
        let code = output.status.code().unwrap_or(137);
        Ok(ExecOutput { stdout: output.stdout.into(), stderr: output.stderr.into(), code })
    }

    async fn exec(&self, _: &ContainerId, _: &ExecRequest) -> Answer<ExecSession> {
        unsupported("sessions")
    }

    async fn attach(&self, _: &ContainerId, _: &ExecRequest) -> Answer<ExecSession> {
        unsupported("sessions")
    }

    async fn probe(&self, request: &ProbeRequest) -> Answer<ProbeOutcome> {
        let ProbeAction::Exec { command } = &request.action else { return unsupported("probes but exec") };
        let output = self.exec_sync(&request.container, command, request.timeout).await?;
        let text = || String::from_utf8_lossy(&output.stdout).into();
        Ok(if output.code == 0 { ProbeOutcome::Success } else { ProbeOutcome::Failure(text()) })
    }

    async fn logs(&self, id: &ContainerId, options: &LogOptions) -> Answer<LogStream> {
        let log = self.state().container(id)?.log.clone();
        let skipped = options.tail.map_or(0, |tail| log.len().saturating_sub(tail));
        Ok(stream::iter(log.into_iter().skip(skipped).map(Ok)).boxed())
    }

    async fn port_forward(&self, _: &SandboxId, _: u16) -> Answer<PortForward> {
        unsupported("forwarded ports")
    }

    async fn stats(&self) -> Answer<Vec<PodSandboxStats>> {
        Ok(Vec::new())
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
    print!("{}", pods.logs("hello", &LogRequest::default()).await?);
    print!("{}", cluster.describe("pod", "default", "hello").await?);
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await?;
    Ok(())
}
