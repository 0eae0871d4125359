//! The service, and how it is set up.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Request, Response};
use inboard::cluster::Cluster;
use tokio::sync::Semaphore;

use crate::authenticate::Credentials;
use crate::body::Body;
use crate::identity::User;
use crate::tokens::Tokens;
use crate::watch::Lines;

/// How many requests may be answered at one time; a watch or a stream counts until it has begun.
const IN_FLIGHT_MAX: usize = 1024;

/// The Kubernetes API of a cluster, as a service of HTTP requests. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer {
    inner: Arc<Inner>,
    /// Says when the server stops that this is part of.
    stop: Option<tokio::sync::watch::Receiver<bool>>,
    /// Whether requests come on connections, which some of them can take over.
    has_connections: bool,
}

struct Inner {
    cluster: Cluster,
    credentials: Credentials,
    lines: Arc<Lines>,
    /// A place for each request that is being answered.
    places: Semaphore,
}

/// Sets up an [`ApiServer`].
#[derive(Debug)]
pub struct ApiServerBuilder {
    cluster: Cluster,
    credentials: Credentials,
}

impl ApiServerBuilder {
    /// Believes the tokens of service accounts: the same [`Tokens`] that the cluster has for its authority.
    #[must_use]
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.credentials.tokens = Some(tokens);
        self
    }

    /// Takes whoever brings this token for this user.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>, user: User) -> Self {
        self.credentials.users.insert(token.into(), user);
        self
    }

    /// Takes whoever brings no credentials for nobody (`system:anonymous`), who may do next to nothing. Without this it is
    /// the admin: right for a caller in the same process.
    #[must_use]
    pub const fn closed(mut self) -> Self {
        self.credentials.are_needed = true;
        self
    }

    /// The service.
    pub fn build(self) -> ApiServer {
        let Self { cluster, credentials } = self;
        ApiServer {
            inner: Arc::new(Inner {
                cluster,
                credentials,
                lines: Arc::default(),
                places: Semaphore::new(IN_FLIGHT_MAX),
            }),
            stop: None,
            has_connections: false,
        }
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

impl ApiServer {
    /// The API of this cluster, for callers in the same process: all of them are the admin, unless they say otherwise
    /// (`Impersonate-User`).
    pub fn new(cluster: &Cluster) -> Self {
        Self::builder(cluster).build()
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.inner.cluster
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn lines(&self) -> &Arc<Lines> {
        &self.inner.lines
    }

    pub(crate) fn places(&self) -> &Semaphore {
        &self.inner.places
    }

    /// What becomes true when the server stops that this is part of.
    pub(crate) fn stop(&self) -> Option<tokio::sync::watch::Receiver<bool>> {
        self.stop.clone()
    }

    /// The same with requests that come on connections, if they did not yet.
    pub(crate) fn on_connection(&self) -> Option<Self> {
        (!self.has_connections).then(|| Self { has_connections: true, ..self.clone() })
    }

    /// The same; connections that have left HTTP end when this becomes true.
    pub(crate) fn until(self, stop: tokio::sync::watch::Receiver<bool>) -> Self {
        Self { stop: Some(stop), has_connections: true, ..self }
    }

    /// Sets up the API of this cluster.
    pub fn builder(cluster: &Cluster) -> ApiServerBuilder {
        ApiServerBuilder { cluster: cluster.clone(), credentials: Credentials::default() }
    }
}

impl<B> tower_service::Service<Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.answer(request).await) })
    }
}
