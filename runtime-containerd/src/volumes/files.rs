//! Files that change all at once: each set of them is a directory of its own, and one link, `..data`, says which counts.
//!
//! ```text
//! key        -> ..data/key
//! ..data     -> ..1763843702032728556     (replaced by renaming another link over it)
//! ..1763843702032728556/key
//! ```
//! A reader that opens `key` finds the old or the new set, and one that holds `..data` open sees one set only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path};

use inboard::runtime::{FileEntry, RuntimeError};

use super::ownership;
use crate::{clock, error, spec, state};

const DATA: &str = "..data";

pub(super) fn replace(dir: &Path, files: &BTreeMap<String, FileEntry>, group: Option<i64>) -> Result<(), RuntimeError> {
    if let Some(bad) = files.keys().find(|name| !is_inside(name)) {
        return Err(spec::invalid(format!("file name {bad:?} must be relative and must not contain '..'")));
    }
    let old = std::fs::read_link(dir.join(DATA)).ok();
    if old.as_ref().is_some_and(|old| holds(&dir.join(old), files)) {
        return Ok(());
    }
    let new = format!("..{}", clock::now().as_nanos());
    write_set(&dir.join(&new), files).map_err(|e| error::io("write files below", dir, &e))?;
    ownership::give(&dir.join(&new), group, true)?;
    let link = || -> io::Result<()> {
        let beside = dir.join("..data.new");
        drop(std::fs::remove_file(&beside));
        symlink(&new, &beside)?;
        std::fs::rename(&beside, dir.join(DATA))?;
        link_names(dir, files)
    };
    link().map_err(|e| error::io("link files below", dir, &e))?;
    old.map_or(Ok(()), |old| state::remove_dir(&dir.join(old)))
}

fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty() && !name.starts_with("..") && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Whether a set has exactly these files with this content and mode.
fn holds(set: &Path, files: &BTreeMap<String, FileEntry>) -> bool {
    let same = |(name, entry): (&String, &FileEntry)| {
        let path = set.join(name);
        let mode = std::fs::metadata(&path).map(|metadata| metadata.permissions().mode() & 0o777).unwrap_or(0);
        mode & entry.mode == entry.mode && std::fs::read(&path).is_ok_and(|content| content == entry.content)
    };
    let tops: BTreeSet<&str> = files.keys().map(|name| top(name)).collect();
    state::entries(set).iter().map(String::as_str).collect::<BTreeSet<_>>() == tops && files.iter().all(same)
}

fn write_set(set: &Path, files: &BTreeMap<String, FileEntry>) -> io::Result<()> {
    std::fs::create_dir(set)?;
    std::fs::set_permissions(set, std::fs::Permissions::from_mode(0o755))?;
    for (name, entry) in files {
        let path = set.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, &entry.content)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode & 0o777))?;
    }
    Ok(())
}

/// Links each name that users see, and takes away the links of names that are no more.
fn link_names(dir: &Path, files: &BTreeMap<String, FileEntry>) -> io::Result<()> {
    let wanted: BTreeSet<&str> = files.keys().map(|name| top(name)).collect();
    let present = state::entries(dir);
    for name in present.iter().filter(|name| !name.starts_with("..") && !wanted.contains(name.as_str())) {
        std::fs::remove_file(dir.join(name))?;
    }
    for name in wanted.iter().filter(|name| !present.iter().any(|old| old == *name)) {
        symlink(Path::new(DATA).join(name), dir.join(name))?;
    }
    Ok(())
}

/// The first part of a relative path.
fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(dir: &Path) -> BTreeMap<String, String> {
        let visible = state::entries(dir).into_iter().filter(|name| !name.starts_with(".."));
        visible.filter_map(|name| Some((name.clone(), std::fs::read_to_string(dir.join(name)).ok()?))).collect()
    }

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, FileEntry> {
        let entry = |text: &str| FileEntry { content: text.to_owned().into(), mode: 0o640 };
        pairs.iter().map(|(name, text)| ((*name).to_owned(), entry(text))).collect()
    }

    #[test]
    fn a_set_of_files_is_replaced_as_a_whole_and_the_same_set_changes_nothing() {
        let dir = std::env::temp_dir().join(format!("inboard-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        replace(&dir, &set(&[("a", "1"), ("b", "2")]), None).expect("the first set");
        let first = std::fs::read_link(dir.join(DATA)).expect("a link");
        replace(&dir, &set(&[("a", "1"), ("b", "2")]), None).expect("the same set");
        assert_eq!(std::fs::read_link(dir.join(DATA)).expect("a link"), first);
        replace(&dir, &set(&[("b", "3"), ("c", "4")]), None).expect("another set");
        let expected = [("b".to_owned(), "3".to_owned()), ("c".to_owned(), "4".to_owned())];
        assert_eq!(seen(&dir), expected.into_iter().collect());
        assert!(!dir.join(first).exists(), "the old set is gone");
        for bad in ["../x", "/x", "", "..x", "a/../../x"] {
            assert!(replace(&dir, &set(&[(bad, "")]), None).is_err(), "{bad}");
        }
        std::fs::remove_dir_all(&dir).expect("the test's directory");
    }
}
