//! NetworkPolicies: peers by label or by range of addresses, and ports that can be.
//!
//! Source: `pkg/apis/networking/validation`.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::addresses::of_range;
use super::checks::{json, port_number};
use super::fields::{list, one_of};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new NetworkPolicy.
pub fn network_policy(policy: &NetworkPolicy) -> FieldErrors {
    let mut errors = shared::namespaced(&policy.metadata, name_is_dns_subdomain);
    spec(policy.spec.as_ref().unwrap_or(&NetworkPolicySpec::default()), &[], &mut errors);
    errors
}

/// What is wrong with a changed NetworkPolicy.
pub fn network_policy_update(new: &NetworkPolicy, old: &NetworkPolicy) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = NetworkPolicySpec::default();
    let (after, before) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    // A range that was there may stay as it is written.
    let from = list(&before.ingress).iter().flat_map(|rule| list(&rule.from));
    let to = list(&before.egress).iter().flat_map(|rule| list(&rule.to));
    let blocks = from.chain(to).filter_map(|peer| peer.ip_block.as_ref());
    let known: Vec<String> =
        blocks.flat_map(|block| std::iter::once(&block.cidr).chain(list(&block.except))).cloned().collect();
    spec(after, &known, &mut errors);
    errors
}

fn spec(spec: &NetworkPolicySpec, known: &[String], errors: &mut FieldErrors) {
    shared::selector_if(&spec.pod_selector, &SPEC.field("podSelector"), errors);
    let path = SPEC.field("ingress");
    for (index, rule) in list(&spec.ingress).iter().enumerate() {
        ports_and_peers(list(&rule.ports), ("from", list(&rule.from)), known, &path.index(index), errors);
    }
    let path = SPEC.field("egress");
    for (index, rule) in list(&spec.egress).iter().enumerate() {
        ports_and_peers(list(&rule.ports), ("to", list(&rule.to)), known, &path.index(index), errors);
    }
    let (types, path) = (list(&spec.policy_types), SPEC.field("policyTypes"));
    if types.len() > 2 {
        return errors.invalid(&path, json(&types), "may not specify more than two policyTypes");
    }
    for (index, kind) in types.iter().enumerate() {
        one_of(kind, &["Ingress", "Egress"], &path.index(index), errors);
    }
}

fn ports_and_peers(
    ports: &[NetworkPolicyPort],
    (field, peers): (&str, &[NetworkPolicyPeer]),
    known: &[String],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let ports_path = path.field("ports");
    for (index, one) in ports.iter().enumerate() {
        port(one, &ports_path.index(index), errors);
    }
    let peers_path = path.field(field);
    for (index, one) in peers.iter().enumerate() {
        peer(one, known, &peers_path.index(index), errors);
    }
}

fn port(port: &NetworkPolicyPort, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(protocol) = &port.protocol {
        one_of(protocol, &["TCP", "UDP", "SCTP"], &path.field("protocol"), errors);
    }
    let (port_path, end_path) = (path.field("port"), path.field("endPort"));
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(number)), end) => {
            port_number(*number, &port_path, errors);
            if let Some(end) = end {
                if end < *number {
                    // Upstream shows the port, not the end.
                    errors.invalid(&end_path, *number, "must be greater than or equal to `port`");
                }
                port_number(end, &end_path, errors);
            }
        }
        (Some(IntOrString::String(name)), end) => {
            if let Some(end) = end {
                errors.invalid(&end_path, end, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_each(&port_path, name, names::port_name(name));
        }
        (None, Some(end)) => errors.invalid(&end_path, end, "may not be specified when `port` is not specified"),
        (None, None) => {}
    }
}

fn peer(peer: &NetworkPolicyPeer, known: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    shared::selector_if(&peer.pod_selector, &path.field("podSelector"), errors);
    shared::selector_if(&peer.namespace_selector, &path.field("namespaceSelector"), errors);
    let by_label = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
    match &peer.ip_block {
        Some(block) => {
            ip_block(block, known, &path.field("ipBlock"), errors);
            if by_label {
                errors.forbidden(path, "may not specify both ipBlock and another peer");
            }
        }
        None if !by_label => errors.required(path, "must specify a peer"),
        None => {}
    }
}

fn ip_block(block: &IPBlock, known: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if block.cidr.is_empty() {
        return errors.required(&path.field("cidr"), "");
    }
    names::cidr(&block.cidr, known, &path.field("cidr"), errors);
    let Some((network, bits)) = names::cidr_sloppy(&block.cidr) else { return };
    let path = path.field("except");
    for (index, except) in list(&block.except).iter().enumerate() {
        let path = path.index(index);
        names::cidr(except, known, &path, errors);
        let Some((address, except_bits)) = names::cidr_sloppy(except) else { continue };
        if bits >= except_bits || !contains(network, bits, address) {
            errors.invalid(&path, except.as_str(), "must be a strict subset of `cidr`");
        }
    }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let rest = width - u32::from(bits);
    network.checked_shr(rest) == address.checked_shr(rest)
}

/// What a client is warned of when it writes a NetworkPolicy: ranges that are not written as usual.
pub(super) fn network_policy_warnings(policy: &NetworkPolicy) -> Vec<String> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    let from = list(&spec.ingress).iter().map(|rule| list(&rule.from)).enumerate();
    let to = list(&spec.egress).iter().map(|rule| list(&rule.to)).enumerate();
    let peers = from
        .map(|(index, peers)| (format!("spec.ingress[{index}].from"), peers))
        .chain(to.map(|(index, peers)| (format!("spec.egress[{index}].to"), peers)));
    let mut warnings = Vec::new();
    for (path, peers) in peers {
        for (index, peer) in peers.iter().enumerate() {
            let Some(block) = &peer.ip_block else { continue };
            let path = format!("{path}[{index}].ipBlock");
            warnings.extend(of_range(format_args!("{path}.cidr"), &block.cidr));
            for (index, except) in list(&block.except).iter().enumerate() {
                warnings.extend(of_range(format_args!("{path}.except[{index}]"), except));
            }
        }
    }
    warnings
}
