//! A tree of folders and files, by normal paths: no slash at either end, `/` between, the root is empty.

use std::collections::BTreeMap;

use bytes::Bytes;
use inboard::runtime::FileSystemStats;

/// How large one file may become, in bytes.
const MAX_FILE: usize = 16 << 20;

/// Folders and files. A folder is there when it was made, or when something is below it.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Debug)]
enum Node {
    Folder,
    File { content: Bytes, mode: u32 },
}

/// The normal form of a path; one that leaves the root is refused.
pub(crate) fn normal(path: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("{path}: the path leaves its root"))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The rest of a normal path below another one.
pub(crate) fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    if folder.is_empty() || path == folder {
        return Some(&path[folder.len()..]);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Normal paths one below the other.
pub(crate) fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

/// The content with more at its end; in place while nobody else reads it, so that a file can grow line by line.
fn appended(content: Bytes, bytes: &[u8]) -> Bytes {
    match content.try_into_mut() {
        Ok(mut content) => {
            content.extend_from_slice(bytes);
            content.freeze()
        }
        Err(content) => [&content, bytes].concat().into(),
    }
}

impl Tree {
    /// A tree that is nothing but one file, at its root: a device.
    pub(crate) fn device() -> Self {
        let root = Node::File { content: Bytes::new(), mode: 0o660 };
        Self { nodes: BTreeMap::from([(String::new(), root)]) }
    }

    /// Writes over the bytes of a file from a place on; the others stay, as on a disk.
    pub(crate) fn overwrite(&mut self, path: &str, at: usize, bytes: &[u8]) -> Result<(), String> {
        let end = at.saturating_add(bytes.len());
        if end > MAX_FILE {
            return Err("No space left on device".to_owned());
        }
        let mut content = self.read(path)?.to_vec();
        content.resize(content.len().max(end), 0);
        content[at..end].copy_from_slice(bytes);
        let mode = self.mode(path).unwrap_or(0o660);
        self.nodes.insert(path.to_owned(), Node::File { content: content.into(), mode });
        Ok(())
    }

    pub(crate) fn read(&self, path: &str) -> Result<Bytes, String> {
        match self.nodes.get(path) {
            Some(Node::File { content, .. }) => Ok(content.clone()),
            Some(Node::Folder) => Err("Is a directory".to_owned()),
            None => Err("No such file or directory".to_owned()),
        }
    }

    pub(crate) fn write(&mut self, path: &str, bytes: &[u8], append: bool) -> Result<(), String> {
        if self.is_folder(path) {
            return Err("Is a directory".to_owned());
        }
        self.check_parents(path)?;
        match self.nodes.get_mut(path) {
            Some(Node::File { content, .. }) if append => {
                if content.len().saturating_add(bytes.len()) > MAX_FILE {
                    return Err("No space left on device".to_owned());
                }
                *content = appended(std::mem::take(content), bytes);
            }
            Some(Node::File { content, .. }) => *content = Bytes::copy_from_slice(bytes),
            Some(Node::Folder) | None => {
                let node = Node::File { content: Bytes::copy_from_slice(bytes), mode: 0o644 };
                self.nodes.insert(path.to_owned(), node);
            }
        }
        Ok(())
    }

    pub(crate) fn make_folder(&mut self, path: &str) -> Result<(), String> {
        if path.is_empty() {
            return Ok(());
        }
        self.check_parents(path)?;
        match self.nodes.get(path) {
            Some(Node::File { .. }) => Err("File exists".to_owned()),
            _ => {
                self.nodes.insert(path.to_owned(), Node::Folder);
                Ok(())
            }
        }
    }

    fn check_parents(&self, path: &str) -> Result<(), String> {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        for parent in parents {
            if matches!(self.nodes.get(parent), Some(Node::File { .. })) {
                return Err("Not a directory".to_owned());
            }
        }
        Ok(())
    }

    pub(crate) fn set_mode(&mut self, path: &str, bits: u32) {
        if let Some(Node::File { mode, .. }) = self.nodes.get_mut(path) {
            *mode = bits;
        }
    }

    pub(crate) fn mode(&self, path: &str) -> Option<u32> {
        match self.nodes.get(path)? {
            Node::File { mode, .. } => Some(*mode),
            Node::Folder => Some(0o755),
        }
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.nodes.retain(|place, _| below(place, path).is_none());
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.is_folder(path) || self.nodes.contains_key(path)
    }

    pub(crate) fn is_folder(&self, path: &str) -> bool {
        let inside = |place: &String| below(place, path).is_some_and(|rest| !rest.is_empty());
        match self.nodes.get(path) {
            Some(Node::Folder) => true,
            Some(Node::File { .. }) => false,
            None => {
                path.is_empty() || self.nodes.range(format!("{path}/")..).next().is_some_and(|(place, _)| inside(place))
            }
        }
    }

    /// What it takes up.
    pub(crate) fn usage(&self) -> FileSystemStats {
        let size = |node: &Node| match node {
            Node::Folder => 0,
            Node::File { content, .. } => content.len() as u64,
        };
        FileSystemStats { used_bytes: self.nodes.values().map(size).sum(), inodes_used: self.nodes.len() as u64 }
    }

    /// The names in a folder.
    pub(crate) fn list(&self, path: &str) -> Vec<String> {
        let inside = self.nodes.keys().filter_map(|place| below(place, path)).filter(|rest| !rest.is_empty());
        let mut names: Vec<String> = inside.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_there_while_something_is_below_them() {
        let mut tree = Tree::default();
        tree.write("a/b/c", b"1", false).expect("written");
        tree.write("a/b/c", b"2", true).expect("written");
        assert_eq!(tree.read("a/b/c").expect("read"), "12");
        assert!(tree.is_folder("a") && tree.is_folder("a/b") && !tree.is_folder("a/b/c"));
        assert!(tree.write("a/b", b"", false).is_err() && tree.write("a/b/c/d", b"", false).is_err());
        assert_eq!(tree.list(""), ["a"]);
        tree.remove("a/b");
        assert!(!tree.exists("a"));
        assert_eq!(normal("/x//./y/../z").as_deref(), Ok("x/z"));
        assert!(normal("/..").is_err());
    }
}
