//! The Container Device Interface: files of the machine say what a container gets for a device, as changes of its specification.
//!
//! The rule: a device is named `vendor.com/class=device`. The files of the directories are read when a container with such devices
//! is made, and only then: a driver may have written one a moment ago, and nobody else has use for them, so there is nothing
//! to watch. Of two files with the same device the one in the later directory counts; in one directory neither does. What a file
//! says for all of its devices comes before what it says for one, and all of it is applied at once. A file that cannot be used
//! makes its devices unknown and no others.

mod check;
mod edit;
mod file;
mod name;
mod registry;
mod version;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use inboard::runtime::{ContainerConfig, RuntimeError, RuntimeErrorKind};
use oci_spec::runtime::Spec;

use self::registry::Registry;

/// Where upstream looks for files.
pub(crate) const DIRS: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// What the names of annotations begin with by which a plugin names devices.
const ANNOTATION_PREFIX: &str = "cdi.k8s.io/";

/// What there is among the changes of a specification that others must know.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    /// Whether there are device nodes.
    pub(crate) has_nodes: bool,
    /// The network interfaces of the host.
    pub(crate) interfaces: Vec<String>,
}

/// Changes the specification of a container for its devices: those of its claims, then those that plugins gave it by their names or
/// in annotations, each once.
pub(crate) fn inject(
    spec: &mut Spec,
    dirs: &[PathBuf],
    of_claims: Vec<Arc<str>>,
    config: &ContainerConfig,
) -> Result<Injected, RuntimeError> {
    let mut devices: Vec<Arc<str>> = Vec::new();
    for name in of_claims.into_iter().chain(config.cdi_devices.iter().cloned()).chain(annotated(config)?) {
        if !devices.contains(&name) {
            devices.push(name);
        }
    }
    if devices.is_empty() {
        return Ok(Injected::default());
    }
    let edits = Registry::read(dirs).edits(&devices).map_err(failed)?;
    edit::apply(spec, &edits).map_err(|why| failed(format!("failed to inject devices: {why}")))?;
    let interfaces = edits.net_devices.iter().map(|device| device.host_interface_name.clone()).collect();
    Ok(Injected { has_nodes: !edits.device_nodes.is_empty(), interfaces })
}

/// The devices that annotations name, a comma between them.
fn annotated(config: &ContainerConfig) -> Result<Vec<Arc<str>>, RuntimeError> {
    let annotations = config.annotations.iter().filter(|(key, _)| key.starts_with(ANNOTATION_PREFIX));
    let names = annotations.flat_map(|(key, value)| value.split(',').map(move |name| (key, name)));
    let checked = names.map(|(key, name)| match name::check(name) {
        Ok(()) => Ok(name.into()),
        Err(why) => Err(failed(format!("annotation {key}: invalid CDI device name {name:?}: {why}"))),
    });
    checked.collect()
}

fn failed(why: String) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::FailedPrecondition, format!("CDI device injection failed: {why}"))
}
