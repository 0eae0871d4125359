//! Streams that leave a runtime: logs, exec and attach sessions, forwarded ports.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::sink::Sink;

use super::{ExitStatus, RuntimeError};
use crate::time::Time;

/// Where bytes can be sent; closing it is the end of the input.
pub type ByteSink = Pin<Box<dyn Sink<Bytes, Error = RuntimeError> + Send>>;

/// Which of a process's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StdStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When the runtime read it.
    pub time: Time,
    /// Where it was written to.
    pub stream: StdStream,
    /// The line without its line feed.
    pub line: Bytes,
    /// Whether the line goes on in the next entry (`P` in the CRI log format) instead of ending here.
    pub partial: bool,
}

/// Lines of a log; ends after the last one, or with the container when following.
pub type LogStream = BoxStream<'static, Result<LogEntry, RuntimeError>>;

/// Which lines of a log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Wait for more lines until the container has exited.
    pub follow: bool,
    /// Only the last lines; all when absent.
    pub tail: Option<usize>,
    /// Only lines at or after this moment.
    pub since: Option<Time>,
    /// Stop after this many bytes of content.
    pub limit_bytes: Option<u64>,
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A process whose streams are connected: dropping the session disconnects; it does not kill the process.
pub struct ExecSession {
    /// Its standard input, when it was asked for.
    pub stdin: Option<ByteSink>,
    /// Its outputs, in the order in which they were read; ends when both are closed. A slow reader must not block the
    /// process for good: a runtime may drop output, and then says so with an error item.
    pub output: BoxStream<'static, Result<(StdStream, Bytes), RuntimeError>>,
    /// Resolves when the process has exited.
    pub exit: BoxFuture<'static, Result<ExitStatus, RuntimeError>>,
    /// Changes the size of its terminal, where it has one.
    pub resize: Option<Pin<Box<dyn Sink<TerminalSize, Error = RuntimeError> + Send>>>,
}

impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession")
            .field("stdin", &self.stdin.is_some())
            .field("resize", &self.resize.is_some())
            .finish_non_exhaustive()
    }
}

/// A connection to a port inside a sandbox.
pub struct PortForward {
    /// Towards the port.
    pub write: ByteSink,
    /// From the port.
    pub read: BoxStream<'static, Result<Bytes, RuntimeError>>,
}

impl fmt::Debug for PortForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortForward").finish_non_exhaustive()
    }
}
