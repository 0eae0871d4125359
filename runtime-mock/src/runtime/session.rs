//! Commands with connected streams, attached containers and forwarded ports.
//!
//! A command is driven by a task of its own, so that it goes on when nobody reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::sink::Sink;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use inboard::runtime::{
    ByteSink, ContainerId, ContainerState, ExecRequest, ExecSession, ExitStatus, PortForward, RuntimeError,
    RuntimeErrorKind, StdStream, TerminalSize,
};
use tokio::sync::{mpsc, oneshot};

use super::{MockRuntime, logs, sleep_or_changed};
use crate::ids::Key;
use crate::shell::{Input, Pause};
use crate::state::Started;

/// How many chunks of input wait for a process before the sender has to wait too.
const INPUT_CHUNKS: usize = 64;

type Output = mpsc::UnboundedSender<Result<(StdStream, Bytes), RuntimeError>>;

pub(super) fn exec(runtime: &MockRuntime, key: Key, started: Started, request: &ExecRequest) -> ExecSession {
    let (output, read) = mpsc::unbounded_channel();
    let (exited, exit) = oneshot::channel();
    let (stdin, input) = mpsc::channel(INPUT_CHUNKS);
    let wanted = Wanted { stdout: request.stdout, stderr: request.stderr, tty: request.tty };
    let stdin = request.stdin.then_some(stdin);
    let driver = Driver { runtime: runtime.clone(), key, output, wanted, input };
    tokio::spawn(async move {
        let status = driver.run(started).await;
        // Nobody may be waiting for it.
        let _ = exited.send(status);
    });
    ExecSession {
        stdin: stdin.map(|sender| Box::pin(InputSink(Sending::Ready(sender))) as ByteSink),
        output: receiver(read),
        exit: async { exit.await.unwrap_or_else(|_| Err(ended_early())) }.boxed(),
        resize: request.tty.then(|| Box::pin(Resizes) as Resize),
    }
}

type Resize = Pin<Box<dyn Sink<TerminalSize, Error = RuntimeError> + Send>>;

fn ended_early() -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Internal, "the task of the command has ended early")
}

fn receiver<T: Send + 'static>(receiver: mpsc::UnboundedReceiver<T>) -> BoxStream<'static, T> {
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) }).boxed()
}

/// Which outputs the other side wants.
#[derive(Clone, Copy)]
struct Wanted {
    stdout: bool,
    stderr: bool,
    tty: bool,
}

struct Driver {
    runtime: MockRuntime,
    key: Key,
    output: Output,
    wanted: Wanted,
    input: mpsc::Receiver<Bytes>,
}

impl Driver {
    async fn run(mut self, started: Started) -> Result<ExitStatus, RuntimeError> {
        let mut process = match started {
            Started::Process(process) => process,
            Started::Scripted(answer) => {
                tokio::time::sleep(answer.takes).await;
                self.send(StdStream::Stdout, answer.stdout);
                self.send(StdStream::Stderr, answer.stderr);
                return Ok(ExitStatus::exited(answer.code));
            }
        };
        let mut input = Input::open();
        loop {
            let ran = self.runtime.step(|state, now| state.step(now, self.key, &mut process, &mut input));
            // What it did may be what a follower of the container's log waits for.
            self.runtime.inner.changed.notify_waiters();
            let Some((pause, output)) = ran else {
                // The container has ended, and everything in it was killed.
                return Ok(ExitStatus::exited(137));
            };
            for (stream, bytes) in output {
                self.send(stream, bytes);
            }
            match pause {
                Pause::Exit(code) => return Ok(ExitStatus::exited(code)),
                Pause::Sleep(time) => tokio::time::sleep(time).await,
                Pause::Forever => return self.until_container_ends().await,
                Pause::Input => match self.input.recv().await {
                    Some(bytes) => input.push(&bytes),
                    None => input.close(),
                },
            }
        }
    }

    async fn until_container_ends(&self) -> Result<ExitStatus, RuntimeError> {
        loop {
            let changed = self.runtime.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Some(due) = self.runtime.step(|state, _| state.due_of(self.key)) else {
                return Ok(ExitStatus::exited(137));
            };
            let due = due.and_then(|at| self.runtime.lock().instant(at));
            sleep_or_changed(due, changed).await;
        }
    }

    fn send(&self, stream: StdStream, bytes: Bytes) {
        // A terminal has one output.
        let stream = if self.wanted.tty { StdStream::Stdout } else { stream };
        let wanted = match stream {
            StdStream::Stdout => self.wanted.stdout,
            StdStream::Stderr => self.wanted.stderr,
        };
        if wanted && !bytes.is_empty() {
            // The reader may have gone; the command goes on all the same.
            let _ = self.output.send(Ok((stream, bytes)));
        }
    }
}

pub(super) fn attach(
    runtime: &MockRuntime,
    container: &ContainerId,
    request: &ExecRequest,
) -> Result<ExecSession, RuntimeError> {
    let wanted = (request.stdout, request.stderr);
    let lines = logs::from_now(runtime, container)?;
    let output = lines.filter_map(move |entry| async move {
        match entry {
            Ok(entry) => {
                let is_wanted = if entry.stream == StdStream::Stdout { wanted.0 } else { wanted.1 };
                let end: &[u8] = if entry.partial { b"" } else { b"\n" };
                is_wanted.then(|| Ok((entry.stream, [&*entry.line, end].concat().into())))
            }
            Err(error) => Some(Err(error)),
        }
    });
    let (runtime, container) = (runtime.clone(), container.clone());
    let exit = async move {
        // The log ends when the container does.
        let mut lines = logs::from_now(&runtime, &container)?;
        while lines.next().await.is_some() {}
        match runtime.call(|state, now| state.container_status(now, &container)).await?.state {
            ContainerState::Exited { exit, .. } => Ok(exit),
            ContainerState::Created | ContainerState::Running { .. } => Err(ended_early()),
        }
    };
    let resize = request.tty.then(|| Box::pin(Resizes) as Resize);
    // The first process of a container has no input in the mock: what is sent is read by nobody.
    let stdin = request.stdin.then(|| Box::pin(InputSink(Sending::Nowhere)) as ByteSink);
    Ok(ExecSession { stdin, output: output.boxed(), exit: exit.boxed(), resize })
}

/// A connection that answers `response` once something was written to it, and then closes.
pub(super) fn port_forward(response: Bytes) -> PortForward {
    let (write, mut read) = mpsc::channel::<Bytes>(INPUT_CHUNKS);
    let answered = async move {
        read.recv().await?;
        Some(Ok(response))
    };
    PortForward {
        write: Box::pin(InputSink(Sending::Ready(write))),
        read: stream::once(answered).filter_map(|item| async move { item }).boxed(),
    }
}

/// The sending end of a process's input.
struct InputSink(Sending);

type Reserved = Result<mpsc::OwnedPermit<Bytes>, mpsc::error::SendError<()>>;

enum Sending {
    /// There is room or there will be.
    Ready(mpsc::Sender<Bytes>),
    /// Waiting for room.
    Waiting(Pin<Box<dyn Future<Output = Reserved> + Send>>),
    /// There is room for one.
    Reserved(mpsc::OwnedPermit<Bytes>),
    Nowhere,
    Closed,
}

impl Sink<Bytes> for InputSink {
    type Error = RuntimeError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        loop {
            match std::mem::replace(&mut self.0, Sending::Closed) {
                Sending::Ready(sender) => self.0 = Sending::Waiting(Box::pin(sender.reserve_owned())),
                Sending::Waiting(mut reserve) => match reserve.as_mut().poll(cx) {
                    Poll::Ready(Ok(permit)) => self.0 = Sending::Reserved(permit),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(closed())),
                    Poll::Pending => {
                        self.0 = Sending::Waiting(reserve);
                        return Poll::Pending;
                    }
                },
                ready @ (Sending::Reserved(_) | Sending::Nowhere) => {
                    self.0 = ready;
                    return Poll::Ready(Ok(()));
                }
                Sending::Closed => return Poll::Ready(Err(closed())),
            }
        }
    }

    fn start_send(mut self: Pin<&mut Self>, item: Bytes) -> Result<(), RuntimeError> {
        match std::mem::replace(&mut self.0, Sending::Closed) {
            Sending::Reserved(permit) => {
                self.0 = Sending::Ready(permit.send(item));
                Ok(())
            }
            Sending::Nowhere => {
                self.0 = Sending::Nowhere;
                Ok(())
            }
            Sending::Ready(_) | Sending::Waiting(_) | Sending::Closed => Err(closed()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        self.0 = Sending::Closed;
        Poll::Ready(Ok(()))
    }
}

/// The mock's terminals have any size.
struct Resizes;

impl Sink<TerminalSize> for Resizes {
    type Error = RuntimeError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: TerminalSize) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), RuntimeError>> {
        Poll::Ready(Ok(()))
    }
}

fn closed() -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::FailedPrecondition, "the input is closed")
}
