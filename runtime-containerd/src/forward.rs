//! Connections into a sandbox's network, from its own loopback as `kubectl port-forward` has it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use inboard::runtime::{PortForward, RuntimeError, RuntimeErrorKind};
use tokio::sync::mpsc;

use crate::runtime::Inner;
use crate::sandbox::SandboxPhase;
use crate::streams::{ChannelSink, chunks, write_all};
use crate::{error, os};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Inner {
    pub(crate) async fn forward_port(&self, sandbox: &str, port: u16) -> Result<PortForward, RuntimeError> {
        let record = self.sandbox_record(sandbox).ok_or_else(|| error::not_found("sandbox", sandbox))?;
        if record.phase != SandboxPhase::Ready {
            let message = format!("sandbox {sandbox} is not ready");
            return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
        }
        let connected = if record.host_network {
            tokio::task::spawn_blocking(move || connect(port)).await.map_err(|e| error::system("connect", e))?
        } else {
            os::in_network(self.dirs.live(sandbox).join("net"), move || connect(port)).await
        };
        let failed = |e: std::io::Error| {
            let message = format!("connect to port {port} in sandbox {sandbox}: {e}");
            RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message)
        };
        let stream = connected.map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let (read, write) = tokio::net::TcpStream::from_std(stream).map_err(failed)?.into_split();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(write_all(receiver, write));
        Ok(PortForward { write: Box::pin(ChannelSink::new(sender)), read: chunks(read) })
    }
}

/// `localhost`, both of its addresses. A socket stays in the namespace that it was made in.
fn connect(port: u16) -> std::io::Result<TcpStream> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&v4, CONNECT_TIMEOUT).or_else(|error| {
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&v6, CONNECT_TIMEOUT).map_err(|_| error)
    })
}
