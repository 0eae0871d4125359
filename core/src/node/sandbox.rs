//! What the sandbox of a pod is made of: its names, its resolver, its host ports.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;

use super::config::NodeConfig;
use crate::runtime::{PodIdentity, PortMapping, SandboxConfig, SandboxDns};
use crate::store::{Object, PodBody};

/// The longest host name that Linux allows.
const HOSTNAME_MAX: usize = 63;

/// The configuration of a pod's next sandbox.
pub(super) fn config(object: &Object, pod: &PodBody, node: &NodeConfig, attempt: u32) -> SandboxConfig {
    let host_network = pod.spec.host_network == Some(true);
    let (hostname, domain_name) = names(object, pod, node);
    SandboxConfig {
        pod: PodIdentity {
            uid: object.meta.uid,
            namespace: Arc::clone(&object.meta.namespace),
            name: Arc::clone(&object.meta.name),
        },
        attempt,
        node: node.name.clone(),
        spec: Arc::clone(&pod.spec),
        labels: Arc::clone(&object.meta.labels),
        annotations: Arc::clone(&object.meta.annotations),
        hostname: if host_network { "".into() } else { hostname },
        domain_name,
        dns: dns(object, &pod.spec, node),
        ports: if host_network { Vec::new() } else { ports(&pod.spec) },
    }
}

/// The host name and, for a pod with a subdomain, the fully qualified name.
fn names(object: &Object, pod: &PodBody, node: &NodeConfig) -> (Arc<str>, Option<Arc<str>>) {
    let own = match &pod.hostname {
        Some(hostname) if !hostname.is_empty() => Arc::clone(hostname),
        _ => shortened(&object.meta.name),
    };
    if let Some(name) = pod.spec.hostname_override.as_deref().filter(|name| !name.is_empty()) {
        return (name.into(), None);
    }
    let domain = node.dns.as_ref().map_or("cluster.local", |dns| &dns.domain);
    let full = pod
        .spec
        .subdomain
        .as_deref()
        .filter(|subdomain| !subdomain.is_empty())
        .map(|subdomain| Arc::from(format!("{own}.{subdomain}.{}.svc.{domain}", object.meta.namespace)));
    match full {
        Some(full) if pod.spec.set_hostname_as_fqdn == Some(true) => (Arc::clone(&full), Some(full)),
        full => (own, full),
    }
}

fn shortened(name: &Arc<str>) -> Arc<str> {
    match name.char_indices().nth(HOSTNAME_MAX) {
        None => Arc::clone(name),
        Some((end, _)) => name[..end].trim_end_matches(['-', '.']).into(),
    }
}

/// The resolver's configuration that `dnsPolicy` and `dnsConfig` ask for.
fn dns(object: &Object, spec: &PodSpec, node: &NodeConfig) -> Option<SandboxDns> {
    let host_network = spec.host_network == Some(true);
    let of_cluster = match spec.dns_policy.as_deref() {
        Some("None") => Some(SandboxDns::default()),
        Some("Default") => None,
        Some("ClusterFirstWithHostNet") => cluster_dns(object, node),
        _ if host_network => None,
        _ => cluster_dns(object, node),
    };
    let Some(extra) = &spec.dns_config else { return of_cluster };
    let mut dns = of_cluster.unwrap_or_default();
    let add = |list: &mut Vec<String>, more: &Option<Vec<String>>| {
        for entry in more.iter().flatten() {
            if !list.contains(entry) {
                list.push(entry.clone());
            }
        }
    };
    add(&mut dns.servers, &extra.nameservers);
    add(&mut dns.searches, &extra.searches);
    for option in extra.options.iter().flatten() {
        let Some(name) = &option.name else { continue };
        dns.options.retain(|earlier| earlier.split(':').next() != Some(name.as_str()));
        dns.options.push(match &option.value {
            Some(value) => format!("{name}:{value}"),
            None => name.clone(),
        });
    }
    Some(dns)
}

fn cluster_dns(object: &Object, node: &NodeConfig) -> Option<SandboxDns> {
    let dns = node.dns.as_ref()?;
    let (namespace, domain) = (&object.meta.namespace, &dns.domain);
    Some(SandboxDns {
        servers: dns.servers.iter().map(ToString::to_string).collect(),
        searches: vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()],
        options: vec!["ndots:5".to_owned()],
    })
}

fn ports(spec: &PodSpec) -> Vec<PortMapping> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    let ports = sidecars.chain(&spec.containers).flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| {
            Some(PortMapping {
                protocol: port.protocol.as_deref().unwrap_or("TCP").into(),
                container_port: u16::try_from(port.container_port).ok()?,
                host_port: port.host_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?,
                host_ip: port.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
            })
        })
        .collect()
}
