//! Nodes that leave and come back.

use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Node;
use inboard::node::{Amount, EvictionRules, Signal};
use inboard::prelude::*;
use inboard::runtime::{NodeStats, Room};
use inboard::{Api, Cluster, ListParams, NodeSpec, PostParams, conditions};
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

/// How long a node may be silent is the cluster's to say; fifty seconds when it says nothing.
#[tokio::test(start_paused = true)]
async fn a_silent_node_is_unknown_when_its_grace_is_over() {
    const SECOND: Duration = Duration::from_secs(1);
    for (said, grace) in [(None, 50 * SECOND), (Some(7 * SECOND), 7 * SECOND)] {
        let builder = Cluster::builder().node(NodeSpec::new("host01", Arc::new(MockRuntime::new())));
        let builder = match said {
            Some(grace) => builder.node_monitor_grace_period(grace),
            None => builder,
        };
        let cluster = builder.start().await.expect("a cluster");
        let nodes: Api<Node> = Api::all(&cluster);
        let ready = async || {
            let node = nodes.get("host01").await.expect("the node");
            let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
            conditions.into_iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status)
        };
        cluster.settle().await.expect("settled");
        cluster.disconnect_node("host01").await.expect("gone");
        tokio::time::sleep(grace - SECOND).await;
        assert_eq!(ready().await.as_deref(), Some("True"), "{grace:?}");
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(ready().await.as_deref(), Some("Unknown"), "{grace:?}");
    }
}

/// A node that looks after its machine gives its pods up one by one, is left alone by the scheduler, and comes back.
#[tokio::test(start_paused = true)]
async fn a_machine_short_of_memory_loses_its_pods_to_another_until_it_has_room() {
    const MIB: u64 = 1 << 20;
    let room = |available: u64| NodeStats {
        memory: Some(Room { available: available * MIB, capacity: 1000 * MIB }),
        ..NodeStats::default()
    };
    let machines = [MockRuntime::new(), MockRuntime::new()];
    machines.iter().for_each(|machine| machine.set_machine(room(900)));
    let rules = EvictionRules::none()
        .hard(Signal::MemoryAvailable, Amount::Units(100 * MIB))
        .pressure_transition(Duration::from_secs(40));
    let node = |(number, machine): (usize, &MockRuntime)| {
        NodeSpec::new(format!("host{number:02}"), Arc::new(machine.clone())).evict(rules.clone())
    };
    let cluster = Cluster::builder().nodes(machines.iter().enumerate().map(node)).start().await.expect("a cluster");
    let web = Deployment::builder("web").replicas(4).container(Container::builder("web", "web")).build();
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    deployments.create(&PostParams::default(), &web.expect("a deployment")).await.expect("created");
    let nodes: Api<Node> = Api::all(&cluster);
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    // How many pods run on each node.
    let running = async || {
        let list = pods.list(&ListParams::default()).await.expect("a list");
        ["host00", "host01"].map(|host| {
            let here = |pod: &&Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(host));
            list.items.iter().filter(here).filter(|pod| conditions::is_pod_running()(Some(pod))).count()
        })
    };
    let pressed = |node: Option<&Node>| {
        let taints = node.and_then(|node| node.spec.as_ref()?.taints.as_ref()).into_iter().flatten();
        taints.into_iter().any(|taint| taint.key == "node.kubernetes.io/memory-pressure")
    };
    tokio::time::sleep(MINUTE).await;
    assert_eq!(running().await, [2, 2]);
    machines[0].set_machine(room(50));
    nodes.wait("host00", MINUTE, pressed).await.expect("it says that it is short of memory");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(running().await, [0, 4]);
    let list = pods.list(&ListParams::default()).await.expect("a list");
    let evicted = list.items.iter().filter_map(|pod| pod.status.as_ref()?.reason.as_deref()).collect::<Vec<_>>();
    assert_eq!(evicted, ["Evicted", "Evicted"]);
    machines[0].set_machine(room(900));
    nodes.wait("host00", 2 * MINUTE, |node| node.is_some() && !pressed(node)).await.expect("it has room again");
    let more = Deployment::builder("more").replicas(4).container(Container::builder("web", "web")).build();
    deployments.create(&PostParams::default(), &more.expect("a deployment")).await.expect("created");
    tokio::time::sleep(MINUTE).await;
    assert!(running().await[0] > 0, "{:?}", running().await);
}
