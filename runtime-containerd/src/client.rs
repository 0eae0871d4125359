//! The daemon's API with what every request needs: the namespace and, while content is brought in, a lease.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use containerd_client::Client;
use containerd_client::services::v1::{
    CreateNamespaceRequest, CreateRequest, DeleteRequest, Namespace, Plugin, PluginsRequest,
};
use inboard::runtime::{RuntimeError, RuntimeErrorKind, RuntimeInfo};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::error;

/// How long the daemon may take for one call before it counts as hanging.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to the daemon, within one of its namespaces. Cheap to clone; connects again by itself.
#[derive(Clone)]
pub(crate) struct Daemon {
    channel: Channel,
    namespace: MetadataValue<Ascii>,
    /// How often it went away since this process knows it.
    losses: Arc<AtomicU64>,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Daemon {
    pub(crate) async fn connect(
        socket: &Path,
        namespace: MetadataValue<Ascii>,
    ) -> Result<Self, tonic::transport::Error> {
        Ok(Self { channel: containerd_client::connect(socket).await?, namespace, losses: Arc::default() })
    }

    pub(crate) fn services(&self) -> Client {
        Client::from(self.channel.clone())
    }

    /// How often the daemon went away since this process knows it: what was begun before may be half done.
    pub(crate) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// Counts that the daemon has gone away.
    pub(crate) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn namespace(&self) -> &str {
        self.namespace.to_str().unwrap_or("default")
    }

    /// A request within the namespace.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("containerd-namespace", self.namespace.clone());
        request
    }

    /// A request whose results the lease keeps from being collected.
    pub(crate) fn leased<T>(&self, message: T, lease: &Lease) -> Request<T> {
        let mut request = self.request(message);
        request.metadata_mut().insert("containerd-lease", lease.id.clone());
        request
    }

    /// Its name and version.
    pub(crate) async fn info(&self) -> Result<RuntimeInfo, RuntimeError> {
        let answer = call("ask for the version", self.services().version().version(self.request(()))).await?;
        // Releases call themselves `v1.7.2`, Debian's packages `1.6.20~ds1`.
        Ok(RuntimeInfo { name: "containerd".into(), version: answer.version.trim_start_matches('v').into() })
    }

    /// Its plugins of one type, those that do not work too.
    pub(crate) async fn plugins(&self, type_: &str) -> Result<Vec<Plugin>, RuntimeError> {
        let request = self.request(PluginsRequest { filters: vec![format!("type=={type_}")] });
        let answer = call("ask for the plugins", self.services().introspection().plugins(request)).await?;
        Ok(answer.plugins)
    }

    /// Makes the namespace unless it is there.
    pub(crate) async fn ensure_namespace(&self) -> Result<(), RuntimeError> {
        let namespace = Namespace { name: self.namespace().to_owned(), labels: Default::default() };
        let request = self.request(CreateNamespaceRequest { namespace: Some(namespace) });
        call("create namespace", self.services().namespaces().create(request)).await.map(drop).or_else(already)
    }

    /// Takes a lease of this name; one that is left over from an earlier try is taken over.
    pub(crate) async fn lease(&self, name: &str) -> Result<Lease, RuntimeError> {
        let labels = [("containerd.io/gc.expire".to_owned(), expiry())].into();
        let request = self.request(CreateRequest { id: name.to_owned(), labels });
        let created = call("create lease", self.services().leases().create(request)).await.map(drop);
        created.or_else(already)?;
        let id = name.parse().map_err(|error| error::system("create lease", error))?;
        Ok(Lease { id })
    }

    /// Gives a lease back; from now on only references keep what was made under it.
    pub(crate) async fn release(&self, lease: Lease) -> Result<(), RuntimeError> {
        self.release_named(lease.id.to_str().unwrap_or_default().to_owned()).await
    }

    /// Gives back the lease of this name; one that is not there is no error.
    pub(crate) async fn release_named(&self, id: String) -> Result<(), RuntimeError> {
        let request = self.request(DeleteRequest { id, sync: false });
        call("delete lease", self.services().leases().delete(request)).await.map(drop).or_else(gone)
    }
}

/// When a lease that nobody gives back ends by itself: a day from now.
fn expiry() -> String {
    (crate::clock::now() + Duration::from_secs(24 * 3600)).to_string()
}

/// What keeps content and snapshots alive until something refers to them.
#[derive(Debug)]
pub(crate) struct Lease {
    id: MetadataValue<Ascii>,
}

/// A call that failed: what the daemon said, and how that reads.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) status: Status,
    pub(crate) error: RuntimeError,
}

impl From<CallError> for RuntimeError {
    fn from(failed: CallError) -> Self {
        failed.error
    }
}

impl CallError {
    pub(crate) fn is_not_found(&self) -> bool {
        self.status.code() == Code::NotFound
    }
}

/// Waits for an answer, but not for ever.
pub(crate) async fn call<T>(
    doing: &str,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    call_within(CALL_TIMEOUT, doing, answer).await
}

/// Waits so long for an answer.
pub(crate) async fn call_within<T>(
    limit: Duration,
    doing: &str,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    let answer = match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {} s", limit.as_secs()))),
    };
    answer.map(Response::into_inner).map_err(|status| {
        let error = error::daemon(doing, &status);
        CallError { status, error }
    })
}

/// Takes "it is there already" as success.
pub(crate) fn already(failed: CallError) -> Result<(), RuntimeError> {
    match failed.status.code() {
        Code::AlreadyExists => Ok(()),
        _ => Err(failed.error),
    }
}

/// Takes "it is not there" as success.
pub(crate) fn gone(failed: CallError) -> Result<(), RuntimeError> {
    match failed.status.code() {
        Code::NotFound => Ok(()),
        _ => Err(failed.error),
    }
}

/// What is missing, as `None`.
pub(crate) fn optional<T>(answer: Result<T, CallError>) -> Result<Option<T>, RuntimeError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(failed) if failed.is_not_found() => Ok(None),
        Err(failed) => Err(failed.error),
    }
}

/// The kind of errors after which the daemon may be asked again.
pub(crate) fn is_away(error: &RuntimeError) -> bool {
    matches!(error.kind(), RuntimeErrorKind::Unavailable | RuntimeErrorKind::DeadlineExceeded)
}

/// Where the daemon looks for its programs: shims and runc are started with its environment, and shims may lie beside it.
/// `None` when it is away.
pub(crate) async fn search_path(socket: &Path) -> Option<OsString> {
    let pid = tokio::net::UnixStream::connect(socket).await.ok()?.peer_cred().ok()?.pid()?;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let path = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"PATH="))?;
    let beside = std::fs::read_link(format!("/proc/{pid}/exe")).ok().and_then(|exe| Some(exe.parent()?.to_path_buf()));
    std::env::join_paths(std::env::split_paths(OsStr::from_bytes(path)).chain(beside)).ok()
}
