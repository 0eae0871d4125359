//! Endpoints: addresses that can be reached from elsewhere, and ports with names of their own.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, Endpoints};

use super::addresses;
use super::checks::{self, port_number};
use super::fields::{list, required_one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::service::PROTOCOLS;
use super::shared::{self, meta_update};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with new Endpoints.
pub fn endpoints(endpoints: &Endpoints) -> FieldErrors {
    always(endpoints, None)
}

/// What is wrong with changed Endpoints.
pub fn endpoints_update(new: &Endpoints, old: &Endpoints) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    errors.append(always(new, Some(old)));
    errors
}

/// What a client is warned of when it writes Endpoints.
pub fn endpoints_warnings(_endpoints: &Endpoints) -> Vec<String> {
    vec!["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()]
}

fn always(endpoints: &Endpoints, old: Option<&Endpoints>) -> FieldErrors {
    let mut errors = shared::namespaced(&endpoints.metadata, name_is_dns_subdomain);
    if let Some(old) = old
        && checks::same(&old.subsets, &endpoints.subsets)
    {
        // What was stored before a rule existed may stay as it is.
        return errors;
    }
    let path = Path::new("subsets");
    for (index, subset) in list(&endpoints.subsets).iter().enumerate() {
        let path = path.index(index);
        let (ready, not_ready) = (list(&subset.addresses), list(&subset.not_ready_addresses));
        if ready.is_empty() && not_ready.is_empty() {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for (field, given) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
            let path = path.field(field);
            for (index, one) in given.iter().enumerate() {
                address(one, &path.index(index), &mut errors);
            }
        }
        let (ports, ports_path) = (list(&subset.ports), path.field("ports"));
        for (index, one) in ports.iter().enumerate() {
            port(one, ports.len() > 1, &ports_path.index(index), &mut errors);
        }
    }
    errors
}

fn address(address: &EndpointAddress, path: &Path<'_>, errors: &mut FieldErrors) {
    let ip = path.field("ip");
    names::ip_address(&address.ip, &[], &ip, errors);
    let host = text(&address.hostname);
    if !host.is_empty() {
        errors.invalid_each(&path.field("hostname"), host, names::dns1123_label(host));
    }
    if let Some(node) = &address.node_name {
        errors.invalid_each(&path.field("nodeName"), node, names::dns1123_subdomain(node));
    }
    addresses::not_special(&address.ip, &ip, errors);
}

fn port(port: &EndpointPort, named: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = text(&port.name);
    if !name.is_empty() {
        errors.invalid_each(&path.field("name"), name, names::dns1123_label(name));
    } else if named {
        errors.required(&path.field("name"), "");
    }
    port_number(port.port, &path.field("port"), errors);
    required_one_of(text(&port.protocol), &PROTOCOLS, &path.field("protocol"), errors);
    if let Some(protocol) = &port.app_protocol {
        errors.invalid_each(&path.field("appProtocol"), protocol, names::qualified_name(protocol));
    }
}
