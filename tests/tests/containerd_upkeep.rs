//! What keeps a machine in order over the months: logs that do not fill the disk, images that make room, a look at what
//! is missing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::node::{Amount, EvictionRules, Signal};
use inboard::prelude::*;
use inboard::runtime::{ImagePull, LogEntry, LogOptions, Runtime, RuntimeErrorKind};
use inboard::{Api, Cluster, NodeSpec, PostParams, Shutdown};
use inboard_runtime_containerd::{ContainerdRuntime, State};
use inboard_tests::containerd::registry::{Access, Packing, TestImage, TestRegistry};
use inboard_tests::containerd::{TestDaemon, TestPod};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

async fn log(runtime: &ContainerdRuntime, id: &inboard::runtime::ContainerId, options: LogOptions) -> Vec<LogEntry> {
    let lines = runtime.logs(id, &options).await.expect("a log").collect::<Vec<_>>();
    let lines = tokio::time::timeout(SOON, lines).await.expect("the log ends");
    lines.into_iter().map(|line| line.expect("a line")).collect()
}

fn numbers(lines: &[LogEntry]) -> Vec<u32> {
    let number = |entry: &LogEntry| String::from_utf8_lossy(&entry.line).rsplit(' ').next()?.parse().ok();
    lines.iter().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_grows_is_kept_in_files_of_which_the_latest_stay() {
    const FILE_BYTES: u64 = 150 << 10;
    // More than three files hold where the machine is busy and each read finds all that a pipe holds: 6,000 lines.
    const LINES: u32 = 40_000;
    let Some(daemon) = TestDaemon::start().await else { return };
    let open = async || {
        let runtime = daemon.builder(1).log_limits(FILE_BYTES, 3).build().await.expect("the runtime opens");
        daemon.bring_images(&runtime).await;
        runtime
    };
    let runtime = open().await;
    let half = LINES / 2;
    let script = format!(
        "for i in $(seq {half}); do echo line $i; done; while ! test -e /dev/shm/go; do usleep 20000; done; \
         for i in $(seq $(({half}+1)) {LINES}); do echo line $i; done; while ! test -e /dev/shm/end; do usleep 20000; done"
    );
    let pod = TestPod::busybox("talks", &[("main", &script)]);
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let touch = async |runtime: &ContainerdRuntime, name: &str| {
        let command = ["touch".to_owned(), format!("/dev/shm/{name}")];
        runtime.exec_sync(&id, &command, SOON).await
    };
    let until = async |runtime: &ContainerdRuntime, wanted: u32| {
        let follow = LogOptions { follow: true, tail: Some(1), ..LogOptions::default() };
        let mut lines = runtime.logs(&id, &follow).await.expect("a log");
        let seen = async {
            while let Some(line) = lines.next().await {
                if numbers(&[line.expect("a line")]) == [wanted] {
                    return;
                }
            }
            panic!("the log ended before line {wanted}");
        };
        tokio::time::timeout(SOON, seen).await.expect("the line comes");
    };
    until(&runtime, half).await;
    // Another process goes on with the same files, while somebody follows from the beginning.
    runtime.close().await;
    let runtime = open().await;
    touch(&runtime, "go").await.expect("it runs");
    until(&runtime, LINES).await;
    // The container may be gone before it is told that the command has ended.
    drop(touch(&runtime, "end").await);
    let all = log(&runtime, &id, LogOptions { follow: true, ..LogOptions::default() }).await;
    let all_numbers = numbers(&all);
    let first = all_numbers[0];
    assert!(first > 1 && first < LINES - 4000, "the oldest lines are gone, and no others: {first}");
    assert!(all_numbers.iter().copied().eq(first..=LINES), "nothing is missing in between, nothing comes twice");
    let tail = log(&runtime, &id, LogOptions { tail: Some(4000), ..LogOptions::default() }).await;
    assert_eq!(tail, all[all.len() - 4000..], "the last lines are found across files");

    let dir = daemon.dir().join("host01/containers").join(id.as_str());
    let files = std::fs::read_dir(&dir).expect("the container's directory").flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with("log"));
    let sizes: Vec<u64> = files.map(|file| file.metadata().expect("its size").len()).collect();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 8 * FILE_BYTES), "a file ends after the read that filled it: {sizes:?}");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    assert!(!dir.exists(), "logs go with their container");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_nobody_uses_make_room() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let runtime = daemon.node(1).await;
    let names = ["used", "unused"].map(|name| {
        registry.publish(name, "1", &TestImage::shell(name, &[Packing::Gzip]));
        format!("{}/{name}:1", registry.host())
    });
    for name in &names {
        let pull = ImagePull { image: name.as_str().into(), credentials: Vec::new(), pod: None };
        runtime.pull_image(&pull).await.expect("the pull");
    }
    let spec = json!({"containers": [{"name": "main", "image": names[0], "command": ["sleep", "1000"]}]});
    let pod = TestPod::of("user", spec);
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    assert!(runtime.remove_unused_images().await.expect("the removal") > 0);
    let here = async |name: &str| runtime.image_status(name).await.expect("a status").is_some();
    assert!(here(&names[0]).await && here("busybox").await && here("nginx").await);
    assert!(!here(&names[1]).await);
    runtime.start_container(&id).await.expect("its image is whole");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.remove_unused_images().await.expect("the removal");
    assert!(!here(&names[0]).await);
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_taken_out_comes_in_elsewhere() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let (one, two) = (daemon.node(1).await, daemon.builder(2).build().await.expect("the runtime opens"));
    registry.publish("layers", "1", &TestImage::shell("layers", &[Packing::Gzip, Packing::Zstd, Packing::Gzip]));
    let pulled = format!("{}/layers:1", registry.host());
    let pull = ImagePull { image: pulled.as_str().into(), credentials: Vec::new(), pod: None };
    one.pull_image(&pull).await.expect("the pull");
    for name in [&*pulled, "busybox", "nginx:1.22"] {
        let archive = daemon.dir().join("taken-out.tar");
        one.export_image(name, &archive).await.expect("it goes out");
        let here = one.image_status(name).await.expect("a status").expect("it is here");
        assert!(two.image_status(name).await.expect("a status").is_none(), "{name}");
        two.import_image(&archive).await.expect("it comes in");
        let there = two.image_status(name).await.expect("a status").expect("it is there");
        assert_eq!((here.id, here.size_bytes, here.user), (there.id, there.size_bytes, there.user), "{name}");
        let pod =
            TestPod::of("runs", json!({"containers": [{"name": "main", "image": name, "command": ["sleep", "100"]}]}));
        let sandbox = two.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
        let id = two.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
        two.start_container(&id).await.expect("it runs");
        two.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    }
    let error = one.export_image("nothing", daemon.dir().join("nothing.tar")).await.expect_err("there is none");
    assert_eq!(error.kind(), RuntimeErrorKind::NotFound);
    assert!(!daemon.dir().join("nothing.tar").exists());
    one.close().await;
    two.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_runs_out_of_memory_gives_up_a_pod() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    // Less than all is free on every machine.
    let rules = EvictionRules::none().hard(Signal::MemoryAvailable, Amount::Percent(100));
    let node = NodeSpec::new("host01", Arc::new(runtime.clone())).evict(rules);
    let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{"name": "main", "image": "busybox", "imagePullPolicy": "Never", "command": ["sleep", "1000"]}],
            "tolerations": [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}],
        },
    }))
    .expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("it is created");
    let failed = |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()).is_some_and(|status| status.phase.as_deref() == Some("Failed"))
    };
    pods.wait("web", SOON, failed).await.expect("it is given up");
    let status = pods.get("web").await.expect("it is there").status.expect("a status");
    assert_eq!(status.reason.as_deref(), Some("Evicted"), "{status:?}");
    let message = status.message.clone().unwrap_or_default();
    assert!(message.starts_with("The node was low on resource: memory. Threshold quantity: "), "{message}");
    assert!(message.contains("Container main was using "), "{message}");
    let target = status.conditions.iter().flatten().find(|condition| condition.type_ == "DisruptionTarget");
    assert!(target.is_some_and(|target| target.reason.as_deref() == Some("TerminationByKubelet")), "{status:?}");
    let node = Api::<Node>::all(&cluster).get("host01").await.expect("the node");
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let holding: Vec<_> =
        conditions.iter().filter(|condition| condition.status == "True").map(|condition| &*condition.type_).collect();
    assert_eq!(holding, ["MemoryPressure", "Ready"]);
    cluster.shutdown(Shutdown::Stop { grace: Duration::ZERO }).await.expect("it stops");
    runtime.close().await;
}

inboard_tests::on_each_containerd!(a_look_at_the_machine_says_what_is_missing);

async fn a_look_at_the_machine_says_what_is_missing(daemon: TestDaemon) {
    let report = daemon.builder(1).preflight().await;
    assert!(report.is_ready(), "{report}");
    let finding = |report: &inboard_runtime_containerd::Report, name: &str| {
        report.findings.iter().find(|finding| finding.name == name).cloned()
    };
    let state = |report: &_, name: &str| finding(report, name).map(|finding| finding.state);
    if let Some(own) = daemon.own_programs() {
        for name in ["runc", "shim"] {
            let found = finding(&report, name).expect("a finding").detail;
            assert_eq!(std::path::Path::new(&found).parent(), Some(own), "{report}");
        }
    }
    let report = daemon.builder(1).snapshotter("none").cni_bin_dir("/nowhere").preflight().await;
    assert_eq!(state(&report, "containerd"), Some(State::Good), "{report}");
    assert_eq!(state(&report, "snapshotter"), Some(State::Missing), "{report}");
    assert_eq!(state(&report, "network"), Some(State::Missing), "{report}");
    let report = daemon.builder(1).socket("/nowhere/containerd.sock").preflight().await;
    assert_eq!(state(&report, "containerd"), Some(State::Missing), "{report}");
    assert!(report.findings.iter().all(|finding| finding.state != State::Missing || !finding.remedy.is_empty()));
}
