//! How much of the machine is left.

/// What the machine of a node has, and what of it is free. What is absent is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Bytes of memory; what programs keep only as long as nobody needs it counts as free.
    pub memory: Option<Room>,
    /// The file system with volumes and logs.
    pub node_fs: Option<FileSystemRoom>,
    /// The file system with images and the layers of containers, where it is another one.
    pub image_fs: Option<FileSystemRoom>,
    /// Processes and threads.
    pub pids: Option<Room>,
}

/// The room on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemRoom {
    /// Bytes.
    pub bytes: Room,
    /// Inodes; without any on a file system that does not count them.
    pub inodes: Room,
}

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Of it, what is free.
    pub available: u64,
    /// All of it.
    pub capacity: u64,
}
