//! What the containers of one pod share, and what becomes of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;

use super::identity::{PodIdentity, SandboxId};
use crate::ids::NodeName;
use crate::time::Time;

/// What a sandbox is made of.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The pod it is for.
    pub pod: PodIdentity,
    /// How many sandboxes the pod had before.
    pub attempt: u32,
    /// The node it runs on.
    pub node: NodeName,
    /// The whole pod spec: namespaces, security context, sysctls, host aliases.
    pub spec: Arc<PodSpec>,
    /// The pod's labels, kept with the sandbox.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The pod's annotations: some are for the runtime or the network (`kubernetes.io/ingress-bandwidth`).
    pub annotations: Arc<BTreeMap<String, String>>,
    /// The host name inside; empty when the pod uses the host's network.
    pub hostname: Arc<str>,
    /// The fully qualified domain name when the pod has one (`spec.subdomain`), written to `/etc/hosts`.
    pub domain_name: Option<Arc<str>>,
    /// The resolver's configuration; `None` means the node's own.
    pub dns: Option<SandboxDns>,
    /// Host ports to forward into it.
    pub ports: Vec<PortMapping>,
}

/// What `/etc/resolv.conf` says in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxDns {
    /// Name servers, in order.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options, such as `ndots:5`.
    pub options: Vec<String>,
}

/// A port of the host that leads into a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Arc<str>,
    /// The port inside.
    pub container_port: u16,
    /// The port of the host.
    pub host_port: u16,
    /// The address of the host to listen on; all when absent.
    pub host_ip: Option<IpAddr>,
}

/// Whether a sandbox is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    /// Containers can be made in it.
    Ready,
    /// It was stopped, or lost its namespaces.
    NotReady,
}

/// What a runtime says of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Its id.
    pub id: SandboxId,
    /// The pod it is for.
    pub pod: PodIdentity,
    /// How many sandboxes the pod had before it.
    pub attempt: u32,
    /// Whether it is usable.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: Time,
    /// Its addresses, the primary one first; empty with the host's network.
    pub ips: Vec<IpAddr>,
}

impl SandboxStatus {
    /// A sandbox as it is right after [`Runtime::run_pod_sandbox`](crate::runtime::Runtime::run_pod_sandbox).
    pub fn ready(id: SandboxId, config: &SandboxConfig, now: Time, ips: Vec<IpAddr>) -> Self {
        let pod = config.pod.clone();
        Self { id, pod, attempt: config.attempt, state: SandboxState::Ready, created_at: now, ips }
    }
}
