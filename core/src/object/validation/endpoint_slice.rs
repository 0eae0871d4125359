//! EndpointSlices: addresses of one type that never changes, few enough for one object.
//!
//! Source: `pkg/apis/discovery/validation`.

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};

use super::fields::{list, one_of, required_one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::service::PROTOCOLS;
use super::shared;
use super::{addresses, checks, meta};
use crate::object::field::{FieldErrors, Path};

const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
/// Upstream raised this from 100 for meshes with many ports.
const PORTS_MAX: usize = 20_000;
const TOPOLOGY_MAX: usize = 16;
const HINTS_MAX: usize = 8;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLERS: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];

/// What is wrong with a new EndpointSlice.
pub fn endpoint_slice(slice: &EndpointSlice) -> FieldErrors {
    always(slice, None)
}

/// What a client is warned of when it writes an EndpointSlice; the cluster's own controllers know what they write.
pub(super) fn endpoint_slice_warnings(slice: &EndpointSlice) -> Vec<String> {
    let mut warnings = Vec::new();
    if slice.address_type == "FQDN" {
        warnings.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let manager = slice.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY));
    if manager.is_some_and(|manager| CONTROLLERS.contains(&manager.as_str())) {
        return warnings;
    }
    for (index, endpoint) in list(&slice.endpoints).iter().enumerate() {
        for (at, address) in endpoint.addresses.iter().enumerate() {
            warnings.extend(addresses::of_ip(format_args!("endpoints[{index}].addresses[{at}]"), address));
        }
    }
    warnings
}

/// What is wrong with a changed EndpointSlice.
pub fn endpoint_slice_update(new: &EndpointSlice, old: &EndpointSlice) -> FieldErrors {
    let mut errors = always(new, Some(old));
    checks::immutable(&new.address_type, &old.address_type, &Path::new("addressType"), &mut errors);
    errors
}

fn always(slice: &EndpointSlice, old: Option<&EndpointSlice>) -> FieldErrors {
    let mut errors = shared::namespaced(&slice.metadata, name_is_dns_subdomain);
    required_one_of(&slice.address_type, &TYPES, &Path::new("addressType"), &mut errors);
    ports(list(&slice.ports), &Path::new("ports"), &mut errors);
    if old.is_some_and(|old| checks::same(&slice.endpoints, &old.endpoints)) {
        // What was stored before a rule existed may stay as it is.
        return errors;
    }
    let (endpoints, path) = (list(&slice.endpoints), Path::new("endpoints"));
    if endpoints.len() > ENDPOINTS_MAX {
        errors.too_many(&path, endpoints.len(), ENDPOINTS_MAX);
    } else {
        for (index, one) in endpoints.iter().enumerate() {
            endpoint(one, &slice.address_type, &path.index(index), &mut errors);
        }
    }
    errors
}

fn endpoint(endpoint: &Endpoint, kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let addresses_path = path.field("addresses");
    match endpoint.addresses.len() {
        0 => errors.required(&addresses_path, "must contain at least 1 address"),
        count if count > ADDRESSES_MAX => errors.too_many(&addresses_path, count, ADDRESSES_MAX),
        _ => {}
    }
    for (index, one) in endpoint.addresses.iter().enumerate() {
        address(one, kind, &addresses_path, index, errors);
    }
    if let Some(node) = &endpoint.node_name {
        errors.invalid_each(&path.field("nodeName"), node, names::dns1123_subdomain(node));
    }
    if let Some(topology) = &endpoint.deprecated_topology {
        let path = path.field("deprecatedTopology");
        if topology.len() > TOPOLOGY_MAX {
            errors.too_many(&path, topology.len(), TOPOLOGY_MAX);
        }
        meta::labels(topology, &path, errors);
    }
    if let Some(host) = &endpoint.hostname {
        errors.invalid_each(&path.field("hostname"), host, names::dns1123_label(host));
    }
    if let Some(given) = &endpoint.hints {
        hints(given, &path.field("hints"), errors);
    }
}

fn address(value: &str, kind: &str, list: &Path<'_>, index: usize, errors: &mut FieldErrors) {
    let path = list.index(index);
    match kind {
        "IPv4" | "IPv6" => {
            if let Some(problem) = names::ip_problem(value) {
                return errors.invalid(&path, value, problem);
            }
            let is_v6 = matches!(names::ip_sloppy(value), Some(IpAddr::V6(_)));
            if is_v6 != (kind == "IPv6") {
                // Upstream names the list.
                errors.invalid(list, value, format!("must be an {kind} address"));
            }
            addresses::not_special(value, &path, errors);
        }
        "FQDN" => names::fully_qualified_domain(value, &path, errors),
        _ => {}
    }
}

fn hints(hints: &EndpointHints, path: &Path<'_>, errors: &mut FieldErrors) {
    let zones: Vec<&str> = list(&hints.for_zones).iter().map(|zone| zone.name.as_str()).collect();
    let nodes: Vec<&str> = list(&hints.for_nodes).iter().map(|node| node.name.as_str()).collect();
    for (field, given) in [("forZones", zones), ("forNodes", nodes)] {
        let path = path.field(field);
        if given.len() > HINTS_MAX {
            return errors.too_many(&path, given.len(), HINTS_MAX);
        }
        let repeated = shared::repeated(given.iter());
        for (index, name) in given.iter().enumerate() {
            let path = path.index(index);
            let path = path.field("name");
            if repeated[index] {
                errors.duplicate(&path, *name);
            }
            let problems = if field == "forZones" { names::label_value(name) } else { names::dns1123_subdomain(name) };
            errors.invalid_each(&path, name, problems);
        }
    }
}

fn ports(ports: &[EndpointPort], path: &Path<'_>, errors: &mut FieldErrors) {
    if ports.len() > PORTS_MAX {
        return errors.too_many(path, ports.len(), PORTS_MAX);
    }
    let repeated = shared::repeated(ports.iter().map(|port| text(&port.name)));
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            errors.invalid_each(&path.field("name"), name, names::dns1123_label(name));
        }
        if repeated[index] {
            errors.duplicate(&path.field("name"), name);
        }
        match &port.protocol {
            None => errors.required(&path.field("protocol"), ""),
            Some(protocol) => one_of(protocol, &PROTOCOLS, &path.field("protocol"), errors),
        }
        if let Some(protocol) = &port.app_protocol {
            errors.invalid_each(&path.field("appProtocol"), protocol, names::qualified_name(protocol));
        }
    }
}
