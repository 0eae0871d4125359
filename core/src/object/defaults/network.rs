//! Services, endpoints, ingress classes and network policies.

use k8s_openapi::api::core::v1::{ClientIPConfig, Endpoints, Service, ServicePort, ServiceSpec, SessionAffinityConfig};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{IngressClass, NetworkPolicy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{each, text};

/// Seconds that a client stays with the same pod under `ClientIP` affinity: three hours.
const AFFINITY_SECONDS: i32 = 10_800;

/// Defaults of a Service. Addresses and node ports are given out later, by the store.
pub fn service(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    session_affinity(spec);
    text(&mut spec.type_, "ClusterIP");
    each(&mut spec.ports).for_each(port);

    let kind = spec.type_.clone().unwrap_or_default();
    let external_ips = spec.external_ips.as_ref().is_some_and(|addresses| !addresses.is_empty());
    if matches!(&*kind, "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && external_ips) {
        text(&mut spec.external_traffic_policy, "Cluster");
    }
    if matches!(&*kind, "NodePort" | "LoadBalancer" | "ClusterIP") {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".to_owned());
    }
    if kind == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
        let balancer = service.status.as_mut().and_then(|status| status.load_balancer.as_mut());
        for ingress in balancer.into_iter().flat_map(|balancer| each(&mut balancer.ingress)) {
            if ingress.ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
                ingress.ip_mode.get_or_insert_with(|| "VIP".to_owned());
            }
        }
    }
}

fn session_affinity(spec: &mut ServiceSpec) {
    text(&mut spec.session_affinity, "None");
    match spec.session_affinity.as_deref() {
        Some("None") => spec.session_affinity_config = None,
        Some("ClientIP") => {
            let client_ip = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
            if client_ip.and_then(|client_ip| client_ip.timeout_seconds).is_none() {
                let client_ip = Some(ClientIPConfig { timeout_seconds: Some(AFFINITY_SECONDS) });
                spec.session_affinity_config = Some(SessionAffinityConfig { client_ip });
            }
        }
        _ => {}
    }
}

fn port(port: &mut ServicePort) {
    text(&mut port.protocol, "TCP");
    let unset = match &port.target_port {
        None | Some(IntOrString::Int(0)) => true,
        Some(IntOrString::String(name)) => name.is_empty(),
        Some(IntOrString::Int(_)) => false,
    };
    if unset {
        port.target_port = Some(IntOrString::Int(port.port));
    }
}

/// Defaults of an Endpoints.
pub fn endpoints(endpoints: &mut Endpoints) {
    for subset in each(&mut endpoints.subsets) {
        for port in each(&mut subset.ports) {
            text(&mut port.protocol, "TCP");
        }
    }
}

/// Defaults of an EndpointSlice.
pub fn endpoint_slice(slice: &mut EndpointSlice) {
    for port in each(&mut slice.ports) {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}

/// Defaults of an IngressClass.
pub fn ingress_class(class: &mut IngressClass) {
    if let Some(parameters) = class.spec.as_mut().and_then(|spec| spec.parameters.as_mut()) {
        parameters.scope.get_or_insert_with(|| "Cluster".to_owned());
    }
}

/// Defaults of a NetworkPolicy: one that does not say what it is about is about ingress, and about egress if it has
/// rules for it.
pub fn network_policy(policy: &mut NetworkPolicy) {
    let spec = policy.spec.get_or_insert_default();
    if spec.policy_types.as_ref().is_none_or(|types| types.is_empty()) {
        let egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
        let types = ["Ingress"].into_iter().chain(egress.then_some("Egress"));
        spec.policy_types = Some(types.map(str::to_owned).collect());
    }
    let incoming = each(&mut spec.ingress).flat_map(|rule| each(&mut rule.ports));
    let outgoing = each(&mut spec.egress).flat_map(|rule| each(&mut rule.ports));
    for port in incoming.chain(outgoing) {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}
