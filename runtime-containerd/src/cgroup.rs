//! Control groups, read and removed through their file system: version 1, version 2, and both mounted at once.

use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";

/// Whether there is only the unified hierarchy.
pub(crate) fn is_unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Whether the kernel can limit memory and swap together.
pub(crate) fn has_swap_accounting() -> bool {
    if is_unified() {
        let groups = std::fs::read_dir(ROOT).into_iter().flatten().flatten();
        return groups.map(|entry| entry.path().join("memory.swap.max")).any(|file| file.exists());
    }
    Path::new(ROOT).join("memory/memory.memsw.limit_in_bytes").exists()
}

/// How often the kernel killed a process of this group for its memory.
pub(crate) fn memory_kills(group: &str) -> u64 {
    let file = if is_unified() { "memory.events" } else { "memory.oom_control" };
    field(&dir("memory", group).join(file), "oom_kill").unwrap_or(0)
}

/// What a group has used up until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) working_set: u64,
    pub(crate) pids: u64,
}

/// The usage of a group; `None` when it is not there any more.
pub(crate) fn usage(group: &str) -> Option<Usage> {
    let memory = dir("memory", group);
    if is_unified() {
        return Some(Usage {
            cpu: Duration::from_micros(field(&memory.join("cpu.stat"), "usage_usec")?),
            working_set: number(&memory.join("memory.current"))?
                .saturating_sub(field(&memory.join("memory.stat"), "inactive_file").unwrap_or(0)),
            pids: number(&memory.join("pids.current")).unwrap_or(0),
        });
    }
    Some(Usage {
        cpu: Duration::from_nanos(number(&dir("cpuacct", group).join("cpuacct.usage"))?),
        working_set: number(&memory.join("memory.usage_in_bytes"))?
            .saturating_sub(field(&memory.join("memory.stat"), "total_inactive_file").unwrap_or(0)),
        pids: number(&dir("pids", group).join("pids.current")).unwrap_or(0),
    })
}

/// Removes a group from every hierarchy. runc removes a container's own; the ones above it are ours. A group that is
/// still in use stays.
pub(crate) fn remove(group: &str) {
    let relative = group.trim_start_matches('/');
    if relative.is_empty() {
        return;
    }
    let hierarchies = std::fs::read_dir(ROOT).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in std::iter::once(PathBuf::from(ROOT)).chain(hierarchies) {
        let dir = hierarchy.join(relative);
        if dir.is_dir() {
            // Busy or gone in the meantime: the next sandbox that is removed tries again.
            drop(std::fs::remove_dir(dir));
        }
    }
}

fn dir(controller: &str, group: &str) -> PathBuf {
    let root = if is_unified() { PathBuf::from(ROOT) } else { Path::new(ROOT).join(controller) };
    root.join(group.trim_start_matches('/'))
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn field(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
