//! Cluster addresses and node ports: each is held by one service, and free again when that has gone.
//!
//! What is taken is read from the services themselves, so that there is no book to keep and none to go wrong. Services
//! are few and seldom made.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::snapshot::Snapshot;
use crate::object::kind;
use crate::object::mutate::Refusal;
use crate::object::prepare::Allocation;

/// `--service-cluster-ip-range`: 10.96.0.0/16. Its first address is the API's own.
const CLUSTER_IP_FIRST: u32 = u32::from_be_bytes([10, 96, 0, 2]);
const CLUSTER_IP_LAST: u32 = u32::from_be_bytes([10, 96, 255, 254]);
/// `--service-node-port-range`.
const NODE_PORTS: std::ops::RangeInclusive<i32> = 30_000..=32_767;

/// Gives a service what it needs and nobody else has, the lowest first.
pub(super) fn give_out(snapshot: &Snapshot, spec: &mut ServiceSpec, missing: &[Allocation]) -> Result<(), Refusal> {
    let mut ports: Option<BTreeSet<i32>> = None;
    for allocation in missing {
        match allocation {
            Allocation::ClusterIp => {
                let address = free_address(snapshot)?;
                spec.cluster_ips = Some(vec![address.clone()]);
                spec.cluster_ip = Some(address);
            }
            Allocation::NodePort(at) => {
                let port = free_port(ports.get_or_insert_with(|| taken_ports(snapshot, spec)))?;
                if let Some(slot) = spec.ports.as_mut().and_then(|ports| ports.get_mut(*at)) {
                    slot.node_port = Some(port);
                }
            }
            Allocation::HealthCheckNodePort => {
                spec.health_check_node_port =
                    Some(free_port(ports.get_or_insert_with(|| taken_ports(snapshot, spec)))?);
            }
        }
    }
    Ok(())
}

fn services(snapshot: &Snapshot) -> impl Iterator<Item = &ServiceSpec> {
    snapshot.list(kind::SERVICE).filter_map(|object| object.typed::<Service>()?.spec.as_ref())
}

fn free_address(snapshot: &Snapshot) -> Result<String, Refusal> {
    let texts = services(snapshot).flat_map(|spec| spec.cluster_ips.iter().flatten());
    let taken: BTreeSet<u32> = texts.filter_map(|ip| ip.parse::<Ipv4Addr>().ok()).map(u32::from).collect();
    let free = (CLUSTER_IP_FIRST..=CLUSTER_IP_LAST).find(|address| !taken.contains(address));
    free.map(|address| Ipv4Addr::from(address).to_string())
        .ok_or_else(|| Refusal("the cluster IP range is full".to_owned()))
}

fn taken_ports(snapshot: &Snapshot, own: &ServiceSpec) -> BTreeSet<i32> {
    let ports_of = |spec: &ServiceSpec| {
        let ports: Vec<i32> = spec.ports.iter().flatten().filter_map(|port| port.node_port).collect();
        ports.into_iter().chain(spec.health_check_node_port).collect::<Vec<i32>>()
    };
    services(snapshot).flat_map(ports_of).chain(ports_of(own)).collect()
}

fn free_port(taken: &mut BTreeSet<i32>) -> Result<i32, Refusal> {
    let free = NODE_PORTS.into_iter().find(|port| !taken.contains(port));
    let port = free.ok_or_else(|| Refusal("the node port range is full".to_owned()))?;
    taken.insert(port);
    Ok(port)
}
