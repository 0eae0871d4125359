//! Claims for devices on their nodes: prepared before a pod starts, and given back when it has gone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use inboard::k8s_openapi::api::core::v1::Event;
use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::prelude::*;
use inboard::runtime::{
    Allocation, ClaimIdentity, DeviceDriver, DevicePlugin, PluginDevice, PreparedDevice, RuntimeError, RuntimeErrorKind,
};
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, Patch, PatchParams, conditions};
use inboard_runtime_mock::MockRuntime;
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

const CLAIM: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: c}
spec:
  devices:
    requests:
    - name: gpu
      exactly: {deviceClassName: gpu}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  nodeName: host01
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    resources: {claims: [{name: mine}]}
  resourceClaims:
  - name: mine
    resourceClaimName: c
";

/// A plugin without devices.
#[derive(Debug)]
struct NoFans;

#[async_trait]
impl DevicePlugin for NoFans {
    fn resource(&self) -> &str {
        "example.com/fan"
    }

    fn devices(&self) -> Vec<PluginDevice> {
        Vec::new()
    }

    async fn allocate(&self, _devices: &[Arc<str>]) -> Result<Allocation, RuntimeError> {
        Ok(Allocation::default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_starts_once_its_claims_are_prepared() {
    let mock = MockRuntime::new();
    // A plugin stands between the agent and the runtime, and has nothing to do with claims.
    let node = NodeSpec::new("host01", Arc::new(mock.clone())).device_plugin(NoFans);
    let cluster = Cluster::builder().nodes([node]).start().await.expect("a cluster");
    cluster.apply(CLAIM).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    // It was put on its node by hand, and nobody has given its claim anything.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let events: Api<Event> = Api::default_namespaced(&cluster);
    let told = events.list(&ListParams::default()).await.expect("events").items;
    let told = told.into_iter().find(|event| event.reason.as_deref() == Some("FailedPrepareDynamicResources"));
    let told = told.and_then(|event| event.message).expect("it is told");
    let begin = "Failed to prepare dynamic resources: prepare dynamic resources: pod p (";
    assert!(told.starts_with(begin) && told.contains(") is not allowed to use ResourceClaim c ("), "{told}");
    assert!(mock.prepared_claims().is_empty());

    let given = json!({"request": "gpu", "driver": "gpu.example.com", "pool": "host01", "device": "gpu-0"});
    let status = json!({"status": {"allocation": {"devices": {"results": [given]}}}});
    let claims: Api<ResourceClaim> = Api::default_namespaced(&cluster);
    claims.patch_status("c", &PatchParams::default(), &Patch::Merge(&status)).await.expect("allocated");
    pods.wait("p", MINUTE, conditions::is_pod_ready()).await.expect("ready");
    let prepared: Vec<String> = mock
        .prepared_claims()
        .iter()
        .flat_map(|(pod, claim)| {
            claim.devices().iter().map(|given| format!("{} {} {}", pod.name, claim.name, given.device))
        })
        .collect();
    assert_eq!(prepared, ["p mine gpu-0"]);

    pods.delete("p", &DeleteParams::default()).await.expect("deleted");
    pods.wait("p", MINUTE, conditions::is_deleted()).await.expect("gone");
    assert!(mock.prepared_claims().is_empty());
}

/// A driver that notes what it is asked, and fails as told.
#[derive(Clone, Debug, Default)]
struct Gpus {
    asked: Arc<Mutex<Vec<String>>>,
    failing: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Gpus {
    fn ask(&self, what: &'static str, claim: &str) -> Result<(), RuntimeError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {claim}"));
        match self.failing.lock().unwrap_or_else(PoisonError::into_inner).contains(what) {
            true => Err(RuntimeError::new(RuntimeErrorKind::Internal, "the bus is busy")),
            false => Ok(()),
        }
    }

    /// What it was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fails(&self, what: &'static str, fails: bool) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if fails {
            failing.insert(what)
        } else {
            failing.remove(what)
        };
    }
}

#[async_trait]
impl DeviceDriver for Gpus {
    fn name(&self) -> &str {
        "gpu.example.com"
    }

    async fn prepare(&self, claim: &ResourceClaim) -> Result<Vec<PreparedDevice>, RuntimeError> {
        self.ask("prepare", claim.metadata.name.as_deref().unwrap_or_default())?;
        Ok(vec![PreparedDevice { requests: Vec::new(), cdi_devices: vec!["gpu.example.com/gpu=0".into()] }])
    }

    async fn unprepare(&self, claim: &ClaimIdentity) -> Result<(), RuntimeError> {
        self.ask("unprepare", &claim.name)
    }
}

/// The claim `c` with a device, and so many pods that use it and end after this many seconds.
fn shared(pods: &[(&str, &str)]) -> String {
    let claim = CLAIM.split("---\napiVersion: v1").next().expect("the claim").to_owned();
    pods.iter().fold(claim, |all, (name, seconds)| {
        let pod = CLAIM.rsplit("---").next().expect("the pod").replace("name: p}", &format!("name: {name}}}"));
        let command = format!("image: busybox\n    command: [sleep, '{seconds}']");
        let pod = pod.replace("image: busybox", &command).replace("spec:\n", "spec:\n  restartPolicy: Never\n");
        format!("{all}---{pod}")
    })
}

struct World {
    gpus: Gpus,
    mock: MockRuntime,
    cluster: Cluster,
}

impl World {
    fn node(mock: &MockRuntime, gpus: &Gpus) -> NodeSpec {
        NodeSpec::new("host01", Arc::new(mock.clone())).device_driver(gpus.clone())
    }

    /// A node with a driver, and pods that share a claim which has a device of this driver.
    async fn new(driver: &str, pods: &[(&str, &str)]) -> Self {
        let (gpus, mock) = (Gpus::default(), MockRuntime::new());
        let cluster = Cluster::builder().node(Self::node(&mock, &gpus)).start().await.expect("a cluster");
        cluster.apply(&shared(&[])).await.expect("applied");
        let given = json!({"request": "gpu", "driver": driver, "pool": "host01", "device": "gpu-0"});
        let status = json!({"status": {"allocation": {"devices": {"results": [given]}}}});
        let claims: Api<ResourceClaim> = Api::default_namespaced(&cluster);
        claims.patch_status("c", &PatchParams::default(), &Patch::Merge(&status)).await.expect("allocated");
        cluster.apply(&shared(pods)).await.expect("applied");
        Self { gpus, mock, cluster }
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(&self.cluster)
    }

    async fn told(&self, reason: &str) -> Vec<String> {
        let events: Api<Event> = Api::default_namespaced(&self.cluster);
        let all = events.list(&ListParams::default()).await.expect("events").items;
        all.into_iter()
            .filter(|event| event.reason.as_deref() == Some(reason))
            .filter_map(|event| event.message)
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_is_asked_once_for_all_pods_of_a_claim() {
    let world = World::new("gpu.example.com", &[("a", "20"), ("b", "3600")]).await;
    for name in ["a", "b"] {
        world.pods().wait(name, MINUTE, conditions::is_pod_ready()).await.expect("ready");
    }
    assert_eq!(world.gpus.asked(), ["prepare c"]);
    world.pods().wait("a", MINUTE, conditions::is_pod_finished()).await.expect("it ended");
    assert_eq!(world.mock.list().claims.iter().map(|held| &*held.pod.name).collect::<Vec<_>>(), ["b"]);
    assert_eq!(world.gpus.asked(), [""; 0]);

    // Another process of the embedding program asks it once more, and goes on with what there is.
    world.cluster.disconnect_node("host01").await.expect("the agent goes");
    world.cluster.add_node(World::node(&world.mock, &world.gpus)).await.expect("it is back");
    world.cluster.settle().await.expect("settled");
    assert_eq!(world.gpus.asked(), ["prepare c"]);

    // A pod is not over as long as its devices are not given back.
    world.gpus.fails("unprepare", true);
    world.pods().delete("b", &DeleteParams::default()).await.expect("deleted");
    tokio::time::sleep(Duration::from_secs(15)).await;
    let phase = world.pods().get("b").await.expect("it is there still").status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Running"));
    let why = "NodeUnprepareResources failed for ResourceClaim c: the bus is busy";
    let told = world.told("FailedUnprepareDynamicResources").await;
    assert_eq!(told, [format!("Failed to unprepare dynamic resources: unprepare dynamic resources: {why}")]);
    world.gpus.fails("unprepare", false);
    world.pods().wait("b", MINUTE, conditions::is_deleted()).await.expect("gone");
    let asked = world.gpus.asked();
    assert!(asked.len() >= 2 && asked.iter().all(|what| what == "unprepare c"), "{asked:?}");
    assert!(world.mock.list().claims.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_cannot_do_is_told_and_tried_again() {
    let world = World::new("gpu.example.com", &[]).await;
    world.gpus.fails("prepare", true);
    world.cluster.apply(&shared(&[("a", "3600")])).await.expect("applied");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = world.told("FailedPrepareDynamicResources").await;
    let why = "NodePrepareResources failed for ResourceClaim c: the bus is busy";
    let begin = "Failed to prepare dynamic resources: prepare dynamic resources: ";
    assert!(told.contains(&format!("{begin}{why}")), "{told:?}");
    world.gpus.fails("prepare", false);
    world.pods().wait("a", MINUTE, conditions::is_pod_ready()).await.expect("ready");
    assert_eq!(&*world.mock.list().claims[0].shares[0].devices[0].cdi_devices[0], "gpu.example.com/gpu=0");

    let stranger = World::new("other.example.com", &[("a", "3600")]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = stranger.told("FailedPrepareDynamicResources").await;
    assert!(told.contains(&format!("{begin}DRA driver other.example.com is not registered")), "{told:?}");
    stranger.pods().delete("a", &DeleteParams::default()).await.expect("deleted");
    stranger.pods().wait("a", MINUTE, conditions::is_deleted()).await.expect("gone");
    assert_eq!(stranger.gpus.asked(), [""; 0]);
}

const EXTENDED: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec: {extendedResourceName: example.com/gpu}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: host01-gpu}
spec:
  driver: gpu.example.com
  nodeName: host01
  pool: {name: host01, generation: 1, resourceSliceCount: 1}
  devices:
  - name: gpu-0
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    resources: {limits: {example.com/gpu: 1}}
";

#[tokio::test(start_paused = true)]
async fn what_is_claimed_for_an_extended_resource_is_prepared_as_any_claim_is() {
    let (gpus, mock) = (Gpus::default(), MockRuntime::new());
    let cluster = Cluster::builder().node(World::node(&mock, &gpus)).start().await.expect("a cluster");
    cluster.apply(EXTENDED).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod = pods.wait("p", MINUTE, conditions::is_pod_ready()).await.expect("ready").expect("a pod");
    let status = pod.status.and_then(|status| status.extended_resource_claim_status).expect("its claim");
    let claim = status.resource_claim_name;
    assert_eq!(gpus.asked(), [format!("prepare {claim}")]);
    let held = mock.list().claims;
    assert_eq!(held.iter().map(|held| (&*held.name, &*held.claim.name)).collect::<Vec<_>>(), [(&*claim, &*claim)]);

    // Another process of the embedding program finds it prepared, and asks the driver once more.
    cluster.disconnect_node("host01").await.expect("the agent goes");
    cluster.add_node(World::node(&mock, &gpus)).await.expect("it is back");
    cluster.settle().await.expect("settled");
    assert_eq!(gpus.asked(), [format!("prepare {claim}")]);

    pods.delete("p", &DeleteParams::default()).await.expect("deleted");
    pods.wait("p", MINUTE, conditions::is_deleted()).await.expect("gone");
    assert_eq!(gpus.asked(), [format!("unprepare {claim}")]);
    assert!(mock.list().claims.is_empty());
}
