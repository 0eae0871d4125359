//! The walk-through on mocks, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use inboard::{Cluster, NodeLocal, NodeSpec, Shutdown};
use inboard_runtime_mock::{MockRuntime, Script, share_cpu};

use super::{NODES, World, walk_through};

struct Mocks(BTreeMap<&'static str, MockRuntime>);

impl Mocks {
    fn new() -> Self {
        let refused = RuntimeError::new(
            RuntimeErrorKind::ImageNotFound,
            "failed to resolve reference \"docker.io/library/nginx:none\": not found",
        );
        let mock = || {
            MockRuntime::builder()
                .script(Script::image("nginx").pull_takes(Duration::from_millis(800)))
                .script(Script::image("*:none").pull_fails(refused.clone()))
                .build()
        };
        Self(NODES.into_iter().map(|name| (name, mock())).collect())
    }
}

impl World for Mocks {
    async fn power_off(&self, _: &Cluster, node: &str) {
        self.0[node].down();
    }

    async fn power_on(&self, _: &Cluster, node: &str) {
        self.0[node].up();
    }

    async fn cut_off(&self, _: &Cluster, node: &str) {
        self.0[node].cut_off();
    }

    async fn reconnect(&self, _: &Cluster, node: &str) {
        self.0[node].reconnect();
    }

    async fn load(&self, _: &Cluster, millis: u64) {
        let nodes: Vec<MockRuntime> = self.0.values().cloned().collect();
        share_cpu(&nodes, "nginx-*", "nginx", millis, 1000);
    }

    fn images(&self) -> (&'static str, &'static str) {
        ("nginx:1.27", "nginx:none")
    }

    fn fourth_node(&self) -> Option<NodeSpec> {
        Some(NodeSpec::new("host04", Arc::new(MockRuntime::new())))
    }
}

/// The same nodes, lost in another way: it is their agents that go, and come back.
struct Agents(Mocks);

impl Agents {
    async fn come_back(&self, cluster: &Cluster, node: &str) {
        let runtime = Arc::new(self.0.0[node].clone());
        cluster.add_node(NodeSpec::new(node, runtime)).await.expect("the node comes back");
    }
}

impl World for Agents {
    async fn power_off(&self, cluster: &Cluster, node: &str) {
        cluster.disconnect_node(node).await.expect("the agent goes");
        self.0.0[node].down();
    }

    async fn power_on(&self, cluster: &Cluster, node: &str) {
        self.0.0[node].up();
        self.come_back(cluster, node).await;
    }

    async fn cut_off(&self, cluster: &Cluster, node: &str) {
        cluster.disconnect_node(node).await.expect("the agent goes");
    }

    async fn reconnect(&self, cluster: &Cluster, node: &str) {
        self.come_back(cluster, node).await;
    }

    async fn load(&self, cluster: &Cluster, millis: u64) {
        self.0.load(cluster, millis).await;
    }

    fn images(&self) -> (&'static str, &'static str) {
        self.0.images()
    }

    fn toleration_seconds(&self) -> Option<u32> {
        Some(5)
    }
}

async fn cluster_of(world: &Mocks) -> Cluster {
    let nodes = world.0.iter().map(|(name, mock)| NodeSpec::new(*name, Arc::new(mock.clone())));
    Cluster::builder().nodes(nodes).storage_class(NodeLocal::class("longhorn")).start().await.expect("a cluster")
}

#[tokio::test(start_paused = true)]
async fn the_walk_through() {
    let world = Mocks::new();
    let cluster = cluster_of(&world).await;
    walk_through(&cluster, &world).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
}

#[tokio::test(start_paused = true)]
async fn the_walk_through_with_agents_that_leave() {
    let world = Agents(Mocks::new());
    let cluster = cluster_of(&world.0).await;
    walk_through(&cluster, &world).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
}

/// A night has to come, so this is told in virtual time only.
#[tokio::test(start_paused = true)]
async fn three_o_clock() {
    let cluster = cluster_of(&Mocks::new()).await;
    super::batch::three_o_clock(&cluster).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
}
