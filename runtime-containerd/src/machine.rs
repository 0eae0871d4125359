//! How much of the machine is left: read from `/proc` and the file systems, as the kubelet reads it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use inboard::runtime::{NodeStats, Room, RuntimeError};

use crate::runtime::Inner;
use crate::{error, os};

/// How long the daemon may take to say where its layers are: a node that runs out of something cannot wait long.
const PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    pub(crate) async fn node_stats(&self) -> Result<NodeStats, RuntimeError> {
        let own = self.settings.state_dir.clone();
        let node_fs = os::room(&own).map_err(|e| error::io("measure the disk of", &own, &e))?;
        // While the daemon is away, images are taken to lie with all else.
        let images = tokio::time::timeout(PATIENCE, self.layers_root()).await.ok().flatten();
        let image_fs = images.filter(|dir| !is_same_disk(dir, &own)).and_then(|dir| os::room(&dir).ok());
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Ok(NodeStats {
            memory: memory(&text("/proc/meminfo")),
            node_fs: Some(node_fs),
            image_fs,
            pids: pids(
                &text("/proc/loadavg"),
                [&text("/proc/sys/kernel/pid_max"), &text("/proc/sys/kernel/threads-max")],
            ),
        })
    }

    /// Where the daemon keeps its layers, asked once.
    async fn layers_root(&self) -> Option<PathBuf> {
        let root = self.layers_root.get_or_try_init(|| self.image_root()).await;
        root.ok()?.clone()
    }
}

fn is_same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    device(one) == device(other)
}

/// What the kernel says could be had without taking it from anybody counts as free.
fn memory(meminfo: &str) -> Option<Room> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line?.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
    };
    Some(Room { available: bytes("MemAvailable")?, capacity: bytes("MemTotal")? })
}

/// There are as many as the lower of the kernel's two limits says; the load average counts those in use.
fn pids(loadavg: &str, limits: [&str; 2]) -> Option<Room> {
    let capacity = limits.iter().filter_map(|limit| limit.trim().parse::<u64>().ok()).min()?;
    let used: u64 = loadavg.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()?;
    Some(Room { available: capacity.saturating_sub(used), capacity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let meminfo = "MemTotal:        4030276 kB\nMemFree:          123 kB\nMemAvailable:    2000000 kB\n";
        let (available, capacity) = (2_000_000 * 1024, 4_030_276 * 1024);
        assert_eq!(memory(meminfo), Some(Room { available, capacity }));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
        let room = pids("0.10 0.20 0.30 2/345 67890\n", ["4194304\n", "31000\n"]);
        assert_eq!(room, Some(Room { available: 30_655, capacity: 31_000 }));
        assert_eq!(pids("", ["1", "2"]), None);
    }
}
