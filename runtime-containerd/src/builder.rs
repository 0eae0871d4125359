//! How a runtime is set up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cdi;
use crate::error::BuildError;
use crate::image::ImageCollection;
use crate::logs::LogLimits;
use crate::network::NetworkSettings;
use crate::preflight::{self, Report, Subject};
use crate::registry::{Registries, RegistryConfig};
use crate::runtime::{ContainerdRuntime, Settings};

/// What a [`ContainerdRuntime`] needs to know; made by [`ContainerdRuntime::builder`].
#[derive(Clone, Debug)]
pub struct ContainerdBuilder {
    socket: PathBuf,
    namespace: String,
    state_dir: Option<PathBuf>,
    snapshotter: String,
    cgroup_root: Option<String>,
    network: NetworkSettings,
    registries: BTreeMap<String, RegistryConfig>,
    pod_pids_limit: Option<u32>,
    first_user_id: u32,
    seccomp_dir: PathBuf,
    cdi_dirs: Vec<PathBuf>,
    logs: LogLimits,
    image_collection: Option<ImageCollection>,
}

impl Default for ContainerdBuilder {
    fn default() -> Self {
        Self {
            socket: "/run/containerd/containerd.sock".into(),
            namespace: "inboard".into(),
            state_dir: None,
            snapshotter: "overlayfs".into(),
            cgroup_root: None,
            network: NetworkSettings {
                bin_dir: default_bin_dir(),
                bridge: "inboard0".into(),
                pod_cidr: "10.88.0.0/24".into(),
                list: None,
            },
            registries: BTreeMap::new(),
            pod_pids_limit: None,
            first_user_id: 1 << 20,
            seccomp_dir: "/var/lib/inboard/seccomp".into(),
            cdi_dirs: cdi::DIRS.map(PathBuf::from).into(),
            logs: LogLimits::default(),
            image_collection: Some(ImageCollection::default()),
        }
    }
}

impl ContainerdBuilder {
    /// The daemon's socket. Default: `/run/containerd/containerd.sock`.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = path.into();
        self
    }

    /// The daemon's namespace: nodes on one daemon each need one of their own. Default: `inboard`.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Where records, logs and volumes are kept; must survive the process, and each node needs its own. Default:
    /// `/var/lib/inboard/NAMESPACE`.
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// The daemon's snapshotter. Default: `overlayfs`; `native` works where overlays do not.
    #[must_use]
    pub fn snapshotter(mut self, name: impl Into<String>) -> Self {
        self.snapshotter = name.into();
        self
    }

    /// Where the CNI plugins are. Default: the first of `/opt/cni/bin` and `/usr/lib/cni` that has a `portmap`.
    #[must_use]
    pub fn cni_bin_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.network.bin_dir = path.into();
        self
    }

    /// The addresses for this node's pods, as an IPv4 range, an IPv6 range, or both with a comma between them
    /// (`10.88.1.0/24,fd00:88:1::/64`): the family that is named first is that of a pod's `podIP`. Those of nodes on one
    /// machine must not overlap. Default: `10.88.0.0/24`.
    #[must_use]
    pub fn pod_cidr(mut self, range: impl Into<String>) -> Self {
        self.network.pod_cidr = range.into();
        self
    }

    /// The bridge that connects this node's pods, 15 characters at most; each node needs its own. It is made with the
    /// first pod and removed with the last. Default: `inboard0`.
    #[must_use]
    pub fn bridge(mut self, name: impl Into<String>) -> Self {
        self.network.bridge = name.into();
        self
    }

    /// A CNI configuration list (the content of a `.conflist` file) to be used instead of the built-in bridge;
    /// [`ContainerdBuilder::bridge`] and [`ContainerdBuilder::pod_cidr`] then have no effect.
    #[must_use]
    pub fn cni_config(mut self, list: Value) -> Self {
        self.network.list = Some(list);
        self
    }

    /// The control group below which those of pods are made. Default: `/inboard/NAMESPACE`.
    #[must_use]
    pub fn cgroup_root(mut self, path: impl Into<String>) -> Self {
        self.cgroup_root = Some(path.into());
        self
    }

    /// How many processes and threads a pod may have at once, as the kubelet's `podPidsLimit`: one more is refused by the
    /// kernel, within the pod. Default: as many as the machine takes.
    #[must_use]
    pub const fn pod_pids_limit(mut self, pids_max: u32) -> Self {
        self.pod_pids_limit = Some(pids_max);
        self
    }

    /// From which id on the machine the users of pods with `hostUsers: false` are: 65,536 for each such pod. Nodes on one
    /// machine should not share them. Default: 1,048,576.
    #[must_use]
    pub const fn first_user_id(mut self, id: u32) -> Self {
        self.first_user_id = id;
        self
    }

    /// How the registry with this host (`registry.example:5000`; Docker's own is `docker.io`) is reached. Said twice, the
    /// later counts.
    ///
    /// ```no_run
    /// use inboard_runtime_containerd::{ContainerdRuntime, RegistryConfig};
    ///
    /// let builder = ContainerdRuntime::builder()
    ///     .registry("docker.io", RegistryConfig::new().mirror("https://mirror.example"))
    ///     .registry("registry.lan:5000", RegistryConfig::new().plain_http());
    /// ```
    #[must_use]
    pub fn registry(mut self, host: impl Into<String>, config: RegistryConfig) -> Self {
        self.registries.insert(host.into(), config);
        self
    }

    /// Where the seccomp profiles are that pods name with `type: Localhost`, in the form of the OCI runtime
    /// specification. Default: `/var/lib/inboard/seccomp`.
    #[must_use]
    pub fn seccomp_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.seccomp_dir = path.into();
        self
    }

    /// Where the files of the Container Device Interface are, which say what a container gets for a device
    /// (`vendor.com/class=name`) of a driver or a plugin. They are read when such a container is made; of two directories with the
    /// same device the later one counts. Default: `/etc/cdi` and `/var/run/cdi`, as containerd's own `cdi_spec_dirs`.
    #[must_use]
    pub fn cdi_dirs<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.cdi_dirs = paths.into_iter().map(Into::into).collect();
        self
    }

    /// How large the log of a container gets: after how many bytes a new file is begun, and how many files are kept.
    /// Default: 10 MiB and 5, as upstream's `containerLogMaxSize` and `containerLogMaxFiles`.
    #[must_use]
    pub fn log_limits(mut self, file_bytes_max: u64, files_max: usize) -> Self {
        self.logs = LogLimits { file_bytes_max, files_max };
        self
    }

    /// When images that nobody uses make room on the disk; `None` keeps them for ever. Default:
    /// [`ImageCollection::default`].
    #[must_use]
    pub fn image_collection(mut self, rule: Option<ImageCollection>) -> Self {
        self.image_collection = rule;
        self
    }

    /// Looks at the machine: what of the daemon, its programs, the network plugins and the kernel is missing for a
    /// runtime with these settings, and what to do about it. Changes nothing.
    pub async fn preflight(&self) -> Report {
        preflight::look(&Subject {
            socket: &self.socket,
            snapshotter: &self.snapshotter,
            bin_dir: &self.network.bin_dir,
            built_in_network: self.network.list.is_none(),
        })
        .await
    }

    /// Connects to the daemon and takes over what runs already.
    ///
    /// # Errors
    /// [`BuildError`] when the process is not root, a setting cannot be used, a network plugin is missing, another
    /// process uses the state directory, or the daemon does not answer.
    pub async fn build(self) -> Result<ContainerdRuntime, BuildError> {
        let uid = nix::unistd::geteuid();
        if !uid.is_root() {
            return Err(BuildError::NotRoot { uid: uid.as_raw() });
        }
        check_namespace(&self.namespace)?;
        self.network.check()?;
        let cgroup_root = self.cgroup_root.unwrap_or_else(|| format!("/inboard/{}", self.namespace));
        check_cgroup(&cgroup_root)?;
        let state_dir = self.state_dir.unwrap_or_else(|| Path::new("/var/lib/inboard").join(&self.namespace));
        let settings = Settings {
            socket: self.socket,
            namespace: self.namespace,
            state_dir,
            snapshotter: self.snapshotter,
            cgroup_root,
            network: self.network,
            registries: Registries::new(self.registries)?,
            pod_pids_limit: self.pod_pids_limit,
            first_user_id: self.first_user_id,
            seccomp_dir: self.seccomp_dir,
            cdi_dirs: self.cdi_dirs,
            logs: self.logs,
            image_collection: self.image_collection,
        };
        ContainerdRuntime::open(settings).await
    }
}

fn default_bin_dir() -> PathBuf {
    let places = ["/opt/cni/bin", "/usr/lib/cni"];
    places.into_iter().find(|dir| Path::new(dir).join("portmap").exists()).unwrap_or("/opt/cni/bin").into()
}

/// The daemon's own rule for names.
fn check_namespace(name: &str) -> Result<(), BuildError> {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if name.len() <= 76 && name.split(['.', '_', '-']).all(part) {
        return Ok(());
    }
    let reason = "letters and digits, joined by '-', '_' or '.', 76 at most".to_owned();
    Err(BuildError::Setting { setting: "namespace", value: name.to_owned(), reason })
}

fn check_cgroup(path: &str) -> Result<(), BuildError> {
    let parts = path.strip_prefix('/').map(|path| path.split('/'));
    if parts.is_some_and(|mut parts| parts.all(|part| !part.is_empty() && part != "." && part != "..")) {
        return Ok(());
    }
    let reason = "an absolute path without '.' and '..', and not the root".to_owned();
    Err(BuildError::Setting { setting: "cgroup_root", value: path.to_owned(), reason })
}
