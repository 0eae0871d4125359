//! Nodes that leave and come back.

use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Node;
use inboard::prelude::*;
use inboard::{Api, Cluster, NodeSpec, PostParams, conditions};
use inboard_runtime_mock::MockRuntime;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_with_more_room_takes_what_did_not_fit() {
    let machine = MockRuntime::new();
    let spec = |cpu: &str| NodeSpec::new("host01", Arc::new(machine.clone())).capacity("cpu", cpu);
    let cluster = Cluster::builder().node(spec("1")).start().await.expect("a cluster");
    let nodes: Api<Node> = Api::all(&cluster);
    let mut node = nodes.get("host01").await.expect("the node");
    node.metadata.labels.get_or_insert_default().insert("team".into(), "red".into());
    nodes.replace("host01", &PostParams::default(), &node).await.expect("labelled");

    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let container = Container::builder("app", "app").request("cpu", "2");
    let large = Pod::builder("large").container(container).build().expect("a pod");
    pods.create(&PostParams::default(), &large).await.expect("created");
    cluster.settle().await.expect("settled");

    cluster.disconnect_node("host01").await.expect("gone");
    cluster.add_node(spec("4").label("disk", "ssd")).await.expect("back");
    pods.wait("large", MINUTE, conditions::is_pod_ready()).await.expect("it fits now");
    let labels = nodes.get("host01").await.expect("the node").metadata.labels.unwrap_or_default();
    assert_eq!(labels.get("team").map(String::as_str), Some("red"), "what others wrote stays");
    assert_eq!(labels.get("disk").map(String::as_str), Some("ssd"));
}
