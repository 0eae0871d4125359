//! The files of one container's log: `log` is written to; what it held before it grew too large is in `log.1`,
//! `log.2` and so on, the later the higher, of which the latest few are kept.

use std::path::{Path, PathBuf};

use inboard::runtime::{FileSystemStats, RuntimeError};

use crate::{error, state};

/// How large logs get (upstream: `containerLogMaxSize`, `containerLogMaxFiles`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLimits {
    /// After how many bytes a file is put aside.
    pub(crate) file_bytes_max: u64,
    /// How many files there are, with the one that is written to.
    pub(crate) files_max: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes_max: 10 << 20, files_max: 5 }
    }
}

/// The numbers of the files that were put aside, in order.
pub(super) fn aside(log: &Path) -> Vec<u64> {
    let prefix = format!("{}.", log.file_name().unwrap_or_default().to_string_lossy());
    let names = log.parent().map(state::entries).unwrap_or_default();
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// What all files of a log take up.
pub(crate) fn usage(log: &Path) -> FileSystemStats {
    let files = aside(log).into_iter().map(|number| numbered(log, number)).chain([log.to_path_buf()]);
    let sizes: Vec<u64> = files.filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).collect();
    FileSystemStats { used_bytes: sizes.iter().sum(), inodes_used: sizes.len() as u64 }
}

pub(super) fn numbered(log: &Path, number: u64) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(format!(".{number}"));
    path.into()
}

/// Puts the log aside under its number, and lets go of the oldest ones.
pub(super) fn rotate(log: &Path, number: u64, files_max: usize) -> Result<(), RuntimeError> {
    let aside_path = numbered(log, number);
    std::fs::rename(log, &aside_path).map_err(|e| error::io("put aside", log, &e))?;
    let numbers = aside(log);
    let surplus = (numbers.len() + 1).saturating_sub(files_max.max(1));
    for number in numbers.into_iter().take(surplus) {
        let path = numbered(log, number);
        std::fs::remove_file(&path).map_err(|e| error::io("remove", &path, &e))?;
    }
    Ok(())
}
