//! The kernel's part: namespaces, control groups, file systems, bridges, filters.

use std::path::Path;

use super::Looked;
use crate::apparmor::PARSER;
use crate::{cgroup, os};

/// What pods must have, on the first version of control groups each a hierarchy of its own.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

pub(super) fn look(bridge: bool) -> Vec<(&'static str, Looked)> {
    let mut all = vec![("namespaces", namespaces()), ("cgroups", cgroups()), ("swap", swap()), ("seccomp", seccomp())];
    if bridge {
        all.push(("bridges", bridges()));
    }
    all.push(("users", users()));
    all.push(("apparmor", apparmor()));
    all
}

fn namespaces() -> Looked {
    let absent: Vec<&str> = ["net", "ipc", "uts", "pid", "mnt"]
        .into_iter()
        .filter(|name| !Path::new("/proc/self/ns").join(name).exists())
        .collect();
    if absent.is_empty() {
        return Looked::Good("network, ipc, uts, pid, mount".into());
    }
    Looked::Missing(format!("the kernel has none of {}", absent.join(", ")), "use a kernel that has them".into())
}

fn cgroups() -> Looked {
    let unified = cgroup::is_unified();
    let list = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let has = |name: &&str| match unified {
        true => list.split_whitespace().any(|controller| controller == *name),
        false => Path::new("/sys/fs/cgroup").join(name).is_dir(),
    };
    let absent: Vec<&str> = CONTROLLERS.into_iter().filter(|name| !has(name)).collect();
    if cgroup::is_in_use() {
        let remedy = "move them to a group below it before pods are started";
        return Looked::Missing("the topmost control group has processes of its own".into(), remedy.into());
    }
    if absent.is_empty() {
        return Looked::Good(format!("version {}", if unified { 2 } else { 1 }));
    }
    let remedy = "mount the control groups, and enable these controllers on the kernel's command line";
    Looked::Missing(format!("no controller {}", absent.join(", ")), remedy.into())
}

fn swap() -> Looked {
    if cgroup::has_swap_accounting() {
        return Looked::Good("counts into memory limits".into());
    }
    let remedy = "switch swap off, or boot with swapaccount=1";
    Looked::Limited("a container can swap beyond its memory limit".into(), remedy.into())
}

fn seccomp() -> Looked {
    match std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("errno") => Looked::Good(actions.trim().to_owned()),
        _ => Looked::Limited("pods with a seccomp profile will not start".into(), "use a kernel with seccomp".into()),
    }
}

/// Pods with users of their own take a user namespace, and mounts that show files under other owners: for the layers of
/// images since Linux 5.19.
fn users() -> Looked {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let why = "pods with hostUsers: false will not start";
    let most: u64 = read("/proc/sys/user/max_user_namespaces").trim().parse().unwrap_or(0);
    if most == 0 {
        return Looked::Limited(why.into(), "set user.max_user_namespaces with sysctl".into());
    }
    match os::kernel() >= (5, 19) {
        true => Looked::Good("pods may have users of their own".into()),
        false => Looked::Limited(why.into(), "use Linux 5.19 or later".into()),
    }
}

fn apparmor() -> Looked {
    if os::has_apparmor() && super::find(PARSER, None).is_none() {
        let remedy = format!("install {PARSER} (Debian: apt install apparmor)");
        return Looked::Limited("pods run without its default profile".into(), remedy);
    }
    if os::has_apparmor() {
        return Looked::Good("enforced".into());
    }
    // Not something to do anything about: most machines without it are meant to be without it.
    Looked::Limited("pods with an AppArmor profile will not start".into(), String::new())
}

fn bridges() -> Looked {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = Path::new("/lib/modules").join(release.trim());
    let built_in = std::fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    let loadable = std::fs::read_to_string(modules.join("modules.dep")).unwrap_or_default();
    let known = |name: &str| {
        let file = format!("/{name}.ko");
        Path::new("/sys/module").join(name).exists() || built_in.contains(&file) || loadable.contains(&file)
    };
    if known("bridge") && known("veth") {
        return Looked::Good("bridge and veth".into());
    }
    if built_in.is_empty() && loadable.is_empty() {
        return Looked::Good("not known: the machine has no list of its kernel's modules".into());
    }
    Looked::Missing("the kernel has no bridge or veth".into(), "load the modules bridge and veth".into())
}
