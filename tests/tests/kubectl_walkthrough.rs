//! The walk-through typed by a user: the real kubectl, in the versions that `tests/install-kubectl` brings, against three
//! nodes on a socket. Told once for every runtime; what is seen on real containers must be what is seen on mocks, line by
//! line.

#[path = "kubectl_walkthrough/manifests.rs"]
mod manifests;
#[cfg(feature = "containerd")]
#[path = "kubectl_walkthrough/on_containerd.rs"]
mod on_containerd;
#[path = "kubectl_walkthrough/on_the_mock.rs"]
mod on_the_mock;
#[path = "kubectl_walkthrough/steps.rs"]
mod steps;
#[path = "kubectl_walkthrough/terminal.rs"]
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use inboard::store::AutoscalingSettings;
use inboard::{Cluster, NodeLocal, NodeSpec};
use inboard_apiserver::{Address, ApiServer, Server, Tokens};
use inboard_tests::kubectl::{Kubectl, versions};

const NODES: [&str; 3] = ["host01", "host02", "host03"];

/// What a user cannot type: accidents, and work for containers.
trait World {
    /// Lets a node lose its power.
    async fn power_off(&self, cluster: &Cluster, node: &str);
    /// Brings it back.
    async fn power_on(&self, cluster: &Cluster, node: &str);
    /// From now on the pods of the Deployment need so much CPU together, in thousandths of a core.
    async fn load(&self, cluster: &Cluster, millis: u64);
}

/// The versions of kubectl that are there.
#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
fn programs() -> Vec<PathBuf> {
    let programs = versions(env!("CARGO_TARGET_TMPDIR"));
    if programs.is_empty() {
        eprintln!("left out: there is no kubectl; tests/install-kubectl brings it");
    }
    programs
}

/// A cluster of these nodes, and its server.
async fn serve(nodes: impl IntoIterator<Item = NodeSpec>) -> (Cluster, Server) {
    let tokens = Tokens::generate().expect("the machine gives random numbers");
    // Real time is waited for: windows and periods are shorter than upstream's.
    let autoscaling = AutoscalingSettings {
        sync_period: Duration::from_secs(2),
        metric_resolution: Duration::from_secs(2),
        downscale_stabilization: Duration::from_secs(8),
        ..AutoscalingSettings::default()
    };
    let cluster = Cluster::builder()
        .nodes(nodes)
        .authority(tokens.clone())
        .storage_class(NodeLocal::class("longhorn"))
        .autoscaling(autoscaling)
        .node_monitor_grace_period(Duration::from_secs(5))
        .start()
        .await
        .expect("it starts");
    let api = ApiServer::builder(&cluster).tokens(tokens).build();
    api.create_defaults().await.expect("an empty cluster takes them");
    let server = Server::insecure(api, ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    (cluster, server)
}

fn kubectl(program: &Path, server: &Server) -> Kubectl {
    let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
    Kubectl::new(program, address)
}
