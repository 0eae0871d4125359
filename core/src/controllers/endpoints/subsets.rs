//! The subsets of Endpoints: addresses that serve the same ports.
//!
//! Each port is mapped to the pods that serve it; ports that the same pods serve in the same state share a subset.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, ServiceSpec};

use crate::controllers::endpoint_slice::{SelectedPod, families, service_ports};
use crate::store::Object;

/// The most addresses that Endpoints hold.
pub(super) const ADDRESSES_MAX: usize = 1000;

/// Ports by name, number and protocol; `None` stands for a service without ports.
type Port = Option<(String, i32, String, Option<String>)>;

/// The addresses of the pods, by their ports.
pub(super) fn of(service: &Object, spec: &ServiceSpec, pods: &[SelectedPod<'_>]) -> Vec<EndpointSubset> {
    let family = families(spec).into_iter().next().unwrap_or_default();
    let publishes = spec.publish_not_ready_addresses == Some(true);
    let mut by_port: BTreeMap<Port, Vec<(usize, bool)>> = BTreeMap::new();
    let mut addresses = Vec::new();
    for selected in pods {
        let is_out = selected.pod.is_finished() || (selected.object.meta.is_deleting() && !publishes);
        let Some(address) = address(service, selected, &family).filter(|_| !is_out) else { continue };
        let is_ready = publishes || selected.pod.is_ready();
        for port in ports(spec, selected) {
            by_port.entry(port).or_default().push((addresses.len(), is_ready));
        }
        addresses.push(address);
    }
    let mut by_addresses: BTreeMap<Vec<(usize, bool)>, Vec<Port>> = BTreeMap::new();
    for (port, served_by) in by_port {
        by_addresses.entry(served_by).or_default().push(port);
    }
    let subset = |(served_by, ports): (Vec<(usize, bool)>, Vec<Port>)| {
        let of = |wanted: bool| {
            let some = served_by.iter().filter(|(_, is_ready)| *is_ready == wanted);
            sorted(some.filter_map(|(at, _)| addresses.get(*at).cloned()).collect())
        };
        let ports: Vec<EndpointPort> = ports.into_iter().flatten().map(to_api).collect();
        EndpointSubset {
            addresses: of(true),
            not_ready_addresses: of(false),
            ports: (!ports.is_empty()).then_some(ports),
        }
    };
    by_addresses.into_iter().map(subset).collect()
}

/// Leaves out what is too much: addresses that are not ready first, and of each subset its share.
pub(super) fn capped(mut subsets: Vec<EndpointSubset>) -> (Vec<EndpointSubset>, bool) {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| count(&subset.addresses)).sum();
    let others: usize = subsets.iter().map(|subset| count(&subset.not_ready_addresses)).sum();
    if ready + others <= ADDRESSES_MAX {
        return (subsets, false);
    }
    let cuts_ready = ready > ADDRESSES_MAX;
    let (room, total) = if cuts_ready { (ADDRESSES_MAX, ready) } else { (ADDRESSES_MAX - ready, others) };
    let mut left = room;
    for subset in &mut subsets {
        let list = if cuts_ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        let share = (count(list) * room).div_ceil(total.max(1)).min(left);
        if let Some(list) = list {
            list.truncate(share);
        }
        left -= count(list);
        if cuts_ready {
            subset.not_ready_addresses = None;
        }
    }
    for subset in &mut subsets {
        for list in [&mut subset.addresses, &mut subset.not_ready_addresses] {
            *list = list.take().filter(|list| !list.is_empty());
        }
    }
    subsets.retain(|subset| subset.addresses.is_some() || subset.not_ready_addresses.is_some());
    (subsets, true)
}

fn address(service: &Object, selected: &SelectedPod<'_>, family: &str) -> Option<EndpointAddress> {
    Some(EndpointAddress {
        ip: selected.addresses(family).next()?,
        hostname: selected.hostname_in(service),
        node_name: selected.pod.node.as_ref().map(ToString::to_string),
        target_ref: Some(selected.reference()),
    })
}

/// What the service's ports mean in a pod. Without ports only a service without an address has endpoints.
fn ports(spec: &ServiceSpec, selected: &SelectedPod<'_>) -> Vec<Port> {
    if spec.ports.as_ref().is_none_or(Vec::is_empty) {
        return if spec.cluster_ip.as_deref() == Some("None") { vec![None] } else { Vec::new() };
    }
    let ports = service_ports(spec, selected.pod).into_iter().map(|port| {
        let text = |text: Option<String>| text.unwrap_or_default();
        Some((text(port.name), port.port.unwrap_or_default(), text(port.protocol), port.app_protocol))
    });
    ports.collect()
}

fn to_api((name, port, protocol, app_protocol): (String, i32, String, Option<String>)) -> EndpointPort {
    EndpointPort { name: Some(name).filter(|name| !name.is_empty()), port, protocol: Some(protocol), app_protocol }
}

/// By address, as text, and then by pod.
fn sorted(mut addresses: Vec<EndpointAddress>) -> Option<Vec<EndpointAddress>> {
    let uid = |address: &EndpointAddress| address.target_ref.as_ref().and_then(|pod| pod.uid.clone());
    addresses.sort_by(|one, other| (&one.ip, uid(one)).cmp(&(&other.ip, uid(other))));
    (!addresses.is_empty()).then_some(addresses)
}
