//! Control groups, set, read and removed through their file system: version 1, version 2, and both mounted at once.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::os;
use crate::spec::PodLimits;

/// The hierarchies of this machine.
const MACHINE: Hierarchies<&str> = Hierarchies("/sys/fs/cgroup");

/// What the groups of pods are limited in.
const HANDED_DOWN: [&str; 3] = ["cpu", "memory", "pids"];
/// The period of the processor quota in microseconds.
const QUOTA_PERIOD_US: u64 = 100_000;

/// Whether there is only the unified hierarchy.
pub(crate) fn is_unified() -> bool {
    MACHINE.is_unified()
}

/// Whether the kernel can limit memory and swap together.
pub(crate) fn has_swap_accounting() -> bool {
    MACHINE.has_swap_accounting()
}

/// Whether groups can be made and not be limited: the topmost one of a machine that is itself in a group has processes.
pub(crate) fn is_in_use() -> bool {
    MACHINE.is_in_use()
}

/// The sizes of huge pages that the kernel can limit, as its files call them (`2MB`).
pub(crate) fn huge_pages() -> Vec<String> {
    MACHINE.huge_pages(Path::new("/sys/kernel/mm/hugepages"))
}

/// How often the kernel killed a process of this group for its memory.
pub(crate) fn memory_kills(group: &str) -> u64 {
    MACHINE.memory_kills(group)
}

/// The usage of a group; `None` when it is not there any more.
pub(crate) fn usage(group: &str) -> Option<Usage> {
    MACHINE.usage(group)
}

/// Makes the group of a pod and sets what all in it may use together; runc makes those below it. Where the kernel has no
/// controller for something, it is not limited.
pub(crate) fn limit(group: &str, limits: &PodLimits) -> io::Result<()> {
    MACHINE.limit(group, limits)
}

/// Gives the group of a pod what it is to have where that is more than it has, and leaves it what is less.
pub(crate) fn raise(group: &str, limits: &PodLimits) -> io::Result<()> {
    MACHINE.raise(group, limits)
}

/// Removes a group from every hierarchy. runc removes a container's own; the ones above it are ours. A group that is
/// still in use stays.
pub(crate) fn remove(group: &str) {
    MACHINE.remove(group);
}

/// What a group has used up until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) working_set: u64,
    pub(crate) pids: u64,
}

/// The hierarchies below a directory: one for each controller, or one for all.
struct Hierarchies<P>(P);

impl<P: AsRef<Path>> Hierarchies<P> {
    fn root(&self) -> &Path {
        self.0.as_ref()
    }

    fn is_unified(&self) -> bool {
        self.root().join("cgroup.controllers").exists()
    }

    fn has_swap_accounting(&self) -> bool {
        if !self.is_unified() {
            return self.root().join("memory/memory.memsw.limit_in_bytes").exists();
        }
        let groups: Vec<PathBuf> =
            std::fs::read_dir(self.root()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        let has = |file: &str| groups.iter().any(|group| group.join(file).exists());
        // Where memory is not counted in any group yet there is nothing to see: later kernels do it wherever they can swap.
        has("memory.swap.max") || !has("memory.max") && os::kernel() >= (6, 1) && Path::new("/proc/swaps").exists()
    }

    /// The kernel lets a group have processes or give controllers to those below it. Only its own topmost one may have
    /// both, which says nothing of a type.
    fn is_in_use(&self) -> bool {
        let given = controllers(&self.root().join("cgroup.subtree_control"));
        let procs = std::fs::read_to_string(self.root().join("cgroup.procs")).unwrap_or_default();
        self.root().join("cgroup.type").exists()
            && !procs.trim().is_empty()
            && HANDED_DOWN.iter().any(|name| !given.iter().any(|given| given == name))
    }

    /// `sizes` has a directory for each.
    fn huge_pages(&self, sizes: &Path) -> Vec<String> {
        let can = match self.is_unified() {
            true => controllers(&self.root().join("cgroup.controllers")).iter().any(|name| name == "hugetlb"),
            false => self.root().join("hugetlb").is_dir(),
        };
        let entries = std::fs::read_dir(sizes).into_iter().flatten().flatten().filter(|_| can);
        let kilobytes = entries.filter_map(|entry| {
            entry.file_name().to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()
        });
        let mut sizes: Vec<u64> = kilobytes.collect();
        sizes.sort_unstable();
        sizes
            .into_iter()
            .map(|size| if size < 1 << 20 { format!("{}MB", size >> 10) } else { format!("{}GB", size >> 20) })
            .collect()
    }

    fn memory_kills(&self, group: &str) -> u64 {
        let file = if self.is_unified() { "memory.events" } else { "memory.oom_control" };
        field(&self.dir("memory", group).join(file), "oom_kill").unwrap_or(0)
    }

    fn usage(&self, group: &str) -> Option<Usage> {
        let memory = self.dir("memory", group);
        if self.is_unified() {
            return Some(Usage {
                cpu: Duration::from_micros(field(&memory.join("cpu.stat"), "usage_usec")?),
                working_set: number(&memory.join("memory.current"))?
                    .saturating_sub(field(&memory.join("memory.stat"), "inactive_file").unwrap_or(0)),
                pids: number(&memory.join("pids.current")).unwrap_or(0),
            });
        }
        Some(Usage {
            cpu: Duration::from_nanos(number(&self.dir("cpuacct", group).join("cpuacct.usage"))?),
            working_set: number(&memory.join("memory.usage_in_bytes"))?
                .saturating_sub(field(&memory.join("memory.stat"), "total_inactive_file").unwrap_or(0)),
            pids: number(&self.dir("pids", group).join("pids.current")).unwrap_or(0),
        })
    }

    fn limit(&self, group: &str, limits: &PodLimits) -> io::Result<()> {
        let (cpu, memory, pids) = (self.dir("cpu", group), self.dir("memory", group), self.dir("pids", group));
        if self.is_unified() {
            self.hand_down(group)?;
            set(&cpu.join("cpu.weight"), weight(limits.cpu_shares))?;
            limits.pids.map_or(Ok(()), |pids_max| set(&pids.join("pids.max"), pids_max))?;
            self.set_quota(group, limits.cpu_quota_us)?;
            return self.set_memory(group, limits.memory_bytes);
        }
        if let Some(pids_max) = limits.pids.filter(|_| self.root().join("pids").is_dir()) {
            std::fs::create_dir_all(&pids)?;
            set(&pids.join("pids.max"), pids_max)?;
        }
        if self.root().join("cpu").is_dir() {
            for above in self.missing_above(&cpu) {
                std::fs::create_dir_all(&above)?;
                set(&above.join("cpu.shares"), machine_shares())?;
            }
            std::fs::create_dir_all(&cpu)?;
            set(&cpu.join("cpu.shares"), limits.cpu_shares)?;
            self.set_quota(group, limits.cpu_quota_us)?;
        }
        if limits.memory_bytes.is_some() && self.root().join("memory").is_dir() {
            std::fs::create_dir_all(&memory)?;
        }
        self.set_memory(group, limits.memory_bytes)
    }

    /// Nothing stands for as much as there is.
    fn set_quota(&self, group: &str, quota_us: Option<i64>) -> io::Result<()> {
        let dir = self.dir("cpu", group);
        if self.is_unified() {
            let quota = quota_us.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            return set(&dir.join("cpu.max"), format!("{quota} {QUOTA_PERIOD_US}"));
        }
        set(&dir.join("cpu.cfs_period_us"), QUOTA_PERIOD_US)?;
        set(&dir.join("cpu.cfs_quota_us"), quota_us.unwrap_or(-1))
    }

    fn set_memory(&self, group: &str, bytes: Option<i64>) -> io::Result<()> {
        let dir = self.dir("memory", group);
        match (self.is_unified(), bytes) {
            (true, None) => set(&dir.join("memory.max"), "max"),
            (true, Some(bytes)) => set(&dir.join("memory.max"), bytes),
            (false, bytes) => set(&dir.join("memory.limit_in_bytes"), bytes.unwrap_or(-1)),
        }
    }

    fn raise(&self, group: &str, limits: &PodLimits) -> io::Result<()> {
        let is_more = |wanted: Option<i64>, has: Option<i64>| match (wanted, has) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(wanted), Some(has)) => wanted > has,
        };
        let (cpu, memory) = (self.dir("cpu", group), self.dir("memory", group));
        // Where there is no limit the file has a word, or a number that is no amount of anything.
        let first = |file: PathBuf| std::fs::read_to_string(file).ok()?.split_whitespace().next()?.parse::<i64>().ok();
        let (quota, bytes) = match self.is_unified() {
            true => (first(cpu.join("cpu.max")), first(memory.join("memory.max"))),
            false => (first(cpu.join("cpu.cfs_quota_us")), first(memory.join("memory.limit_in_bytes"))),
        };
        if is_more(limits.cpu_quota_us, quota.filter(|quota| *quota > 0)) {
            self.set_quota(group, limits.cpu_quota_us)?;
        }
        if is_more(limits.memory_bytes, bytes.filter(|bytes| *bytes > 0)) {
            self.set_memory(group, limits.memory_bytes)?;
        }
        Ok(())
    }

    /// Makes a group and all above it, each of which gives those below it the controllers that it has.
    fn hand_down(&self, group: &str) -> io::Result<()> {
        let mut dir = self.root().to_path_buf();
        for part in group.split('/').filter(|part| !part.is_empty()) {
            let (has, control) = (controllers(&dir.join("cgroup.controllers")), dir.join("cgroup.subtree_control"));
            let given = controllers(&control);
            // One that the kernel does not have is not missed here: what it would limit is not limited.
            for controller in has.iter().filter(|name| HANDED_DOWN.contains(&&***name) && !given.contains(name)) {
                set(&control, format!("+{controller}")).map_err(|error| match error.kind() {
                    io::ErrorKind::ResourceBusy => {
                        io::Error::new(error.kind(), format!("{} has processes of its own", dir.display()))
                    }
                    _ => error,
                })?;
            }
            dir.push(part);
            if !dir.exists() {
                std::fs::create_dir_all(&dir)?;
                set(&dir.join("cpu.weight"), weight(machine_shares()))?;
            }
        }
        Ok(())
    }

    /// The groups above this one that are still to be made, the outermost first.
    fn missing_above(&self, group: &Path) -> Vec<PathBuf> {
        let above = group.ancestors().skip(1).take_while(|dir| *dir != self.root() && !dir.exists());
        let mut above: Vec<PathBuf> = above.map(Path::to_path_buf).collect();
        above.reverse();
        above
    }

    fn remove(&self, group: &str) {
        let relative = group.trim_start_matches('/');
        if relative.is_empty() {
            return;
        }
        let hierarchies = std::fs::read_dir(self.root()).into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in std::iter::once(self.root().to_path_buf()).chain(hierarchies) {
            let dir = hierarchy.join(relative);
            if dir.is_dir() {
                // Busy or gone in the meantime: the next sandbox that is removed tries again.
                drop(std::fs::remove_dir(dir));
            }
        }
    }

    fn dir(&self, controller: &str, group: &str) -> PathBuf {
        let root = if self.is_unified() { self.root().to_path_buf() } else { self.root().join(controller) };
        root.join(group.trim_start_matches('/'))
    }
}

/// Writes to a file of the kernel's; where it has none, it lacks the controller.
fn set(file: &Path, value: impl ToString) -> io::Result<()> {
    match std::fs::File::options().write(true).truncate(true).open(file) {
        Ok(mut open) => io::Write::write_all(&mut open, value.to_string().as_bytes())
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What all pods together have beside the rest of the machine: as much as they could use, as the kubelet gives them.
fn machine_shares() -> u64 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64 * 1024
}

/// Shares as weights of the unified hierarchy, as the kernel's own conversion of them is done by everybody.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

/// The names in one of the files that list controllers.
fn controllers(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn field(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/inboard/pod1/c1";

    /// A machine with these files, below a directory of this name.
    fn machine(name: &str, files: &[(&str, &str)]) -> Hierarchies<PathBuf> {
        let root = std::env::temp_dir().join(format!("inboard-cgroup-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("it is below the root")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        Hierarchies(root)
    }

    const EXPECTED: Usage = Usage { cpu: Duration::from_micros(1_500), working_set: 700, pids: 3 };

    #[test]
    fn one_hierarchy_for_each_controller() {
        let machine = machine(
            "v1",
            &[
                ("cpuacct/inboard/pod1/c1/cpuacct.usage", "1500000\n"),
                ("memory/inboard/pod1/c1/memory.usage_in_bytes", "1000\n"),
                ("memory/inboard/pod1/c1/memory.stat", "cache 5\ninactive_file 1\ntotal_inactive_file 300\n"),
                ("memory/inboard/pod1/c1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("memory/memory.memsw.limit_in_bytes", "9223372036854771712\n"),
                ("pids/inboard/pod1/c1/pids.current", "3\n"),
            ],
        );
        assert!(!machine.is_unified() && machine.has_swap_accounting());
        assert_eq!((machine.usage(GROUP), machine.memory_kills(GROUP)), (Some(EXPECTED), 2));
        assert_eq!((machine.usage("/inboard/none"), machine.memory_kills("/inboard/none")), (None, 0));
        std::fs::remove_dir_all(machine.root()).expect("removed");
    }

    #[test]
    fn one_hierarchy_for_all() {
        let machine = machine(
            "v2",
            &[
                ("cgroup.controllers", "cpuset cpu io memory hugetlb pids\n"),
                ("inboard/memory.swap.max", "max\n"),
                ("hugepages/hugepages-1048576kB/nr", "0\n"),
                ("hugepages/hugepages-2048kB/nr", "0\n"),
                ("inboard/pod1/c1/cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n"),
                ("inboard/pod1/c1/memory.current", "1000\n"),
                ("inboard/pod1/c1/memory.stat", "anon 1\nfile 2\ninactive_file 300\n"),
                ("inboard/pod1/c1/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n"),
                ("inboard/pod1/c1/pids.current", "3\n"),
            ],
        );
        assert!(machine.is_unified() && machine.has_swap_accounting());
        assert_eq!(machine.huge_pages(&machine.root().join("hugepages")), ["2MB", "1GB"]);
        assert_eq!((machine.usage(GROUP), machine.memory_kills(GROUP)), (Some(EXPECTED), 2));
        assert_eq!(machine.usage("/inboard/none"), None);
        std::fs::remove_dir_all(machine.root()).expect("removed");
    }

    #[test]
    fn a_pod_is_limited_in_either_form() {
        let limits =
            PodLimits { cpu_shares: 1024, cpu_quota_us: Some(200_000), memory_bytes: Some(4096), pids: Some(64) };
        let files = |machine: &Hierarchies<PathBuf>, paths: &[&str]| {
            let read = |path: &&str| std::fs::read_to_string(machine.root().join(path)).unwrap_or_default();
            paths.iter().map(read).collect::<Vec<_>>()
        };
        // A real one has these files as soon as the directory is there.
        let v1 = [
            "cpu/pod/cpu.shares",
            "cpu/pod/cpu.cfs_period_us",
            "cpu/pod/cpu.cfs_quota_us",
            "memory/pod/memory.limit_in_bytes",
            "pids/pod/pids.max",
        ];
        let machine_of_one = machine("limits-v1", &v1.map(|path| (path, "")));
        machine_of_one.limit("/pod", &limits).expect("limited");
        assert_eq!(files(&machine_of_one, &v1), ["1024", "100000", "200000", "4096", "64"]);
        std::fs::remove_dir_all(machine_of_one.root()).expect("removed");

        let v2 = ["a/pod/cpu.weight", "a/pod/cpu.max", "a/pod/memory.max", "a/pod/pids.max"];
        let machine_of_two = machine("limits-v2", &v2.map(|path| (path, "")));
        for dir in ["", "a"] {
            let dir = machine_of_two.root().join(dir);
            std::fs::write(dir.join("cgroup.controllers"), "cpuset cpu memory pids\n").expect("a file");
            std::fs::write(dir.join("cgroup.subtree_control"), "cpu\n").expect("a file");
        }
        machine_of_two.limit("/a/pod", &limits).expect("limited");
        assert_eq!(files(&machine_of_two, &v2), ["39", "200000 100000", "4096", "64"]);
        assert!(!machine_of_two.is_in_use(), "the topmost group of all");
        for (file, text) in [("cgroup.type", "domain\n"), ("cgroup.procs", "7\n")] {
            std::fs::write(machine_of_two.root().join(file), text).expect("a file");
        }
        assert!(machine_of_two.is_in_use());
        let handed = ["cgroup.subtree_control", "a/cgroup.subtree_control"];
        assert_eq!(files(&machine_of_two, &handed), ["+pids", "+pids"], "the last that was written");
        machine_of_two.limit("/a/other", &limits).expect("without controllers nothing is limited");
        std::fs::remove_dir_all(machine_of_two.root()).expect("removed");
    }

    #[test]
    fn a_pod_is_first_given_what_is_more() {
        let limits = |cpu_quota_us, memory_bytes| PodLimits { cpu_shares: 2, cpu_quota_us, memory_bytes, pids: None };
        let has = [("cgroup.controllers", ""), ("pod/cpu.max", "20000 100000\n"), ("pod/memory.max", "4096\n")];
        let rows = [
            (limits(Some(30_000), Some(1024)), ["30000 100000", "4096\n"]),
            (limits(Some(10_000), Some(8192)), ["30000 100000", "8192"]),
            (limits(None, None), ["max 100000", "max"]),
            (limits(Some(1), Some(1)), ["max 100000", "max"]),
        ];
        let machine = machine("raise", &has);
        for (limits, expected) in rows {
            machine.raise("/pod", &limits).expect("raised");
            let read = |file: &str| std::fs::read_to_string(machine.root().join("pod").join(file)).expect("a file");
            assert_eq!([read("cpu.max"), read("memory.max")], expected, "{limits:?}");
        }
        std::fs::remove_dir_all(machine.root()).expect("removed");
        let v1 = machine_of_one_hierarchy_each();
        v1.raise("/pod", &limits(None, Some(8192))).expect("raised");
        let read = |file: &str| std::fs::read_to_string(v1.root().join(file)).expect("a file");
        assert_eq!(read("cpu/pod/cpu.cfs_quota_us"), "-1");
        assert_eq!(read("memory/pod/memory.limit_in_bytes"), "8192");
        std::fs::remove_dir_all(v1.root()).expect("removed");
    }

    fn machine_of_one_hierarchy_each() -> Hierarchies<PathBuf> {
        machine(
            "raise-v1",
            &[
                ("cpu/pod/cpu.cfs_quota_us", "20000\n"),
                ("cpu/pod/cpu.cfs_period_us", "100000\n"),
                ("memory/pod/memory.limit_in_bytes", "4096\n"),
            ],
        )
    }

    #[test]
    fn a_group_is_removed_everywhere_unless_it_is_in_use() {
        let machine = machine("removal", &[("memory/inboard/pod1/busy/file", ""), ("cpu/tasks", "")]);
        std::fs::create_dir_all(machine.root().join("cpu/inboard/pod1")).expect("a directory");
        std::fs::create_dir_all(machine.root().join("inboard/pod1")).expect("a directory");
        machine.remove("/inboard/pod1");
        machine.remove("/");
        let there = ["memory/inboard/pod1/busy", "cpu/inboard/pod1", "inboard/pod1", "cpu"];
        let left: Vec<_> = there.into_iter().filter(|path| machine.root().join(path).exists()).collect();
        assert_eq!(left, ["memory/inboard/pod1/busy", "cpu"]);
        std::fs::remove_dir_all(machine.root()).expect("removed");
    }
}
