//! What a client is warned of when it writes a Service.

use k8s_openapi::api::core::v1::Service;

use super::super::addresses::{of_ip, of_range};
use super::super::fields::{list, text};
use super::{TOPOLOGY_HINTS, TOPOLOGY_MODE, kind_of};

/// The warnings for a Service, in upstream's order.
pub fn service_warnings(service: &Service) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(spec) = &service.spec else { return warnings };
    if service.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(TOPOLOGY_HINTS)) {
        warnings.push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"));
    }
    let (kind, cluster_ip) = (kind_of(spec), text(&spec.cluster_ip));
    if !cluster_ip.is_empty() && cluster_ip != "None" {
        for (index, ip) in list(&spec.cluster_ips).iter().enumerate() {
            warnings.extend(of_ip(format!("spec.clusterIPs[{index}]"), ip));
        }
    }
    let headless = kind == "ClusterIP" && cluster_ip == "None";
    let external = list(&spec.external_ips);
    if headless {
        if !text(&spec.load_balancer_ip).is_empty() {
            warnings.push("spec.loadBalancerIP is ignored for headless services".to_owned());
        }
        if !external.is_empty() {
            warnings.push("spec.externalIPs is ignored for headless services".to_owned());
        }
        if text(&spec.session_affinity) != "None" {
            warnings.push("spec.SessionAffinity is ignored for headless services".to_owned());
        }
    }
    for (index, ip) in external.iter().enumerate() {
        warnings.extend(of_ip(format!("spec.externalIPs[{index}]"), ip));
    }
    if !external.is_empty() && !headless && kind != "ExternalName" {
        warnings.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned());
    }
    if let Some(ip) = spec.load_balancer_ip.as_ref().filter(|ip| !ip.is_empty()) {
        warnings.extend(of_ip("spec.loadBalancerIP", ip));
    }
    for (index, range) in list(&spec.load_balancer_source_ranges).iter().enumerate() {
        warnings.extend(of_range(format!("spec.loadBalancerSourceRanges[{index}]"), range));
    }
    if kind == "ExternalName" && !external.is_empty() {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if kind != "ExternalName" && !text(&spec.external_name).is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if spec.traffic_distribution.as_deref() == Some("PreferClose") {
        let use_instead = "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"";
        warnings.push(use_instead.to_owned());
    }
    warnings
}
