//! The runtime's directory: where everything lies, and files that are there whole or not at all.
//!
//! A new file costs more on a disk than what is in it, so a record grows line by line, and what a restart of the machine ends
//! anyway is in memory.
//!
//! ```text
//! sandboxes/ID.json  what a sandbox is and how far it has got
//! containers/ID/     container.json log
//! live/              a file system in memory
//!   ID/              of a sandbox, with memory of its own: net ipc uts user (pins), shm, hosts hostname resolv.conf,
//!                    processes, CONTAINER.message; of a container: stdin stdout stderr (fifos), mounts layers
//! network/ID.lock    held by a network plugin at work
//! pods/UID/          pod.json  volumes/NAME.json  volumes/NAME/
//! claims/UID/        NAME.json of the devices that a pod claims
//! persistent/        NAME/ of volumes that outlive their pods
//! registries/        how the registries of pulls under way are reached, for the daemon
//! apparmor-profile   the default profile, where the kernel has AppArmor
//! ```

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use inboard::runtime::RuntimeError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error;

#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
}

impl StateDir {
    pub(crate) fn open(root: PathBuf) -> Result<Self, RuntimeError> {
        let dir = Self { root };
        let all = [
            dir.sandboxes(),
            dir.containers(),
            dir.live_root(),
            dir.network(),
            dir.pods(),
            dir.claims(),
            dir.persistent_root(),
        ];
        for path in all {
            std::fs::create_dir_all(&path).map_err(|e| error::io("create directory", &path, &e))?;
        }
        Ok(dir)
    }

    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.root.join("sandboxes")
    }

    /// The record of a sandbox.
    pub(crate) fn sandbox(&self, id: &str) -> PathBuf {
        self.sandboxes().join(format!("{id}.json"))
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    pub(crate) fn live_root(&self) -> PathBuf {
        self.root.join("live")
    }

    /// What there is of a sandbox or a container only as long as the machine runs.
    pub(crate) fn live(&self, id: &str) -> PathBuf {
        self.live_root().join(id)
    }

    /// What a container tells of its end, in the memory of its sandbox.
    pub(crate) fn message(&self, sandbox: &str, container: &str) -> PathBuf {
        self.live(sandbox).join(format!("{container}.message"))
    }

    fn network(&self) -> PathBuf {
        self.root.join("network")
    }

    pub(crate) fn network_lock(&self, sandbox: &str) -> PathBuf {
        self.network().join(format!("{sandbox}.lock"))
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    pub(crate) fn claims(&self) -> PathBuf {
        self.root.join("claims")
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

/// Adds a line to a record. A line that is cut off is none: the next one begins anew.
pub(crate) fn add_line(path: &Path, value: &impl Serialize) -> Result<(), RuntimeError> {
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, value).map_err(|e| error::system("encode a record", e))?;
    line.push(b'\n');
    let file = File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(&line)).map_err(|e| error::io("write", path, &e))
}

/// The lines of a record that are whole, in order; none when it is not there.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The last line of a record that can be read.
pub(crate) fn last_line<T: DeserializeOwned>(path: &Path) -> Option<T> {
    lines(path).into_iter().rev().find_map(|line| serde_json::from_value(line).ok())
}

/// Makes a directory, and those above it, with exactly this mode; one that is there is left alone.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), RuntimeError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    let set = |()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    made.and_then(set).map_err(|e| error::io("create directory", path, &e))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_cut_off_is_none_and_spoils_no_other() {
        let path = std::env::temp_dir().join(format!("inboard-record-{}", std::process::id()));
        assert_eq!(last_line::<u32>(&path), None);
        add_line(&path, &1).expect("written");
        let mut file = File::options().append(true).open(&path).expect("a file");
        file.write_all(b"\n{\"cut\": ").expect("written");
        assert_eq!(last_line::<u32>(&path), Some(1));
        add_line(&path, &2).expect("written");
        assert_eq!(lines(&path), [Value::from(1), Value::from(2)]);
        std::fs::remove_file(path).expect("removed");
    }
}
