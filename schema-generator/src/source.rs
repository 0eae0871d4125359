//! Where Go packages are found: a module by the line `module` of its `go.mod`, a package by its folder within it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::go::{self, Package};

/// The modules that were given, and the packages read so far.
pub(crate) struct Sources {
    modules: BTreeMap<String, PathBuf>,
    packages: BTreeMap<String, Rc<Package>>,
}

impl Sources {
    pub(crate) fn open(folders: &[String]) -> Result<Self, String> {
        let mut modules = BTreeMap::new();
        for folder in folders {
            let path = Path::new(folder).join("go.mod");
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let name = text.lines().find_map(|line| line.strip_prefix("module "));
            let name = name.ok_or_else(|| format!("{}: no line `module`", path.display()))?;
            modules.insert(name.trim().to_owned(), PathBuf::from(folder));
        }
        Ok(Self { modules, packages: BTreeMap::new() })
    }

    /// The package of an import path.
    pub(crate) fn package(&mut self, path: &str) -> Result<Rc<Package>, String> {
        if let Some(package) = self.packages.get(path) {
            return Ok(package.clone());
        }
        let within =
            |module: &str| path.strip_prefix(module).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        let (rest, root) = self
            .modules
            .iter()
            .find_map(|(module, root)| within(module).map(|rest| (rest, root)))
            .ok_or_else(|| format!("no checkout was given that has the package {path}"))?;
        let package = Rc::new(read(path, &root.join(rest))?);
        self.packages.insert(path.to_owned(), package.clone());
        Ok(package)
    }
}

/// All files of a package but its tests and most of what is generated, in the order of their names.
fn read(path: &str, folder: &Path) -> Result<Package, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        let is_generated = name.starts_with("zz_") || name.ends_with(".pb.go") || name.ends_with("_generated.go");
        if name.ends_with(".go") && !name.ends_with("_test.go") && !is_generated {
            names.push(name);
        }
    }
    names.sort();
    let mut package = Package::new(path);
    for name in names {
        let text = fs::read_to_string(folder.join(&name)).map_err(fail)?;
        go::read_file(&text, &mut package).map_err(|error| format!("{path}/{name}: {error}"))?;
    }
    Ok(package)
}
