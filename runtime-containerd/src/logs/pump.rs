//! What moves a container's output from its fifos into its log, and to whoever is attached.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use inboard::runtime::StdStream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{broadcast, watch};

use super::files::{LogLimits, aside, rotate};
use super::format::{LineSplitter, write_line};
use crate::clock;

/// How many reads an attached reader may lag behind before it misses output.
const LIVE_BACKLOG: usize = 256;
/// How much is read at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// How far a log has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Grows with every write to the file.
    pub(crate) writes: u64,
    /// The number that the file will have when it is put aside.
    pub(crate) number: u64,
    /// Everything that the container wrote is in the file.
    pub(crate) drained: bool,
    /// The container has ended, and nothing will be written any more.
    pub(crate) closed: bool,
}

/// Where the readers of one container's output meet its pump.
#[derive(Debug)]
pub(crate) struct LogHub {
    pub(crate) path: PathBuf,
    limits: LogLimits,
    progress: watch::Sender<Progress>,
    live: broadcast::Sender<(StdStream, Bytes)>,
}

impl LogHub {
    /// For a container whose output is still to come.
    pub(crate) fn new(path: PathBuf, limits: LogLimits) -> Self {
        let number = aside(&path).last().map_or(1, |last| last + 1);
        let progress = watch::Sender::new(Progress { number, ..Progress::default() });
        Self { path, limits, progress, live: broadcast::Sender::new(LIVE_BACKLOG) }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn live(&self) -> broadcast::Receiver<(StdStream, Bytes)> {
        self.live.subscribe()
    }

    /// Begins a new file. When the old one cannot be put aside it grows on.
    async fn put_aside(&self, log: Option<File>) -> Option<File> {
        let number = self.progress.borrow().number;
        if let Err(error) = rotate(&self.path, number, self.limits.files_max) {
            tracing::warn!(log = %self.path.display(), %error, "a container's log cannot be put aside");
            return log;
        }
        let new = open(&self.path).await;
        self.progress.send_modify(|progress| progress.number += 1);
        new
    }

    /// Says that the container has ended.
    pub(crate) fn close(&self) {
        self.progress.send_modify(|progress| (progress.drained, progress.closed) = (true, true));
    }
}

/// The reading ends of a container's fifos.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) stdout: Receiver,
    /// Absent with a terminal, whose two outputs are one.
    pub(crate) stderr: Option<Receiver>,
}

/// Runs until both outputs are closed, or the runtime is; the container can then wait in its fifo for the next pump.
pub(crate) async fn pump(hub: Arc<LogHub>, outputs: Outputs, mut shutdown: watch::Receiver<()>) {
    tokio::select! {
        () = copy(&hub, outputs) => hub.progress.send_modify(|progress| progress.drained = true),
        _ = shutdown.changed() => {}
    }
}

async fn copy(hub: &LogHub, outputs: Outputs) {
    let mut log = open(&hub.path).await;
    let mut length = std::fs::metadata(&hub.path).map_or(0, |metadata| metadata.len());
    let (mut stdout, mut stderr) = (Some(outputs.stdout), outputs.stderr);
    let mut buffers = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut splitters = (LineSplitter::default(), LineSplitter::default());
    while stdout.is_some() || stderr.is_some() {
        let (stream, read) = tokio::select! {
            read = read(&mut stdout, &mut buffers.0) => (StdStream::Stdout, read),
            read = read(&mut stderr, &mut buffers.1) => (StdStream::Stderr, read),
        };
        let (source, buffer, splitter) = match stream {
            StdStream::Stdout => (&mut stdout, &buffers.0, &mut splitters.0),
            StdStream::Stderr => (&mut stderr, &buffers.1, &mut splitters.1),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        let (mut text, time) = (Vec::with_capacity(bytes.len() + 64), clock::now());
        if bytes.is_empty() {
            *source = None;
            splitter.finish(|line, partial| write_line(&mut text, time, stream, line, partial));
        } else {
            splitter.push(bytes, |line, partial| write_line(&mut text, time, stream, line, partial));
            // Nobody attached is the usual case.
            drop(hub.live.send((stream, Bytes::copy_from_slice(bytes))));
        }
        append(&mut log, &text, &hub.path).await;
        length += text.len() as u64;
        if length >= hub.limits.file_bytes_max && log.is_some() {
            (log, length) = (hub.put_aside(log).await, 0);
        }
        hub.progress.send_modify(|progress| progress.writes += 1);
    }
}

/// Bytes read; 0 at the end, or when the fifo is broken, which is the end too.
async fn read(source: &mut Option<Receiver>, buffer: &mut [u8]) -> usize {
    match source {
        Some(source) => source.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

async fn open(path: &Path) -> Option<File> {
    let opened = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await;
    opened
        .inspect_err(|error| tracing::warn!(log = %path.display(), %error, "a container's log cannot be written"))
        .ok()
}

/// A full disk loses log lines; it must not stop the container.
async fn append(log: &mut Option<File>, text: &[u8], path: &Path) {
    let Some(file) = log.as_mut().filter(|_| !text.is_empty()) else { return };
    let written = async {
        file.write_all(text).await?;
        file.flush().await
    };
    if let Err(error) = written.await {
        tracing::warn!(log = %path.display(), %error, "lines of a container's log are lost");
    }
}
