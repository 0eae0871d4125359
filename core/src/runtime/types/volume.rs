//! Volumes, and the files that are put into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

/// One file of a [`VolumeSource::Files`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its content.
    pub content: Bytes,
    /// Its permission bits, such as `0o644`.
    pub mode: u32,
}

/// Where the content of a volume comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VolumeSource {
    /// An empty directory that lives as long as the pod (`emptyDir`).
    Empty {
        /// Kept in memory (`medium: Memory`).
        memory: bool,
        /// Its largest size in bytes.
        size_limit: Option<u64>,
    },
    /// A path of the host (`hostPath`).
    Host {
        /// The path.
        path: String,
        /// The `type` of the volume source: empty, `Directory`, `DirectoryOrCreate`, `File`, `FileOrCreate`,
        /// `Socket`, `CharDevice` or `BlockDevice`.
        check: String,
    },
    /// A directory of the host that is a persistent volume (`local`): it must be there.
    Local {
        /// The path.
        path: String,
    },
    /// Files with this content (`configMap`, `secret`, `downwardAPI`, `projected`), by relative path. They are replaced
    /// all at once.
    Files(BTreeMap<String, FileEntry>),
    /// A directory that outlives the pod and is known to the node by this name (a bound persistent volume). A name that
    /// begins with `/` is the path of the directory itself, where the node has real directories.
    Persistent {
        /// The name under which the node keeps it.
        handle: Arc<str>,
    },
    /// A block device that outlives the pod and is known to the node by this name (a bound persistent volume of
    /// `volumeMode: Block`). It is not mounted: containers get it as a device. A name that begins with `/` is the path of
    /// the device itself, where the node has real devices.
    Block {
        /// The name under which the node keeps it.
        handle: Arc<str>,
    },
}

/// One volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeConfig {
    /// Its name in the pod.
    pub name: Arc<str>,
    /// Where its content comes from.
    pub source: VolumeSource,
    /// The group that owns its files (`securityContext.fsGroup`), where the kind of volume honours it.
    pub fs_group: Option<i64>,
}
