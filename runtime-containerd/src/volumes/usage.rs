//! What the volumes of a pod take up of the node's disk: those that go with it, looked through file by file.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use inboard::runtime::{FileSystemStats, RuntimeError, VolumeStats};

use super::VolumeRecord;
use crate::runtime::Inner;
use crate::{error, state};

/// What a block of `st_blocks` has, whatever the file system.
const BLOCK_BYTES: u64 = 512;

impl Inner {
    /// The usage of each volume of a pod that counts.
    pub(crate) async fn volume_usage(&self, pod: &str) -> Result<Vec<VolumeStats>, RuntimeError> {
        let dir = self.dirs.pod(pod).join("volumes");
        let names = state::entries(&dir);
        let names = names.iter().filter_map(|name| name.strip_suffix(".json"));
        let counted: Vec<_> = names
            .filter_map(|name| {
                let record: VolumeRecord = state::read_json(&dir.join(format!("{name}.json")))?;
                record.counted.then(|| (name.into(), record.path))
            })
            .collect();
        if counted.is_empty() {
            return Ok(Vec::new());
        }
        let look =
            move || counted.into_iter().map(|(name, path)| VolumeStats { name, usage: taken_up(&path) }).collect();
        tokio::task::spawn_blocking(look).await.map_err(|e| error::system("measure volumes", e))
    }
}

/// What is in a directory, on its own file system. What goes away meanwhile is passed over; a file of several names
/// counts once.
fn taken_up(root: &Path) -> FileSystemStats {
    let mut sum = FileSystemStats::default();
    let Ok(device) = std::fs::symlink_metadata(root).map(|metadata| metadata.dev()) else { return sum };
    let (mut seen, mut folders) = (BTreeSet::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.dev() != device || (metadata.nlink() > 1 && metadata.is_file() && !seen.insert(metadata.ino()))
            {
                continue;
            }
            sum.used_bytes += metadata.blocks() * BLOCK_BYTES;
            sum.inodes_used += 1;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_and_links_are_not_followed() {
        let root = std::env::temp_dir().join(format!("inboard-usage-{}", std::process::id()));
        std::fs::create_dir_all(root.join("below")).expect("a directory");
        std::fs::write(root.join("below/file"), vec![1; 100_000]).expect("a file");
        std::fs::hard_link(root.join("below/file"), root.join("again")).expect("a second name");
        std::os::unix::fs::symlink("/", root.join("away")).expect("a link");
        let usage = taken_up(&root);
        assert_eq!(usage.inodes_used, 3, "a directory, a file, a link");
        assert!((100_000..150_000).contains(&usage.used_bytes), "{usage:?}");
        assert_eq!(taken_up(&root.join("gone")), FileSystemStats::default());
        std::fs::remove_dir_all(root).expect("removed");
    }
}
