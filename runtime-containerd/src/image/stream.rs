//! Streams of the daemon that a call of another service refers to by name: what is asked for while it lasts, and what
//! is told of it.

use std::sync::atomic::{AtomicU64, Ordering};

use containerd_client::services::v1::StreamInit;
use containerd_client::to_any;
use inboard::runtime::RuntimeError;
use prost::{Message, Name};
use prost_types::Any;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::client::{Daemon, Lease, call};
use crate::{clock, error};

/// One stream; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct DaemonStream {
    pub(super) name: String,
    sender: mpsc::Sender<Any>,
    messages: Option<Streaming<Any>>,
}

impl DaemonStream {
    /// Opens a stream that the daemon forgets with the lease.
    pub(super) async fn open(daemon: &Daemon, lease: &Lease, what: &str) -> Result<Self, RuntimeError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("inboard-{what}-{}-{number}", clock::now().as_nanos());
        let (sender, mut receiver) = mpsc::channel(1);
        // The channel is empty and its receiver is here.
        drop(sender.try_send(to_any(&StreamInit { id: name.clone() })));
        let outgoing = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let request = daemon.leased(outgoing, lease);
        let mut messages = call("open a stream", daemon.services().streaming().stream(request)).await?;
        // From its answer on the daemon knows the stream.
        let ready = messages.message().await.map_err(|status| error::daemon("open a stream", &status))?;
        ready.ok_or_else(|| error::system("open a stream", "the daemon ended it"))?;
        Ok(Self { name, sender, messages: Some(messages) })
    }

    /// The next message of this kind; others are passed over, and after the last one nothing ever comes.
    pub(super) async fn next<T: Message + Name + Default>(&mut self) -> T {
        while let Some(messages) = &mut self.messages {
            match messages.message().await {
                Ok(Some(any)) if any.type_url.ends_with(&T::full_name()) => match T::decode(any.value.as_slice()) {
                    Ok(message) => return message,
                    Err(error) => tracing::debug!(stream = self.name, %error, "a message cannot be read"),
                },
                Ok(Some(_)) => {}
                // The call that the stream belongs to says what has become of it.
                Ok(None) | Err(_) => self.messages = None,
            }
        }
        std::future::pending().await
    }

    /// Sends a message; one that the daemon does not want any more is lost.
    pub(super) async fn send<T: Message + Name>(&self, message: &T) {
        drop(self.sender.send(to_any(message)).await);
    }
}
