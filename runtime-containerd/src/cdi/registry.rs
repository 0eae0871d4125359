//! The files of all directories, and the devices that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inboard::object::manifest;

use super::check;
use super::file::{CdiFile, Edits};
use crate::state;

/// How many reasons are told why devices are not known.
const REASONS_MAX: usize = 3;

/// All devices of the machine that can be used.
#[derive(Debug, Default)]
pub(super) struct Registry {
    dirs: Vec<PathBuf>,
    files: Vec<CdiFile>,
    /// By their whole names.
    devices: BTreeMap<String, Place>,
    /// Files that cannot be used, in whole or in part.
    troubles: Vec<String>,
}

/// Where a device stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which of the directories.
    dir: usize,
    file: usize,
    device: usize,
}

impl Registry {
    /// Reads all files whose names end with `.json` or `.yaml`, directory by directory, in the order of their names. Directories
    /// that are not there have none.
    pub(super) fn read(dirs: &[PathBuf]) -> Self {
        let mut registry = Self { dirs: dirs.to_vec(), ..Self::default() };
        let mut paths = Vec::new();
        let mut conflicts = BTreeSet::new();
        for (dir, path) in dirs.iter().enumerate() {
            let named = |name: &String| [".json", ".yaml"].iter().any(|end| name.ends_with(end));
            for path in state::entries(path).iter().filter(|name| named(name)).map(|name| path.join(name)) {
                match read(&path) {
                    Ok(None) => {}
                    Ok(Some(file)) => {
                        registry.add(dir, file, &path, &paths, &mut conflicts);
                        paths.push(path);
                    }
                    Err(why) => registry.troubles.push(format!("{} cannot be used: {why}", path.display())),
                }
            }
        }
        // Also those that a later directory has: whoever wrote them meant something else.
        registry.devices.retain(|name, _| !conflicts.contains(name));
        registry
    }

    fn add(&mut self, dir: usize, file: CdiFile, path: &Path, paths: &[PathBuf], conflicts: &mut BTreeSet<String>) {
        for (device, named) in file.devices.iter().enumerate() {
            let name = format!("{}={}", file.kind, named.name);
            let place = Place { dir, file: self.files.len(), device };
            match self.devices.get(&name) {
                Some(old) if old.dir == dir => {
                    let other = paths.get(old.file).map(|other| other.display().to_string()).unwrap_or_default();
                    self.troubles.push(format!("conflicting device {name:?} (specs {:?}, {other:?})", path.display()));
                    conflicts.insert(name);
                }
                Some(_) | None => {
                    self.devices.insert(name, place);
                }
            }
        }
        self.files.push(file);
    }

    /// What is to be changed for these devices, in their order.
    pub(super) fn edits(&self, names: &[Arc<str>]) -> Result<Edits, String> {
        let (mut edits, mut used, mut unknown) = (Edits::default(), BTreeSet::new(), Vec::new());
        for name in names {
            let found = self.devices.get(&**name).and_then(|place| {
                let file = self.files.get(place.file)?;
                Some((place.file, file, file.devices.get(place.device)?))
            });
            let Some((number, file, device)) = found else {
                unknown.push(&**name);
                continue;
            };
            if used.insert(number) {
                edits.append(&file.container_edits);
            }
            edits.append(&device.container_edits);
        }
        match unknown.is_empty() {
            true => Ok(edits),
            false => Err(format!("unresolvable CDI devices {}: {}", unknown.join(", "), self.why())),
        }
    }

    /// Why a device may not be known.
    fn why(&self) -> String {
        if self.troubles.is_empty() {
            let dirs: Vec<String> = self.dirs.iter().map(|dir| dir.display().to_string()).collect();
            return format!("no file in {} has them", dirs.join(", "));
        }
        self.troubles.iter().take(REASONS_MAX).cloned().collect::<Vec<_>>().join("; ")
    }
}

/// Reads a file; `None` for what is a directory or has gone meanwhile.
fn read(path: &Path) -> Result<Option<CdiFile>, String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        // Reading from a pipe might never end.
        Ok(metadata) if !metadata.is_file() => return Err("it is no file".to_owned()),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text).map(Some)
}

/// Reads and checks the text of a file.
pub(super) fn parse(text: &str) -> Result<CdiFile, String> {
    let file = manifest::parse_one(text).map_err(|error| error.to_string())?;
    check::file(&file)?;
    Ok(file)
}
