//! Commands in running containers, and attaching to a container's own process.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, ExecProcessRequest, KillRequest, ResizePtyRequest, StartRequest, WaitRequest,
};
use futures_core::stream::BoxStream;
use futures_util::stream;
use inboard::runtime::{
    ExecOutput, ExecRequest, ExecSession, ExitStatus, RuntimeError, RuntimeErrorKind, StdStream, TerminalSize,
};
use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::client::{Daemon, call, gone};
use crate::container::{ContainerEntry, Fifos};
use crate::logs::Outputs;
use crate::runtime::Inner;
use crate::streams::{self, ChannelSink, forward, output_channel, received};
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
    outputs: Outputs,
    stdin: Option<pipe::Sender>,
    fifos: Fifos,
}

/// A process of a task: the container's own when `exec_id` is empty.
#[derive(Clone)]
struct ProcessRef {
    daemon: Daemon,
    container: String,
    exec_id: String,
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
        let started = self.start_command(&entry, &request).await?;
        let (sender, receiver) = output_channel();
        let reader = tokio::spawn(collect(receiver));
        let forwarder = tokio::spawn(forward(started.outputs, sender));
        let waited = tokio::time::timeout(timeout, started.process.wait()).await;
        if waited.is_err() {
            started.process.kill().await?;
            started.process.wait().await?;
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
        let started = self.start_command(&entry, request).await?;
        let (sender, receiver) = output_channel();
        let process = started.process.clone();
        let stdin = started.stdin.map(|pipe| stdin_sink(process.clone(), pipe));
        let resize = request.tty.then(|| resize_sink(process.clone()));
        let (exited, exit) = oneshot::channel();
        // The command lives on when the session is dropped; its remains are cleared away when it ends.
        tokio::spawn(async move {
            let forwarder = tokio::spawn(forward(started.outputs, sender));
            let code = process.wait().await;
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

    pub(crate) async fn attach_session(&self, id: &str, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let entry = self.running(id)?;
        let process = ProcessRef { daemon: self.daemon.clone(), container: id.to_owned(), exec_id: String::new() };
        let stdin = match request.stdin && entry.record.stdin {
            true => {
                let path = entry.dir.join("stdin");
                let pipe =
                    pipe::OpenOptions::new().open_sender(&path).map_err(|e| error::io("open fifo", &path, &e))?;
                // Without `stdinOnce` the container's input stays open for the next who attaches.
                let close = entry.record.stdin_once;
                Some(if close { stdin_sink(process.clone(), pipe) } else { open_stdin_sink(pipe) })
            }
            false => None,
        };
        let output = live_output(&entry, request);
        let ended = entry.clone();
        let exit = Box::pin(async move {
            ended.exited().await;
            let exit = ended.run().exit.map(|exit| exit.status());
            exit.ok_or_else(|| error::system("wait for the container", "its exit was not written down"))
        });
        let resize = entry.record.tty.then(|| resize_sink(process));
        Ok(ExecSession { stdin, output, exit, resize })
    }

    async fn start_command(&self, entry: &ContainerEntry, request: &ExecRequest) -> Result<Started, RuntimeError> {
        if request.command.is_empty() {
            return Err(spec::invalid("a command is needed"));
        }
        let exec_id = exec_id();
        let fifos = Fifos::named(&entry.dir, &format!("{exec_id}-"), request.stdin, request.tty);
        fifos.make_all()?;
        let process =
            ProcessRef { daemon: self.daemon.clone(), container: entry.record.id.clone(), exec_id: exec_id.clone() };
        let started = self.start_process(entry, request, &process, &fifos).await;
        match started {
            Ok((outputs, stdin)) => Ok(Started { process, outputs, stdin, fifos }),
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
    ) -> Result<(Outputs, Option<pipe::Sender>), RuntimeError> {
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
        let (container_id, exec_id) = (process.container.clone(), process.exec_id.clone());
        let start = self.daemon.request(StartRequest { container_id, exec_id });
        call("exec", tasks().start(start)).await.map_err(cannot_run)?;
        drop(held);
        Ok((outputs, stdin))
    }
}

/// What the daemon refuses to run is the command's fault, unless the daemon says otherwise.
fn cannot_run(failed: crate::client::CallError) -> RuntimeError {
    match failed.error.kind() {
        RuntimeErrorKind::Internal => RuntimeError::new(RuntimeErrorKind::CannotRun, failed.error.message()),
        _ => failed.error,
    }
}

impl ProcessRef {
    async fn wait(&self) -> Result<i32, RuntimeError> {
        let request = WaitRequest { container_id: self.container.clone(), exec_id: self.exec_id.clone() };
        let answer = self.daemon.services().tasks().wait(self.daemon.request(request)).await;
        let answer = answer.map_err(|status| error::daemon("wait for the command", &status))?;
        Ok(i32::try_from(answer.into_inner().exit_status).unwrap_or(i32::MAX))
    }

    async fn kill(&self) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (self.container.clone(), self.exec_id.clone());
        let request = KillRequest { container_id, exec_id, signal: 9, all: false };
        let request = self.daemon.request(request);
        call("kill the command", self.daemon.services().tasks().kill(request)).await.map(drop).or_else(gone)
    }

    async fn delete(&self) -> Result<(), RuntimeError> {
        let request = DeleteProcessRequest { container_id: self.container.clone(), exec_id: self.exec_id.clone() };
        let request = self.daemon.request(request);
        let deleted = call("delete the command", self.daemon.services().tasks().delete_process(request)).await;
        deleted.map(drop).or_else(gone)
    }

    async fn close_stdin(&self) {
        let (container_id, exec_id) = (self.container.clone(), self.exec_id.clone());
        let request = self.daemon.request(CloseIoRequest { container_id, exec_id, stdin: true });
        // A process that has ended needs no end of its input.
        drop(call("close stdin", self.daemon.services().tasks().close_io(request)).await);
    }

    async fn resize(&self, size: TerminalSize) {
        let request = ResizePtyRequest {
            container_id: self.container.clone(),
            exec_id: self.exec_id.clone(),
            width: size.width.into(),
            height: size.height.into(),
        };
        let request = self.daemon.request(request);
        drop(call("resize terminal", self.daemon.services().tasks().resize_pty(request)).await);
    }
}

/// Input that ends for the process when the sink is closed.
fn stdin_sink(process: ProcessRef, pipe: pipe::Sender) -> inboard::runtime::ByteSink {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let exited = process.clone();
        tokio::select! {
            () = streams::write_all(receiver, pipe) => process.close_stdin().await,
            // Nobody reads any more; without this a full fifo would be waited for.
            _ = exited.wait() => {}
        }
    });
    Box::pin(ChannelSink::new(sender))
}

/// Input that stays open when the sink is closed.
fn open_stdin_sink(pipe: pipe::Sender) -> inboard::runtime::ByteSink {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(streams::write_all(receiver, pipe));
    Box::pin(ChannelSink::new(sender))
}

fn resize_sink(
    process: ProcessRef,
) -> std::pin::Pin<Box<dyn futures_util::sink::Sink<TerminalSize, Error = RuntimeError> + Send>> {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(size) = receiver.recv().await {
            process.resize(size).await;
        }
    });
    Box::pin(ChannelSink::new(sender))
}

/// What a container writes from now on, to the end of its log.
fn live_output(entry: &ContainerEntry, request: &ExecRequest) -> BoxStream<'static, streams::Output> {
    let wanted = |stream| match stream {
        StdStream::Stdout => request.stdout,
        StdStream::Stderr => request.stderr,
    };
    let wanted = (wanted(StdStream::Stdout), wanted(StdStream::Stderr));
    let state = (entry.log.live(), entry.log.progress());
    Box::pin(stream::unfold(state, move |(mut live, mut progress)| async move {
        loop {
            let received = tokio::select! {
                biased;
                received = live.recv() => received,
                // All that was written has been sent by now, so an empty backlog is the end.
                _ = progress.wait_for(|progress| progress.closed) => match live.try_recv() {
                    Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(broadcast::error::RecvError::Lagged(missed)),
                    received => Ok(received.ok()?),
                },
            };
            match received {
                Ok((StdStream::Stdout, _)) if !wanted.0 => {}
                Ok((StdStream::Stderr, _)) if !wanted.1 => {}
                Ok(chunk) => return Some((Ok(chunk), (live, progress))),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let text = "output was dropped: the reader is slow";
                    let error = RuntimeError::new(RuntimeErrorKind::ResourceExhausted, text);
                    return Some((Err(error), (live, progress)));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }))
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
