//! Claims for devices on their nodes: prepared before a pod starts, and given back when it has gone.

use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Event;
use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::prelude::*;
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

#[tokio::test(start_paused = true)]
async fn a_pod_starts_once_its_claims_are_prepared() {
    let mock = MockRuntime::new();
    let node = NodeSpec::new("host01", Arc::new(mock.clone()));
    let cluster = Cluster::builder().nodes([node]).start().await.expect("a cluster");
    cluster.apply(CLAIM).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    // It was put on its node by hand, and nobody has given its claim anything.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let events: Api<Event> = Api::default_namespaced(&cluster);
    let told = events.list(&ListParams::default()).await.expect("events").items;
    let told = told.into_iter().find(|event| event.reason.as_deref() == Some("FailedPrepareDynamicResources"));
    let told = told.and_then(|event| event.message).expect("it is told");
    let begin = "Failed to prepare dynamic resources: pod p (";
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
