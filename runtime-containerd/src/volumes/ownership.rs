//! `fsGroup`: everything in a volume belongs to a group, and new files inherit it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use inboard::runtime::RuntimeError;

use crate::{error, os, spec};

/// Gives a directory and all in it to a group. Links are given, not followed.
pub(super) fn give(path: &Path, group: Option<i64>, read_only: bool) -> Result<(), RuntimeError> {
    let Some(group) = group else { return Ok(()) };
    let group = u32::try_from(group).map_err(|_| spec::invalid(format!("fsGroup {group} is out of range")))?;
    let access = if read_only { 0o440 } else { 0o660 };
    let given = os::tree::walk(path, |_, found| {
        std::os::unix::fs::chown(found.path(), None, Some(group))?;
        if found.metadata.is_symlink() {
            return Ok(());
        }
        // Directories pass their group on (setgid) and must be searchable.
        let extra = if found.metadata.is_dir() { 0o2110 } else { 0 };
        let mode = found.metadata.permissions().mode() | access | extra;
        std::fs::set_permissions(found.path(), std::fs::Permissions::from_mode(mode))
    });
    given.map_err(|e| error::io("change the group of", path, &e))
}
