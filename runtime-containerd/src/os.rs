//! The kernel calls that Rust's standard library does not have: namespaces, links, mounts, fifos.
//!
//! This is the only module with `unsafe`: calls for which no library that we use has a safe form. Namespaces belong to a thread, so whatever changes them runs on a thread of its own that ends afterwards: an
//! async worker must never leave the host's namespaces.
#![allow(unsafe_code)]

pub(crate) mod idmap;
pub(crate) mod tree;

use std::ffi::c_ulong;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use inboard::runtime::{FileSystemRoom, Room};
use nix::libc;
use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;

/// Where programs are looked for.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which namespaces a sandbox has of its own, and what is set in them.
#[derive(Clone, Debug)]
pub(crate) struct NamespacePlan {
    /// The directory in which `net`, `ipc` and `uts` are pinned.
    pub(crate) dir: PathBuf,
    pub(crate) net: bool,
    pub(crate) ipc: bool,
    pub(crate) uts: bool,
    /// The host name to set in the new uts namespace.
    pub(crate) hostname: String,
    /// Kernel parameters of the new namespaces, as `net.core.somaxconn` and a value.
    pub(crate) sysctls: Vec<(String, String)>,
}

/// Makes namespaces and pins each by a bind mount, so that they live without a process in them.
pub(crate) async fn make_namespaces(plan: NamespacePlan) -> io::Result<()> {
    on_own_thread(move || {
        let parts = [
            (plan.net, CloneFlags::CLONE_NEWNET, "net"),
            (plan.ipc, CloneFlags::CLONE_NEWIPC, "ipc"),
            (plan.uts, CloneFlags::CLONE_NEWUTS, "uts"),
        ];
        let wanted = || parts.iter().filter(|(wanted, ..)| *wanted);
        let flags = wanted().fold(CloneFlags::empty(), |flags, (_, flag, _)| flags | *flag);
        nix::sched::unshare(flags)?;
        settle(&plan)?;
        for (_, _, name) in wanted() {
            let pin = plan.dir.join(name);
            File::create(&pin)?;
            bind(Path::new(&format!("/proc/thread-self/ns/{name}")), &pin)?;
        }
        Ok(())
    })
    .await
}

/// Sets what is to be set in the namespaces that the thread has come into.
fn settle(plan: &NamespacePlan) -> io::Result<()> {
    if plan.uts {
        nix::unistd::sethostname(&plan.hostname)?;
    }
    if plan.net {
        set_link("lo", true)?;
    }
    for (name, value) in &plan.sysctls {
        let file = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::write(&file, value).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
    }
    Ok(())
}

/// Does something inside a pinned network namespace.
pub(crate) async fn in_network<T: Send + 'static>(
    pin: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    on_own_thread(move || {
        let namespace = File::open(&pin)?;
        nix::sched::setns(&namespace, CloneFlags::CLONE_NEWNET)?;
        work()
    })
    .await
}

async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("inboard-namespace".into()).spawn(move || {
        // Nobody waits any more when the receiver is gone: then the result has no use.
        drop(done.send(work()));
    })?;
    result.await.unwrap_or_else(|_| Err(io::Error::other("the thread that changes namespaces ended early")))
}

/// Whether a path is a pin of a namespace that still holds.
pub(crate) fn is_pinned(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|stat| stat.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

/// Binds `source` to `target`.
pub(crate) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    nix::mount::mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

/// Whether something is mounted at a path: it is on another file system than what it lies in.
pub(crate) fn is_mount(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::symlink_metadata(path).map(|metadata| metadata.dev()).ok();
    path.parent().is_some_and(|parent| device(path) != device(parent))
}

/// Mounts an empty file system in memory.
pub(crate) fn mount_memory(target: &Path, mode: u32, size: Option<u64>) -> io::Result<()> {
    let mut options = format!("mode={mode:o}");
    if let Some(size) = size {
        options.push_str(&format!(",size={size}"));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    nix::mount::mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options.as_str()))?;
    Ok(())
}

/// Takes all mounts off a path; none is no error.
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    loop {
        match nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => {}
            Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// All bytes of the file system that holds a path, and those that are free.
pub(crate) fn disk(path: &Path) -> io::Result<(u64, u64)> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok((bytes(stat.blocks()), bytes(stat.blocks_available())))
}

/// The room on the file system that holds a path: for anybody, not what is kept back for root.
pub(crate) fn room(path: &Path) -> io::Result<FileSystemRoom> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok(FileSystemRoom {
        bytes: Room { available: bytes(stat.blocks_available()), capacity: bytes(stat.blocks()) },
        inodes: Room { available: stat.files_available(), capacity: stat.files() },
    })
}

/// The first two numbers of the kernel's version; zeros where it says none.
pub(crate) fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether the kernel enforces AppArmor profiles.
pub(crate) fn has_apparmor() -> bool {
    std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.trim() == "Y")
}

/// The lowest `oom_score_adj` that processes started here can have: to go below one's own takes a right that root need
/// not have in a container.
pub(crate) fn oom_score_min() -> i32 {
    const SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rights = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    if rights.is_some_and(|rights| rights >> SYS_RESOURCE & 1 == 1) {
        return -1000;
    }
    std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Sets an extended attribute of what a path leads to.
pub(crate) fn set_attribute(path: &Path, name: &std::ffi::CStr, value: &str) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both texts end with a zero byte and live through the call; the value's length is told with it.
    let result = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes a fifo that only root may use; one that is there is kept.
pub(crate) fn make_fifo(path: &Path) -> io::Result<()> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file below `root` as a process with that root would see it: links cannot lead out of it.
pub(crate) fn open_in_root(root: &Path, path: &Path) -> io::Result<File> {
    use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
    let root = File::open(root)?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(File::from(openat2(&root, path, how)?))
}

/// Opens what `path` names below `root`, making directories that are missing; links cannot lead out of `root`.
///
/// The handle stands for the file itself: binding it cannot be led elsewhere by renaming things afterwards.
pub(crate) fn open_or_make_below(root: &Path, path: &Path) -> io::Result<File> {
    use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
    let root = File::open(root)?;
    let open = |at: &File, path: &Path| {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(at, path, how).map(File::from)
    };
    match open(&root, path) {
        Ok(file) => return Ok(file),
        Err(nix::errno::Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mut made = PathBuf::new();
    for part in path.components() {
        let parent = if made.as_os_str().is_empty() { root.try_clone()? } else { open(&root, &made)? };
        match nix::sys::stat::mkdirat(&parent, part.as_os_str(), Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => made.push(part),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(open(&root, path)?)
}

/// Binds an open file or directory to `target`.
pub(crate) fn bind_open(source: &File, target: &Path) -> io::Result<()> {
    bind(Path::new(&format!("/proc/self/fd/{}", source.as_raw_fd())), target)
}

/// Sets a link up or down in the thread's network namespace.
fn set_link(name: &str, up: bool) -> io::Result<()> {
    let socket = control_socket()?;
    let mut request = link_request(name)?;
    link_ioctl(&socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel has just filled in the flags, which is the member that is read and written here.
    unsafe {
        let flag = libc::IFF_UP as libc::c_short;
        let flags = request.ifr_ifru.ifru_flags;
        request.ifr_ifru.ifru_flags = if up { flags | flag } else { flags & !flag };
    }
    link_ioctl(&socket, libc::SIOCSIFFLAGS, &mut request)
}

/// Deletes a bridge of the host; one that is not there is no error.
pub(crate) fn delete_bridge(name: &str) -> io::Result<()> {
    if !is_bridge(name) {
        return Ok(());
    }
    set_link(name, false)?;
    link_ioctl(&control_socket()?, SIOCBRDELBR, &mut link_request(name)?)
}

/// Whether the host has a bridge of this name.
pub(crate) fn is_bridge(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).join("bridge").exists()
}

/// The number of a link of the host, also for a thread that is in another network.
pub(crate) fn link_index(name: &str) -> io::Result<u32> {
    let text = std::fs::read_to_string(Path::new("/sys/class/net").join(name).join("ifindex"))?;
    text.trim().parse().map_err(|_| io::Error::other(format!("link {name} has no number")))
}

/// How many ports a bridge of the host has.
pub(crate) fn bridge_ports(name: &str) -> usize {
    std::fs::read_dir(Path::new("/sys/class/net").join(name).join("brif")).map_or(0, Iterator::count)
}

/// From the kernel's `linux/sockios.h`: takes the name of a bridge.
const SIOCBRDELBR: c_ulong = 0x89a1;

fn control_socket() -> io::Result<std::net::UdpSocket> {
    // Any socket will do to address the network stack of this thread's namespace; it is never connected.
    std::net::UdpSocket::bind("0.0.0.0:0")
}

fn link_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zero bytes are a valid value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("link name {name:?} is too long")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn link_ioctl(socket: &impl AsRawFd, code: c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the descriptor is open while `socket` lives. The link ioctls read and write one `ifreq`, which `request`
    // is; SIOCBRDELBR reads a name ended by a zero byte, which is how an `ifreq` begins.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), code as _, std::ptr::from_mut(request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
