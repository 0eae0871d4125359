//! Devices that an embedding program hands out to containers by an extended resource.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use inboard::k8s_openapi::api::core::v1::Node;
use inboard::prelude::*;
use inboard::runtime::{Allocation, DevicePlugin, EnvVar, HostDevice, HostMount, PluginDevice, RuntimeError};
use inboard::{Api, Cluster, DeleteParams, ExecOptions, NodeSpec, conditions};
use inboard_runtime_mock::MockRuntime;
use tokio::sync::watch;

const MINUTE: Duration = Duration::from_secs(60);

/// The cards of a machine.
#[derive(Clone, Debug)]
struct Cards(watch::Sender<Vec<PluginDevice>>);

impl Cards {
    fn new(names: &[&str]) -> Self {
        Self(watch::Sender::new(names.iter().map(|name| PluginDevice::new(*name)).collect()))
    }

    fn fails(&self, name: &str) {
        self.0.send_modify(|cards| {
            cards.iter_mut().filter(|card| &*card.id == name).for_each(|card| card.healthy = false)
        });
    }
}

#[async_trait]
impl DevicePlugin for Cards {
    fn resource(&self) -> &str {
        "example.com/card"
    }

    fn devices(&self) -> Vec<PluginDevice> {
        self.0.borrow().clone()
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let next = |mut cards: watch::Receiver<_>| async move { cards.changed().await.ok().map(|()| ((), cards)) };
        stream::unfold(self.0.subscribe(), next).boxed()
    }

    async fn allocate(&self, devices: &[Arc<str>]) -> Result<Allocation, RuntimeError> {
        Ok(Allocation {
            env: vec![EnvVar { name: "CARDS".to_owned(), value: devices.join(",") }],
            mounts: vec![HostMount {
                host_path: "/usr/lib/cards".to_owned(),
                container_path: "/lib/cards".to_owned(),
                read_only: false,
            }],
            devices: devices.iter().map(|id| HostDevice::new(&format!("/dev/{id}"))).collect(),
            ..Allocation::default()
        })
    }
}

fn user(name: &str, cards: u32) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sleep, '3600']
    resources: {{limits: {{example.com/card: {cards}}}}}
"
    )
}

struct World {
    machine: MockRuntime,
    cluster: Cluster,
}

impl World {
    fn node(machine: &MockRuntime, cards: &Cards) -> NodeSpec {
        NodeSpec::new("host01", Arc::new(machine.clone())).device_plugin(cards.clone())
    }

    async fn new(cards: &Cards) -> Self {
        let machine = MockRuntime::new();
        let cluster = Cluster::builder().node(Self::node(&machine, cards)).start().await.expect("a cluster");
        Self { machine, cluster }
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(&self.cluster)
    }

    async fn runs(&self, name: &str) {
        self.pods().wait(name, MINUTE, conditions::is_pod_running()).await.expect("it runs");
    }

    async fn apply(&self, name: &str, cards: u32) {
        self.cluster.apply(&user(name, cards)).await.expect("applied");
    }

    async fn says(&self, pod: &str, line: &str) -> String {
        let output = self.pods().exec(pod, ["/bin/sh", "-c", line], &ExecOptions::default()).await.expect("it ran");
        assert_eq!(output.code, 0, "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What the node has of the resource, and what can be handed out.
    async fn amounts(&self) -> [String; 2] {
        let nodes: Api<Node> = Api::all(&self.cluster);
        let status = nodes.get("host01").await.expect("the node").status.expect("a status");
        [status.capacity, status.allocatable].map(|amounts| amounts.expect("amounts")["example.com/card"].0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn no_two_containers_have_the_same_device() {
    let cards = Cards::new(&["card0", "card1", "card2"]);
    let world = World::new(&cards).await;
    assert_eq!(world.amounts().await, ["3", "3"]);
    world.apply("one", 1).await;
    world.runs("one").await;
    world.apply("two", 2).await;
    world.runs("two").await;
    assert_eq!(world.says("one", "echo $CARDS").await, "card0");
    assert_eq!(world.says("two", "echo $CARDS").await, "card1,card2");
    world.says("one", "printf frame > /dev/card0; printf x > /lib/cards/version").await;
    assert_eq!(world.says("two", "ls /dev; cat /lib/cards/version").await, "card1\ncard2\nx");

    world.apply("three", 2).await;
    let waits = world.pods().wait("three", MINUTE, conditions::is_pod_running()).await;
    assert!(waits.is_err(), "all devices are taken");
    world.pods().delete("two", &DeleteParams::default()).await.expect("deleted");
    world.runs("three").await;
    assert_eq!(world.says("three", "echo $CARDS").await, "card1,card2");
}

#[tokio::test(start_paused = true)]
async fn who_has_what_is_known_after_the_process_was_started_anew() {
    let cards = Cards::new(&["card0", "card1"]);
    let world = World::new(&cards).await;
    world.apply("one", 1).await;
    world.runs("one").await;
    world.cluster.disconnect_node("host01").await.expect("gone");
    // Nothing of the first one is left but what the machine runs.
    let node = World::node(&world.machine, &Cards::new(&["card0", "card1"]));
    world.cluster.add_node(node).await.expect("back");
    world.apply("two", 1).await;
    world.runs("two").await;
    assert_eq!(world.says("one", "echo $CARDS").await, "card0");
    assert_eq!(world.says("two", "echo $CARDS").await, "card1");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_fails_is_not_handed_out() {
    let cards = Cards::new(&["card0", "card1"]);
    let world = World::new(&cards).await;
    cards.fails("card0");
    world.cluster.settle().await.expect("settled");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.amounts().await, ["2", "1"]);
    world.apply("one", 1).await;
    world.runs("one").await;
    assert_eq!(world.says("one", "echo $CARDS").await, "card1");
}
