//! What the machine holds: a test that leaves anything of it behind has failed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The processes, mounts, links, firewall rules, control groups, runc containers, loop devices and sockets of shims that the
/// machine has, each as a line of text.
#[derive(Clone, Debug, Default)]
pub struct HostState {
    things: BTreeSet<String>,
}

const RUNC_CONTAINER: &str = "runc container ";
const SHIM_SOCKET: &str = "socket of a shim ";
const SHIM_SOCKETS: &str = "/run/containerd/s";

impl HostState {
    /// Looks at the machine now.
    pub fn take() -> Self {
        let mut things = BTreeSet::new();
        things.extend(processes().map(|(pid, name)| format!("process {pid} {name}")));
        things.extend(mounts().map(|point| format!("mount {}", point.display())));
        things.extend(names(Path::new("/sys/class/net")).map(|name| format!("link {name}")));
        things.extend(rules().into_iter().map(|rule| format!("rule {rule}")));
        things.extend(groups().map(|group| format!("control group {}", group.display())));
        things.extend(runc_containers().map(|dir| format!("{RUNC_CONTAINER}{}", dir.display())));
        things.extend(loop_devices().map(|device| format!("loop device {device}")));
        things.extend(names(Path::new(SHIM_SOCKETS)).map(|name| format!("{SHIM_SOCKET}{name}")));
        Self { things }
    }

    /// What is there afterwards and was not before, but for the daemon itself.
    pub fn left_over(&self, after: &Self, daemon: Option<u32>) -> Vec<String> {
        let own = daemon.map(|pid| format!("process {pid} ")).unwrap_or_else(|| "none".to_owned());
        after.things.difference(&self.things).filter(|thing| !thing.starts_with(&own)).cloned().collect()
    }
}

/// The processes that have to do with containers; others come and go on any machine.
fn processes() -> impl Iterator<Item = (u32, String)> {
    // The tests themselves are called `containerd_...`, and others may be waiting for their turn.
    let containers = |name: &str| {
        ["containerd", "runc", "busybox", "nginx"].iter().any(|n| name.starts_with(n))
            && !name.starts_with("containerd_")
    };
    let pids = names(Path::new("/proc")).filter_map(|name| name.parse::<u32>().ok());
    pids.filter_map(move |pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let program = line.split(' ').next()?.rsplit('/').next()?.to_owned();
        (containers(&program)).then(|| (pid, line.trim_end().to_owned()))
    })
}

fn mounts() -> impl Iterator<Item = PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points: Vec<PathBuf> = table.lines().filter_map(|line| line.split(' ').nth(4).map(PathBuf::from)).collect();
    points.into_iter()
}

/// The loop devices that have a file.
fn loop_devices() -> impl Iterator<Item = String> {
    let blocks = Path::new("/sys/block");
    names(blocks).filter(move |name| blocks.join(name).join("loop/backing_file").exists())
}

/// The packet filter of each family of addresses.
const FILTERS: [&str; 2] = ["iptables", "ip6tables"];

/// All rules of the packet filters.
fn rules() -> Vec<String> {
    FILTERS.into_iter().flat_map(rules_of).collect()
}

/// All rules of one but the empty chains that the portmap plugin shares between all pods for ever.
fn rules_of(filter: &str) -> Vec<String> {
    let output = Command::new(format!("{filter}-save")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let shared = |line: &str| ["CNI-HOSTPORT-", "CNI-FORWARD", "CNI-ADMIN"].iter().any(|chain| line.contains(chain));
    text.lines().filter(|line| line.starts_with("-A") && !shared(line)).map(str::to_owned).collect()
}

fn groups() -> impl Iterator<Item = PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::iter::once(root.to_path_buf()).chain(names(root).map(move |name| root.join(name)));
    let mut found: Vec<PathBuf> = hierarchies.map(|dir| dir.join("inboard-test")).filter(|dir| dir.exists()).collect();
    found.sort();
    found.into_iter()
}

/// What runc knows of: one directory a container, in one of each namespace.
fn runc_containers() -> impl Iterator<Item = PathBuf> {
    let root = Path::new("/run/containerd/runc");
    let namespaces = names(root).map(move |name| root.join(name));
    namespaces.flat_map(|dir| names(&dir).map(|name| dir.join(name)).collect::<Vec<_>>())
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Ends, unmounts and removes everything that belongs to a test, for one that failed half way.
pub(super) fn clear(dir: &Path, before: &HostState) {
    let mark = dir.display().to_string();
    let shims = processes().filter(|(_, line)| line.contains(&mark)).map(|(pid, _)| pid.to_string());
    let victims: Vec<String> = shims.chain(groups().flat_map(|group| members(&group))).collect();
    if !victims.is_empty() {
        super::notice(&format!("ending processes {}", victims.join(" ")));
        drop(Command::new("kill").arg("-9").args(&victims).status());
        // Their control groups are busy until they are gone.
        drop(Command::new("sleep").arg("0.5").status());
    }
    let mut points: Vec<PathBuf> = mounts().filter(|point| point.starts_with(dir)).collect();
    points.reverse();
    for point in points {
        drop(Command::new("umount").arg("-l").arg(point).status());
    }
    clear_empty_groups();
    for link in names(Path::new("/sys/class/net")).filter(|link| link.starts_with(LINKS)) {
        drop(Command::new("ip").args(["link", "delete", &link]).status());
    }
    clear_rules();
    for thing in HostState::take().things.difference(&before.things) {
        if let Some(record) = thing.strip_prefix(RUNC_CONTAINER) {
            drop(std::fs::remove_dir_all(record));
        } else if let Some(socket) = thing.strip_prefix(SHIM_SOCKET) {
            drop(std::fs::remove_file(Path::new(SHIM_SOCKETS).join(socket)));
        }
    }
}

/// Removes the control groups of tests that nobody is in.
pub(super) fn clear_empty_groups() {
    groups().for_each(|group| clear_groups(&group));
}

/// How the links of tests are called, and with them the networks that rules are made for.
const LINKS: &str = "inbtest";

/// The processes in a control group and those below it.
fn members(group: &Path) -> Vec<String> {
    let own = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let below = names(group).map(|name| group.join(name)).filter(|child| child.is_dir());
    own.lines().map(str::to_owned).chain(below.flat_map(|child| members(&child))).collect()
}

/// Deletes the address translation that the plugins made for tests: rules first, then the chains that they were in.
fn clear_rules() {
    FILTERS.into_iter().for_each(clear_rules_of);
}

fn clear_rules_of(filter: &str) {
    let ours: Vec<String> = rules_of(filter).into_iter().filter(|rule| rule.contains(LINKS)).collect();
    let run = |command: &str| drop(Command::new("sh").args(["-c", &format!("{filter} -t nat {command}")]).status());
    for rule in &ours {
        run(&rule.replacen("-A", "-D", 1));
    }
    let chains = ours.iter().filter_map(|rule| rule.split(' ').nth(1)).filter(|chain| chain.starts_with("CNI-"));
    for chain in chains.collect::<BTreeSet<_>>() {
        run(&format!("-F {chain}"));
        run(&format!("-X {chain}"));
    }
}

/// Removes the control groups of tests, the innermost first.
fn clear_groups(group: &Path) {
    for child in names(group).map(|name| group.join(name)).filter(|child| child.is_dir()) {
        clear_groups(&child);
    }
    drop(std::fs::remove_dir(group));
}

/// Whether a directory lies on an overlay.
pub(super) fn is_overlay(dir: &Path) -> bool {
    let output = Command::new("stat").args(["-f", "-c", "%T"]).arg(dir).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("overlay"))
}

pub(super) fn uid() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse().ok())
}

/// A program in the usual places.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    places.iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}
