//! Making a container: its own layer on top of the image, and the specification that runc will follow.

use std::path::Path;
use std::sync::Arc;

use containerd_client::services::v1::container::Runtime as RuntimeHandler;
use containerd_client::services::v1::snapshots::{MountsRequest, PrepareSnapshotRequest};
use containerd_client::services::v1::{Container as ProtoContainer, CreateContainerRequest};
use containerd_client::types::Mount as ProtoMount;
use inboard::runtime::{ContainerConfig, ContainerId, RuntimeError, RuntimeErrorKind, SandboxId};
use tonic::Code;

use super::entry::{ContainerEntry, RECORD};
use super::record::{ContainerRecord, container_id};
use crate::client::{already, call, optional};
use crate::image::ImageInfo;
use crate::lock::guard;
use crate::runtime::Inner;
use crate::sandbox::{PodRecord, SandboxPhase, SandboxRecord};
use crate::spec::{self, Accounts, SandboxPaths, SpecInput};
use crate::{apparmor, cdi, clock, error, os, selinux, state};

/// What containerd calls the shim that we use.
pub(crate) const RUNTIME: &str = "io.containerd.runc.v2";
/// How containerd finds the JSON of a specification among its types.
pub(crate) const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/// The label by which our containers are found.
pub(crate) const STATE_DIR_LABEL: &str = "inboard/state-dir";

impl Inner {
    pub(crate) async fn create(
        &self,
        sandbox: &SandboxId,
        config: &ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        let _lock = self.locks.hold(sandbox.as_str()).await;
        let id = container_id(sandbox.as_str(), config);
        if self.entry(&id).is_ok() {
            return Ok(ContainerId::new(id));
        }
        let Some(sandbox) = self.sandbox_record(sandbox.as_str()) else {
            return Err(error::not_found("sandbox", sandbox.as_str()));
        };
        if sandbox.phase != SandboxPhase::Ready {
            let message = format!("sandbox {} is not ready", sandbox.id);
            return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
        }
        let image = match self.images.known(&config.image_id) {
            // The agent has just been told of it. Should it be gone again, its layers are, which the daemon says.
            Some(image) => image,
            None => self.images.find(&config.image).await?.map(|(image, _)| image).ok_or_else(|| {
                let message = format!("image {:?} is not on the node", &*config.image);
                RuntimeError::new(RuntimeErrorKind::NotFound, message)
            })?,
        };
        let losses = self.daemon.losses();
        let dir = self.dirs.container(&id);
        std::fs::create_dir_all(&dir).map_err(|e| error::io("create directory", &dir, &e))?;
        match self.make_container(&id, &dir, &sandbox, config, &image).await {
            Ok((record, layers)) => {
                let entry = ContainerEntry::new(record, &self.dirs, self.settings.logs, Some(losses));
                entry.keep_layers(layers);
                guard(&self.containers).insert(id.clone(), Arc::new(entry));
                Ok(ContainerId::new(id))
            }
            Err(error) => {
                if let Err(second) = self.discard_container(&id).await {
                    tracing::warn!(container = id, error = %second, "a half made container could not be removed");
                }
                Err(error)
            }
        }
    }

    async fn make_container(
        &self,
        id: &str,
        dir: &Path,
        sandbox: &SandboxRecord,
        config: &ContainerConfig,
        image: &ImageInfo,
    ) -> Result<(ContainerRecord, Vec<ProtoMount>), RuntimeError> {
        // What the image knows of users is in its layers, which are looked at once; later the daemon makes the container's
        // layer and its record at the same time.
        let known = self.images.accounts(&image.chain_id);
        let (layers, users) = match known {
            Some(users) => (None, users),
            None => {
                let layers = self.prepare_snapshot(id, &image.chain_id).await?;
                let users = self.images.keep_accounts(&image.chain_id, accounts(&layers));
                (Some(layers), users)
            }
        };
        let termination_log = self.dirs.message(&sandbox.id, id);
        std::fs::write(&termination_log, "").map_err(|e| error::io("write", &termination_log, &e))?;
        open_to_all(&termination_log)?;
        sandbox.give_to_root(&termination_log)?;
        let volumes = self.volume_mounts(id, sandbox, config)?;
        let devices = self.container_devices(config)?;
        let container = spec::container_of(config)?;
        let input = SpecInput {
            id,
            config,
            image: &image.defaults,
            accounts: &users,
            sandbox: &SandboxPaths {
                dir: self.dirs.live(&sandbox.id),
                cgroup_parent: sandbox.cgroup.clone(),
                hostname: sandbox.hostname.clone(),
                user_ids: sandbox.user_ids,
            },
            volumes: &volumes,
            devices: &devices,
            termination_log: &termination_log,
            target_pid: self.target_pid(sandbox, config).await?,
            host: &self.host,
        };
        let mut specification = spec::runtime_spec(&input)?;
        let (dirs, of_claims) = (&self.settings.cdi_dirs, self.claimed_devices(config));
        let injected = cdi::inject(&mut specification, dirs, of_claims, config)?;
        if sandbox.user_ids.is_some() && (injected.has_nodes || !devices.is_empty()) {
            let why = "nobody but the users of the host can make device nodes";
            return Err(spec::unsupported("spec.hostUsers", why));
        }
        let profile = specification.process().as_ref().and_then(|process| process.apparmor_profile().as_deref());
        if let Some(profile) = profile {
            apparmor::ensure(profile, &self.dirs.apparmor_profile())?;
        }
        let label = specification.linux().as_ref().and_then(|linux| linux.mount_label().as_deref());
        if let Some(label) = label {
            self.label(label, &input)?;
        }
        let record = ContainerRecord {
            id: id.to_owned(),
            sandbox: sandbox.id.clone(),
            pod: PodRecord::of(&config.pod),
            name: config.name.to_string(),
            kind: config.kind,
            attempt: config.attempt,
            image: config.image.to_string(),
            image_id: image.id.clone(),
            created_at: clock::now().as_nanos(),
            stop_signal: super::stop::signal_number(image.defaults.stop_signal.as_deref(), &container)?,
            stdin: container.stdin == Some(true),
            stdin_once: container.stdin_once == Some(true),
            tty: container.tty == Some(true),
            message_from_log: container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError"),
            cgroup: format!("{}/{id}", sandbox.cgroup),
            devices: config.given.clone(),
            interfaces: injected.interfaces,
            process: serde_json::to_value(specification.process()).map_err(spec::invalid)?,
        };
        state::add_line(&dir.join(RECORD), &record)?;
        let value = serde_json::to_vec(&specification).map_err(spec::invalid)?;
        let prepared = async {
            match layers {
                Some(layers) => Ok(layers),
                None => self.prepare_snapshot(id, &image.chain_id).await,
            }
        };
        // All are waited for whatever becomes of the others: what is made late would be left behind.
        let registered = self.register(&record, config, value);
        let (prepared, registered, settled) = tokio::join!(prepared, registered, self.network.settled());
        registered?;
        settled?;
        Ok((record, prepared?))
    }

    /// Lets the container reach what lies outside its image, where the kernel goes by labels. What is the host's keeps its
    /// own.
    fn label(&self, label: &str, input: &SpecInput<'_>) -> Result<(), RuntimeError> {
        let own = ["hosts", "hostname", "resolv.conf", "shm"].map(|name| input.sandbox.dir.join(name));
        let volumes = input.volumes.iter().map(|volume| volume.source.clone());
        let all = own.into_iter().chain(volumes).chain([input.termination_log.to_path_buf()]);
        all.filter(|path| self.dirs.holds(path) && path.exists()).try_for_each(|path| selinux::relabel(&path, label))
    }

    /// The daemon's own record: it keeps the snapshot from being collected and carries the specification.
    async fn register(
        &self,
        record: &ContainerRecord,
        config: &ContainerConfig,
        specification: Vec<u8>,
    ) -> Result<(), RuntimeError> {
        let labels = [
            (STATE_DIR_LABEL, self.settings.state_dir.display().to_string()),
            ("io.kubernetes.pod.namespace", record.pod.namespace.clone()),
            ("io.kubernetes.pod.name", record.pod.name.clone()),
            ("io.kubernetes.pod.uid", record.pod.uid.clone()),
            ("io.kubernetes.container.name", record.name.clone()),
            ("inboard/sandbox", record.sandbox.clone()),
        ];
        let container = ProtoContainer {
            id: record.id.clone(),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            image: config.image.to_string(),
            runtime: Some(RuntimeHandler { name: RUNTIME.into(), options: None }),
            spec: Some(prost_types::Any { type_url: SPEC_TYPE.into(), value: specification }),
            snapshotter: self.settings.snapshotter.clone(),
            snapshot_key: record.id.clone(),
            ..ProtoContainer::default()
        };
        let request = self.daemon.request(CreateContainerRequest { container: Some(container) });
        let created = call("create container", self.daemon.services().containers().create(request)).await;
        created.map(drop).or_else(already)
    }

    /// The container's own writable layer. The label keeps it until the daemon's record refers to it.
    async fn prepare_snapshot(&self, id: &str, parent: &str) -> Result<Vec<ProtoMount>, RuntimeError> {
        let request = PrepareSnapshotRequest {
            snapshotter: self.settings.snapshotter.clone(),
            key: id.to_owned(),
            parent: parent.to_owned(),
            labels: [("containerd.io/gc.root".to_owned(), clock::now().to_string())].into(),
        };
        let request = self.daemon.request(request);
        match call("prepare the container's layer", self.daemon.services().snapshots().prepare(request)).await {
            Ok(answer) => Ok(answer.mounts),
            Err(failed) if failed.status.code() == Code::AlreadyExists => self.layers(id).await,
            Err(failed) => Err(failed.into()),
        }
    }

    /// How the container's root file system is mounted.
    pub(crate) async fn layers(&self, id: &str) -> Result<Vec<ProtoMount>, RuntimeError> {
        let request = MountsRequest { snapshotter: self.settings.snapshotter.clone(), key: id.to_owned() };
        let request = self.daemon.request(request);
        let answer = call("find the container's layers", self.daemon.services().snapshots().mounts(request)).await?;
        Ok(answer.mounts)
    }

    /// Whether it has a root file system: it is made at the same time as the daemon's record.
    pub(crate) async fn has_layers(&self, id: &str) -> Result<bool, RuntimeError> {
        let request = MountsRequest { snapshotter: self.settings.snapshotter.clone(), key: id.to_owned() };
        let request = self.daemon.request(request);
        let answer = call("find the container's layers", self.daemon.services().snapshots().mounts(request)).await;
        Ok(optional(answer)?.is_some())
    }

    /// The process whose namespace the container joins: what holds the pod's together, or the one that an ephemeral
    /// container is to see.
    async fn target_pid(&self, sandbox: &SandboxRecord, config: &ContainerConfig) -> Result<Option<u32>, RuntimeError> {
        if sandbox.shares_processes {
            return self.shared_process(sandbox).await.map(Some);
        }
        let Some(target) = spec::target_of(config) else { return Ok(None) };
        let running = |entry: &Arc<ContainerEntry>| entry.record.name == target && entry.is_running();
        let Some(entry) = self.containers_of(&sandbox.id).into_iter().find(running) else {
            let message = format!("target container {target:?} is not running");
            return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
        };
        self.task_pid(&entry.record.id).await
    }
}

/// The users and groups of an image, read from its layers without mounting them: the upper ones hide the lower.
fn accounts(mounts: &[ProtoMount]) -> Accounts {
    let read = |path: &str| {
        layer_dirs(mounts).into_iter().find_map(|dir| {
            let file = os::open_in_root(Path::new(&dir), Path::new(path)).ok()?;
            let regular = file.metadata().ok()?.is_file();
            regular.then(|| std::io::read_to_string(file).ok()).flatten()
        })
    };
    Accounts { passwd: read("etc/passwd").unwrap_or_default(), group: read("etc/group").unwrap_or_default() }
}

/// The directories that make up a root file system, the upper ones first.
fn layer_dirs(mounts: &[ProtoMount]) -> Vec<String> {
    let Some(mount) = mounts.first() else { return Vec::new() };
    let lower = mount.options.iter().find_map(|option| option.strip_prefix("lowerdir="));
    match lower {
        Some(dirs) => dirs.split(':').map(str::to_owned).collect(),
        None => vec![mount.source.clone()],
    }
}

/// The process that writes its message may run as anybody.
fn open_to_all(path: &Path) -> Result<(), RuntimeError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(|e| error::io("write", path, &e))
}
