//! Claims for devices in a whole cluster: made from a template, given devices, and gone with their pods.

use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, conditions};
use inboard_runtime_mock::MockRuntime;

const MINUTE: Duration = Duration::from_secs(60);

const DEVICES: &str = "
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec:
  selectors:
  - cel: {expression: \"device.driver == 'gpu.example.com'\"}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: host02-gpus}
spec:
  driver: gpu.example.com
  nodeName: host02
  pool: {name: host02, generation: 1, resourceSliceCount: 1}
  devices:
  - name: gpu-0
    attributes: {model: {string: small}}
  - name: gpu-1
    attributes: {model: {string: big}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one-gpu}
spec:
  spec:
    devices:
      requests:
      - name: gpu
        exactly: {deviceClassName: gpu}
";

fn pod(name: &str, command: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [/bin/sleep, '{command}']
    resources: {{claims: [{{name: gpu}}]}}
  resourceClaims:
  - name: gpu
    resourceClaimTemplateName: one-gpu
"
    )
}

async fn cluster() -> Cluster {
    let node = |name: &str| NodeSpec::new(name, Arc::new(MockRuntime::new()));
    let cluster = Cluster::builder().nodes(["host01", "host02"].map(node)).start().await.expect("a cluster");
    cluster.apply(DEVICES).await.expect("applied");
    cluster
}

/// The devices that claims have, by claim.
async fn given(cluster: &Cluster) -> Vec<String> {
    let claims: Api<ResourceClaim> = Api::default_namespaced(cluster);
    let all = claims.list(&ListParams::default()).await.expect("claims").items;
    let one = |claim: &ResourceClaim| {
        let results = claim.status.as_ref()?.allocation.as_ref()?.devices.as_ref()?.results.clone()?;
        Some(results.iter().map(|given| given.device.clone()).collect::<Vec<_>>().join("+"))
    };
    let mut given: Vec<String> = all.iter().map(|claim| one(claim).unwrap_or_else(|| "-".to_owned())).collect();
    given.sort();
    given
}

#[tokio::test(start_paused = true)]
async fn pods_get_devices_from_a_template_and_give_them_back() {
    let cluster = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    for name in ["a", "b"] {
        cluster.apply(&pod(name, "3600")).await.expect("applied");
        pods.wait(name, MINUTE, conditions::is_pod_ready()).await.expect("ready");
    }
    assert_eq!(given(&cluster).await, ["gpu-0", "gpu-1"]);
    let first = pods.get("a").await.expect("the pod");
    assert_eq!(first.spec.as_ref().and_then(|spec| spec.node_name.as_deref()), Some("host02"));
    let statuses = first.status.and_then(|status| status.resource_claim_statuses).expect("its claims");
    let name = statuses[0].resource_claim_name.clone().expect("a name");
    assert!(statuses[0].name == "gpu" && name.starts_with("a-gpu-"), "{statuses:?}");

    cluster.apply(&pod("c", "5")).await.expect("applied");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let waits = pods.get("c").await.expect("the pod");
    assert_eq!(waits.spec.and_then(|spec| spec.node_name), None);
    let told =
        waits.status.and_then(|status| status.conditions?.into_iter().find(|one| one.type_ == "PodScheduled")?.message);
    assert_eq!(
        told.as_deref(),
        Some(
            "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are \
             available: 2 Preemption is not helpful for scheduling."
        ),
    );

    pods.delete("a", &DeleteParams::default()).await.expect("deleted");
    pods.wait("c", MINUTE, conditions::is_pod_finished()).await.expect("it had its turn");
    // It has ended: its claim goes though it stays.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(given(&cluster).await, ["gpu-1"]);
    pods.delete("b", &DeleteParams::default()).await.expect("deleted");
    pods.wait("b", MINUTE, conditions::is_deleted()).await.expect("gone");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(given(&cluster).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn slices_go_with_their_node() {
    let cluster = cluster().await;
    let (nodes, slices): (Api<Node>, Api<ResourceSlice>) = (Api::all(&cluster), Api::all(&cluster));
    let node = nodes.get("host02").await.expect("the node");
    let uid = node.metadata.uid.expect("a uid");
    let owned = format!(
        "
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata:
  name: owned
  ownerReferences: [{{apiVersion: v1, kind: Node, name: host02, uid: {uid}}}]
spec:
  driver: nic.example.com
  nodeName: host02
  pool: {{name: host02, generation: 1, resourceSliceCount: 1}}
  devices: [{{name: nic-0}}]
"
    );
    cluster.apply(&owned).await.expect("applied");
    nodes.delete("host02", &DeleteParams::default()).await.expect("deleted");
    slices.wait("owned", MINUTE, conditions::is_deleted()).await.expect("gone");
    assert!(slices.get("host02-gpus").await.is_ok(), "nobody owned it");
}
