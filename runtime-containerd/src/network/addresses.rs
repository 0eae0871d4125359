//! Which addresses are in use: a file for each, named after it, with the sandbox that has it (the form that the plugin
//! `host-local` has, so that what it gave out is known too).

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use super::range::Range;
use crate::state;

/// Takes an address for a sandbox; `None` when all are in use.
pub(super) fn take(dir: &Path, range: &Range, sandbox: &str, link: &str) -> io::Result<Option<IpAddr>> {
    std::fs::create_dir_all(dir)?;
    let last_file = dir.join(if range.is_ipv4() { "last_reserved_ip.0" } else { "last_reserved_ip.1" });
    let last = std::fs::read_to_string(&last_file).ok().and_then(|text| text.trim().parse().ok());
    for address in range.candidates(last) {
        match File::options().write(true).create_new(true).open(dir.join(address.to_string())) {
            Ok(mut file) => {
                file.write_all(format!("{sandbox}\r\n{link}").as_bytes())?;
                std::fs::write(last_file, address.to_string())?;
                return Ok(Some(address));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Gives back what a sandbox has. An address that was taken and not yet written down as anybody's is nobody's: only the
/// process that holds the directory takes any, and it does not do both at once.
pub(super) fn give_back(dir: &Path, sandbox: &str) -> io::Result<()> {
    for name in state::entries(dir).into_iter().filter(|name| name.parse::<IpAddr>().is_ok()) {
        let path = dir.join(name);
        let owner = std::fs::read_to_string(&path)?;
        if owner.is_empty() || owner.lines().next().is_some_and(|owner| owner.trim() == sandbox) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes the directory once no address is in use.
pub(super) fn tidy(dir: &Path) -> io::Result<()> {
    if state::entries(dir).iter().any(|name| name.parse::<IpAddr>().is_ok()) || !dir.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(dir)
}
