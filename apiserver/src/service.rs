//! The service, and how it is set up.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use inboard::cluster::{Admission, Cluster};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::OwnWrites;
use crate::audit::AuditPolicy;
use crate::authenticate::Credentials;
use crate::body::Body;
use crate::identity::User;
use crate::serve::HasLeft;
use crate::tokens::Tokens;
use crate::watch::Lines;
use crate::webhook::Webhooks;

/// How many requests may be answered at one time; a watch or a stream counts until it has begun.
const IN_FLIGHT_MAX: usize = 1024;
/// How many bytes the bodies of all requests may take at one time.
const BODIES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// How many watches there may be at one time.
const WATCHES_MAX: usize = 100_000;

/// The Kubernetes API of a cluster, as a service of HTTP requests. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer {
    inner: Arc<Inner>,
    /// Says when the server stops that this is part of.
    stop: Option<tokio::sync::watch::Receiver<bool>>,
    /// Whether requests come on connections, which some of them can take over.
    has_connections: bool,
    /// Who sends them, where their connection says so.
    peer: Option<Arc<User>>,
    /// Tells the connection that this is for when it has left HTTP.
    has_left: HasLeft,
}

struct Inner {
    cluster: Cluster,
    credentials: Credentials,
    lines: Arc<Lines>,
    webhooks: Arc<Webhooks>,
    /// Takes what the cluster writes by itself through webhooks, as long as this is there.
    _own_writes: Arc<dyn Admission>,
    audit: Option<AuditPolicy>,
    /// A place for each request that is being answered.
    places: Semaphore,
    /// Room for bodies, in bytes.
    room: Semaphore,
    /// A place for each watch.
    watches: Arc<Semaphore>,
}

/// Sets up an [`ApiServer`].
#[derive(Debug)]
pub struct ApiServerBuilder {
    cluster: Cluster,
    credentials: Credentials,
    webhooks: Webhooks,
    audit: Option<AuditPolicy>,
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

    /// Answers webhooks in this process: those whose configuration names this service (`NAMESPACE/NAME`, or
    /// `NAMESPACE/NAME:PORT`), or a URL with this host. No socket is used, so that it works in virtual time, too.
    ///
    /// The service is asked as over HTTPS: a `POST` to the path of the configuration, with an `AdmissionReview`. What
    /// the cluster's own controllers write, and its typed handle, is shown to them too, as long as this server is there; of
    /// several servers it is the last one with webhooks.
    #[must_use]
    pub fn webhook<S, B>(mut self, name: impl Into<String>, service: S) -> Self
    where
        S: tower_service::Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: fmt::Display,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        self.webhooks.register(name.into(), service);
        self
    }

    /// Tells of requests, as much as the policy says: `tracing` events of level `INFO` and target `audit`.
    #[must_use]
    pub fn audit(mut self, policy: AuditPolicy) -> Self {
        self.audit = Some(policy);
        self
    }

    /// The service.
    pub fn build(self) -> ApiServer {
        let Self { cluster, credentials, webhooks, audit } = self;
        let webhooks = Arc::new(webhooks);
        let own_writes: Arc<dyn Admission> = Arc::new(OwnWrites::new(&cluster, &webhooks));
        cluster.set_admission(Arc::downgrade(&own_writes), !webhooks.are_elsewhere());
        ApiServer {
            inner: Arc::new(Inner {
                cluster,
                credentials,
                lines: Arc::default(),
                webhooks,
                _own_writes: own_writes,
                audit,
                places: Semaphore::new(IN_FLIGHT_MAX),
                room: Semaphore::new(BODIES_BYTES_MAX),
                watches: Arc::new(Semaphore::new(WATCHES_MAX)),
            }),
            stop: None,
            has_connections: false,
            peer: None,
            has_left: HasLeft::default(),
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

    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.inner.webhooks
    }

    pub(crate) fn lines(&self) -> &Arc<Lines> {
        &self.inner.lines
    }

    pub(crate) fn places(&self) -> &Semaphore {
        &self.inner.places
    }

    pub(crate) fn room(&self) -> &Semaphore {
        &self.inner.room
    }

    /// A place for one more watch, if there is one.
    pub(crate) fn watch_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.watches).try_acquire_owned().ok()
    }

    /// How many watches there are.
    pub(crate) fn watches(&self) -> usize {
        WATCHES_MAX - self.inner.watches.available_permits()
    }

    /// What tells the connection that this is for when it has left HTTP.
    pub(crate) fn has_left(&self) -> HasLeft {
        self.has_left.clone()
    }

    /// What becomes true when the server stops that this is part of.
    pub(crate) fn stop(&self) -> Option<tokio::sync::watch::Receiver<bool>> {
        self.stop.clone()
    }

    /// The same with requests that come on connections, if they did not yet.
    pub(crate) fn on_connection(&self) -> Option<Self> {
        (!self.has_connections).then(|| Self { has_connections: true, ..self.clone() })
    }

    /// The same for one connection, which is told when it leaves HTTP, and then ends when `stop` becomes true.
    pub(crate) fn on(self, has_left: HasLeft, stop: tokio::sync::watch::Receiver<bool>) -> Self {
        Self { stop: Some(stop), has_connections: true, has_left, ..self }
    }

    /// The same for somebody who is known by a certificate.
    pub(crate) fn of(self, peer: Option<User>) -> Self {
        Self { peer: peer.map(Arc::new), ..self }
    }

    /// Who sends the requests, where their connection says so.
    pub(crate) fn peer(&self) -> Option<&User> {
        self.peer.as_deref()
    }

    /// Who is told of requests.
    pub(crate) fn audit(&self) -> Option<&AuditPolicy> {
        self.inner.audit.as_ref()
    }

    /// Sets up the API of this cluster.
    pub fn builder(cluster: &Cluster) -> ApiServerBuilder {
        ApiServerBuilder {
            cluster: cluster.clone(),
            credentials: Credentials::default(),
            webhooks: Webhooks::default(),
            audit: None,
        }
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
