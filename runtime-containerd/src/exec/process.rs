//! One process of a task, and the streams towards it.

use std::pin::Pin;

use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, KillRequest, ResizePtyRequest, WaitRequest,
};
use futures_util::sink::Sink;
use inboard::runtime::{ByteSink, RuntimeError, RuntimeErrorKind, TerminalSize};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::{Daemon, call, gone};
use crate::error;
use crate::streams::{self, ChannelSink};

/// A process of a task: the container's own when `exec_id` is empty.
#[derive(Clone)]
pub(super) struct ProcessRef {
    pub(super) daemon: Daemon,
    pub(super) container: String,
    pub(super) exec_id: String,
}

impl ProcessRef {
    pub(super) async fn wait(&self) -> Result<i32, RuntimeError> {
        let request = WaitRequest { container_id: self.container.clone(), exec_id: self.exec_id.clone() };
        let answer = self.daemon.services().tasks().wait(self.daemon.request(request)).await;
        let answer = answer.map_err(|status| error::daemon("wait for the command", &status))?;
        Ok(i32::try_from(answer.into_inner().exit_status).unwrap_or(i32::MAX))
    }

    pub(super) async fn kill(&self) -> Result<(), RuntimeError> {
        let (container_id, exec_id) = (self.container.clone(), self.exec_id.clone());
        let request = KillRequest { container_id, exec_id, signal: 9, all: false };
        let request = self.daemon.request(request);
        call("kill the command", self.daemon.services().tasks().kill(request)).await.map(drop).or_else(gone)
    }

    /// Forgets a command that has ended. When its container has ended meanwhile the shim may be on its way out, and
    /// take all its commands with it: then there is nothing left to delete, and the command's result stands.
    pub(super) async fn delete(&self) -> Result<(), RuntimeError> {
        let request = DeleteProcessRequest { container_id: self.container.clone(), exec_id: self.exec_id.clone() };
        let request = self.daemon.request(request);
        let deleted = call("delete the command", self.daemon.services().tasks().delete_process(request)).await;
        deleted.map(drop).or_else(gone).or_else(|error| match error.kind() {
            RuntimeErrorKind::Unavailable if error.message().contains("ttrpc: closed") => Ok(()),
            _ => Err(error),
        })
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

/// How a command ends, waited for in the background from before its start.
pub(super) struct Exit {
    waiting: JoinHandle<Result<i32, RuntimeError>>,
}

impl Exit {
    pub(super) fn of(process: ProcessRef) -> Self {
        Self { waiting: tokio::spawn(async move { process.wait().await }) }
    }

    /// Waits until it is told, once.
    pub(super) async fn code(&mut self) -> Result<i32, RuntimeError> {
        (&mut self.waiting).await.unwrap_or_else(|e| Err(error::system("wait for the command", e)))
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.waiting.abort();
    }
}

/// Input that ends for the process when the sink is closed.
pub(super) fn stdin_sink(process: ProcessRef, pipe: pipe::Sender) -> ByteSink {
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
pub(super) fn open_stdin_sink(pipe: pipe::Sender) -> ByteSink {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(streams::write_all(receiver, pipe));
    Box::pin(ChannelSink::new(sender))
}

pub(super) fn resize_sink(process: ProcessRef) -> Pin<Box<dyn Sink<TerminalSize, Error = RuntimeError> + Send>> {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(size) = receiver.recv().await {
            process.resize(size).await;
        }
    });
    Box::pin(ChannelSink::new(sender))
}
