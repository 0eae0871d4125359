//! What people do with services, and how those must be in the end.

use std::collections::BTreeSet;

use inboard::control::Propagation;
use inboard::k8s_openapi::api::core::v1::{Endpoints, Service};
use inboard::k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use inboard::object::kind;
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Object, PodBody};
use serde_json::json;

use super::History;
use super::fixpoint::Cluster;

const SERVICES: [&str; 2] = ["svc0", "svc1"];
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const APPS: [&str; 3] = ["d0", "d1", "s0"];

impl History {
    pub(super) fn use_services(&mut self) {
        let (name, app) = (self.dice.pick(&SERVICES), self.dice.pick(&APPS));
        let port = json!({"port": 80, "targetPort": self.dice.pick(&[json!(80), json!("web")])});
        match self.dice.roll(8) {
            5..7 => self.write_endpoints(name),
            7 => {
                let patch = json!({"spec": {"selector": null}});
                self.note(format!("patch {name}: {patch}"));
                let result = self.cluster.patch(kind::SERVICE, name, Patch::Merge(patch));
                self.accept(result.map(|_| ()));
            }
            0..3 => {
                let published = self.dice.one_in(3);
                let distribution = self.dice.pick(&[json!(null), json!("PreferSameNode")]);
                let spec = json!({"selector": {"app": app}, "ports": [port], "publishNotReadyAddresses": published,
                    "trafficDistribution": distribution});
                let service = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create service {service}"));
                let service: Service = serde_json::from_value(service).expect("a service");
                let result = self.cluster.create(service);
                self.accept(result.map(|_| ()));
            }
            3 => {
                let patch = json!({"spec": {"selector": {"app": app}}});
                self.note(format!("patch {name}: {patch}"));
                let result = self.cluster.patch(kind::SERVICE, name, Patch::Strategic(patch));
                self.accept(result.map(|_| ()));
            }
            _ => {
                let propagation = self.dice.pick(&[None, Some(Propagation::Orphan)]);
                self.note(format!("delete {name} ({propagation:?})"));
                let options = DeleteOptions { propagation, ..DeleteOptions::default() };
                let result = self.cluster.delete(kind::SERVICE, name, options);
                self.accept(result);
            }
        }
    }
}

impl History {
    /// Somebody says where a service is, as for one outside of the cluster.
    fn write_endpoints(&mut self, name: &str) {
        let address = |number: usize| json!({"ip": format!("192.0.2.{number}")});
        let (ready, others) = (self.dice.roll(3), self.dice.roll(2));
        let subset = json!({
            "addresses": (0..=ready).map(|number| address(number as usize)).collect::<Vec<_>>(),
            "notReadyAddresses": (0..others).map(|number| address(10 + number as usize)).collect::<Vec<_>>(),
            "ports": [{"port": self.dice.pick(&[80, 443])}],
        });
        let mut endpoints = json!({"metadata": {"name": name, "namespace": "default"}, "subsets": [subset]});
        if self.cluster.snapshot().find(kind::ENDPOINTS, "default", name).is_some() {
            endpoints["metadata"]["labels"] = self.dice.pick(&[json!({}), json!({SKIP_MIRROR: "true"})]);
            self.note(format!("patch endpoints {endpoints}"));
            let result = self.cluster.patch(kind::ENDPOINTS, name, Patch::Merge(endpoints));
            self.accept(result.map(|_| ()));
        } else {
            self.note(format!("create endpoints {endpoints}"));
            let endpoints: Endpoints = serde_json::from_value(endpoints).expect("endpoints");
            let result = self.cluster.create(endpoints);
            self.accept(result.map(|_| ()));
        }
    }
}

/// A service whose slices do not list its ready pods, each once and with the right hints, or list others as ready; one without
/// a selector whose slices do not say what its Endpoints say.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    let mut services = cluster.snapshot().list(kind::SERVICE);
    services.find_map(|service| service_missing(cluster, service).or_else(|| mirror_missing(cluster, service)))
}

fn mirror_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let service: &Service = object.typed()?;
    let selects = service.spec.as_ref()?.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    let endpoints = cluster.snapshot().find(kind::ENDPOINTS, &object.meta.namespace, &object.meta.name)?;
    let is_skipped = endpoints.meta.labels.get(SKIP_MIRROR).is_some_and(|skip| skip == "true");
    let subsets = endpoints.typed::<Endpoints>()?.subsets.iter().flatten();
    let all = subsets.flat_map(|subset| subset.addresses.iter().chain(&subset.not_ready_addresses).flatten());
    let said: BTreeSet<String> = all.filter(|_| !selects && !is_skipped).map(|address| address.ip.clone()).collect();
    let slices = cluster.snapshot().owned_by(endpoints.meta.uid).filter_map(|slice| slice.typed::<EndpointSlice>());
    let listed = slices.flat_map(|slice| slice.endpoints.iter().flatten());
    let listed: BTreeSet<String> = listed.flat_map(|endpoint| endpoint.addresses.iter().cloned()).collect();
    (listed != said).then(|| format!("service {} is mirrored as {listed:?}, not {said:?}", object.meta.path()))
}

fn service_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let service: &Service = object.typed()?;
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref()?;
    let publishes = spec.publish_not_ready_addresses == Some(true);
    let pods = cluster.snapshot().list_in(kind::POD, &object.meta.namespace).filter(|pod| {
        let selected = selector.iter().all(|(key, value)| pod.meta.labels.get(key) == Some(value));
        let reached = pod.pod().is_some_and(|body| !body.is_finished() && !body.state.pod_ips.is_empty());
        let ready = pod.pod().is_some_and(PodBody::is_ready) && !pod.meta.is_deleting();
        selected && reached && (ready || publishes)
    });
    let mut wanted: Vec<String> = pods.map(|pod| pod.meta.uid.to_string()).collect();
    wanted.sort();
    let ready = || {
        let slices = cluster.snapshot().owned_by(object.meta.uid).filter_map(|slice| slice.typed::<EndpointSlice>());
        let endpoints = slices.flat_map(|slice| slice.endpoints.iter().flatten());
        endpoints.filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true))
    };
    let mut listed: Vec<String> = ready().filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.clone()).collect();
    listed.sort();
    if listed != wanted {
        return Some(format!("service {} lists {listed:?} as ready, not {wanted:?}", object.meta.path()));
    }
    let (namespace, name) = (&object.meta.namespace, &object.meta.name);
    let mut left = cluster.snapshot().loose_slices_of(namespace, name);
    if let Some(slice) = left.find(|slice| slice.meta.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER))
    {
        return Some(format!("service {} has the slice {} of an earlier one", object.meta.path(), slice.meta.name));
    }
    let stays = spec.traffic_distribution.is_some();
    let is_wrong = |endpoint: &&Endpoint| hinted(endpoint) != endpoint.node_name.as_deref().filter(|_| stays);
    let endpoint = ready().find(is_wrong)?;
    Some(format!("service {}, stays on its node: {stays}, hints at {endpoint:?}", object.meta.path()))
}

/// The one node that an endpoint is for.
fn hinted(endpoint: &Endpoint) -> Option<&str> {
    match endpoint.hints.as_ref()?.for_nodes.as_deref()? {
        [node] => Some(&node.name),
        _ => None,
    }
}
