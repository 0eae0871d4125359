//! Versions of the interface: a file may use only what its version has.

use super::file::{CdiFile, Edits};

/// All that there are, in order.
const VERSIONS: [&str; 10] = ["0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"];

/// A version, and whether a file needs it.
type Need = (&'static str, fn(&CdiFile) -> bool);

/// What needs a version: the last row that applies says which.
const NEEDS: [Need; 6] = [
    ("0.3.0", |_| true),
    ("0.4.0", |file| any(file, |edits| edits.mounts.iter().any(|mount| !mount.typ.is_empty()))),
    ("0.5.0", |file| {
        file.devices.iter().any(|device| device.name.starts_with(|letter: char| letter.is_ascii_digit()))
            || any(file, |edits| edits.device_nodes.iter().any(|node| !node.host_path.is_empty()))
    }),
    ("0.6.0", |file| {
        !file.annotations.is_empty()
            || file.devices.iter().any(|device| !device.annotations.is_empty())
            || file.kind.split_once('/').is_some_and(|(_, class)| class.contains('.'))
    }),
    ("0.7.0", |file| any(file, |edits| edits.intel_rdt.is_some() || !edits.additional_gids.is_empty())),
    ("1.1.0", |file| {
        any(file, |edits| {
            let rdt = edits.intel_rdt.as_ref();
            !edits.net_devices.is_empty() || rdt.is_some_and(|rdt| rdt.schemata.is_some() || rdt.enable_monitoring)
        })
    }),
];

fn any(file: &CdiFile, is_so: impl Fn(&Edits) -> bool) -> bool {
    is_so(&file.container_edits) || file.devices.iter().any(|device| is_so(&device.container_edits))
}

/// Whether the version is known, and has all that the file uses.
pub(super) fn check(file: &CdiFile) -> Result<(), String> {
    let place = |version: &str| VERSIONS.iter().position(|known| *known == version.trim_start_matches('v'));
    let Some(own) = place(&file.cdi_version) else {
        let known = VERSIONS[2..].join(", ");
        return Err(format!("cdiVersion: invalid version {:?}: known are {known}", file.cdi_version));
    };
    let needed = NEEDS.iter().rev().find(|(_, needs)| needs(file)).map_or(VERSIONS[0], |(version, _)| *version);
    if place(needed) > Some(own) {
        return Err(format!("cdiVersion {}: the spec version must be at least v{needed}", file.cdi_version));
    }
    Ok(())
}
