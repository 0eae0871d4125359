//! What the pods of a service give: an endpoint each, on the ports that the service's ports mean in that pod.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::ZONE;
use crate::object::kind;
use crate::store::{Object, PodBody, Snapshot};

/// A pod that can be reached, and where it is.
#[derive(Debug)]
pub(in crate::controllers) struct SelectedPod<'w> {
    pub(in crate::controllers) object: &'w Arc<Object>,
    pub(in crate::controllers) pod: &'w PodBody,
    node: Option<&'w Arc<Object>>,
}

impl<'w> SelectedPod<'w> {
    pub(in crate::controllers) fn of(snapshot: &'w Snapshot, object: &'w Arc<Object>) -> Option<Self> {
        let pod = object.pod()?;
        let node = pod.node.as_ref().and_then(|node| snapshot.find(kind::NODE, "", node.as_str()));
        Some(Self { object, pod, node })
    }

    /// Its host name, where that is a name below the service's.
    pub(in crate::controllers) fn hostname_in(&self, service: &Object) -> Option<String> {
        let is_in_subdomain = self.pod.spec.subdomain.as_deref() == Some(&*service.meta.name);
        self.pod.hostname.as_deref().filter(|name| is_in_subdomain && !name.is_empty()).map(str::to_owned)
    }

    /// The addresses of one family.
    pub(in crate::controllers) fn addresses(&self, family: &str) -> impl Iterator<Item = String> {
        let wants_v4 = family == "IPv4";
        self.pod.state.pod_ips.iter().filter(move |ip| ip.is_ipv4() == wants_v4).map(ToString::to_string)
    }

    /// What the pod is called where it is referred to.
    pub(in crate::controllers) fn reference(&self) -> ObjectReference {
        ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: Some(self.object.meta.namespace.to_string()),
            name: Some(self.object.meta.name.to_string()),
            uid: Some(self.object.meta.uid.to_string()),
            ..ObjectReference::default()
        }
    }

    /// Whether it has an address, and has not ended.
    fn can_be_reached(&self) -> bool {
        !self.pod.is_finished() && !self.pod.state.pod_ips.is_empty()
    }

    /// Whether its node is known or does not matter.
    fn is_somewhere(&self, spec: &ServiceSpec) -> bool {
        self.node.is_some() || spec.publish_not_ready_addresses == Some(true)
    }
}

/// The pods that are left out because nobody knows their nodes.
pub(super) fn lost<'p, 'w>(
    spec: &ServiceSpec,
    pods: &'p [SelectedPod<'w>],
) -> impl Iterator<Item = &'p SelectedPod<'w>> {
    pods.iter().filter(|selected| selected.can_be_reached() && !selected.is_somewhere(spec))
}

/// The endpoints that share their ports.
pub(super) type ByPorts = Vec<(Vec<EndpointPort>, Vec<Endpoint>)>;

/// The IP families of a service, the first one first.
pub(in crate::controllers) fn families(spec: &ServiceSpec) -> Vec<String> {
    let families = spec.ip_families.clone().unwrap_or_default();
    if families.is_empty() { vec!["IPv4".to_owned()] } else { families }
}

/// The endpoints of one family.
pub(super) fn endpoints(service: &Object, spec: &ServiceSpec, pods: &[SelectedPod<'_>], family: &str) -> ByPorts {
    let mut all = ByPorts::new();
    for selected in pods.iter().filter(|selected| selected.can_be_reached() && selected.is_somewhere(spec)) {
        let Some(endpoint) = endpoint(service, spec, selected, family) else { continue };
        let ports = ports(spec, selected.pod);
        match all.iter_mut().find(|(known, _)| *known == ports) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => all.push((ports, vec![endpoint])),
        }
    }
    all
}

fn endpoint(service: &Object, spec: &ServiceSpec, selected: &SelectedPod<'_>, family: &str) -> Option<Endpoint> {
    let SelectedPod { object, pod, node } = selected;
    let addresses: Vec<String> = selected.addresses(family).collect();
    if addresses.is_empty() {
        return None;
    }
    let (serving, terminating) = (pod.is_ready(), object.meta.is_deleting());
    let ready = spec.publish_not_ready_addresses == Some(true) || (serving && !terminating);
    Some(Endpoint {
        addresses,
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: selected.hostname_in(service),
        node_name: pod.node.as_ref().map(ToString::to_string),
        target_ref: Some(selected.reference()),
        zone: node.and_then(|node| node.meta.labels.get(ZONE)).cloned(),
        ..Endpoint::default()
    })
}

/// The ports of a service in a pod; one that the pod does not have is left out.
pub(in crate::controllers) fn ports(spec: &ServiceSpec, pod: &PodBody) -> Vec<EndpointPort> {
    let ports = spec.ports.iter().flatten().filter_map(|port| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let number = match port.target_port.as_ref() {
            Some(IntOrString::String(name)) => named_port(pod, name, protocol)?,
            Some(IntOrString::Int(number)) => *number,
            None => port.port,
        };
        Some(EndpointPort {
            app_protocol: port.app_protocol.clone(),
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(number),
            protocol: Some(protocol.to_owned()),
        })
    });
    ports.collect()
}

/// The number of a port by its name, in a container or a sidecar.
fn named_port(pod: &PodBody, name: &str, protocol: &str) -> Option<i32> {
    let sidecars = pod.spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let mut ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports
        .find(|port| port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol)
        .map(|port| port.container_port)
}
