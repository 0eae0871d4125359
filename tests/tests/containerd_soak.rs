//! Pods come and go on real containers while the embedding process is killed again and again, and containerd too:
//! nothing is lost, nothing is done twice, nothing is left over.
//!
//! `INBOARD_SOAK` says how many pods (500 for the long form), `INBOARD_SEED` which accidents.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Event;
use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, PostParams, Reason, Shutdown, conditions};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{Journal, TestDaemon, builder_in};
use inboard_tests::dice::Dice;
use serde_json::json;
use tokio::process::{Child, Command};

/// How many pods are run by default, and how many at a time.
const PODS: u32 = 40;
const AT_A_TIME: usize = 4;
/// How long one pod may take with all accidents.
const PATIENCE: Duration = Duration::from_secs(90);

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The lines of a file that a process may be writing.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

/// Waits until so many pods have come to their end.
async fn reached(done: &Path, pods: u32, child: &mut Child, dir: &Path) {
    let reached = async {
        while lines(done).len() < pods as usize {
            assert!(!passed(child, 20).await, "the process ended early:\n{}", said(dir));
        }
    };
    let reached = tokio::time::timeout(PATIENCE * 2, reached).await;
    assert!(reached.is_ok(), "there is no progress:\n{}", said(dir));
}

/// Lets time pass; whether the process ended meanwhile.
async fn passed(child: &mut Child, milliseconds: u64) -> bool {
    tokio::time::timeout(Duration::from_millis(milliseconds), child.wait()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_is_left_over_whatever_is_killed() {
    let Some(mut daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    runtime.close().await;
    let pods = number("INBOARD_SOAK").unwrap_or(PODS);
    let mut dice = Dice::new(number("INBOARD_SEED").unwrap_or(1).into());
    let (done, steady) = (daemon.dir().join("done"), daemon.dir().join("steady"));
    let mut child = embed(daemon.dir(), pods);
    let (mut kills, mut crashes, mut before_crashes) = (0_u32, 0_u32, BTreeSet::new());
    // Accidents come with progress, not by the clock: neither a fast machine nor a slow one changes how many there are.
    // The last third is left in peace, so that there is an end.
    let mut next = 2;
    while next < pods * 2 / 3 {
        reached(&done, next, &mut child, daemon.dir()).await;
        assert!(!passed(&mut child, dice.roll(1500)).await, "the process ended early:\n{}", said(daemon.dir()));
        // The first third is for the embedding process alone.
        if next > pods / 3 && (crashes == 0 || dice.one_in(3)) {
            if crashes == 0 {
                before_crashes.extend(lines(&done));
            }
            daemon.crash();
            // For a while nobody answers.
            passed(&mut child, dice.roll(1500)).await;
            daemon.launch().await;
            crashes += 1;
        } else {
            child.kill().await.expect("the process is killed");
            child = embed(daemon.dir(), pods);
            kills += 1;
            // Now and then it does not even come to its first work.
            if dice.one_in(3) {
                passed(&mut child, dice.roll(700)).await;
                child.kill().await.expect("the process is killed");
                child = embed(daemon.dir(), pods);
                kills += 1;
            }
        }
        next += 1 + u32::try_from(dice.roll(4)).expect("a small number");
    }
    let end = tokio::time::timeout(PATIENCE * 2, child.wait()).await;
    let end = end.unwrap_or_else(|_| panic!("the pods did not end:\n{}", said(daemon.dir())));
    let end = end.expect("the process can be waited for");
    assert!(end.success(), "the process failed:\n{}", said(daemon.dir()));
    assert!(kills > 0 && crashes > 0, "there were accidents: {kills} kills, {crashes} crashes");
    let results: BTreeMap<u32, String> = lines(&done)
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(pod, result)| (pod.parse().expect("a number"), result.to_owned()))
        .collect();
    let expected: BTreeMap<u32, String> = (0..pods).map(|pod| (pod, expected(pod))).collect();
    assert_eq!(results.len(), expected.len(), "after {kills} kills and {crashes} crashes");
    let wrong: Vec<String> = results
        .iter()
        .filter(|(pod, result)| expected[pod] != **result)
        .map(|(pod, got)| format!("{pod} {got}"))
        .collect();
    // The daemon of this machine forgets how a container ended while it was away; it then counts as lost (255).
    assert!(wrong.iter().all(|line| line.contains(" ended 255: ") && !before_crashes.contains(line)), "{wrong:?}");
    assert!(wrong.len() <= crashes as usize * AT_A_TIME, "{wrong:?} after {crashes} crashes");
    // What ran all the time is the same to every process: adopted, never restarted.
    let lives: BTreeSet<String> = lines(&steady).into_iter().collect();
    assert_eq!(lives.len(), 1, "{lives:?}");
}

/// What becomes of a pod: some end by themselves with a code, some are stopped.
fn expected(pod: u32) -> String {
    if pod.is_multiple_of(2) { format!("ended {}", pod % 5) } else { "stopped".to_owned() }
}

fn said(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("embedder.log")).unwrap_or_default()
}

/// Starts the embedding process.
fn embed(dir: &Path, pods: u32) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("embedder.log")).expect("a log");
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "embedder", "--ignored", "--nocapture"])
        .env("INBOARD_SOAK_DIR", dir)
        .env("INBOARD_SOAK", pods.to_string())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("the process starts")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of the soak test, which starts it as a process of its own"]
async fn embedder() {
    let Some(dir) = std::env::var_os("INBOARD_SOAK_DIR").map(PathBuf::from) else { return };
    let runtime = opened(&dir).await;
    let node = NodeSpec::new("host01", Arc::new(runtime.clone()));
    let journal = Journal::at(dir.join("journal"));
    let cluster = Cluster::builder().durability(journal).node(node).start().await.expect("a cluster");
    let steady = Deployment::builder("steady").replicas(3).container(
        Container::builder("main", "busybox").image_pull_policy("IfNotPresent").command(["sleep", "100000"]),
    );
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    made(deployments.create(&PostParams::default(), &steady.build().expect("a deployment")).await);
    deployments.wait("steady", PATIENCE, conditions::is_deployment_rolled_out()).await.expect("rolled out");
    append(&dir.join("steady"), &lives(&cluster).await);

    let finished: BTreeSet<u32> =
        lines(&dir.join("done")).iter().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    let next = AtomicU32::new(0);
    let pods = number("INBOARD_SOAK").unwrap_or(PODS);
    let worker = async || {
        loop {
            let pod = next.fetch_add(1, Ordering::Relaxed);
            if pod >= pods {
                return;
            }
            if !finished.contains(&pod) {
                append(&dir.join("done"), &format!("{pod} {}", run(&cluster, pod).await));
            }
            remove(&cluster, pod).await;
        }
    };
    futures_util::future::join_all((0..AT_A_TIME).map(|_| worker())).await;
    append(&dir.join("steady"), &lives(&cluster).await);
    deployments.delete("steady", &DeleteParams::default()).await.expect("deleted");
    let empty =
        |snapshot: &inboard::store::Snapshot| snapshot.list(inboard::object::kind::POD).next().is_none().then_some(());
    cluster.wait_until("all pods to be gone", PATIENCE, empty).await.expect("gone");
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
    runtime.close().await;
}

/// The daemon may be away, the last process may still be ending.
async fn opened(dir: &Path) -> ContainerdRuntime {
    let opened = async {
        loop {
            if let Ok(runtime) = builder_in(dir, 1).build().await {
                return runtime;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("the runtime opens")
}

/// Takes what an earlier process made.
fn made<K>(result: Result<K, inboard::ApiError>) {
    if let Err(error) = result {
        assert_eq!(error.reason(), Reason::AlreadyExists, "{error}");
    }
}

fn append(path: &Path, line: &str) {
    let file = std::fs::File::options().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).expect("the line is written");
}

/// The container and the restarts of each pod that runs all the time.
async fn lives(cluster: &Cluster) -> String {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let mut lives = Vec::new();
    for pod in pods.list(&ListParams::default()).await.expect("pods").items {
        if pod.metadata.owner_references.is_some() {
            let status = pod.status.and_then(|status| status.container_statuses).unwrap_or_default().remove(0);
            lives.push(format!("{} {}", status.container_id.unwrap_or_default(), status.restart_count));
        }
    }
    lives.sort();
    lives.join(", ")
}

/// Runs one pod to what is expected of it; what became of it.
async fn run(cluster: &Cluster, pod: u32) -> String {
    let ends = pod.is_multiple_of(2);
    let script = if ends { format!("usleep 200000; exit {}", pod % 5) } else { "sleep 100000".to_owned() };
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("run-{pod}")},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script],
            }],
        },
    });
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    made(pods.create(&PostParams::default(), &serde_json::from_value(manifest).expect("a pod")).await);
    let name = format!("run-{pod}");
    if !ends {
        until(cluster, &name, conditions::is_pod_running()).await;
        return "stopped".to_owned();
    }
    let ended = until(cluster, &name, conditions::is_pod_finished()).await;
    let status = ended.and_then(|pod| pod.status?.container_statuses?.pop()).expect("a status");
    let end = status.state.and_then(|state| state.terminated).expect("an end");
    let restarted =
        if status.restart_count > 0 { format!(" after {} restarts", status.restart_count) } else { String::new() };
    let message = end.message.map(|message| format!(": {message}")).unwrap_or_default();
    format!("ended {}{restarted}{message}", end.exit_code)
}

async fn remove(cluster: &Cluster, pod: u32) {
    let (pods, name): (Api<Pod>, _) = (Api::default_namespaced(cluster), format!("run-{pod}"));
    if let Err(error) = pods.delete(&name, &DeleteParams::default()).await {
        assert_eq!(error.reason(), Reason::NotFound, "{error}");
    }
    until(cluster, &name, conditions::is_deleted()).await;
}

/// Waits for a state of a pod; when it does not come, says how the pod is and what was told of it.
async fn until(cluster: &Cluster, name: &str, reached: impl Fn(Option<&Pod>) -> bool) -> Option<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    match pods.wait(name, PATIENCE, reached).await {
        Ok(pod) => pod,
        Err(error) => {
            let events: Api<Event> = Api::default_namespaced(cluster);
            let events = events.list(&ListParams::default()).await.expect("events").items;
            let of_pod = events.iter().filter(|event| event.involved_object.name.as_deref() == Some(name));
            let told: Vec<_> = of_pod.map(|event| (&event.reason, &event.message, &event.count)).collect();
            let pod = pods.get(name).await.map(|pod| json!({"meta": pod.metadata, "status": pod.status}).to_string());
            panic!("{error}\n{told:#?}\n{pod:?}\n{:?}", cluster.inventory("host01").await);
        }
    }
}
