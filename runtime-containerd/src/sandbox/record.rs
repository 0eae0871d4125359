//! What is written down of a sandbox.

use std::net::IpAddr;
use std::path::Path;

use inboard::runtime::{PodIdentity, SandboxConfig, SandboxId, SandboxState, SandboxStatus};
use inboard::time::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::network::Attachment;

/// Which pod something belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PodRecord {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl PodRecord {
    pub(crate) fn of(pod: &PodIdentity) -> Self {
        Self { uid: pod.uid.to_string(), namespace: pod.namespace.to_string(), name: pod.name.to_string() }
    }

    /// `None` for a record whose uid is no UUID, which nothing of ours writes.
    pub(crate) fn identity(&self) -> Option<PodIdentity> {
        let (namespace, name) = (self.namespace.as_str().into(), self.name.as_str().into());
        Some(PodIdentity { uid: self.uid.parse().ok()?, namespace, name })
    }
}

/// Where a sandbox is in its life; it only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SandboxPhase {
    /// Begun, and not known to be whole.
    Making,
    Ready,
    Stopped,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SandboxRecord {
    pub(crate) id: String,
    pub(crate) pod: PodRecord,
    pub(crate) attempt: u32,
    pub(crate) phase: SandboxPhase,
    pub(crate) created_at: i64,
    pub(crate) hostname: String,
    pub(crate) host_network: bool,
    pub(crate) host_ipc: bool,
    /// Whether its containers see each other's processes.
    #[serde(default)]
    pub(crate) shares_processes: bool,
    /// The id on the machine of the pod's root, where its users are not those of the machine.
    #[serde(default)]
    pub(crate) user_ids: Option<u32>,
    /// The control group of the whole pod.
    pub(crate) cgroup: String,
    pub(crate) ips: Vec<IpAddr>,
    /// How it is connected; nothing with the network of the host.
    pub(crate) network: Attachment,
}

impl SandboxRecord {
    /// A new one, whose making begins.
    pub(crate) fn new(id: String, config: &SandboxConfig, now: Time, cgroup_root: &str) -> Self {
        Self {
            pod: PodRecord::of(&config.pod),
            attempt: config.attempt,
            phase: SandboxPhase::Making,
            created_at: now.as_nanos(),
            hostname: config.hostname.to_string(),
            host_network: config.spec.host_network == Some(true),
            host_ipc: config.spec.host_ipc == Some(true),
            shares_processes: config.spec.share_process_namespace == Some(true),
            user_ids: None,
            cgroup: format!("{cgroup_root}/pod{}-{}", config.pod.uid, config.attempt),
            ips: Vec::new(),
            network: Attachment::default(),
            id,
        }
    }

    /// The namespaces that it holds, by the names of their pins.
    pub(crate) fn pins(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (!self.host_network, "net"),
            (!self.host_ipc, "ipc"),
            (!self.host_network, "uts"),
            (self.user_ids.is_some(), "user"),
        ];
        all.into_iter().filter_map(|(own, pin)| own.then_some(pin))
    }

    pub(crate) fn status(&self) -> Option<SandboxStatus> {
        Some(SandboxStatus {
            id: SandboxId::new(self.id.as_str()),
            pod: self.pod.identity()?,
            attempt: self.attempt,
            state: match self.phase {
                SandboxPhase::Ready => SandboxState::Ready,
                SandboxPhase::Making | SandboxPhase::Stopped => SandboxState::NotReady,
            },
            created_at: Time::from_nanos(self.created_at),
            ips: self.ips.clone(),
        })
    }
}

/// The id follows from the pod and the attempt, so that a repeated call finds what the first one made; and from the
/// state directory, because runc keeps the containers of all daemons on a machine in one place, and clusters with the
/// same seed give their pods the same uids.
pub(crate) fn sandbox_id(state_dir: &Path, config: &SandboxConfig) -> String {
    let state_dir = state_dir.display().to_string();
    hashed_id(&["sandbox", &state_dir, &config.pod.uid.to_string(), &config.attempt.to_string()])
}

/// An id of 64 hexadecimal digits, as container runtimes have them, that follows from what it stands for.
pub(crate) fn hashed_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}
