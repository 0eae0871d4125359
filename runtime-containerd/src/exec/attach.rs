//! Attaching to a container's own process: its output from now on, and its input where it has one.

use futures_core::stream::BoxStream;
use futures_util::stream;
use inboard::runtime::{ExecRequest, ExecSession, RuntimeError, RuntimeErrorKind, StdStream};
use tokio::net::unix::pipe;
use tokio::sync::broadcast;

use super::process::{ProcessRef, open_stdin_sink, resize_sink, stdin_sink};
use crate::container::ContainerEntry;
use crate::runtime::Inner;
use crate::{error, streams};

impl Inner {
    pub(crate) async fn attach_session(&self, id: &str, request: &ExecRequest) -> Result<ExecSession, RuntimeError> {
        let entry = self.running(id)?;
        let process = ProcessRef { daemon: self.daemon.clone(), container: id.to_owned(), exec_id: String::new() };
        let stdin = match request.stdin && entry.record.stdin {
            true => {
                let path = entry.live.join("stdin");
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
