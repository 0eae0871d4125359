//! How long a connection waits for its other side.
//!
//! Who connects must begin: until the first bytes have come, nobody knows which protocol it will be. And who asks must take
//! what it is sent: an answer that nobody reads is held in memory only so long. What has left HTTP (a terminal that somebody
//! has stopped looking at) may wait for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How many bytes decide which protocol it is: those that HTTP/2 begins with.
const BEGINNING_BYTES: usize = 24;

/// Whether a connection has left HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct HasLeft(Arc<AtomicBool>);

impl HasLeft {
    /// It has.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that does not wait for ever.
pub(super) struct Patient<S> {
    stream: S,
    has_left: HasLeft,
    /// How many bytes have come, up to those that are needed, and until when they must.
    begun: usize,
    begins: Pin<Box<Sleep>>,
    /// How long what was sent may lie there, and until when what lies there now may.
    takes: Duration,
    taken: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// The other side must begin within `begins`, and go on reading within `takes`.
    pub(super) fn new(stream: S, begins: Duration, takes: Duration, has_left: HasLeft) -> Self {
        Self { stream, has_left, begun: 0, begins: Box::pin(tokio::time::sleep(begins)), takes, taken: None }
    }

    /// Gives up when what was sent has lain there too long.
    fn wait_for_reader<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.has_left.is_set() {
            return Poll::Pending;
        }
        let takes = self.takes;
        let taken = self.taken.get_or_insert_with(|| Box::pin(tokio::time::sleep(takes)));
        ready!(taken.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")))
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(done) => {
                self.taken = None;
                Poll::Ready(done)
            }
            Poll::Pending => self.wait_for_reader(cx),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(done) => {
                self.begun = self.begun.saturating_add(buffer.filled().len() - before);
                Poll::Ready(done)
            }
            Poll::Pending if self.begun >= BEGINNING_BYTES => Poll::Pending,
            Poll::Pending => {
                ready!(self.begins.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not begin")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, done)
    }
}
