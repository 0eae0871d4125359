//! Endpoints, in slices and in the older form.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{NONE, UNSET, at, items, joined, text, text_or};

pub(super) fn slice(lines: &mut Lines, slice: &Value) -> Events {
    metadata::names(lines, slice);
    metadata::notes(lines, slice);
    lines.put(0, "AddressType", text(slice, "/addressType"));
    let ports = items(slice, "/ports");
    if ports.is_empty() {
        lines.line(0, "Ports: <unset>");
    } else {
        lines.title(0, "Ports");
        tell_ports(lines, 1, ports);
    }
    let endpoints = items(slice, "/endpoints");
    lines.line(0, if endpoints.is_empty() { "Endpoints: <none>" } else { "Endpoints:" });
    for endpoint in endpoints {
        let addresses = joined(endpoint, "/addresses", ", ");
        lines.put(1, "- Addresses", if addresses.is_empty() { NONE } else { &addresses });
        lines.title(2, "Conditions");
        lines.put(3, "Ready", text_or(endpoint, "/conditions/ready", UNSET));
        lines.put(2, "Hostname", text_or(endpoint, "/hostname", UNSET));
        let target = at(endpoint, "/targetRef");
        if !target.is_null() {
            lines.put(2, "TargetRef", format_args!("{}/{}", text(target, "/kind"), text(target, "/name")));
        }
        lines.put(2, "NodeName", text_or(endpoint, "/nodeName", UNSET));
        lines.put(2, "Zone", text_or(endpoint, "/zone", UNSET));
    }
    Events::Shown
}

fn tell_ports(lines: &mut Lines, depth: usize, ports: &[Value]) {
    lines.titles(depth, &["Name", "Port", "Protocol"]);
    for port in ports {
        let [name, number] = ["/name", "/port"].map(|part| text_or(port, part, UNSET));
        lines.row(depth, &[&name, &number, &text(port, "/protocol")]);
    }
}

pub(super) fn endpoints(lines: &mut Lines, endpoints: &Value) -> Events {
    metadata::names(lines, endpoints);
    metadata::notes(lines, endpoints);
    lines.title(0, "Subsets");
    for subset in items(endpoints, "/subsets") {
        for (title, part) in [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")] {
            let addresses: Vec<_> = items(subset, part).iter().map(|address| text(address, "/ip")).collect();
            lines.put(1, title, if addresses.is_empty() { NONE.to_owned() } else { addresses.join(",") });
        }
        let ports = items(subset, "/ports");
        if !ports.is_empty() {
            lines.title(1, "Ports");
            tell_ports(lines, 2, ports);
        }
        lines.line(0, "");
    }
    Events::Shown
}
