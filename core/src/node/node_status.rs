//! What a node says of itself: the `Node` object it registers, its conditions, and its `Ready` report.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::config::NodeConfig;
use super::eviction::Pressure;
use super::output::{NodeOutputs, NodeReport};
use super::pressure::Pressures;
use crate::time::Time;

const READY: &str = "Ready";
/// What an agent without an exclusive set of processors for each pod declares: it can resize any pod.
const CPU_RESIZE: &str = "GuaranteedQoSPodCPUResize";
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// What the agent knows of its own health, and when it last said so.
#[derive(Debug, Default)]
pub(super) struct Health {
    trouble: Option<Box<str>>,
    pressures: Pressures,
    reported_at: Option<Time>,
    news: bool,
    other_devices: bool,
}

impl Health {
    /// The runtime answers, or does not and why.
    pub(super) fn runtime_is(&mut self, state: Result<(), String>) {
        let trouble = state.err().map(|why| format!("container runtime is down: {why}").into_boxed_str());
        // An agent that has come up says so: its node may have been given up meanwhile.
        self.news |= trouble != self.trouble || self.reported_at.is_none();
        self.trouble = trouble;
    }

    /// What the node is short of.
    pub(super) fn pressures_are(&mut self, pressures: Pressures) {
        self.news |= pressures != self.pressures;
        self.pressures = pressures;
    }

    /// Others may believe something else of this node: the next report is news, whatever it says.
    pub(super) const fn announce(&mut self) {
        self.news = true;
    }

    /// The node has other amounts of extended resources.
    pub(super) const fn has_other_devices(&mut self) {
        self.other_devices = true;
        self.news = true;
    }

    pub(super) const fn has_news(&self) -> bool {
        self.news
    }

    /// When the next report is due although nothing changed.
    pub(super) fn next_report(&self, config: &NodeConfig) -> Option<Time> {
        let every = config.report_every?;
        Some(self.reported_at.map_or(Time::EPOCH, |at| at + every))
    }

    /// Reports when there is news, or when it is time.
    pub(super) fn report(&mut self, config: &NodeConfig, now: Time, out: &mut NodeOutputs) {
        let due = self.next_report(config).is_some_and(|at| at <= now);
        if self.news || due {
            self.news = false;
            self.reported_at = Some(now);
            let ready = self.trouble.as_deref().map_or(Ok(()), |why| Err(why.to_owned()));
            let has_other = std::mem::take(&mut self.other_devices);
            let amounts = has_other.then(|| (Arc::clone(&config.capacity), Arc::clone(&config.allocatable)));
            out.report = Some(NodeReport { at: now, ready, pressures: self.pressures, amounts });
        }
    }
}

impl NodeConfig {
    /// The node object that this node registers when it comes up at this moment.
    pub fn to_node(&self, now: Time) -> Node {
        let config = self;
        let mut labels = (*config.labels).clone();
        labels.entry(HOSTNAME_LABEL.to_owned()).or_insert_with(|| config.name.to_string());
        let address = |type_: &str, address: String| NodeAddress { address, type_: type_.to_owned() };
        let ips = config.addresses.iter().map(|ip| address("InternalIP", ip.to_string()));
        let mut conditions: Vec<NodeCondition> =
            Pressure::ALL.map(|pressure| pressure_condition(pressure, false, now)).into();
        conditions.push(ready_condition(&Ok(()), now));
        Node {
            metadata: ObjectMeta { name: Some(config.name.to_string()), labels: Some(labels), ..ObjectMeta::default() },
            spec: Some(NodeSpec {
                taints: (!config.taints.is_empty()).then(|| config.taints.to_vec()),
                ..NodeSpec::default()
            }),
            status: Some(NodeStatus {
                addresses: Some(ips.chain([address("Hostname", config.name.to_string())]).collect()),
                allocatable: Some((*config.allocatable).clone()),
                capacity: Some((*config.capacity).clone()),
                conditions: Some(conditions),
                declared_features: Some(vec![CPU_RESIZE.to_owned()]),
                daemon_endpoints: Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: 10250 }) }),
                node_info: Some(NodeSystemInfo {
                    architecture: label_or(config, "kubernetes.io/arch", "amd64"),
                    operating_system: label_or(config, "kubernetes.io/os", "linux"),
                    container_runtime_version: format!("{}://{}", config.runtime.name, config.runtime.version),
                    kubelet_version: format!("v1.36.2+inboard-{}", env!("CARGO_PKG_VERSION")),
                    ..NodeSystemInfo::default()
                }),
                ..NodeStatus::default()
            }),
        }
    }
}

/// What a node that comes back says anew: its capacity, addresses and runtime as they are now, and its labels. What
/// others wrote meanwhile (further labels, taints, conditions) stays.
pub(crate) fn refreshed(known: &Node, config: &NodeConfig, now: Time) -> Node {
    let mut node = known.clone();
    let fresh = config.to_node(now);
    node.metadata.labels.get_or_insert_default().extend(fresh.metadata.labels.unwrap_or_default());
    let (status, said) = (node.status.get_or_insert_default(), fresh.status.unwrap_or_default());
    status.addresses = said.addresses;
    status.allocatable = said.allocatable;
    status.capacity = said.capacity;
    status.daemon_endpoints = said.daemon_endpoints;
    status.declared_features = said.declared_features;
    status.node_info = said.node_info;
    node
}

fn label_or(config: &NodeConfig, label: &str, default: &str) -> String {
    config.labels.get(label).cloned().unwrap_or_else(|| default.to_owned())
}

/// Writes a report into a node's status: heartbeats, and the `Ready` condition with the time of its last change kept.
pub fn apply_report(status: &mut NodeStatus, report: &NodeReport) {
    if let Some((capacity, allocatable)) = &report.amounts {
        status.capacity = Some((**capacity).clone());
        status.allocatable = Some((**allocatable).clone());
    }
    let conditions = status.conditions.get_or_insert_default();
    for current in conditions.iter_mut() {
        current.last_heartbeat_time = Some(report.at.to_api());
        let Some(pressure) = Pressure::ALL.into_iter().find(|pressure| current.type_ == pressure.as_str()) else {
            continue;
        };
        let next = pressure_condition(pressure, report.pressures.has(pressure), report.at);
        if current.status != next.status {
            *current = next;
        }
    }
    let mut next = ready_condition(&report.ready, report.at);
    match conditions.iter_mut().find(|condition| condition.type_ == READY) {
        Some(current) => {
            if current.status == next.status {
                next.last_transition_time = current.last_transition_time.clone();
            }
            *current = next;
        }
        None => conditions.push(next),
    }
}

fn pressure_condition(pressure: Pressure, holds: bool, now: Time) -> NodeCondition {
    let (reason, message) = match (pressure, holds) {
        (Pressure::Memory, true) => ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        (Pressure::Memory, false) => ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        (Pressure::Disk, true) => ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        (Pressure::Disk, false) => ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        (Pressure::Pid, true) => ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        (Pressure::Pid, false) => ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    };
    condition(pressure.as_str(), holds, reason, message, now)
}

fn ready_condition(ready: &Result<(), String>, now: Time) -> NodeCondition {
    match ready {
        Ok(()) => condition(READY, true, "KubeletReady", "kubelet is posting ready status", now),
        Err(why) => condition(READY, false, "KubeletNotReady", why, now),
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str, now: Time) -> NodeCondition {
    NodeCondition {
        last_heartbeat_time: Some(now.to_api()),
        last_transition_time: Some(now.to_api()),
        message: Some(message.to_owned()),
        reason: Some(reason.to_owned()),
        status: if holds { "True" } else { "False" }.to_owned(),
        type_: kind.to_owned(),
    }
}
