//! The walk-through on real containers: three nodes on one daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inboard::runtime::Runtime;
use inboard::{Cluster, NodeLocal, NodeSpec, Shutdown};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::TestDaemon;

use super::{NODES, World, walk_through};

/// Three nodes on one daemon.
struct Machines(BTreeMap<&'static str, Arc<ContainerdRuntime>>);

impl Machines {
    fn spec(&self, node: &str) -> NodeSpec {
        let runtime: Arc<dyn Runtime> = self.0[node].clone();
        NodeSpec::new(node, runtime)
    }
}

impl World for Machines {
    async fn power_off(&self, cluster: &Cluster, node: &str) {
        self.cut_off(cluster, node).await;
        let runtime = &self.0[node];
        for sandbox in runtime.inventory().await.expect("an inventory").sandboxes {
            runtime.stop_pod_sandbox(&sandbox.id).await.expect("stopped");
        }
    }

    async fn power_on(&self, cluster: &Cluster, node: &str) {
        self.reconnect(cluster, node).await;
    }

    async fn cut_off(&self, cluster: &Cluster, node: &str) {
        cluster.disconnect_node(node).await.expect("the agent goes");
    }

    async fn reconnect(&self, cluster: &Cluster, node: &str) {
        cluster.add_node(self.spec(node)).await.expect("the node comes back");
    }

    fn images(&self) -> (&'static str, &'static str) {
        ("docker.io/library/nginx:latest", "nginx:none")
    }

    fn toleration_seconds(&self) -> Option<u32> {
        Some(5)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let mut runtimes = BTreeMap::new();
    for (number, name) in (1..).zip(NODES) {
        runtimes.insert(name, Arc::new(daemon.node(number).await));
    }
    let world = Machines(runtimes);
    let nodes = NODES.map(|name| world.spec(name));
    let cluster =
        Cluster::builder().nodes(nodes).storage_class(NodeLocal::class("longhorn")).start().await.expect("a cluster");
    walk_through(&cluster, &world).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
    for runtime in world.0.values() {
        runtime.close().await;
    }
}
