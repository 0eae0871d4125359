//! SELinux: the labels of a pod that asks for one, where the kernel has it.
//!
//! The rule: what the pod names stands as it says; the rest of the label is what the machine's policy has for containers,
//! with two categories of the pod's own where it names no level, so that pods cannot reach each other's files. A pod that
//! names nothing gets no label from us.

use std::path::Path;

use inboard::k8s_openapi::api::core::v1::SELinuxOptions;
use inboard::runtime::RuntimeError;
use sha2::{Digest as _, Sha256};

use crate::{error, os};

/// Present where the kernel has SELinux, whether or not it enforces.
const ENABLED: &str = "/sys/fs/selinux/enforce";
/// Which policy the machine has.
const CONFIG: &str = "/etc/selinux/config";
/// The attribute in which a file's label is.
const ATTRIBUTE: &std::ffi::CStr = c"security.selinux";
/// How many categories policies have.
const CATEGORIES: u32 = 1024;

/// What the machine's policy has for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeLinux {
    process: [String; 4],
    file: [String; 4],
}

/// The labels of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) process: String,
    /// Of all that it reads and writes.
    pub(crate) file: String,
}

/// Looks whether the kernel has it, and for the policy's labels.
pub(crate) fn look() -> Option<SeLinux> {
    if !Path::new(ENABLED).exists() {
        return None;
    }
    let config = std::fs::read_to_string(CONFIG).unwrap_or_default();
    let policy = config.lines().find_map(|line| line.trim().strip_prefix("SELINUXTYPE=")).unwrap_or("targeted");
    let contexts = Path::new("/etc/selinux").join(policy.trim()).join("contexts/lxc_contexts");
    Some(SeLinux::of_contexts(&std::fs::read_to_string(contexts).unwrap_or_default()))
}

impl SeLinux {
    /// From the text of the policy's contexts for containers; what it does not say is as most policies have it.
    pub(crate) fn of_contexts(text: &str) -> Self {
        let label = |name: &str, usual: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
            parts(line.map_or(usual, |value| value.trim().trim_matches('"')))
        };
        Self {
            process: label("process", "system_u:system_r:container_t:s0"),
            file: label("file", "system_u:object_r:container_file_t:s0"),
        }
    }

    /// The labels of a container with these options; pods with the same seed share their files.
    pub(crate) fn labels(&self, options: &SELinuxOptions, seed: &str) -> Labels {
        let [user, role, kind, level] = self.process.clone();
        let level = options.level.clone().unwrap_or_else(|| format!("{level}:{}", categories(seed)));
        let process = [
            options.user.clone().unwrap_or(user),
            options.role.clone().unwrap_or(role),
            options.type_.clone().unwrap_or(kind),
            level.clone(),
        ];
        let [user, role, kind, _] = self.file.clone();
        Labels { process: process.join(":"), file: [user, role, kind, level].join(":") }
    }
}

/// User, role, type and level; what follows the third colon is all level.
fn parts(label: &str) -> [String; 4] {
    let mut parts = label.splitn(4, ':').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Two categories that follow from a text, the lower first.
fn categories(seed: &str) -> String {
    let hash = Sha256::digest(seed.as_bytes());
    let number = |at: usize| u32::from(hash[at]) << 8 | u32::from(hash[at + 1]);
    let first = number(0) % CATEGORIES;
    let second = (first + 1 + number(2) % (CATEGORIES - 1)) % CATEGORIES;
    format!("c{},c{}", first.min(second), first.max(second))
}

/// Gives a file, or all in a directory, a label; links have one of their own.
pub(crate) fn relabel(path: &Path, label: &str) -> Result<(), RuntimeError> {
    let labelled = os::tree::walk(path, |_, found| os::set_attribute(&found.path(), ATTRIBUTE, label));
    labelled.map_err(|e| error::io("label", path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pod_names_stands_and_the_policy_says_the_rest() {
        let policy = SeLinux::of_contexts("process = \"a:b:c:s1\"\nfile = \"d:e:f:s1\"\nro_file=\"x:y:z:s1\"\n");
        let named = |user: &str, level: &str| SELinuxOptions {
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            level: Some(level.to_owned()).filter(|level| !level.is_empty()),
            ..SELinuxOptions::default()
        };
        let labels = policy.labels(&named("u", "s0:c1,c2"), "pod");
        assert_eq!((labels.process.as_str(), labels.file.as_str()), ("u:b:c:s0:c1,c2", "d:e:f:s0:c1,c2"));
        let own = policy.labels(&named("", ""), "pod");
        let (process, file) = (own.process.strip_prefix("a:b:c:s1:c"), own.file.strip_prefix("d:e:f:s1:c"));
        assert!(process.is_some() && process == file, "{own:?}");
        assert_eq!(policy.labels(&named("", ""), "pod"), own, "the pod's containers share them");
        assert_ne!(policy.labels(&named("", ""), "other"), own);
        let usual = SeLinux::of_contexts("").labels(&named("", "s0"), "pod");
        assert_eq!(usual.process, "system_u:system_r:container_t:s0");
    }

    #[test]
    fn two_categories_are_never_the_same() {
        for seed in 0..2_000 {
            let text = categories(&seed.to_string());
            let (first, second) = text.split_once(',').expect("two of them");
            let number = |text: &str| text[1..].parse::<u32>().expect("a number");
            assert!(number(first) < number(second) && number(second) < CATEGORIES, "{text}");
        }
    }
}
