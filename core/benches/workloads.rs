//! What a pod costs by the workload that it is of: `cargo bench -p inboard --bench workloads [-- NAME] [SIZE]`.
//!
//! A workload of 10, 100, 1,000 and 10,000 pods is created on an idle cluster of mock nodes under a paused clock, and waited
//! for: every pod is admitted, stored, scheduled, started and reported by the same code as in use. What is printed is the
//! real time that passed for each pod, the best of a few rounds; the nodes were there before. A row that grows with the
//! number of pods says that something looks at all of them for each of them. Run by `cargo test` it does the same at a
//! small size, to be kept working.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use inboard::object::kind::{BuiltInKind, Kind, KindId};
use inboard::prelude::*;
use inboard::store::{Object, Snapshot};
use inboard::{Api, Cluster, NodeSpec, PostParams, Shutdown};
use inboard_runtime_mock::MockRuntime;

const LONG: Duration = Duration::from_secs(100_000);
/// Pods a node, where they are not one a node.
const A_NODE: usize = 50;

/// What is created.
#[derive(Clone, Copy)]
enum Workload {
    ReplicaSet,
    /// With its `podManagementPolicy`.
    StatefulSet(&'static str),
    DaemonSet,
    Job,
}

const WORKLOADS: [(&str, Workload); 5] = [
    ("replica-set", Workload::ReplicaSet),
    ("stateful-set-ordered", Workload::StatefulSet("OrderedReady")),
    ("stateful-set-parallel", Workload::StatefulSet("Parallel")),
    ("daemon-set", Workload::DaemonSet),
    ("job", Workload::Job),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let full = args.iter().any(|arg| arg == "--bench");
    let given: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let (numbers, wanted): (Vec<&String>, Vec<&String>) =
        given.into_iter().partition(|arg| arg.parse::<usize>().is_ok());
    let numbers: Vec<usize> = numbers.into_iter().filter_map(|size| size.parse().ok()).collect();
    let sizes: &[usize] = match (numbers.as_slice(), full) {
        ([], true) => &[10, 100, 1000, 10_000],
        ([], false) => &[1, 10],
        (sizes, _) => sizes,
    };
    let heads: String = sizes.iter().map(|size| format!(" {size} pods |")).collect();
    println!("| µs a pod |{heads}\n|---|{}", "---|".repeat(sizes.len()));
    for (name, workload) in WORKLOADS {
        if !wanted.is_empty() && !wanted.iter().any(|arg| name.contains(arg.as_str())) {
            continue;
        }
        let cells = sizes.iter().map(|&pods| {
            let rounds = if full { (2000 / pods).clamp(1, 20) } else { 1 };
            let best = (0..rounds).map(|_| once(workload, pods)).min().expect("a round");
            format!(" {:.0} |", best.as_secs_f64() * 1e6 / pods as f64)
        });
        println!("| {name} |{}", cells.collect::<String>());
    }
}

fn once(workload: Workload, pods: usize) -> Duration {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let tokio = builder.enable_all().start_paused(true).build().expect("a tokio runtime");
    tokio.block_on(async {
        let node = |index: usize| NodeSpec::new(format!("node-{index:05}"), Arc::new(MockRuntime::new()));
        let nodes = if matches!(workload, Workload::DaemonSet) { pods } else { pods.div_ceil(A_NODE) };
        let cluster = Cluster::builder().nodes((0..nodes).map(node)).start().await.expect("a cluster");
        cluster.settle().await.expect("settled");
        let start = Instant::now();
        let kind = match workload {
            Workload::ReplicaSet => create(&cluster, &replica_set(pods)).await,
            Workload::StatefulSet(policy) => create(&cluster, &stateful_set(pods, policy)).await,
            Workload::DaemonSet => create(&cluster, &daemon_set()).await,
            Workload::Job => create(&cluster, &job(pods)).await,
        };
        let is_done = |snapshot: &Snapshot| {
            let object = snapshot.find(kind, "default", "load")?;
            (through(object) == Some(count(pods))).then_some(())
        };
        cluster.wait_until("all pods", LONG, is_done).await.expect("done");
        let took = start.elapsed();
        cluster.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
        took
    })
}

/// How many of its pods are ready, or have ended.
fn through(object: &Object) -> Option<i32> {
    if let Some(set) = object.typed::<ReplicaSet>() {
        set.status.as_ref()?.ready_replicas
    } else if let Some(set) = object.typed::<StatefulSet>() {
        set.status.as_ref()?.ready_replicas
    } else if let Some(set) = object.typed::<DaemonSet>() {
        Some(set.status.as_ref()?.number_ready)
    } else {
        object.typed::<Job>()?.status.as_ref()?.succeeded
    }
}

async fn create<K: Kind + BuiltInKind>(cluster: &Cluster, object: &K) -> KindId {
    let api: Api<K> = Api::default_namespaced(cluster);
    api.create(&PostParams::default(), object).await.expect("created");
    KindId::of::<K>()
}

fn container() -> Container {
    Container::builder("app", "nginx").request("cpu", "10m")
}

fn replica_set(pods: usize) -> ReplicaSet {
    ReplicaSet::builder("load").replicas(count(pods)).container(container()).build().expect("a set")
}

fn stateful_set(pods: usize, policy: &str) -> StatefulSet {
    let set = StatefulSet::builder("load").replicas(count(pods)).container(container());
    let mut set = set.build().expect("a set");
    set.spec.pod_management_policy = Some(policy.to_owned());
    set
}

fn daemon_set() -> DaemonSet {
    DaemonSet::builder("load").container(container()).build().expect("a set")
}

fn job(pods: usize) -> Job {
    let work = Container::builder("work", "busybox").command(["sleep", "60"]).request("cpu", "10m");
    Job::builder("load").completions(count(pods)).parallelism(count(pods)).container(work).build().expect("a job")
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).expect("a count")
}
