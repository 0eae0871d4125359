//! The two directions of an upgraded connection.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

type Io = TokioIo<Upgraded>;

/// How much is read at one time.
const READ: usize = 16 * 1024;

/// From the client.
pub(crate) struct Inlet {
    half: ReadHalf<Io>,
    /// What has been read and not been understood yet.
    pub(crate) read: BytesMut,
}

/// To the client. Clones send on the same connection, each its frames in one piece; who finds a slow client waits.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Mutex<WriteHalf<Io>>>);

/// Takes a connection apart.
pub(crate) fn split(upgraded: Upgraded) -> (Inlet, Outlet) {
    let (read, write) = tokio::io::split(TokioIo::new(upgraded));
    (Inlet { half: read, read: BytesMut::new() }, Outlet(Arc::new(Mutex::new(write))))
}

impl Inlet {
    /// Waits for more; `false` when there is none.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        self.read.reserve(READ);
        Ok(self.half.read_buf(&mut self.read).await? > 0)
    }
}

impl Outlet {
    /// Sends these parts of a frame at once.
    pub(crate) async fn send(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut half = self.0.lock().await;
        // One write for a small frame: its head must not travel alone.
        match parts {
            [whole] => half.write_all(whole).await?,
            parts if parts.iter().map(|part| part.len()).sum::<usize>() <= READ => {
                half.write_all(&parts.concat()).await?;
            }
            parts => {
                for part in parts {
                    half.write_all(part).await?;
                }
            }
        }
        half.flush().await
    }

    /// Sends nothing more.
    pub(crate) async fn end(&self) -> io::Result<()> {
        self.0.lock().await.shutdown().await
    }
}
