//! Services, with the endpoints behind each port.

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::read::{NONE, UNSET, at, count, filled, items, joined, labels, optional, text, text_or};
use super::{Around, Events};
use crate::object::kind;

/// The label by which a slice says whose endpoints it has.
const OF_SERVICE: &str = "/metadata/labels/kubernetes.io~1service-name";
/// More endpoints are only counted.
const ENDPOINTS_MAX: usize = 3;

pub(super) fn tell(lines: &mut Lines, service: &Value, around: &dyn Around) -> Events {
    let slices = slices_of(service, around);
    metadata::names(lines, service);
    metadata::notes(lines, service);
    lines.put(0, "Selector", labels(service, "/spec/selector"));
    lines.put(0, "Type", text(service, "/spec/type"));
    lines.put_if(0, "IP Family Policy", optional(service, "/spec/ipFamilyPolicy"));
    let listed = |part: &str| Some(joined(service, part, ",")).filter(|list| !list.is_empty());
    lines.put(0, "IP Families", listed("/spec/ipFamilies").as_deref().unwrap_or(NONE));
    lines.put(0, "IP", text(service, "/spec/clusterIP"));
    lines.put(0, "IPs", listed("/spec/clusterIPs").as_deref().unwrap_or(NONE));
    lines.put_if(0, "External IPs", listed("/spec/externalIPs"));
    lines.put_if(0, "Desired LoadBalancer IP", filled(service, "/spec/loadBalancerIP"));
    lines.put_if(0, "External Name", filled(service, "/spec/externalName"));
    let ingress = items(service, "/status/loadBalancer/ingress");
    if !ingress.is_empty() {
        let told: Vec<String> = ingress.iter().map(ingress_of).collect();
        lines.put(0, "LoadBalancer Ingress", told.join(", "));
    }
    for port in items(service, "/spec/ports") {
        tell_port(lines, port, &slices);
    }
    lines.put(0, "Session Affinity", text(service, "/spec/sessionAffinity"));
    lines.put_if(0, "External Traffic Policy", filled(service, "/spec/externalTrafficPolicy"));
    lines.put_if(0, "Internal Traffic Policy", optional(service, "/spec/internalTrafficPolicy"));
    if count(service, "/spec/healthCheckNodePort") != 0 {
        lines.put(0, "HealthCheck NodePort", count(service, "/spec/healthCheckNodePort"));
    }
    lines.put_if(0, "LoadBalancer Source Ranges", listed("/spec/loadBalancerSourceRanges"));
    lines.put_if(0, "Traffic Distribution", optional(service, "/spec/trafficDistribution"));
    Events::Shown
}

fn ingress_of(ingress: &Value) -> String {
    match filled(ingress, "/ip") {
        Some(ip) => {
            let mode = optional(ingress, "/ipMode").map(|mode| format!(" ({mode})")).unwrap_or_default();
            format!("{ip}{mode}")
        }
        None => text(ingress, "/hostname").into_owned(),
    }
}

fn tell_port(lines: &mut Lines, port: &Value, slices: &[Value]) {
    let (name, protocol) = (text_or(port, "/name", UNSET), text(port, "/protocol"));
    lines.put(0, "Port", format_args!("{name}\t{}/{protocol}", count(port, "/port")));
    lines.put(0, "TargetPort", format_args!("{}/{protocol}", text_or(port, "/targetPort", "0")));
    lines.put_if(0, "AppProtocol", optional(port, "/appProtocol"));
    if count(port, "/nodePort") != 0 {
        lines.put(0, "NodePort", format_args!("{name}\t{}/{protocol}", count(port, "/nodePort")));
    }
    lines.put(0, "Endpoints", endpoints(slices, &text(port, "/name")));
}

/// The slices with a service's endpoints.
pub(super) fn slices_of(service: &Value, around: &dyn Around) -> Vec<Value> {
    let mut slices = around.all(kind::ENDPOINT_SLICE, &text(service, "/metadata/namespace"));
    let name = text(service, "/metadata/name");
    slices.retain(|slice| text(slice, OF_SERVICE) == name);
    slices
}

/// The ready endpoints of one port, the first few by address.
pub(super) fn endpoints(slices: &[Value], port: &str) -> String {
    if slices.is_empty() {
        return NONE.to_owned();
    }
    let mut found: Vec<String> = Vec::new();
    for slice in slices {
        let ready = items(slice, "/endpoints").iter().filter(|endpoint| at(endpoint, "/conditions/ready") != false);
        let addresses = ready.map(|endpoint| text(endpoint, "/addresses/0"));
        let ports = items(slice, "/ports");
        if ports.is_empty() {
            found.extend(addresses.map(|address| address.into_owned()));
            continue;
        }
        for number in ports.iter().filter(|known| text(known, "/name") == port).map(|known| count(known, "/port")) {
            found.extend(addresses.clone().map(|address| match address.contains(':') {
                true => format!("[{address}]:{number}"),
                false => format!("{address}:{number}"),
            }));
        }
    }
    let more = found.len().saturating_sub(ENDPOINTS_MAX);
    found.truncate(ENDPOINTS_MAX);
    let told = found.join(",");
    if more > 0 { format!("{told} + {more} more...") } else { told }
}
