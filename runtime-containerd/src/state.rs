//! The runtime's directory: where everything lies, and files that are there whole or not at all.
//!
//! ```text
//! sandboxes/ID/   sandbox.json network.json network.lock  net ipc uts user (pins)  hosts hostname resolv.conf shm  processes
//! containers/ID/  container.json state.json log termination-log  stdin stdout stderr (fifos)  mounts layers
//! pods/UID/       pod.json  volumes/NAME.json  volumes/NAME/
//! persistent/     NAME/ of volumes that outlive their pods
//! ipam/           addresses in use, kept by the network plugin
//! registries/      how the registries of pulls under way are reached, for the daemon
//! apparmor-profile  the default profile, where the kernel has AppArmor
//! ```

use std::io;
use std::path::{Path, PathBuf};

use inboard::runtime::RuntimeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error;

#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
}

impl StateDir {
    pub(crate) fn open(root: PathBuf) -> Result<Self, RuntimeError> {
        let dir = Self { root };
        for path in [dir.sandboxes(), dir.containers(), dir.pods(), dir.persistent_root(), dir.ipam()] {
            std::fs::create_dir_all(&path).map_err(|e| error::io("create directory", &path, &e))?;
        }
        Ok(dir)
    }

    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.root.join("sandboxes")
    }

    pub(crate) fn sandbox(&self, id: &str) -> PathBuf {
        self.sandboxes().join(id)
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    pub(crate) fn persistent_root(&self) -> PathBuf {
        self.root.join("persistent")
    }

    pub(crate) fn registries(&self) -> PathBuf {
        self.root.join("registries")
    }

    pub(crate) fn apparmor_profile(&self) -> PathBuf {
        self.root.join("apparmor-profile")
    }

    /// Whether a path is one of ours.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.root)
    }

    pub(crate) fn ipam(&self) -> PathBuf {
        self.root.join("ipam")
    }
}

/// The names of the entries of a directory, in order; none when it is not there.
pub(crate) fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Writes a file beside the old one and puts it in its place, so that a reader finds the old or the new text, never a part.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RuntimeError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|e| error::io("write", path, &e))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RuntimeError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|e| error::system("encode a record", e))?;
    write_whole(path, &bytes)
}

/// Reads a record; `None` when it is not there or was cut off in the middle of its first writing.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a record cannot be read"))
        .ok()
}

/// Removes a directory and what is in it; one that is not there is no error.
pub(crate) fn remove_dir(path: &Path) -> Result<(), RuntimeError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove_file(path: &Path) -> Result<(), RuntimeError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error::io("remove", path, &error)),
        _ => Ok(()),
    }
}
