//! Services: ports with names of their own, addresses of the families asked for, and policies that fit the type.
//!
//! What an allocator finds (an address out of range or taken, a family that the cluster does not have) is no part of
//! this: it is found when the Service is stored.
//!
//! Source: `pkg/apis/core/validation`, and `pkg/api/service` for warnings.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec, SessionAffinityConfig};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::checks::{self, port_number};
use super::fields::{list, one_of, required_one_of, text};
use super::names::{self, name_is_dns_label};
use super::shared::{self, METADATA, SPEC, meta_update};
use super::{addresses, go, meta};
use crate::object::field::{FieldErrors, Path};

mod cluster_ips;
mod status;
mod warnings;

pub(super) use status::host_name;
pub use status::service_status_update;
pub use warnings::service_warnings;

/// Deprecated in favour of the mode.
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const AFFINITY_SECONDS_MAX: i32 = 86_400;
const ONLY_LOAD_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";
pub(super) const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// What is wrong with a new Service.
pub fn service(service: &Service) -> FieldErrors {
    // RelaxedServiceNameValidation is on: a name may begin with a digit.
    let mut errors = shared::namespaced(&service.metadata, name_is_dns_label);
    errors.append(always(service, &Service::default()));
    errors
}

/// What is wrong with the addresses and families of a Service that may replace another one.
pub fn service_addresses(spec: &ServiceSpec, old: Option<&ServiceSpec>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    cluster_ips::related_fields(spec, old.map(|old| list(&old.cluster_ips)).unwrap_or_default(), &mut errors);
    errors
}

/// What is wrong with a changed Service.
pub fn service_update(new: &Service, old: &Service) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = ServiceSpec::default();
    let (after, before) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    cluster_ips::update(after, before, &mut errors);
    load_balancer_class(after, Some(before), &mut errors);
    if needs_health_check(before)
        && needs_health_check(after)
        && before.health_check_node_port != after.health_check_node_port
    {
        errors.forbidden(&SPEC.field("healthCheckNodePort"), names::IMMUTABLE);
    }
    errors.append(always(new, old));
    errors
}

fn kind_of(spec: &ServiceSpec) -> &str {
    text(&spec.type_)
}

fn is_headless(spec: &ServiceSpec) -> bool {
    matches!(list(&spec.cluster_ips), [only] if only == "None")
}

fn needs_health_check(spec: &ServiceSpec) -> bool {
    kind_of(spec) == "LoadBalancer" && text(&spec.external_traffic_policy) == "Local"
}

/// The rules for every Service; addresses that `old` has need not have the form that new ones must have.
fn always(service: &Service, old_service: &Service) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let default = ServiceSpec::default();
    let (spec, old) = (service.spec.as_ref().unwrap_or(&default), old_service.spec.as_ref().unwrap_or(&default));
    topology_annotations(service, &mut errors);
    if list(&spec.ports).is_empty() && !is_headless(spec) && kind_of(spec) != "ExternalName" {
        errors.required(&SPEC.field("ports"), "");
    }
    by_type(spec, &mut errors);
    ports(spec, &mut errors);
    if let Some(selector) = &spec.selector {
        meta::labels(selector, &SPEC.field("selector"), &mut errors);
    }
    session_affinity(spec, &mut errors);
    cluster_ips::related_fields(spec, list(&old.cluster_ips), &mut errors);
    external_ips(spec, list(&old.external_ips), &mut errors);
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    required_one_of(kind_of(spec), &types, &SPEC.field("type"), &mut errors);
    node_ports(spec, &mut errors);
    source_ranges(service, old_service, spec, list(&old.load_balancer_source_ranges), &mut errors);
    let allocate = spec.allocate_load_balancer_node_ports;
    match kind_of(spec) {
        "LoadBalancer" if allocate.is_none() => {
            errors.required(&Path::new("allocateLoadBalancerNodePorts"), "");
        }
        "LoadBalancer" => {}
        _ if allocate.is_some() => {
            errors.forbidden(&SPEC.field("allocateLoadBalancerNodePorts"), ONLY_LOAD_BALANCER);
        }
        _ => {}
    }
    load_balancer_class(spec, None, &mut errors);
    traffic(spec, &mut errors);
    errors
}

fn topology_annotations(service: &Service, errors: &mut FieldErrors) {
    let annotation = |key: &str| service.metadata.annotations.as_ref().and_then(|all| all.get(key));
    if let (Some(mode), Some(hints)) = (annotation(TOPOLOGY_MODE), annotation(TOPOLOGY_HINTS))
        && mode != hints
    {
        let path = METADATA.field("annotations");
        let detail = format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified");
        errors.invalid(&path.key(TOPOLOGY_MODE), mode.as_str(), detail);
    }
}

fn by_type(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let ips = SPEC.field("clusterIPs");
    match kind_of(spec) {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            errors.invalid(&ips.index(0), "None", format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => {
            let detail = "may not be set for ExternalName services";
            if !list(&spec.cluster_ips).is_empty() {
                errors.forbidden(&ips, detail);
            }
            if !list(&spec.ip_families).is_empty() {
                errors.forbidden(&SPEC.field("ipFamilies"), detail);
            }
            if spec.ip_family_policy.is_some() {
                errors.forbidden(&SPEC.field("ipFamilyPolicy"), detail);
            }
            let name = text(&spec.external_name);
            let name = name.strip_suffix('.').unwrap_or(name);
            let path = SPEC.field("externalName");
            if name.is_empty() {
                errors.required(&path, "");
            } else {
                errors.invalid_each(&path, name, names::dns1123_subdomain(name));
            }
        }
        _ => {}
    }
}

fn ports(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let (ports, path) = (list(&spec.ports), SPEC.field("ports"));
    let repeated = shared::repeated(ports.iter().map(|port| text(&port.name)));
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            errors.invalid_each(&path.field("name"), name, names::dns1123_label(name));
            if repeated[index] {
                errors.duplicate(&path.field("name"), name);
            }
        } else if ports.len() > 1 {
            errors.required(&path.field("name"), "");
        }
        port_of(port, &path, errors);
    }
}

fn port_of(port: &ServicePort, path: &Path<'_>, errors: &mut FieldErrors) {
    port_number(port.port, &path.field("port"), errors);
    required_one_of(text(&port.protocol), &PROTOCOLS, &path.field("protocol"), errors);
    let target = port.target_port.as_ref().unwrap_or(&IntOrString::Int(0));
    checks::port_number_or_name(target, &path.field("targetPort"), errors);
    if let Some(protocol) = &port.app_protocol {
        errors.invalid_each(&path.field("appProtocol"), protocol, names::qualified_name(protocol));
    }
}

fn session_affinity(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let affinity = text(&spec.session_affinity);
    required_one_of(affinity, &["ClientIP", "None"], &SPEC.field("sessionAffinity"), errors);
    let path = SPEC.field("sessionAffinityConfig");
    match (affinity, &spec.session_affinity_config) {
        ("ClientIP", config) => affinity_config(config.as_ref(), &path, errors),
        ("None", Some(_)) => errors.forbidden(&path, "must not be set when session affinity is None"),
        _ => {}
    }
}

fn affinity_config(config: Option<&SessionAffinityConfig>, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "when session affinity type is ClientIP";
    let Some(config) = config else { return errors.required(path, detail) };
    let path = path.field("clientIP");
    let Some(client) = &config.client_ip else { return errors.required(&path, detail) };
    let path = path.field("timeoutSeconds");
    match client.timeout_seconds {
        None => errors.required(&path, detail),
        Some(1..=AFFINITY_SECONDS_MAX) => {}
        Some(seconds) => {
            let detail = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
            errors.invalid(&path, seconds, detail);
        }
    }
}

fn external_ips(spec: &ServiceSpec, old: &[String], errors: &mut FieldErrors) {
    let path = SPEC.field("externalIPs");
    for (index, ip) in list(&spec.external_ips).iter().enumerate() {
        let (path, before) = (path.index(index), errors.len());
        names::ip_address(ip, old, &path, errors);
        if errors.len() == before {
            addresses::not_special(ip, &path, errors);
        }
    }
}

fn node_ports(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let (ports, path) = (list(&spec.ports), SPEC.field("ports"));
    let node_port = |port: &ServicePort| port.node_port.filter(|number| *number != 0);
    if kind_of(spec) == "ClusterIP" {
        for (index, _) in ports.iter().enumerate().filter(|(_, port)| node_port(port).is_some()) {
            let path = path.index(index);
            errors.forbidden(&path.field("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let repeated = shared::repeated(ports.iter().map(|port| (node_port(port), &port.protocol)));
    for (index, port) in ports.iter().enumerate() {
        let Some(number) = node_port(port) else { continue };
        if repeated[index] {
            let path = path.index(index);
            errors.duplicate(&path.field("nodePort"), number);
        }
    }
    let repeated = shared::repeated(ports.iter().map(|port| (port.port, &port.protocol)));
    for (index, port) in ports.iter().enumerate() {
        if repeated[index] {
            errors.duplicate_json(&path.index(index), go::service_port(text(&port.protocol), port.port), "");
        }
    }
}

fn source_ranges(
    service: &Service,
    old_service: &Service,
    spec: &ServiceSpec,
    old: &[String],
    errors: &mut FieldErrors,
) {
    let balanced = kind_of(spec) == "LoadBalancer";
    let ranges = list(&spec.load_balancer_source_ranges);
    if !ranges.is_empty() {
        // Upstream spells this path so.
        let path = SPEC.field("LoadBalancerSourceRanges");
        if !balanced {
            errors.forbidden(&path, ONLY_LOAD_BALANCER);
        }
        let known: Vec<String> = old.iter().map(|range| range.trim().to_owned()).collect();
        for (index, range) in ranges.iter().enumerate() {
            names::cidr(range.trim(), &known, &path.index(index), errors);
        }
        return;
    }
    let annotated = |service: &Service| -> Option<String> {
        service.metadata.annotations.as_ref().and_then(|all| all.get(SOURCE_RANGES)).cloned()
    };
    let Some(ranges) = annotated(service) else { return };
    let annotations = METADATA.field("annotations");
    let path = annotations.key(SOURCE_RANGES);
    if !balanced {
        errors.forbidden(&path, ONLY_LOAD_BALANCER);
    }
    // What was allowed once stays allowed. (None before is as good as an empty one.)
    if annotated(old_service).unwrap_or_default() == ranges || ranges.trim().is_empty() {
        return;
    }
    for range in ranges.split(',').map(str::trim) {
        names::cidr(range, &[], &path, errors);
    }
}

fn load_balancer_class(spec: &ServiceSpec, old: Option<&ServiceSpec>, errors: &mut FieldErrors) {
    let path = SPEC.field("loadBalancerClass");
    let balanced = kind_of(spec) == "LoadBalancer";
    if let Some(old) = old.filter(|old| balanced && kind_of(old) == "LoadBalancer")
        && old.load_balancer_class != spec.load_balancer_class
    {
        errors.invalid(&path, checks::json(&spec.load_balancer_class), "may not change once set");
    }
    match &spec.load_balancer_class {
        Some(class) if balanced => errors.invalid_each(&path, class, names::qualified_name(class)),
        Some(_) => errors.forbidden(&path, ONLY_LOAD_BALANCER),
        None => {}
    }
}

fn traffic(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let kind = kind_of(spec);
    let external = text(&spec.external_traffic_policy);
    let path = SPEC.field("externalTrafficPolicy");
    let has_external_ips = !list(&spec.external_ips).is_empty();
    if matches!(kind, "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && has_external_ips) {
        required_one_of(external, &["Cluster", "Local"], &path, errors);
    } else if !external.is_empty() {
        errors.invalid(&path, external, "may only be set for externally-accessible services");
    }
    let path = SPEC.field("healthCheckNodePort");
    match (needs_health_check(spec), spec.health_check_node_port.unwrap_or(0)) {
        (false, 0) => {}
        (false, port) => errors.invalid(
            &path,
            port,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        (true, 0) => errors.required(&path, ""),
        (true, port) => port_number(port, &path, errors),
    }
    let path = SPEC.field("internalTrafficPolicy");
    match &spec.internal_traffic_policy {
        Some(policy) => one_of(policy, &["Cluster", "Local"], &path, errors),
        None if matches!(kind, "NodePort" | "LoadBalancer" | "ClusterIP") => errors.required(&path, ""),
        None => {}
    }
    if let Some(distribution) = &spec.traffic_distribution {
        let allowed = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        one_of(distribution, &allowed, &SPEC.field("trafficDistribution"), errors);
    }
}
