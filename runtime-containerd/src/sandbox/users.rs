//! The users of a pod that are others on the machine (`hostUsers: false`): which ids they have there, and how files are
//! shown to them.
//!
//! The rule: a pod's root is nobody outside. Each such pod has a range of ids of its own; images, volumes and layers keep
//! the owners that they have, and are mounted for the pod as its own namespace of users sees them.

use std::path::{Path, PathBuf};

use containerd_client::types::Mount as ProtoMount;
use inboard::k8s_openapi::api::core::v1::PodSpec;
use inboard::runtime::RuntimeError;

use super::SandboxRecord;
use crate::lock::guard;
use crate::os::idmap::{IDS, bind_as_seen_by};
use crate::runtime::Inner;
use crate::{error, os, spec, state};

/// What a sandbox's namespace of users is pinned as.
const PIN: &str = "user";
/// What of what a container has in memory are mounts of ours: parts of volumes, layers of its image.
const MOUNTS: [&str; 2] = ["mounts", "layers"];

/// Whether the pod's users are not those of the machine.
pub(super) fn has_own(spec: &PodSpec) -> bool {
    spec.host_users == Some(false)
}

impl SandboxRecord {
    /// Lets what was made for the pod belong to its root.
    pub(crate) fn give_to_root(&self, path: &Path) -> Result<(), RuntimeError> {
        let Some(first) = self.user_ids else { return Ok(()) };
        std::os::unix::fs::lchown(path, Some(first), Some(first)).map_err(|e| error::io("give to the pod", path, &e))
    }
}

impl Inner {
    /// Gives a pod that wants one a range of ids that no other pod here has; the record keeps it.
    pub(super) fn take_user_ids(&self, spec: &PodSpec, record: &mut SandboxRecord) -> Result<(), RuntimeError> {
        if !has_own(spec) {
            return Ok(());
        }
        let mut sandboxes = guard(&self.sandboxes);
        // Ranges of an earlier setting may begin elsewhere.
        let is_apart = |first: u32, other: Option<u32>| other.is_none_or(|other| other.abs_diff(first) >= IDS);
        let is_free = |first: &u32| sandboxes.values().all(|other| is_apart(*first, other.user_ids));
        let ranges = (self.settings.first_user_id..=u32::MAX - IDS).step_by(IDS as usize);
        let first = ranges.into_iter().find(is_free);
        record.user_ids = Some(first.ok_or_else(|| error::system("give the pod users", "all ids are in use"))?);
        sandboxes.insert(record.id.clone(), record.clone());
        Ok(())
    }

    /// A file or directory as the pod sees it: itself, or a mount of it for the container.
    pub(crate) fn as_seen_by(
        &self,
        sandbox: &SandboxRecord,
        container: &str,
        name: &str,
        source: PathBuf,
    ) -> Result<PathBuf, RuntimeError> {
        if sandbox.user_ids.is_none() {
            return Ok(source);
        }
        let target = self.dirs.live(container).join(name);
        let made = match source.is_dir() {
            true => std::fs::create_dir_all(&target),
            false => {
                std::fs::create_dir_all(target.parent().unwrap_or(&target)).and_then(|()| std::fs::write(&target, ""))
            }
        };
        made.map_err(|e| error::io("make", &target, &e))?;
        // An earlier try may have mounted it already.
        os::unmount(&target).map_err(|e| error::io("unmount", &target, &e))?;
        let namespace = self.dirs.live(&sandbox.id).join(PIN);
        bind_as_seen_by(&namespace, &source, &target).map_err(|e| {
            let why = format!("{} cannot be mounted for other users: {e}", source.display());
            spec::unsupported("spec.hostUsers", &why)
        })?;
        Ok(target)
    }

    /// The root file system of a container as its pod sees it: the layers of its image under the pod's ids, its own layer
    /// the pod's.
    pub(crate) fn root_as_seen_by(
        &self,
        sandbox: &SandboxRecord,
        container: &str,
        mut root: Vec<ProtoMount>,
    ) -> Result<Vec<ProtoMount>, RuntimeError> {
        if sandbox.user_ids.is_none() {
            return Ok(root);
        }
        let mut count = 0;
        let mut seen = |source: &str| {
            count += 1;
            let path = self.as_seen_by(sandbox, container, &format!("layers/{count}"), source.into())?;
            Ok::<_, RuntimeError>(path.display().to_string())
        };
        for mount in &mut root {
            if mount.r#type == "bind" {
                mount.source = seen(&mount.source)?;
            }
            for option in &mut mount.options {
                if let Some(layers) = option.strip_prefix("lowerdir=") {
                    let layers = layers.split(':').map(&mut seen).collect::<Result<Vec<_>, _>>()?;
                    *option = format!("lowerdir={}", layers.join(":"));
                } else if let Some(own) = option.strip_prefix("upperdir=") {
                    sandbox.give_to_root(Path::new(own))?;
                }
            }
        }
        Ok(root)
    }

    /// Takes what is mounted for a container off again.
    pub(crate) fn release_mounts(&self, container: &str) -> Result<(), RuntimeError> {
        for place in MOUNTS.map(|name| self.dirs.live(container).join(name)) {
            for name in state::entries(&place) {
                let mount = place.join(name);
                os::unmount(&mount).map_err(|e| error::io("unmount", &mount, &e))?;
            }
        }
        Ok(())
    }
}
