//! Paths of the host as volumes: directories, files and devices that are there, or made where a pod asks for that.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use inboard::runtime::{HostFile, HostPathStep, RuntimeError, RuntimeErrorKind, check_host_path};

use crate::error;

/// What is at a path, or at what a link there leads to.
fn look(path: &Path) -> Option<HostFile> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let found = [
        (kind.is_dir(), HostFile::Directory),
        (kind.is_file(), HostFile::File),
        (kind.is_socket(), HostFile::Socket),
        (kind.is_char_device(), HostFile::CharDevice),
        (kind.is_block_device(), HostFile::BlockDevice),
    ];
    Some(found.into_iter().find(|(is, _)| *is).map_or(HostFile::Other, |(_, file)| file))
}

/// What the `type` of a hostPath asks for: checked, and with `...OrCreate` made.
pub(super) fn host(path: &str, check: &str) -> Result<(), RuntimeError> {
    let place = Path::new(path);
    match check_host_path(path, check, look(place)).map_err(unfit)? {
        HostPathStep::Nothing => Ok(()),
        HostPathStep::MakeDirectory => crate::state::make_dir(place, 0o755),
        HostPathStep::MakeFile => {
            let mode = std::fs::Permissions::from_mode(0o644);
            let made = std::fs::write(place, "").and_then(|()| std::fs::set_permissions(place, mode));
            made.map_err(|e| error::io("create file", place, &e))
        }
    }
}

/// A persistent volume that is a directory of the host.
pub(super) fn local(path: &str) -> Result<(), RuntimeError> {
    match look(Path::new(path)) {
        Some(HostFile::Directory) => Ok(()),
        Some(HostFile::BlockDevice) => Err(RuntimeError::new(
            RuntimeErrorKind::Unsupported,
            format!("{path} is a block device: this runtime makes no file system, so its volumeMode must be Block"),
        )),
        Some(_) => Err(unfit("only directory and block device are supported".to_owned())),
        None => Err(unfit(format!("path {path:?} does not exist"))),
    }
}

/// A persistent volume that is a block device of the host.
pub(super) fn block(handle: &str) -> Result<(), RuntimeError> {
    if !handle.starts_with('/') {
        let message = format!("volume {handle:?} is no path: this runtime has block devices of the host only");
        return Err(RuntimeError::new(RuntimeErrorKind::Unsupported, message));
    }
    match look(Path::new(handle)) {
        Some(HostFile::BlockDevice) => Ok(()),
        Some(_) => Err(unfit(format!("{handle} is not a block device"))),
        None => Err(unfit(format!("path {handle:?} does not exist"))),
    }
}

fn unfit(why: String) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::FailedPrecondition, why)
}
