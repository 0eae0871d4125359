//! The runtime itself: what it holds, how it is opened and closed.

mod calls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_core::stream::BoxStream;
use inboard::runtime::{Inventory, RuntimeError, RuntimeErrorKind, RuntimeEvent, RuntimeInfo};
use nix::fcntl::{Flock, FlockArg};
use tokio::sync::{OnceCell, broadcast, watch};
use tokio::task::JoinHandle;

use crate::builder::ContainerdBuilder;
use crate::client::Daemon;
use crate::container::ContainerEntry;
use crate::error::BuildError;
use crate::image::{self, ImageCollection, Images, PullProgress};
use crate::lock::{KeyedLocks, guard};
use crate::logs::LogLimits;
use crate::network::{Network, NetworkSettings};
use crate::registry::Registries;
use crate::sandbox::SandboxRecord;
use crate::spec::HostFacts;
use crate::state::StateDir;
use crate::{apparmor, cgroup, error, events, housekeeping, selinux, state};

/// Runs the pods of one node on the machine's containerd.
///
/// Cheap to clone; all clones are the same runtime. It must be used within a tokio runtime, and needs root.
///
/// # Guarantees
/// Those of [`Runtime`](inboard::runtime::Runtime). In particular: a call that was begun is brought to its end even when its future is dropped, and
/// dropping or closing the runtime leaves the containers running; the next one that is opened with the same namespace
/// and state directory takes them over.
#[derive(Clone, Debug)]
pub struct ContainerdRuntime {
    inner: Arc<Inner>,
}

/// What the builder has settled.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) socket: PathBuf,
    pub(crate) namespace: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) snapshotter: String,
    pub(crate) cgroup_root: String,
    pub(crate) network: NetworkSettings,
    pub(crate) registries: Registries,
    pub(crate) pod_pids_limit: Option<u32>,
    pub(crate) first_user_id: u32,
    pub(crate) seccomp_dir: PathBuf,
    pub(crate) cdi_dirs: Vec<PathBuf>,
    pub(crate) logs: LogLimits,
    pub(crate) image_collection: Option<ImageCollection>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) daemon: Daemon,
    /// What the daemon called itself when the runtime was opened.
    pub(crate) info: RuntimeInfo,
    pub(crate) dirs: StateDir,
    pub(crate) images: Images,
    pub(crate) network: Network,
    pub(crate) host: HostFacts,
    /// Where the daemon keeps its layers; asked when somebody wants to know.
    pub(crate) layers_root: OnceCell<Option<PathBuf>>,
    /// By id. The state of each is behind a watch of its own, so this is locked for look-ups only.
    pub(crate) containers: Mutex<BTreeMap<String, Arc<ContainerEntry>>>,
    pub(crate) sandboxes: Mutex<BTreeMap<String, SandboxRecord>>,
    /// One lock a sandbox, held by everything that changes it or its containers; one a pod for its volumes.
    pub(crate) locks: KeyedLocks,
    /// Held while what is in memory comes or goes.
    pub(crate) live: Mutex<()>,
    pub(crate) events: broadcast::Sender<RuntimeEvent>,
    /// What runs in the background ends when this is sent or dropped.
    closing: watch::Sender<()>,
    background: Mutex<Vec<JoinHandle<()>>>,
    /// Keeps a second process from using the same directory.
    owner: Mutex<Option<Flock<std::fs::File>>>,
}

impl ContainerdRuntime {
    /// Begins to set up a runtime.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), inboard_runtime_containerd::BuildError> {
    /// let runtime = inboard_runtime_containerd::ContainerdRuntime::builder()
    ///     .namespace("inboard-host01")
    ///     .pod_cidr("10.88.1.0/24")
    ///     .bridge("inb1")
    ///     .build()
    ///     .await?;
    /// # drop(runtime);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ContainerdBuilder {
        ContainerdBuilder::default()
    }

    pub(crate) async fn open(settings: Settings) -> Result<Self, BuildError> {
        let wrong = |setting, value: &Path, reason: String| BuildError::Setting {
            setting,
            value: value.display().to_string(),
            reason,
        };
        let dirs = StateDir::open(settings.state_dir.clone())?;
        let owner = own(&settings.state_dir).map_err(|reason| wrong("state_dir", &settings.state_dir, reason))?;
        // What a process that was killed has left of its pulls.
        state::remove_dir(&dirs.registries())?;
        let namespace = settings.namespace.parse();
        let namespace =
            namespace.map_err(|_| wrong("namespace", Path::new(&settings.namespace), "not ASCII".into()))?;
        let daemon = Daemon::connect(&settings.socket, namespace).await;
        let socket = settings.socket.display().to_string();
        let daemon = daemon.map_err(|source| BuildError::Connect { socket, source })?;
        daemon.ensure_namespace().await?;
        let inner = Inner {
            info: daemon.info().await?,
            images: Images::new(daemon.clone(), settings.snapshotter.clone(), dirs.registries()),
            network: Network::new(settings.network.clone()),
            host: host_facts(settings.seccomp_dir.clone(), &dirs),
            layers_root: OnceCell::new(),
            containers: Mutex::default(),
            sandboxes: Mutex::default(),
            locks: KeyedLocks::default(),
            live: Mutex::default(),
            events: broadcast::Sender::new(events::BACKLOG),
            closing: watch::Sender::new(()),
            background: Mutex::default(),
            owner: Mutex::new(Some(owner)),
            settings,
            daemon,
            dirs,
        };
        inner.adopt().await?;
        inner.spawn(events::watch_daemon(inner.daemon.clone(), inner.events.clone(), inner.shutdown()));
        let inner = Arc::new(inner);
        inner.spawn(housekeeping::keep_room(Arc::downgrade(&inner), inner.shutdown()));
        Ok(Self { inner })
    }

    /// Brings the images of an archive onto the node: a tar file in the OCI image layout, or as `docker save` writes
    /// it. Returns the names they have, completed (`docker.io/library/busybox:latest`). An image that is there already
    /// is taken as it is; a name that another image had moves.
    ///
    /// A pull of such a name, as the pull policy `Always` wants it, takes the image that was brought in and asks no
    /// registry.
    ///
    /// # Errors
    /// `InvalidArgument` for a file that cannot be read or is no such archive, `InvalidImageName` for a name in it that
    /// is none, otherwise what the daemon says.
    pub async fn import_image(&self, archive: impl AsRef<Path>) -> Result<Vec<String>, RuntimeError> {
        let path = archive.as_ref().to_path_buf();
        self.to_end(async move |inner| inner.import(path).await).await
    }

    /// How far pulls get, from now on, whoever asked for them: told after each part of a layer that has come. A listener
    /// that is slow misses reports, never the pull.
    pub fn pull_progress(&self) -> BoxStream<'static, PullProgress> {
        self.inner.images.progress()
    }

    /// Writes an image of the node, by its name or id, to a file: an archive in the OCI image layout with what this machine
    /// runs of it, which [`ContainerdRuntime::import_image`] and other tools read. A file that is there is replaced.
    ///
    /// # Errors
    /// `NotFound` for an image that is not here, or not whole any more; what the file system or the daemon says.
    pub async fn export_image(&self, name: &str, archive: impl AsRef<Path>) -> Result<(), RuntimeError> {
        let (name, path) = (name.to_owned(), archive.as_ref().to_path_buf());
        self.to_end(async move |inner| inner.images.export(&name, &path).await).await
    }

    /// Removes every image that no container is made from and that did not come from an archive, however full the disk
    /// is. Returns how many bytes they had.
    ///
    /// # Errors
    /// What the daemon says.
    pub async fn remove_unused_images(&self) -> Result<u64, RuntimeError> {
        self.to_end(async move |inner| inner.remove_unused_images().await).await
    }

    /// Ends what runs in the background and gives back the state directory. Containers go on running; what they write
    /// waits in their pipes until the next runtime takes them over. Calls made afterwards may miss exits.
    pub async fn close(&self) {
        self.inner.closing.send_replace(());
        let background = std::mem::take(&mut *guard(&self.inner.background));
        for task in background {
            // A task that panicked has ended too.
            drop(task.await);
        }
        guard(&self.inner.owner).take();
    }

    /// Brings a call to its end even when the caller's future is dropped, so that nothing is left half made.
    async fn to_end<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, RuntimeError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RuntimeError>> + Send + 'static,
    {
        match tokio::spawn(work(self.inner.clone())).await {
            Ok(result) => result,
            Err(error) => Err(error::system("carry out the call", error)),
        }
    }
}

/// Takes the state directory for this process.
fn own(dir: &Path) -> Result<Flock<std::fs::File>, String> {
    let path = dir.join("lock");
    let file = std::fs::File::create(&path).map_err(|error| error.to_string())?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::errno::Errno::EWOULDBLOCK => "another process uses it".to_owned(),
        error => error.to_string(),
    })
}

fn host_facts(seccomp_dir: PathBuf, dirs: &StateDir) -> HostFacts {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    HostFacts {
        cgroup_v2: cgroup::is_unified(),
        swap_accounting: cgroup::has_swap_accounting(),
        huge_pages: cgroup::huge_pages(),
        memory_bytes: kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024),
        devices: crate::devices::all(),
        seccomp_dir,
        apparmor: apparmor::prepare(&dirs.apparmor_profile()),
        selinux: selinux::look(),
        oom_score_min: crate::os::oom_score_min(),
    }
}

impl Inner {
    /// A container that is there.
    pub(crate) fn entry(&self, id: &str) -> Result<Arc<ContainerEntry>, RuntimeError> {
        guard(&self.containers).get(id).cloned().ok_or_else(|| error::not_found("container", id))
    }

    /// A container whose process runs.
    pub(crate) fn running(&self, id: &str) -> Result<Arc<ContainerEntry>, RuntimeError> {
        let entry = self.entry(id)?;
        if entry.is_running() {
            return Ok(entry);
        }
        let message = format!("container {id} is not running");
        Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message))
    }

    /// The containers of a sandbox, the oldest first.
    pub(crate) fn containers_of(&self, sandbox: &str) -> Vec<Arc<ContainerEntry>> {
        let mut entries: Vec<_> =
            guard(&self.containers).values().filter(|entry| entry.record.sandbox == sandbox).cloned().collect();
        entries.sort_by_key(|entry| entry.record.created_at);
        entries
    }

    /// What ends when the runtime is closed or dropped listens to this.
    pub(crate) fn shutdown(&self) -> watch::Receiver<()> {
        self.closing.subscribe()
    }

    /// Runs something in the background, to be waited for when the runtime is closed.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut background = guard(&self.background);
        background.retain(|task| !task.is_finished());
        background.push(tokio::spawn(work));
    }

    async fn import(&self, path: PathBuf) -> Result<Vec<String>, RuntimeError> {
        // Two imports at once could unpack the same layer twice.
        let _lock = self.locks.hold("images").await;
        let archive = tokio::task::spawn_blocking(move || image::Archive::open(&path)).await;
        let archive = archive.map_err(|error| error::system("read the archive", error))??;
        self.images.import(archive, "inboard-import").await
    }

    fn take_inventory(&self) -> Inventory {
        let mut sandboxes: Vec<SandboxRecord> = guard(&self.sandboxes).values().cloned().collect();
        sandboxes.sort_by(|a, b| (&a.pod.uid, a.created_at).cmp(&(&b.pod.uid, b.created_at)));
        let mut containers: Vec<Arc<ContainerEntry>> = guard(&self.containers).values().cloned().collect();
        containers
            .sort_by(|a, b| (&a.record.sandbox, a.record.created_at).cmp(&(&b.record.sandbox, b.record.created_at)));
        Inventory {
            sandboxes: sandboxes.iter().filter_map(SandboxRecord::status).collect(),
            containers: containers.iter().filter_map(|entry| entry.status().ok()).collect(),
            volumes: self.pods_with_volumes(),
            claims: self.held_claims(),
        }
    }
}
