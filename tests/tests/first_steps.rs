//! The shortest story: a cluster, a pod, a Deployment, and gone again.

use std::sync::Arc;
use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, PostParams, Shutdown, conditions};
use inboard_runtime_mock::MockRuntime;

const MINUTE: Duration = Duration::from_secs(60);

async fn three_nodes() -> Cluster {
    let node = |name: &str| NodeSpec::new(name, Arc::new(MockRuntime::new()));
    Cluster::builder().nodes(["host01", "host02", "host03"].map(node)).start().await.expect("a cluster")
}

#[tokio::test(start_paused = true)]
async fn a_pod_runs_and_goes() {
    let cluster = three_nodes().await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod = Pod::builder("web").container(Container::builder("nginx", "nginx")).build().expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    pods.wait("web", MINUTE, conditions::is_pod_ready()).await.expect("ready");
    pods.delete("web", &DeleteParams::default()).await.expect("deleted");
    pods.wait("web", MINUTE, conditions::is_deleted()).await.expect("gone");
    cluster.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_rolls_out() {
    let cluster = three_nodes().await;
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let deployment = Deployment::builder("nginx")
        .replicas(3)
        .container(Container::builder("nginx", "nginx"))
        .build()
        .expect("a deployment");
    deployments.create(&PostParams::default(), &deployment).await.expect("created");
    deployments.wait("nginx", MINUTE, conditions::is_deployment_rolled_out()).await.expect("rolled out");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    assert_eq!(pods.list(&ListParams::default()).await.expect("pods").items.len(), 3);
}
