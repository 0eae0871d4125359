//! Commands in running containers, and attaching to a container's own process.

mod attach;
mod process;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use containerd_client::services::v1::{ExecProcessRequest, StartRequest};
use inboard::runtime::{ExecOutput, ExecRequest, ExecSession, ExitStatus, RuntimeError, RuntimeErrorKind, StdStream};
use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use self::process::{Exit, ProcessRef, resize_sink, stdin_sink};
use crate::client::call;
use crate::container::{ContainerEntry, Fifos};
use crate::logs::Outputs;
use crate::runtime::Inner;
use crate::streams::{self, forward, output_channel, received};
use crate::{clock, error, spec};

/// How containerd finds the JSON of a process among its types.
const PROCESS_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// How much output of a command that is waited for is kept, as in containerd's CRI plugin.
const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// How long a command's output may stay open after it has ended: a child of it can hold it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A command that has been started.
struct Started {
    process: ProcessRef,
    exit: Exit,
    outputs: Outputs,
    stdin: Option<pipe::Sender>,
    fifos: Fifos,
}

impl Inner {
    pub(crate) async fn run_command(
        &self,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, RuntimeError> {
        let entry = self.running(id)?;
        let request = ExecRequest { command: command.to_vec(), stdout: true, stderr: true, ..ExecRequest::default() };
        let mut started = self.start_command(&entry, &request).await?;
        let (sender, receiver) = output_channel();
        let reader = tokio::spawn(collect(receiver));
        let forwarder = tokio::spawn(forward(started.outputs, sender));
        let waited = tokio::time::timeout(timeout, started.exit.code()).await;
        if waited.is_err() {
            started.process.kill().await?;
            started.exit.code().await?;
        }
        // Deleting closes the shim's ends, so that the readers come to an end.
        started.process.delete().await?;
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, forwarder).await;
        drop(drained);
        remove_fifos(&started.fifos);
        let (stdout, stderr) = match tokio::time::timeout(DRAIN_TIMEOUT, reader).await {
            Ok(Ok(output)) => output,
            _ => (Bytes::new(), Bytes::new()),
        };
        match waited {
            Ok(code) => Ok(ExecOutput { stdout, stderr, code: code? }),
            Err(_) => {
                let message = format!("command {command:?} timed out after {timeout:?}");
                Err(RuntimeError::new(RuntimeErrorKind::DeadlineExceeded, message))
            }
        }
    }

    pub(crate) async fn exec_session(&self, id: &str, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let entry = self.running(id)?;
        let mut started = self.start_command(&entry, request).await?;
        let (sender, receiver) = output_channel();
        let process = started.process.clone();
        let stdin = started.stdin.map(|pipe| stdin_sink(process.clone(), pipe));
        let resize = request.tty.then(|| resize_sink(process.clone()));
        let (exited, exit) = oneshot::channel();
        // The command lives on when the session is dropped; its remains are cleared away when it ends.
        tokio::spawn(async move {
            let forwarder = tokio::spawn(forward(started.outputs, sender));
            let code = started.exit.code().await;
            if let Err(error) = process.delete().await {
                tracing::debug!(container = process.container, %error, "an ended command is still to be deleted");
            }
            drop(tokio::time::timeout(DRAIN_TIMEOUT, forwarder).await);
            remove_fifos(&started.fifos);
            drop(exited.send(code.map(ExitStatus::exited)));
        });
        let lost = || error::system("wait for the command", "the runtime was closed");
        let exit = Box::pin(async move { exit.await.unwrap_or_else(|_| Err(lost())) });
        Ok(ExecSession { stdin, output: received(receiver), exit, resize })
    }

    async fn start_command(&self, entry: &ContainerEntry, request: &ExecRequest) -> Result<Started, RuntimeError> {
        if request.command.is_empty() {
            return Err(spec::invalid("a command is needed"));
        }
        let exec_id = exec_id();
        let fifos = Fifos::named(&entry.live, &format!("{exec_id}-"), request.stdin, request.tty);
        fifos.make_all()?;
        let process =
            ProcessRef { daemon: self.daemon.clone(), container: entry.record.id.clone(), exec_id: exec_id.clone() };
        let started = self.start_process(entry, request, &process, &fifos).await;
        match started {
            Ok((exit, outputs, stdin)) => Ok(Started { process, exit, outputs, stdin, fifos }),
            Err(error) => {
                drop(process.delete().await);
                remove_fifos(&fifos);
                Err(error)
            }
        }
    }

    async fn start_process(
        &self,
        entry: &ContainerEntry,
        request: &ExecRequest,
        process: &ProcessRef,
        fifos: &Fifos,
    ) -> Result<(Exit, Outputs, Option<pipe::Sender>), RuntimeError> {
        let (outputs, held) = fifos.open()?;
        // Opened both ways: this does not wait for the shim, which closes its own end when told to.
        let both_ways = |path: &str| {
            let opened = pipe::OpenOptions::new().read_write(true).open_sender(path);
            opened.map_err(|e| error::io("open fifo", Path::new(path), &e))
        };
        let stdin = fifos.stdin.as_deref().map(both_ways).transpose()?;
        let exec = ExecProcessRequest {
            container_id: process.container.clone(),
            exec_id: process.exec_id.clone(),
            stdin: fifos.stdin.clone().unwrap_or_default(),
            stdout: fifos.stdout.clone(),
            stderr: fifos.stderr.clone().unwrap_or_default(),
            terminal: request.tty,
            spec: Some(process_spec(&entry.record.process, request)?),
        };
        let tasks = || self.daemon.services().tasks();
        call("exec", tasks().exec(self.daemon.request(exec))).await.map_err(cannot_run)?;
        // A command that ends its container takes its shim with it, and nobody can be asked any more.
        let exit = Exit::of(process.clone());
        let (container_id, exec_id) = (process.container.clone(), process.exec_id.clone());
        let start = self.daemon.request(StartRequest { container_id, exec_id });
        call("exec", tasks().start(start)).await.map_err(cannot_run)?;
        drop(held);
        Ok((exit, outputs, stdin))
    }
}

/// What the daemon refuses to run is the command's fault, unless the daemon says otherwise.
fn cannot_run(failed: crate::client::CallError) -> RuntimeError {
    match failed.error.kind() {
        RuntimeErrorKind::Internal => RuntimeError::new(RuntimeErrorKind::CannotRun, failed.error.message()),
        _ => failed.error,
    }
}

async fn collect(mut receiver: mpsc::Receiver<streams::Output>) -> (Bytes, Bytes) {
    let (mut stdout, mut stderr) = (BytesMut::new(), BytesMut::new());
    while let Some(chunk) = receiver.recv().await {
        let Ok((stream, bytes)) = chunk else { continue };
        let kept = match stream {
            StdStream::Stdout => &mut stdout,
            StdStream::Stderr => &mut stderr,
        };
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
    (stdout.freeze(), stderr.freeze())
}

/// The container's own process with another command.
fn process_spec(own: &Value, request: &ExecRequest) -> Result<prost_types::Any, RuntimeError> {
    let mut process = own.clone();
    process["args"] = request.command.clone().into();
    process["terminal"] = request.tty.into();
    let has_term = |env: &[Value]| env.iter().any(|line| line.as_str().is_some_and(|line| line.starts_with("TERM=")));
    if let Some(env) = process["env"].as_array_mut().filter(|env| request.tty && !has_term(env)) {
        env.push("TERM=xterm".into());
    }
    let value = serde_json::to_vec(&process).map_err(spec::invalid)?;
    Ok(prost_types::Any { type_url: PROCESS_TYPE.into(), value })
}

fn exec_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // The time keeps ids apart from those of the process's earlier lives.
    format!("exec-{:x}-{}", clock::now().as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn remove_fifos(fifos: &Fifos) {
    for path in fifos.paths() {
        // What stays goes with the container's directory.
        drop(std::fs::remove_file(path));
    }
}
