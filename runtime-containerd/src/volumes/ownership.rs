//! `fsGroup`: everything in a volume belongs to a group, and new files inherit it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use inboard::runtime::RuntimeError;

use crate::{error, spec};

/// Gives a directory and all in it to a group. Links are given, not followed.
pub(super) fn give(path: &Path, group: Option<i64>, read_only: bool) -> Result<(), RuntimeError> {
    let Some(group) = group else { return Ok(()) };
    let group = u32::try_from(group).map_err(|_| spec::invalid(format!("fsGroup {group} is out of range")))?;
    give_to(path, group, read_only)
}

fn give_to(path: &Path, group: u32, read_only: bool) -> Result<(), RuntimeError> {
    let failed = |e: std::io::Error| error::io("change the group of", path, &e);
    std::os::unix::fs::lchown(path, None, Some(group)).map_err(failed)?;
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let access = if read_only { 0o440 } else { 0o660 };
    // Directories pass their group on (setgid) and must be searchable.
    let extra = if metadata.is_dir() { 0o2110 } else { 0 };
    let mode = metadata.permissions().mode() | access | extra;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            give_to(&entry.map_err(failed)?.path(), group, read_only)?;
        }
    }
    Ok(())
}
