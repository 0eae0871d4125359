//! What people and drivers do with devices and claims for them, and how those must be in the end.

use std::collections::BTreeSet;

use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use inboard::object::{device, kind};
use inboard::runtime::{HeldClaim, SimulatedRuntime};
use inboard::store::{DeleteOptions, Object, PodBody};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

const CLAIMS: [&str; 2] = ["k0", "k1"];
const DRIVER: &str = "gpu.example.com";

fn spec() -> Value {
    json!({"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}})
}

impl History {
    /// A class, a template, and a few devices on each node.
    pub(super) fn found_devices(&mut self) {
        let class: DeviceClass = serde_json::from_value(json!({
            "metadata": {"name": "gpu"},
            "spec": {"selectors": [{"cel": {"expression": format!("device.driver == '{DRIVER}'")}}]},
        }))
        .expect("a class");
        self.cluster.create(class).expect("nothing is in its way");
        let template = json!({"metadata": {"name": "gpu", "namespace": "default"}, "spec": {"spec": spec()}});
        let template: ResourceClaimTemplate = serde_json::from_value(template).expect("a template");
        self.cluster.create(template).expect("nothing is in its way");
        for node in self.nodes.clone() {
            self.report_devices(&node, 1, 2);
        }
    }

    /// A driver says which devices a node has.
    fn report_devices(&mut self, node: &str, generation: i64, count: usize) {
        let devices: Vec<Value> = (0..count).map(|number| json!({"name": format!("gpu-{number}")})).collect();
        let slice = json!({
            "metadata": {"name": format!("{node}-gpus-{generation}")},
            "spec": {
                "driver": DRIVER,
                "nodeName": node,
                "pool": {"name": node, "generation": generation, "resourceSliceCount": 1},
                "devices": devices,
            },
        });
        self.note(format!("create slice {slice}"));
        let slice: ResourceSlice = serde_json::from_value(slice).expect("a slice");
        let result = self.cluster.create(slice);
        self.accept(result.map(|_| ()));
    }

    pub(super) fn use_devices(&mut self) {
        let claim = self.dice.pick(&CLAIMS);
        match self.dice.roll(10) {
            0 | 1 => {
                let claim = json!({"metadata": {"name": claim, "namespace": "default"}, "spec": spec()});
                self.note(format!("create claim {claim}"));
                let claim: ResourceClaim = serde_json::from_value(claim).expect("a claim");
                let result = self.cluster.create(claim);
                self.accept(result.map(|_| ()));
            }
            2..6 => self.claim_devices(claim),
            6 => {
                self.note(format!("delete claim {claim}"));
                let result = self.cluster.delete(kind::RESOURCE_CLAIM, claim, DeleteOptions::default());
                self.accept(result);
            }
            7 | 8 => {
                let name = self.dice.pick(&["g0", "g1", "g2"]);
                self.note(format!("delete pod {name}"));
                let result = self.cluster.delete(kind::POD, name, DeleteOptions::default());
                self.accept(result);
            }
            _ => {
                let names = self.nodes.clone();
                let (node, generation) = (self.dice.pick(&names), self.dice.roll(3) as i64 + 2);
                let count = self.dice.roll(3) as usize;
                self.report_devices(&node, generation, count + 1);
            }
        }
    }

    fn claim_devices(&mut self, claim: &str) {
        let name = self.dice.pick(&["g0", "g1", "g2"]);
        let source = match self.dice.one_in(2) {
            true => json!({"name": "gpu", "resourceClaimTemplateName": "gpu"}),
            false => json!({"name": "gpu", "resourceClaimName": claim}),
        };
        let mut container = json!({"name": "app", "image": "web:1", "resources": {"claims": [{"name": "gpu"}]}});
        let mut spec = json!({"terminationGracePeriodSeconds": 1, "resourceClaims": [source]});
        if self.dice.one_in(3) {
            spec["restartPolicy"] = "Never".into();
            container["command"] = json!(["sleep", "7"]);
        }
        spec["containers"] = json!([container]);
        let pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.note(format!("create pod {pod}"));
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let result = self.cluster.create(pod);
        self.accept(result.map(|_| ()));
    }
}

fn claims(cluster: &Cluster) -> impl Iterator<Item = (&Object, &ResourceClaim)> {
    let all = cluster.snapshot().list(kind::RESOURCE_CLAIM);
    all.filter_map(|object| Some((&**object, object.typed::<ResourceClaim>()?)))
}

/// The first claim that is not as it should be.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    kept_too_long(cluster).or_else(|| badly_used(cluster))
}

/// A claim that a node keeps for a pod that is over.
fn kept_too_long(cluster: &Cluster) -> Option<String> {
    let kept = cluster.runtimes().flat_map(|(node, runtime)| {
        let claims = runtime.held(cluster.now()).claims;
        claims.into_iter().map(move |held| (node, held))
    });
    let is_over = |(_, held): &(_, HeldClaim)| {
        let pod = cluster.snapshot().get(held.pod.uid).and_then(|object| object.pod());
        pod.is_none_or(PodBody::is_finished)
    };
    let (node, held) = kept.into_iter().find(is_over)?;
    Some(format!("{node} keeps the claim {} for pod {}, which is over", held.name, held.pod.name))
}

fn badly_used(cluster: &Cluster) -> Option<String> {
    claims(cluster).find_map(|(object, claim)| {
        let uses = |uid: &str| {
            let pod = uid.parse().ok().and_then(|uid| cluster.snapshot().get(uid))?.pod()?;
            Some(!pod.is_finished())
        };
        let path = object.meta.path();
        let idle = device::consumers(claim).iter().find(|consumer| uses(&consumer.uid) != Some(true));
        if let Some(idle) = idle {
            return Some(format!("claim {path} is kept for {}, which is over", idle.name));
        }
        if object.meta.is_deleting() && device::consumers(claim).is_empty() {
            return Some(format!("claim {path} is to go, and nobody uses it"));
        }
        let owner = object.meta.controller().filter(|owner| uses(&owner.uid) != Some(true))?;
        Some(format!("claim {path} was made for {}, which is over", owner.name))
    })
}

/// Whether a pod waits for devices that nobody has, or for a claim that is not there.
pub(super) fn waits_for_devices(cluster: &Cluster, object: &Object) -> bool {
    let Some(pod) = object.pod().filter(|pod| !device::claims_of(&pod.spec).is_empty()) else { return false };
    is_without_claim(cluster, pod) || free(cluster) == 0
}

fn is_without_claim(cluster: &Cluster, pod: &PodBody) -> bool {
    device::claims_of(&pod.spec).iter().filter_map(|claim| claim.resource_claim_name.as_deref()).any(|name| {
        let found = cluster.snapshot().find(kind::RESOURCE_CLAIM, "default", name);
        found.is_none_or(|claim| claim.meta.is_deleting())
    })
}

/// How many devices of nodes that are there nobody has.
fn free(cluster: &Cluster) -> usize {
    let mut taken = BTreeSet::new();
    for (_, claim) in claims(cluster) {
        let allocation = claim.status.as_ref().and_then(|status| status.allocation.as_ref()?.devices.as_ref());
        let results = allocation.and_then(|devices| devices.results.as_ref()).into_iter().flatten();
        taken.extend(results.map(|given| (given.pool.clone(), given.device.clone())));
    }
    let slices = || {
        let all = cluster.snapshot().list(kind::RESOURCE_SLICE);
        all.filter_map(|object| object.typed::<ResourceSlice>()).map(|slice| &slice.spec)
    };
    let latest = |pool: &str| slices().filter(|spec| spec.pool.name == pool).map(|spec| spec.pool.generation).max();
    let current = slices().filter(|spec| {
        cluster.snapshot().has_node(&spec.pool.name) && Some(spec.pool.generation) == latest(&spec.pool.name)
    });
    let devices = current
        .flat_map(|spec| spec.devices.iter().flatten().map(|device| (spec.pool.name.clone(), device.name.clone())));
    devices.filter(|device| !taken.contains(device)).count()
}

/// The objects in a few lines.
pub(super) fn render(cluster: &Cluster) -> Vec<Value> {
    let kinds = [kind::RESOURCE_CLAIM, kind::RESOURCE_SLICE];
    let objects = kinds.into_iter().flat_map(|kind| cluster.snapshot().list(kind));
    objects.map(|object| object.to_value(cluster.kernel().store().kinds())).collect()
}
