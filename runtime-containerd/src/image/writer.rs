//! One blob on its way into the daemon's content store. What was written stays when the writer is dropped, so that the
//! next one goes on from there; the daemon checks the digest at the end.

use std::time::Duration;

use bytes::Bytes;
use containerd_client::services::v1::{AbortRequest, WriteAction, WriteContentRequest, WriteContentResponse};
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use crate::client::{Daemon, Lease, call, gone};
use crate::error;

/// How often, and for how long each, to wait for a writer that was dropped a moment ago to let go of the blob.
const LOCKED_TRIES: u32 = 50;
const LOCKED_PAUSE: Duration = Duration::from_millis(100);

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) struct BlobName {
    pub(super) digest: String,
    pub(super) size: u64,
}

#[derive(Debug)]
pub(super) struct Writer {
    blob: BlobName,
    sender: mpsc::Sender<WriteContentRequest>,
    answers: Streaming<WriteContentResponse>,
    /// How much is there.
    pub(super) offset: u64,
}

impl Writer {
    /// `None` when the blob is there as a whole; the lease then holds it.
    pub(super) async fn open(daemon: &Daemon, lease: &Lease, blob: &BlobName) -> Result<Option<Self>, RuntimeError> {
        let mut tries = 0;
        loop {
            match Self::try_open(daemon, lease, blob).await {
                Ok(writer) => return Ok(Some(writer)),
                Err(status) if status.code() == Code::AlreadyExists => return Ok(None),
                Err(status) if is_locked(&status) && tries < LOCKED_TRIES => tries += 1,
                Err(status) => return Err(error::daemon(format!("write content {}", blob.digest), &status)),
            }
            tokio::time::sleep(LOCKED_PAUSE).await;
        }
    }

    async fn try_open(daemon: &Daemon, lease: &Lease, blob: &BlobName) -> Result<Self, Status> {
        let (sender, mut receiver) = mpsc::channel(1);
        let first = message(blob, WriteAction::Stat, 0, Vec::new());
        // The channel is empty and its receiver is here.
        drop(sender.try_send(first));
        let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let mut answers = daemon.services().content().write(daemon.leased(stream, lease)).await?.into_inner();
        let stat = answers.message().await?.ok_or_else(|| Status::unavailable("the daemon ended the stream"))?;
        let offset = u64::try_from(stat.offset).unwrap_or(0);
        Ok(Self { blob: blob.clone(), sender, answers, offset })
    }

    /// Takes back all that was written.
    pub(super) async fn restart(&mut self) -> Result<(), RuntimeError> {
        // A write at the beginning cuts off what is there.
        self.exchange(WriteAction::Write, 0, Vec::new()).await.map_err(|status| self.error(&status))?;
        self.offset = 0;
        Ok(())
    }

    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), RuntimeError> {
        let length = bytes.len() as u64;
        let written = self.exchange(WriteAction::Write, self.offset, bytes.into()).await;
        written.map_err(|status| self.error(&status))?;
        self.offset += length;
        Ok(())
    }

    /// Ends the blob; one that is not what its name says is thrown away.
    ///
    /// # Errors
    /// `InvalidArgument` when its digest or size is another, otherwise what the daemon says.
    pub(super) async fn commit(mut self, daemon: &Daemon) -> Result<(), RuntimeError> {
        let error = match self.exchange(WriteAction::Commit, self.offset, Vec::new()).await {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => return Ok(()),
            Err(status) if status.code() == Code::FailedPrecondition => {
                RuntimeError::new(RuntimeErrorKind::InvalidArgument, status.message().to_owned())
            }
            Err(status) => return Err(self.error(&status)),
        };
        self.abort(daemon).await?;
        Err(error)
    }

    /// Throws away what was written.
    pub(super) async fn abort(self, daemon: &Daemon) -> Result<(), RuntimeError> {
        let Self { blob, sender, answers, .. } = self;
        drop((sender, answers));
        let request = || daemon.request(AbortRequest { r#ref: blob.digest.clone() });
        call("abort content", daemon.services().content().abort(request())).await.map(drop).or_else(gone)
    }

    /// Sends one message and waits until the daemon has taken it.
    async fn exchange(&mut self, action: WriteAction, offset: u64, data: Vec<u8>) -> Result<(), Status> {
        let ended = || Status::unavailable("the daemon ended the stream");
        // When the daemon has ended the stream its answer says why.
        drop(self.sender.send(message(&self.blob, action, offset, data)).await);
        self.answers.message().await?.map(drop).ok_or_else(ended)
    }

    fn error(&self, status: &Status) -> RuntimeError {
        error::daemon(format!("write content {}", self.blob.digest), status)
    }
}

fn message(blob: &BlobName, action: WriteAction, offset: u64, data: Vec<u8>) -> WriteContentRequest {
    WriteContentRequest {
        action: action as i32,
        r#ref: blob.digest.clone(),
        total: i64::try_from(blob.size).unwrap_or(i64::MAX),
        expected: blob.digest.clone(),
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        data,
        labels: Default::default(),
    }
}

fn is_locked(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message().contains("locked")
}
