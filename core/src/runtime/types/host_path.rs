//! Paths of the host: what is there, and whether it is what a pod asks for (`hostPath.type`).

/// What is at a path of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFile {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A socket of the file system.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something else, such as a fifo.
    Other,
}

/// What is to be done before a path of the host is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPathStep {
    /// Nothing: it is there as it should be, or nobody cares.
    Nothing,
    /// Make a directory of mode 0755, with those above it.
    MakeDirectory,
    /// Make an empty file of mode 0644.
    MakeFile,
}

/// What is to be done for a path whose `type` this is.
///
/// # Errors
/// Why the pod cannot have it, in upstream's words.
pub fn check_host_path(path: &str, check: &str, found: Option<HostFile>) -> Result<HostPathStep, String> {
    let (wanted, title) = match (check, found) {
        // Nothing is checked, and what is not there becomes a directory: as Docker and the CRI plugin of containerd do.
        ("" | "DirectoryOrCreate", None) => return Ok(HostPathStep::MakeDirectory),
        ("", Some(_)) => return Ok(HostPathStep::Nothing),
        ("FileOrCreate", None) => return Ok(HostPathStep::MakeFile),
        ("Directory" | "DirectoryOrCreate", _) => (HostFile::Directory, "directory"),
        ("File" | "FileOrCreate", _) => (HostFile::File, "file"),
        ("Socket", _) => (HostFile::Socket, "socket file"),
        ("CharDevice", _) => (HostFile::CharDevice, "character device"),
        ("BlockDevice", _) => (HostFile::BlockDevice, "block device"),
        (other, _) => return Err(format!("{other} is an invalid volume type")),
    };
    match found {
        None => Err(format!("hostPath {path} doesn't exist")),
        Some(found) if found == wanted => Ok(HostPathStep::Nothing),
        Some(HostFile::Other) => Err(format!(
            "hostPath type check failed, {path} is not a {title}, unable to determine its type: only recognise file, \
             directory, socket, block device and character device"
        )),
        Some(found) => Err(format!("hostPath type check failed: {path} is not a {title}, it's a {found:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_its_type_says_or_is_made() {
        let rows = [
            ("", None, Ok(HostPathStep::MakeDirectory)),
            ("", Some(HostFile::Other), Ok(HostPathStep::Nothing)),
            ("DirectoryOrCreate", None, Ok(HostPathStep::MakeDirectory)),
            ("DirectoryOrCreate", Some(HostFile::Directory), Ok(HostPathStep::Nothing)),
            (
                "DirectoryOrCreate",
                Some(HostFile::File),
                Err("hostPath type check failed: /x is not a directory, it's a File"),
            ),
            ("FileOrCreate", None, Ok(HostPathStep::MakeFile)),
            ("FileOrCreate", Some(HostFile::File), Ok(HostPathStep::Nothing)),
            ("Directory", None, Err("hostPath /x doesn't exist")),
            ("Socket", Some(HostFile::Socket), Ok(HostPathStep::Nothing)),
            (
                "Socket",
                Some(HostFile::CharDevice),
                Err("hostPath type check failed: /x is not a socket file, it's a CharDevice"),
            ),
            ("CharDevice", Some(HostFile::CharDevice), Ok(HostPathStep::Nothing)),
            ("BlockDevice", Some(HostFile::BlockDevice), Ok(HostPathStep::Nothing)),
            ("BlockDevice", None, Err("hostPath /x doesn't exist")),
            (
                "File",
                Some(HostFile::Other),
                Err(
                    "hostPath type check failed, /x is not a file, unable to determine its type: only recognise file, \
                     directory, socket, block device and character device",
                ),
            ),
            ("Tape", Some(HostFile::File), Err("Tape is an invalid volume type")),
        ];
        for (check, found, expected) in rows {
            assert_eq!(check_host_path("/x", check, found), expected.map_err(str::to_owned), "{check:?} {found:?}");
        }
    }
}
