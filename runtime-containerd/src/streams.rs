//! Byte streams between a process and whoever talks to it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::sink::Sink;
use futures_util::stream;
use inboard::runtime::{RuntimeError, RuntimeErrorKind, StdStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::logs::Outputs;

/// How many reads may wait for a reader before they are dropped.
const BACKLOG: usize = 256;
/// How long a process may be held up by a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 32 << 10;

/// A sink that hands its items to a task; closing it ends the task's input.
pub(crate) struct ChannelSink<T> {
    sender: Option<mpsc::Sender<T>>,
    sending: Option<BoxFuture<'static, Result<(), mpsc::error::SendError<T>>>>,
}

impl<T> ChannelSink<T> {
    pub(crate) fn new(sender: mpsc::Sender<T>) -> Self {
        Self { sender: Some(sender), sending: None }
    }
}

impl<T: Send + 'static> Sink<T> for ChannelSink<T> {
    type Error = RuntimeError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Some(sending) = self.sending.as_mut() {
            let sent = ready!(sending.as_mut().poll(cx));
            self.sending = None;
            return Poll::Ready(sent.map_err(|_| closed()));
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), Self::Error> {
        let sender = self.sender.clone().ok_or_else(closed)?;
        self.sending = Some(Box::pin(async move { sender.send(item).await }));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_ready(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let flushed = ready!(self.as_mut().poll_ready(cx));
        self.sender = None;
        Poll::Ready(flushed)
    }
}

fn closed() -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::FailedPrecondition, "the other end of the stream is closed")
}

/// Writes what arrives until the input ends or the other side is closed.
pub(crate) async fn write_all(mut input: mpsc::Receiver<Bytes>, mut output: impl AsyncWrite + Unpin) {
    while let Some(bytes) = input.recv().await {
        if output.write_all(&bytes).await.is_err() {
            return;
        }
    }
    drop(output.shutdown().await);
}

/// What can be read, as a stream of chunks.
pub(crate) fn chunks(
    source: impl AsyncRead + Unpin + Send + 'static,
) -> futures_core::stream::BoxStream<'static, Result<Bytes, RuntimeError>> {
    Box::pin(stream::unfold(source, async |mut source| {
        let mut buffer = vec![0; READ_BYTES];
        match source.read(&mut buffer).await {
            Ok(0) => None,
            Ok(read) => {
                buffer.truncate(read);
                Some((Ok(Bytes::from(buffer)), source))
            }
            Err(error) => Some((Err(crate::error::system("read", error)), source)),
        }
    }))
}

pub(crate) type Output = Result<(StdStream, Bytes), RuntimeError>;

/// Reads a process's outputs to their end and hands them on. A reader that does not read for a while misses output and
/// is told so; one that has gone away is read for, so that the process does not stand still.
pub(crate) async fn forward(outputs: Outputs, sender: mpsc::Sender<Output>) {
    let stderr = async {
        if let Some(stderr) = outputs.stderr {
            forward_one(StdStream::Stderr, stderr, &sender).await;
        }
    };
    tokio::join!(forward_one(StdStream::Stdout, outputs.stdout, &sender), stderr);
}

async fn forward_one(stream: StdStream, mut source: impl AsyncRead + Unpin, sender: &mpsc::Sender<Output>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut missed = false;
    while let Ok(read @ 1..) = source.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        if missed {
            let told = RuntimeError::new(RuntimeErrorKind::ResourceExhausted, "output was dropped: the reader is slow");
            missed = sender.try_send(Err(told)).is_err_and(|error| matches!(error, mpsc::error::TrySendError::Full(_)));
        }
        if !missed {
            let sent = sender.send_timeout(Ok((stream, bytes)), PATIENCE).await;
            missed = matches!(sent, Err(mpsc::error::SendTimeoutError::Timeout(_)));
        }
    }
}

pub(crate) fn output_channel() -> (mpsc::Sender<Output>, mpsc::Receiver<Output>) {
    mpsc::channel(BACKLOG)
}

/// A channel's items as a stream.
pub(crate) fn received<T: Send + 'static>(
    mut receiver: mpsc::Receiver<T>,
) -> futures_core::stream::BoxStream<'static, T> {
    Box::pin(stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}
