//! Services: what an update keeps of what was given out, and what a service that changes its type loses.
//!
//! Addresses and node ports come from the store. A client that writes a whole service without them keeps those it had; a
//! service that changes its type loses those that the new type has no use for, unless the client set them itself.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::{Prepare, Request};

mod families;

pub use families::families;

impl Prepare for Service {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
        let spec = self.spec.get_or_insert_default();
        cluster_ips(spec, None);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        let spec = self.spec.get_or_insert_default();
        if let Some(old) = &old.spec {
            keep_allocations(spec, old);
            cluster_ips(spec, Some(old));
            drop_unneeded(spec, old);
        }
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

/// Fills in, from the service that is replaced, what was given out and is not in the new one.
pub fn keep_allocations(spec: &mut ServiceSpec, old: &ServiceSpec) {
    if needs_cluster_ip(old) && needs_cluster_ip(spec) {
        if is_blank(&spec.cluster_ip) {
            spec.cluster_ip.clone_from(&old.cluster_ip);
        }
        if spec.cluster_ips.as_ref().is_none_or(|all| all.is_empty()) && spec.cluster_ip == old.cluster_ip {
            spec.cluster_ips.clone_from(&old.cluster_ips);
        }
    }
    if needs_node_ports(old) && needs_node_ports(spec) {
        keep_node_ports(spec, old);
    }
    if needs_health_check(old) && needs_health_check(spec) && spec.health_check_node_port.unwrap_or_default() == 0 {
        spec.health_check_node_port = old.health_check_node_port;
    }
}

/// A port keeps its node port by its name, unless another one has taken it meanwhile.
fn keep_node_ports(spec: &mut ServiceSpec, old: &ServiceSpec) {
    let used = |spec: &ServiceSpec| -> BTreeSet<i32> {
        spec.ports.iter().flatten().filter_map(|port| port.node_port).filter(|port| *port != 0).collect()
    };
    let mut taken: BTreeSet<i32> = used(spec).intersection(&used(old)).copied().collect();
    let before: BTreeMap<Option<String>, i32> =
        old.ports.iter().flatten().map(|port| (port.name.clone(), port.node_port.unwrap_or_default())).collect();
    for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port.unwrap_or_default() == 0) {
        let Some(known) = before.get(&port.name).filter(|known| **known != 0) else { continue };
        if taken.insert(*known) {
            port.node_port = Some(*known);
        }
    }
}

/// `clusterIP` is the first of `clusterIPs`, also when a client knows only the one.
fn cluster_ips(spec: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let list_is_old = old.is_some_and(|old| old.cluster_ips == spec.cluster_ips);
    let changed = old.is_some_and(|old| old.cluster_ip != spec.cluster_ip);
    let blank = is_blank(&spec.cluster_ip);
    if old.is_some() && changed && list_is_old {
        spec.cluster_ips = None;
    }
    if !blank && spec.cluster_ips.as_ref().is_none_or(|all| all.is_empty()) {
        spec.cluster_ips = spec.cluster_ip.clone().map(|ip| vec![ip]);
    }
}

/// A change of type takes along only what the client asks for again in other words.
fn drop_unneeded(spec: &mut ServiceSpec, old: &ServiceSpec) {
    if needs_cluster_ip(old) && !needs_cluster_ip(spec) {
        if spec.cluster_ips == old.cluster_ips {
            spec.cluster_ip = None;
            spec.cluster_ips = None;
        }
        if spec.internal_traffic_policy == old.internal_traffic_policy {
            spec.internal_traffic_policy = None;
        }
        if spec.ip_families == old.ip_families {
            spec.ip_families = None;
        }
        if spec.ip_family_policy == old.ip_family_policy {
            spec.ip_family_policy = None;
        }
    }
    if needs_node_ports(old) && !needs_node_ports(spec) {
        let before: BTreeSet<Option<i32>> = old.ports.iter().flatten().map(|port| port.node_port).collect();
        let after: BTreeSet<Option<i32>> = spec.ports.iter().flatten().map(|port| port.node_port).collect();
        if after.is_subset(&before) {
            spec.ports.iter_mut().flatten().for_each(|port| port.node_port = None);
        }
    }
    if needs_health_check(old) && !needs_health_check(spec) && spec.health_check_node_port == old.health_check_node_port
    {
        spec.health_check_node_port = None;
    }
    if kind(old) == "LoadBalancer" && kind(spec) != "LoadBalancer" {
        if spec.allocate_load_balancer_node_ports == old.allocate_load_balancer_node_ports {
            spec.allocate_load_balancer_node_ports = None;
        }
        if spec.load_balancer_class == old.load_balancer_class {
            spec.load_balancer_class = None;
        }
    }
    if is_external(old) && !is_external(spec) && spec.external_traffic_policy == old.external_traffic_policy {
        spec.external_traffic_policy = None;
    }
}

fn kind(spec: &ServiceSpec) -> &str {
    spec.type_.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP")
}

fn is_blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(|text| text.is_empty())
}

fn needs_cluster_ip(spec: &ServiceSpec) -> bool {
    matches!(kind(spec), "ClusterIP" | "NodePort" | "LoadBalancer")
}

pub(crate) fn needs_node_ports(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

pub(crate) fn needs_health_check(spec: &ServiceSpec) -> bool {
    kind(spec) == "LoadBalancer" && spec.external_traffic_policy.as_deref() == Some("Local")
}

fn is_external(spec: &ServiceSpec) -> bool {
    let addresses = spec.external_ips.as_ref().is_some_and(|addresses| !addresses.is_empty());
    matches!(kind(spec), "NodePort" | "LoadBalancer") || (kind(spec) == "ClusterIP" && addresses)
}
