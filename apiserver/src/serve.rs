//! Serving on a socket: TLS on TCP; plain HTTP on loopback, when it is asked for by name, or on a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

#[cfg(feature = "tls")]
use crate::certificates::{Certificates, subject};
use crate::identity::User;
use crate::service::ApiServer;

mod patience;

pub(crate) use patience::HasLeft;
use patience::Patient;

/// How long connections may take to end once the server is told to.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long what a client is sent may lie there unread.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a client of HTTP/2 that says nothing is asked whether it is there, and how long its answer may take.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// How many connections there may be at one time, if there are as many files to open; more wait.
const CONNECTIONS_MAX: usize = 20_000;

/// Why a server cannot listen.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// Plain HTTP is served on loopback only: anybody who reaches the address owns the cluster.
    NotLoopback(SocketAddr),
    /// Nobody has said that others than this machine shall reach it.
    NotPublic(SocketAddr),
    /// The address cannot be bound.
    Bind {
        /// The address or path.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLoopback(address) => {
                write!(f, "{address} is not a loopback address: plain HTTP without authentication is served there only")
            }
            Self::NotPublic(address) => {
                write!(
                    f,
                    "{address} is not a loopback address: say that it shall be reached from elsewhere (Reach::Anywhere)"
                )
            }
            Self::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotLoopback(_) | Self::NotPublic(_) => None,
            Self::Bind { source, .. } => Some(source),
        }
    }
}

/// A server on a socket. It stops at [`Server::stop`], or when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: Address,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// From where a server may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// From this machine.
    #[default]
    Loopback,
    /// From wherever the address can be reached.
    Anywhere,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// On a TCP port, in plain HTTP.
    Tcp(SocketAddr),
    /// On a TCP port, with TLS.
    Tls(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(feature = "tls")]
    Tls(TcpListener, tokio_rustls::TlsAcceptor),
    Unix(UnixListener),
}

/// A connection that was taken; with TLS it has yet to agree on its keys.
enum Accepted {
    Plain(Box<dyn Stream>),
    #[cfg(feature = "tls")]
    Tls(TcpStream, tokio_rustls::TlsAcceptor),
}

impl Accepted {
    /// The stream, and who its certificate says that the client is.
    async fn into_stream(self) -> io::Result<(Box<dyn Stream>, Option<User>)> {
        match self {
            Self::Plain(stream) => Ok((stream, None)),
            #[cfg(feature = "tls")]
            Self::Tls(stream, acceptor) => {
                let agreed = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await;
                let stream = agreed.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let user = shown.and_then(|certificate| subject::user(certificate));
                Ok((Box::new(stream), user))
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        let tcp = |(stream, _): (TcpStream, SocketAddr)| {
            // Small pieces of a watch must leave at once.
            stream.set_nodelay(true).map(|()| stream)
        };
        Ok(match self {
            Self::Tcp(listener) => Accepted::Plain(Box::new(tcp(listener.accept().await?)?)),
            #[cfg(feature = "tls")]
            Self::Tls(listener, acceptor) => Accepted::Tls(tcp(listener.accept().await?)?, acceptor.clone()),
            Self::Unix(listener) => Accepted::Plain(Box::new(listener.accept().await?.0)),
        })
    }
}

impl Server {
    /// Serves plain HTTP on a loopback address, and asks nobody who they are; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not a loopback address, or is taken.
    pub async fn insecure(api: ApiServer, address: SocketAddr) -> Result<Self, ServeError> {
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let failed = |source| ServeError::Bind { address: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self::start(Address::Tcp(bound), Listener::Tcp(listener), api))
    }

    /// Serves with TLS; port 0 takes a free one. Give it a service that is [closed](crate::ApiServerBuilder::closed).
    ///
    /// # Errors
    /// When the address is not a loopback address and nobody has said that it shall be reached from elsewhere, or is
    /// taken.
    #[cfg(feature = "tls")]
    pub async fn tls(
        api: ApiServer,
        address: SocketAddr,
        reach: Reach,
        certificates: &Certificates,
    ) -> Result<Self, ServeError> {
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(ServeError::NotPublic(address));
        }
        let failed = |source| ServeError::Bind { address: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let acceptor = tokio_rustls::TlsAcceptor::from(certificates.config());
        Ok(Self::start(Address::Tls(bound), Listener::Tls(listener, acceptor), api))
    }

    /// Serves on a Unix socket that only its owner may open. A socket that is left there from before is replaced.
    ///
    /// # Errors
    /// When the path cannot be bound.
    pub async fn unix(api: ApiServer, path: impl AsRef<Path>) -> Result<Self, ServeError> {
        let path = path.as_ref();
        let failed = |source| ServeError::Bind { address: path.display().to_string(), source };
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self::start(Address::Unix(path.to_owned()), Listener::Unix(listener), api))
    }

    fn start(address: Address, listener: Listener, api: ApiServer) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(listener, api, stopped));
        Self { address, stop, task }
    }

    /// Where it listens.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Takes no more connections, lets those that are at work finish for a few seconds, and cuts off the rest.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn run(listener: Listener, api: ApiServer, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let most = connections_max();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok(stream) => {
                    connections.spawn(converse(stream, api.clone(), stopped.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: those that end make room.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = told(stopped.clone()) => break,
        }
    }
    drop(listener);
    let ends = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, ends).await;
    connections.shutdown().await;
}

async fn converse(accepted: Accepted, api: ApiServer, stopped: watch::Receiver<bool>) {
    let (stream, peer) = match accepted.into_stream().await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(%error, "a client and this server did not agree on TLS");
            return;
        }
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
    let has_left = HasLeft::default();
    let stream = Patient::new(stream, HEAD_TIMEOUT, READ_TIMEOUT, has_left.clone());
    let service = TowerToHyperService::new(api.on(has_left, stopped.clone()).of(peer));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// How many connections there may be: the program that this is part of has other files to open.
fn connections_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<usize>().ok());
    soft.map_or(CONNECTIONS_MAX, |files| (files / 4 * 3).clamp(1, CONNECTIONS_MAX))
}

/// Waits until the server is told to stop.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
