//! User namespaces, and mounts in which a pod sees the owners of files as it sees itself.

use std::ffi::{CString, c_int, c_long};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sched::CloneFlags;

use super::{NamespacePlan, bind, on_own_thread, settle};

/// How many users a pod has (upstream's length): those from 0 up.
pub(crate) const IDS: u32 = 65_536;

/// Makes namespaces whose root is the user with this id on the machine, and pins them, with the one of users, as
/// [`make_namespaces`](super::make_namespaces) does. `holder` is a program that waits until it is killed: only a process
/// of its own can go into a new user namespace. Where the kernel makes none the error is of the kind `Unsupported`.
pub(crate) async fn make_user_namespaces(plan: NamespacePlan, holder: &Path, first_id: u32) -> io::Result<()> {
    let holder = holder.to_path_buf();
    on_own_thread(move || {
        let parts =
            [(CloneFlags::CLONE_NEWNET, "net"), (CloneFlags::CLONE_NEWIPC, "ipc"), (CloneFlags::CLONE_NEWUTS, "uts")];
        let flags = parts.iter().fold(CloneFlags::CLONE_NEWUSER, |flags, (flag, _)| flags | *flag);
        let mut command = Command::new(&holder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env_clear();
        // SAFETY: between fork and exec only this one call into the kernel is made.
        unsafe { command.pre_exec(move || Ok(nix::sched::unshare(flags)?)) };
        // It is in its namespaces once it runs.
        let mut child = command.spawn().map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?;
        let proc = format!("/proc/{}", child.id());
        let made = (|| {
            for map in ["uid_map", "gid_map"] {
                std::fs::write(format!("{proc}/{map}"), format!("0 {first_id} {IDS}"))?;
            }
            for name in parts.iter().map(|(_, name)| *name).chain(["user"]) {
                let pin = plan.dir.join(name);
                File::create(&pin)?;
                bind(Path::new(&format!("{proc}/ns/{name}")), &pin)?;
            }
            for (flag, name) in parts {
                nix::sched::setns(File::open(plan.dir.join(name))?, flag)?;
            }
            settle(&plan)
        })();
        child.kill().and_then(|()| child.wait())?;
        made
    })
    .await
}

/// Mounts `source`, with what is mounted in it, at `target`: what belongs to root there belongs to the root of the pinned
/// user namespace here.
pub(crate) fn bind_as_seen_by(namespace: &Path, source: &Path, target: &Path) -> io::Result<()> {
    let namespace = File::open(namespace)?;
    let (source, target) = (text(source)?, text(target)?);
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC | AT_RECURSIVE;
    // SAFETY: the path ends with a zero byte and lives through the call.
    let tree = answer(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.as_ptr(), flags) })?;
    let tree = c_int::try_from(tree).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given this descriptor, which nobody else knows.
    let tree = unsafe { OwnedFd::from_raw_fd(tree) };
    let shift = MountAttributes {
        set: MOUNT_ATTR_IDMAP,
        clear: 0,
        propagation: 0,
        namespace: u64::try_from(namespace.as_raw_fd()).map_err(io::Error::other)?,
    };
    let size = size_of::<MountAttributes>();
    // SAFETY: the empty path ends with a zero byte; the structure has the layout of the kernel's `mount_attr`, whose size is
    // told with it, and both live through the call, as the two descriptors do.
    answer(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const shift,
            size,
        )
    })?;
    // SAFETY: both paths end with a zero byte and live through the call.
    answer(unsafe {
        let at = libc::AT_FDCWD;
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            at,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// From `linux/mount.h` and `linux/fcntl.h`.
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
const MOVE_MOUNT_F_EMPTY_PATH: c_int = 0x4;
const OPEN_TREE_CLONE: c_int = 0x1;
const AT_RECURSIVE: c_int = 0x8000;

fn text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn answer(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
