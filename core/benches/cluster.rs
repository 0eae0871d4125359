//! How fast a whole cluster is, on mock containers: `cargo bench -p inboard --bench cluster [-- NAME]`.
//!
//! Everything that a pod goes through is included: admission, the store, the ReplicaSet and Deployment controllers, the
//! scheduler, the node agent, the calls to the mock runtime and their answers, events. Nothing is written to disk and
//! nothing crosses a network. Run by `cargo test` it does the same at a small size, to be kept working.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use inboard::prelude::*;
use inboard::{Api, Cluster, NodeSpec, PostParams, Shutdown, conditions};
use inboard_runtime_mock::MockRuntime;

const LONG: Duration = Duration::from_secs(3600);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let full = args.iter().any(|arg| arg == "--bench");
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|arg| name.contains(arg.as_str()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
    println!("| what | figure |\n|---|---|");
    if runs("small") {
        runtime.block_on(small(if full { 50 } else { 1 }));
    }
    if runs("idle") {
        runtime.block_on(idle());
    }
    if runs("large") {
        let (nodes, pods) = if full { (5000, 100_000) } else { (10, 200) };
        runtime.block_on(large(nodes, pods));
    }
}

fn node(name: String) -> NodeSpec {
    NodeSpec::new(name, Arc::new(MockRuntime::new()))
}

async fn cluster(nodes: usize) -> Cluster {
    let nodes = (0..nodes).map(|index| node(format!("node-{index:05}")));
    Cluster::builder().nodes(nodes).start().await.expect("a cluster")
}

fn deployment(name: &str, replicas: i32) -> Deployment {
    let container = Container::builder("nginx", "nginx").request("cpu", "10m");
    Deployment::builder(name).replicas(replicas).container(container).build().expect("a deployment")
}

/// From nothing to the first pod, and to three ready replicas.
async fn small(rounds: usize) {
    let (mut first_pod, mut three_ready) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        let one = cluster(3).await;
        let pods: Api<Pod> = Api::default_namespaced(&one);
        let pod = Pod::builder("web").container(Container::builder("nginx", "nginx")).build().expect("a pod");
        pods.create(&PostParams::default(), &pod).await.expect("created");
        pods.wait("web", LONG, conditions::is_pod_running()).await.expect("running");
        first_pod.push(start.elapsed());
        one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");

        let start = Instant::now();
        let two = cluster(3).await;
        let deployments: Api<Deployment> = Api::default_namespaced(&two);
        deployments.create(&PostParams::default(), &deployment("nginx", 3)).await.expect("created");
        deployments.wait("nginx", LONG, conditions::is_deployment_rolled_out()).await.expect("ready");
        three_ready.push(start.elapsed());
        two.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
    }
    println!("| new cluster of 3 nodes to first pod Running, median | {:?} |", median(&mut first_pod));
    println!("| new cluster of 3 nodes to a Deployment's 3 replicas Ready, median | {:?} |", median(&mut three_ready));
}

async fn idle() {
    let before = memory();
    let one = cluster(3).await;
    one.settle().await.expect("settled");
    println!("| memory of an idle cluster of 3 nodes | {} KiB |", memory().saturating_sub(before) / 1024);
    one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}

/// Deployments of 1,000 replicas each until there are enough pods.
async fn large(nodes: usize, pods: i32) {
    let bare = memory();
    let start = Instant::now();
    let cluster = cluster(nodes).await;
    cluster.settle().await.expect("settled");
    println!("| {nodes} nodes added | {:?}, {} bytes a node |", start.elapsed(), (memory() - bare) / nodes as u64);
    let with_nodes = memory();
    let (start, cpu) = (Instant::now(), user_seconds());
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    let replicas = pods.min(1000);
    for index in 0..pods / replicas {
        let deployment = deployment(&format!("app-{index:03}"), replicas);
        deployments.create(&PostParams::default(), &deployment).await.expect("created");
    }
    cluster.settle().await.expect("settled");
    let (took, cpu) = (start.elapsed(), user_seconds() - cpu);
    let snapshot = cluster.snapshot().await.expect("a snapshot");
    let running =
        snapshot.list(inboard::object::kind::POD).filter(|pod| pod.pod().is_some_and(|pod| pod.is_ready())).count();
    assert_eq!(running, usize::try_from(pods).expect("a count"), "every pod is ready");
    drop(snapshot);
    let a_second = f64::from(pods) / took.as_secs_f64();
    let a_pod = memory().saturating_sub(with_nodes) / u64::from(pods.unsigned_abs());
    println!("| {pods} pods on {nodes} nodes created, scheduled and Ready | {took:?}: {a_second:.0} pods a second |");
    let a_second = f64::from(pods) / cpu.max(0.01);
    println!(
        "| the same by user CPU time, which other programs do not lengthen | {cpu:.2}s: {a_second:.0} pods a second |"
    );
    println!("| memory, everything included | {a_pod} bytes a Running pod |");
    for (name, metrics) in cluster.metrics().await.expect("metrics") {
        println!("| {name} | {metrics:?} |");
    }
}

/// User CPU time of this process so far; 0 where the system does not tell.
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(11)?.parse::<u32>().ok());
    f64::from(ticks.unwrap_or(0)) / 100.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
