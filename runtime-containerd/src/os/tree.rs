//! All that is in a directory, by open handles.
//!
//! The rule: whoever can write there cannot lead us out of it, by links or by renaming things while we are at it.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};

/// Something in the directory, held by a handle that neither reads nor writes.
#[derive(Debug)]
pub(crate) struct Found {
    handle: File,
    pub(crate) metadata: Metadata,
}

impl Found {
    /// A path that stands for the thing itself, whatever its name stands for by now. A link is not followed by it.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.handle.as_raw_fd()).into()
    }
}

/// Shows a file, or a directory and everything in it, parents first. Links are shown and not followed; what is mounted
/// there is no part of it. What goes away meanwhile is passed over.
pub(crate) fn walk(root: &Path, mut look: impl FnMut(&Path, &Found) -> io::Result<()>) -> io::Result<()> {
    let root = File::from(openat2(AT_FDCWD, root, handle())?);
    let inside = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let opened = match path.as_os_str().is_empty() {
            true => root.try_clone(),
            false => openat2(&root, &path, handle().resolve(inside)).map(File::from).map_err(io::Error::from),
        };
        let handle = match opened {
            Ok(handle) => handle,
            Err(error) if is_elsewhere(&error) => continue,
            Err(error) => return Err(error),
        };
        let found = Found { metadata: handle.metadata()?, handle };
        look(&path, &found)?;
        if found.metadata.is_dir() {
            for entry in std::fs::read_dir(found.path())? {
                left.push(path.join(entry?.file_name()));
            }
        }
    }
    Ok(())
}

fn handle() -> OpenHow {
    OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
}

/// Whether what was seen in a directory is gone, or leads out of it by now.
fn is_elsewhere(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_swapped_for_a_link_while_it_is_walked_leads_nowhere() {
        let dir = std::env::temp_dir().join(format!("inboard-tree-{}", std::process::id()));
        let (volume, outside) = (dir.join("volume"), dir.join("outside"));
        for place in [volume.join("a/b"), volume.join("c"), outside.clone()] {
            std::fs::create_dir_all(&place).expect("a directory");
            std::fs::write(place.join("file"), "").expect("a file");
        }
        symlink(&outside, volume.join("link")).expect("a link");
        let mut seen = BTreeSet::new();
        let walked = walk(&volume, |path, found| {
            if path.as_os_str().is_empty() {
                // Listed by the time that this is done, or not: neither leads out.
                std::fs::rename(volume.join("c"), volume.join("d"))?;
                symlink(&outside, volume.join("c"))?;
            }
            if path == Path::new("a") {
                std::fs::rename(volume.join("a"), volume.join("z"))?;
                symlink(&outside, volume.join("a"))?;
            }
            let target = std::fs::read_link(found.path())?;
            assert!(!target.starts_with(&outside), "{target:?} by {path:?}");
            seen.insert((path.display().to_string(), found.metadata.is_symlink()));
            Ok(())
        });
        walked.expect("walked");
        assert!(seen.contains(&("link".to_owned(), true)) && seen.contains(&("d/file".to_owned(), false)), "{seen:?}");
        assert!(!seen.iter().any(|(path, _)| path.starts_with("a/")), "{seen:?}");
        let mut alone = Vec::new();
        walk(&outside.join("file"), |path, _| {
            alone.push(path.to_path_buf());
            Ok(())
        })
        .expect("a file is walked too");
        assert_eq!(alone, [PathBuf::new()]);
        std::fs::remove_dir_all(dir).expect("removed");
    }
}
