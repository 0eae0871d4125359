//! The walk-through on mocks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use inboard::{Cluster, NodeSpec};
use inboard_runtime_mock::{MockRuntime, share_cpu};

use super::steps::{walk_through, what_takes_longer};
use super::terminal::Terminal;
use super::{NODES, World, kubectl, programs, serve};

struct Mocks(BTreeMap<&'static str, MockRuntime>);

impl World for Mocks {
    async fn power_off(&self, cluster: &Cluster, node: &str) {
        cluster.disconnect_node(node).await.expect("the agent goes");
        self.0[node].down();
    }

    async fn power_on(&self, cluster: &Cluster, node: &str) {
        self.0[node].up();
        cluster.add_node(NodeSpec::new(node, Arc::new(self.0[node].clone()))).await.expect("the node comes back");
    }

    async fn load(&self, _: &Cluster, millis: u64) {
        let nodes: Vec<MockRuntime> = self.0.values().cloned().collect();
        share_cpu(&nodes, "nginx-*", "nginx", millis, 1000);
    }
}

/// What is seen; with the steps that take longer where there is time for them.
pub(super) async fn transcript(program: &Path, longer: bool) -> Vec<String> {
    let mocks = Mocks(NODES.map(|name| (name, MockRuntime::new())).into());
    let (cluster, server) =
        serve(mocks.0.iter().map(|(name, mock)| NodeSpec::new(*name, Arc::new(mock.clone())))).await;
    let kubectl = kubectl(program, &server);
    let terminal = Terminal::new(&kubectl, &cluster, format!("{} on mocks", program.display()));
    walk_through(&terminal, &cluster).await;
    if longer {
        what_takes_longer(&terminal, &cluster, &mocks).await;
    }
    server.stop().await;
    terminal.transcript()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_types_the_walk_through() {
    for program in programs() {
        let seen = transcript(&program, false).await;
        assert!(seen.len() > 100, "{seen:#?}");
    }
}
