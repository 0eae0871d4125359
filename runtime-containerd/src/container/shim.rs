//! What the daemon does not know of: when it is killed while it starts a shim, nobody ever asks that one to end; when the
//! process that asks for a container is killed, runc makes it all the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::client::search_path;
use crate::os;

/// Where shims have their sockets, whatever directory the daemon itself uses.
const SOCKETS: &str = "/run/containerd/s";
/// Where the shims let runc keep its records, by namespace and id.
const RUNC_ROOT: &str = "/run/containerd/runc";

/// How often, and how long after each other, to look for the daemon's clean-up: it begins as soon as a shim has gone, and is
/// late only where the machine is busy.
const CLEAN_UP_LOOKS: u32 = 5;
const CLEAN_UP_PAUSE: Duration = Duration::from_millis(100);

/// Ends what is left of a container that has no task in the daemon: its shim with its socket, runc at work, and what runc
/// made.
pub(super) async fn end_forgotten(daemon: &Path, namespace: &str, id: &str) {
    end_all(namespace, id);
    let name = Sha256::digest(daemon.join(namespace).join(id).as_os_str().as_encoded_bytes());
    // Usually the shim has removed it; nobody listens there any more.
    drop(std::fs::remove_file(Path::new(SOCKETS).join(format!("{name:x}"))));
    let root = PathBuf::from(RUNC_ROOT).join(namespace);
    if !root.join(id).exists() {
        return;
    }
    // The daemon may have brought its own.
    let path = search_path(daemon).await.unwrap_or_else(|| os::PATH.into());
    let mut delete = Command::new("runc");
    delete.env("PATH", path).arg("--root").arg(&root).args(["delete", "--force", id]);
    if let Err(error) = delete.output().await {
        tracing::warn!(container = id, %error, "runc cannot be asked to delete what it made");
    }
    // A record that was cut off is none to runc.
    drop(std::fs::remove_dir_all(root.join(id)));
}

/// When a shim has gone, the daemon deletes once more what there is under its container's id, whoever made that: the next
/// start of the same container waits until it has.
pub(super) async fn outlast_clean_up(namespace: &str, id: &str) {
    for _ in 0..CLEAN_UP_LOOKS {
        tokio::time::sleep(CLEAN_UP_PAUSE).await;
        end_all(namespace, id);
    }
}

fn end_all(namespace: &str, id: &str) {
    for pid in pids().filter(|pid| works_for(*pid, namespace, id)) {
        // An error says that it has ended by itself in the meantime.
        if kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
            tracing::info!(container = id, pid, "a process that the daemon did not know was ended");
        }
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process is the shim of a container, or runc called for it.
fn works_for(pid: i32, namespace: &str, id: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let words: Vec<&str> = line.split_terminator('\0').collect();
    let program = words.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let says =
        |flag: &str, value: &str| words.windows(2).any(|pair| matches!(pair, [f, v] if *f == flag && *v == value));
    match program {
        "runc" => words.last() == Some(&id),
        program => program.starts_with("containerd-shim") && says("-namespace", namespace) && says("-id", id),
    }
}
