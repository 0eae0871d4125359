//! Volumes: directories made ready on the host, and their places in containers.
//!
//! Each prepared volume leaves a record of where it is; a mount names the volume and is looked up there.

mod files;
mod host;
mod ownership;
mod usage;

use std::path::{Component, Path, PathBuf};

use inboard::runtime::{
    ContainerConfig, Device, DeviceSource, Mount, PodIdentity, RuntimeError, RuntimeErrorKind, VolumeConfig,
    VolumeSource,
};
use serde::{Deserialize, Serialize};

use crate::devices::{self, DeviceNode};
use crate::runtime::Inner;
use crate::sandbox::{PodRecord, SandboxRecord, hashed_id};
use crate::spec::VolumeMount;
use crate::{error, os, state};

/// Where a prepared volume is.
#[derive(Debug, Serialize, Deserialize)]
struct VolumeRecord {
    path: PathBuf,
    /// Whether `path` is a mount of ours.
    mounted: bool,
    /// Whether the pod can fill it at the cost of the node's disk, as long as the pod is there.
    #[serde(default)]
    counted: bool,
}

impl Inner {
    pub(crate) async fn prepare(&self, pod: &PodIdentity, volume: &VolumeConfig) -> Result<(), RuntimeError> {
        let uid = pod.uid.to_string();
        let _lock = self.locks.hold(&uid).await;
        let dir = self.dirs.pod(&uid).join("volumes");
        state::make_dir(&dir, 0o750)?;
        state::write_json(&self.dirs.pod(&uid).join("pod.json"), &PodRecord::of(pod))?;
        let record = dir.join(format!("{}.json", volume.name));
        let path = dir.join(&*volume.name);
        let prepared = match &volume.source {
            VolumeSource::Empty { memory, size_limit } => {
                let fresh = !path.exists();
                state::make_dir(&path, 0o777)?;
                let mounted = state::read_json::<VolumeRecord>(&record).is_some_and(|record| record.mounted);
                if *memory && !mounted {
                    os::mount_memory(&path, 0o777, *size_limit).map_err(|e| error::io("mount", &path, &e))?;
                }
                if fresh {
                    ownership::give(&path, volume.fs_group, false)?;
                }
                VolumeRecord { path, mounted: *memory, counted: !*memory }
            }
            VolumeSource::Host { path, check } => {
                host::host(path, check)?;
                VolumeRecord { path: path.into(), mounted: false, counted: false }
            }
            VolumeSource::Local { path } => {
                host::local(path)?;
                VolumeRecord { path: path.into(), mounted: false, counted: false }
            }
            VolumeSource::Block { handle } => {
                host::block(handle)?;
                VolumeRecord { path: handle.as_ref().into(), mounted: false, counted: false }
            }
            VolumeSource::Files(entries) => {
                state::make_dir(&path, 0o755)?;
                files::replace(&path, entries, volume.fs_group)?;
                VolumeRecord { path, mounted: false, counted: false }
            }
            VolumeSource::Persistent { handle } => {
                let path = self.persistent_path(handle);
                let fresh = !path.exists();
                state::make_dir(&path, 0o777)?;
                if fresh {
                    ownership::give(&path, volume.fs_group, false)?;
                }
                VolumeRecord { path, mounted: false, counted: false }
            }
            other => {
                let message = format!("volume {}: a source of this kind is not supported: {other:?}", volume.name);
                return Err(RuntimeError::new(RuntimeErrorKind::Unsupported, message));
            }
        };
        state::write_json(&record, &prepared)
    }

    pub(crate) async fn release(&self, pod: &PodIdentity) -> Result<(), RuntimeError> {
        let uid = pod.uid.to_string();
        let _lock = self.locks.hold(&uid).await;
        let dir = self.dirs.pod(&uid);
        for name in state::entries(&dir.join("volumes")) {
            let path = dir.join("volumes").join(name);
            if path.is_dir() {
                os::unmount(&path).map_err(|e| error::io("unmount", &path, &e))?;
            }
        }
        state::remove_dir(&dir)
    }

    /// Removes the data of a persistent volume.
    pub(crate) fn remove_persistent(&self, handle: &str) -> Result<(), RuntimeError> {
        state::remove_dir(&self.persistent_path(handle))
    }

    /// Where the data of a persistent volume is: a handle that is a path is the place itself.
    fn persistent_path(&self, handle: &str) -> PathBuf {
        match handle.starts_with('/') {
            true => handle.into(),
            false => self.dirs.persistent_root().join(file_name(handle)),
        }
    }

    /// The pods that have volumes here.
    pub(crate) fn pods_with_volumes(&self) -> Vec<PodIdentity> {
        let record = |uid: &String| state::read_json::<PodRecord>(&self.dirs.pod(uid).join("pod.json"));
        state::entries(&self.dirs.pods()).iter().filter_map(|uid| record(uid)?.identity()).collect()
    }

    /// Where each mount of a container leads to on the host.
    pub(crate) fn volume_mounts(
        &self,
        id: &str,
        sandbox: &SandboxRecord,
        config: &ContainerConfig,
    ) -> Result<Vec<VolumeMount>, RuntimeError> {
        let locate = |(index, mount): (usize, &Mount)| {
            let record = self.prepared(&config.pod, &mount.volume)?;
            let source = match mount.sub_path.as_str() {
                "" => record.path,
                sub_path => self.pin_sub_path(id, index, &record.path, sub_path)?,
            };
            let source = self.as_seen_by(sandbox, id, &format!("mounts/{index}-seen"), source)?;
            Ok(VolumeMount { source, mount: mount.clone() })
        };
        config.mounts.iter().enumerate().map(locate).collect()
    }

    /// The devices that a container gets beside those of every container.
    pub(crate) fn container_devices(&self, config: &ContainerConfig) -> Result<Vec<DeviceNode>, RuntimeError> {
        let locate = |device: &Device| {
            let path = match &device.source {
                DeviceSource::Volume(volume) => self.prepared(&config.pod, volume)?.path,
                DeviceSource::Host(path) => path.as_ref().into(),
            };
            devices::look(&path, device)
        };
        config.devices.iter().map(locate).collect()
    }

    fn prepared(&self, pod: &PodIdentity, volume: &str) -> Result<VolumeRecord, RuntimeError> {
        let path = self.dirs.pod(&pod.uid.to_string()).join("volumes").join(format!("{volume}.json"));
        state::read_json(&path).ok_or_else(|| {
            let message = format!("volume {volume} of pod {pod:?} is not prepared");
            RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message)
        })
    }

    /// Binds a part of a volume to a place that only we can change: a container that writes to the volume could
    /// otherwise put a link in the way between this check and the mount.
    fn pin_sub_path(&self, id: &str, index: usize, root: &Path, sub_path: &str) -> Result<PathBuf, RuntimeError> {
        let relative = Path::new(sub_path);
        if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            let message = format!("subPath {sub_path:?} must be relative and must not contain '..'");
            return Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message));
        }
        let pins = self.dirs.live(id).join("mounts");
        state::make_dir(&pins, 0o700)?;
        let pin = pins.join(index.to_string());
        let opened =
            os::open_or_make_below(root, relative).map_err(|e| error::io("open sub path", &root.join(relative), &e))?;
        let is_dir = opened.metadata().map_err(|e| error::io("open sub path", relative, &e))?.is_dir();
        if is_dir {
            state::make_dir(&pin, 0o700)?;
        } else {
            std::fs::write(&pin, "").map_err(|e| error::io("write", &pin, &e))?;
        }
        os::bind_open(&opened, &pin).map_err(|e| error::io("bind sub path", &pin, &e))?;
        Ok(pin)
    }
}

/// The handle itself where it can name a file, else a hash of it.
fn file_name(handle: &str) -> String {
    let plain = handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && !handle.starts_with('.') && (1..=128).contains(&handle.len()) {
        return handle.to_owned();
    }
    hashed_id(&["volume", handle])
}
