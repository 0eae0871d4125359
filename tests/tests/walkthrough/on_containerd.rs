//! The walk-through on real containers: three nodes on one daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use inboard::prelude::*;
use inboard::runtime::Runtime;
use inboard::store::AutoscalingSettings;
use inboard::{Api, Cluster, ExecOptions, NodeLocal, NodeSpec, Shutdown};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::TestDaemon;

use super::{NODES, World, app_pods, name, walk_through};

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

    async fn load(&self, cluster: &Cluster, millis: u64) {
        let pods: Api<Pod> = Api::default_namespaced(cluster);
        let work = match millis {
            0 => "rm -f /tmp/busy",
            _ => "touch /tmp/busy; (while [ -e /tmp/busy ]; do :; done) > /dev/null 2>&1 &",
        };
        for pod in app_pods(cluster).await {
            let done = pods.exec(name(&pod), ["/bin/sh", "-c", work], &ExecOptions::default()).await.expect("it runs");
            assert_eq!(done.code, 0, "{done:?}");
        }
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
    // Real time is waited for: windows and periods are shorter than upstream's.
    let autoscaling = AutoscalingSettings {
        sync_period: Duration::from_secs(5),
        metric_resolution: Duration::from_secs(5),
        downscale_stabilization: Duration::from_secs(20),
        ..AutoscalingSettings::default()
    };
    let builder = Cluster::builder().nodes(nodes).storage_class(NodeLocal::class("longhorn"));
    let builder = builder.autoscaling(autoscaling).node_monitor_grace_period(Duration::from_secs(5));
    let cluster = builder.start().await.expect("a cluster");
    walk_through(&cluster, &world).await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
    for runtime in world.0.values() {
        runtime.close().await;
    }
}
