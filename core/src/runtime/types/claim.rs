//! Claims for devices, as a runtime is asked to prepare them, and as it keeps them.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};
use serde::{Deserialize, Serialize};

use super::container::ContainerConfig;
use super::identity::PodIdentity;
use crate::ids::Uid;

/// A claim whose devices the containers of a pod are to get.
#[derive(Clone, Debug)]
pub struct ClaimConfig {
    /// What the pod calls it: `spec.resourceClaims[].name`. Containers name it in `resources.claims`.
    pub name: Arc<str>,
    /// The claim: which devices it has stands in `status.allocation`, and what their drivers are told.
    pub claim: Arc<ResourceClaim>,
    /// What the drivers that the node was given made ready of it, in the order of its devices; empty where it was given none.
    pub shares: Vec<DriverShare>,
}

impl ClaimConfig {
    /// The devices of the claim.
    pub fn devices(&self) -> &[DeviceRequestAllocationResult] {
        let allocation = self.claim.status.as_ref().and_then(|status| status.allocation.as_ref());
        let devices = allocation.and_then(|allocation| allocation.devices.as_ref());
        devices.and_then(|devices| devices.results.as_deref()).unwrap_or_default()
    }

    /// The drivers of its devices, each once.
    pub fn drivers(&self) -> Vec<&str> {
        let mut drivers: Vec<&str> = Vec::new();
        for given in self.devices() {
            if !drivers.contains(&given.driver.as_str()) {
                drivers.push(&given.driver);
            }
        }
        drivers
    }

    /// The first driver that has no share in it, though it has devices of the claim.
    pub fn missing_driver(&self) -> Option<&str> {
        let has_share = |driver: &str| self.shares.iter().any(|share| &*share.driver == driver);
        self.drivers().into_iter().find(|driver| !has_share(driver))
    }

    /// Which claim it is; `None` for one that was never stored.
    pub fn identity(&self) -> Option<ClaimIdentity> {
        let meta = &self.claim.metadata;
        Some(ClaimIdentity {
            uid: meta.uid.as_deref()?.parse().ok()?,
            namespace: meta.namespace.as_deref()?.into(),
            name: meta.name.as_deref()?.into(),
        })
    }
}

/// Which claim something belongs to. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimIdentity {
    /// The claim's uid: a later claim of the same name is another one.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Debug for ClaimIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}({})", self.namespace, self.name, self.uid)
    }
}

/// What one driver made ready of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverShare {
    /// The driver's name.
    pub driver: Arc<str>,
    /// The devices; empty as long as the driver has not answered.
    pub devices: Vec<PreparedDevice>,
}

/// A device that a driver made ready (`k8s.io/kubelet/pkg/apis/dra/v1.Device`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedDevice {
    /// The requests of the claim that it is for, without the names of alternatives; for each of them when empty.
    pub requests: Vec<Arc<str>>,
    /// What a container gets for it: names of the Container Device Interface (`vendor.com/class=device`).
    pub cdi_devices: Vec<Arc<str>>,
}

impl PreparedDevice {
    /// What a container gets for a device of a claim.
    pub fn new<T: Into<Arc<str>>>(
        given: &DeviceRequestAllocationResult,
        cdi_devices: impl IntoIterator<Item = T>,
    ) -> Self {
        let request = given.request.split_once('/').map_or(given.request.as_str(), |(request, _)| request);
        Self { requests: vec![request.into()], cdi_devices: cdi_devices.into_iter().map(Into::into).collect() }
    }

    /// Whether a container gets it that asks for this request of the claim; for the whole claim when empty.
    fn is_for(&self, request: &str) -> bool {
        request.is_empty() || self.requests.is_empty() || self.requests.iter().any(|one| **one == *request)
    }
}

/// A claim that a runtime keeps for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClaim {
    /// The pod.
    pub pod: PodIdentity,
    /// What the pod calls it.
    pub name: Arc<str>,
    /// The claim.
    pub claim: ClaimIdentity,
    /// What drivers made ready of it.
    pub shares: Vec<DriverShare>,
}

impl HeldClaim {
    /// The names of the Container Device Interface that a container gets for the claims of its pod, of which these are held: in
    /// the order in which the pod has the claims, and the container the requests.
    pub fn devices_of(config: &ContainerConfig, held: &[Self]) -> Vec<Arc<str>> {
        let resources = config.container().and_then(|container| container.resources.as_ref());
        let wanted = resources.and_then(|resources| resources.claims.as_deref()).unwrap_or_default();
        let mut names = Vec::new();
        for claim in config.spec.resource_claims.iter().flatten() {
            let asked = wanted.iter().filter(|asked| asked.name == claim.name);
            for request in asked.map(|asked| asked.request.as_deref().unwrap_or_default()) {
                let kept = held.iter().filter(|held| held.pod.uid == config.pod.uid && *held.name == *claim.name);
                let devices = kept.flat_map(|held| &held.shares).flat_map(|share| &share.devices);
                names.extend(
                    devices.filter(|device| device.is_for(request)).flat_map(|device| device.cdi_devices.clone()),
                );
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::runtime::ContainerKind;

    #[test]
    fn a_container_gets_what_it_names_of_the_claims_of_its_pod() {
        let rows = [
            (json!([]), vec![]),
            (json!([{"name": "a"}]), vec!["v/c=0", "v/c=1", "v/c=all"]),
            (json!([{"name": "a", "request": "r"}]), vec!["v/c=0", "v/c=all"]),
            (json!([{"name": "a", "request": "s"}]), vec!["v/c=1", "v/c=all"]),
            (json!([{"name": "a", "request": "t"}]), vec!["v/c=all"]),
            (json!([{"name": "b"}, {"name": "a", "request": "r"}]), vec!["v/c=0", "v/c=all", "w/c=2"]),
            (json!([{"name": "none"}]), vec![]),
        ];
        let pod = |bits| PodIdentity { uid: Uid::from_random(bits), namespace: "n".into(), name: "p".into() };
        let given = |request: &str| DeviceRequestAllocationResult { request: request.into(), ..Default::default() };
        let claim = |name: &str| ClaimIdentity { uid: Uid::from_random(9), namespace: "n".into(), name: name.into() };
        let share = |devices| vec![DriverShare { driver: "d".into(), devices }];
        let all = PreparedDevice { requests: Vec::new(), cdi_devices: vec!["v/c=all".into()] };
        let of_a =
            vec![PreparedDevice::new(&given("r/first"), ["v/c=0"]), PreparedDevice::new(&given("s"), ["v/c=1"]), all];
        let of_b = vec![PreparedDevice::new(&given("r"), ["w/c=2"])];
        let held =
            |pod, name: &str, devices| HeldClaim { pod, name: name.into(), claim: claim(name), shares: share(devices) };
        let held = [held(pod(1), "b", of_b.clone()), held(pod(2), "a", of_b), held(pod(1), "a", of_a)];
        for (claims, expected) in rows {
            let spec = json!({
                "containers": [{"name": "main", "resources": {"claims": claims}}],
                "resourceClaims": [{"name": "a"}, {"name": "b"}, {"name": "none"}],
            });
            let config = ContainerConfig {
                pod: pod(1),
                spec: Arc::new(serde_json::from_value(spec).expect("a pod's spec")),
                kind: ContainerKind::Regular,
                index: 0,
                name: "main".into(),
                attempt: 0,
                image: "i".into(),
                image_id: "i".into(),
                command: Vec::new(),
                args: Vec::new(),
                env: Vec::new(),
                mounts: Vec::new(),
                devices: Vec::new(),
                cdi_devices: Vec::new(),
                given: Vec::new(),
                host_mounts: Vec::new(),
                annotations: BTreeMap::new(),
            };
            let names = HeldClaim::devices_of(&config, &held);
            assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), expected, "{claims}");
        }
    }
}
