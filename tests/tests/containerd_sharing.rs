//! What the containers of a pod share on a real containerd: processes where the pod asks for it, addresses of both
//! families.

use std::path::Path;
use std::time::Duration;

use inboard::runtime::{ContainerConfig, ContainerId, Runtime, RuntimeErrorKind};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{TestDaemon, TestPod};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

/// Runs a script in a container; its exit code and what it printed.
async fn sh(runtime: &ContainerdRuntime, id: &ContainerId, script: &str) -> (i32, String) {
    let command = ["sh", "-c", script].map(str::to_owned);
    let output = runtime.exec_sync(id, &command, SOON).await.expect("the command runs");
    (output.code, String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn started(runtime: &ContainerdRuntime, pod: &TestPod, config: &ContainerConfig) -> ContainerId {
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, config).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_shared_where_a_pod_asks_for_it() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    // The first one leaves a process behind, which has a dead child: somebody must take both in.
    let scripts = [("one", "sh -c '(sleep 0 & exec sleep 0.1) & exit'; exec sleep 1111"), ("two", "exec sleep 2222")];
    let count = |time: &str| format!("ps | grep -c '[s]leep {time}'");
    let containers: Vec<_> = scripts
        .iter()
        .map(|(name, script)| json!({"name": name, "image": "busybox", "command": ["sh", "-c", script]}))
        .collect();
    let pod = TestPod::of("shared", json!({"shareProcessNamespace": true, "containers": containers}));
    let one = started(&runtime, &pod, &pod.container(0)).await;
    let two = started(&runtime, &pod, &pod.container(1)).await;
    assert_eq!(sh(&runtime, &two, "cat /proc/1/comm").await, (0, "pause".to_owned()));
    assert_eq!(sh(&runtime, &two, &count("1111")).await.1, "1");
    assert_eq!(sh(&runtime, &one, &count("2222")).await.1, "1");
    let orphans = "for i in $(seq 100); do ps | grep -q '[s]leep 0.1' || cat /proc/[0-9]*/stat | grep -q ') Z ' || \
                   exit 0; usleep 50000; done; exit 1";
    assert_eq!(sh(&runtime, &two, orphans).await.0, 0, "nobody stays behind dead");
    // Files are each container's own, and the first process has none to offer.
    assert_ne!(sh(&runtime, &two, "ls /proc/1/root/bin").await.0, 0);

    // What one container does to another's process is seen as that one's end; it is started again beside the other.
    assert_eq!(sh(&runtime, &two, "set -- $(ps | grep '[s]leep 1111'); kill $1").await.0, 0);
    let ended = async {
        while !runtime.container_status(&one).await.expect("a status").state.is_exited() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends");
    runtime.close().await;
    let runtime = daemon.node(1).await;
    let again = started(&runtime, &pod, &ContainerConfig { attempt: 1, ..pod.container(0) }).await;
    assert_eq!(sh(&runtime, &again, &count("2222")).await.1, "1");
    assert!(runtime.container_status(&two).await.expect("a status").state.is_running(), "it was not touched");

    let sandbox = runtime.inventory().await.expect("an inventory").sandboxes.remove(0).id;
    runtime.stop_pod_sandbox(&sandbox).await.expect("it stops");
    runtime.stop_pod_sandbox(&sandbox).await.expect("it is stopped");
    let late = runtime.create_container(&sandbox, &ContainerConfig { attempt: 2, ..pod.container(0) }).await;
    assert_eq!(late.expect_err("it is stopped").kind(), RuntimeErrorKind::FailedPrecondition);
    runtime.remove_pod_sandbox(&sandbox).await.expect("the removal");
    runtime.close().await;
}

/// Pods share the machine by what each requests, not by how many containers each has.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_as_a_whole_gets_what_its_containers_ask_for() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    let container = |name: &str| {
        json!({
            "name": name, "image": "busybox", "command": ["sleep", "1000"],
            "resources": {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
        })
    };
    let pod = TestPod::of("limited", json!({"containers": [container("one"), container("two")]}));
    let id = started(&runtime, &pod, &pod.container(0)).await;
    let group = format!("inboard-test/host01/pod{}-0", pod.identity.uid);
    let read = |places: [&str; 2]| {
        let texts = places.map(|place| std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(place)));
        texts.into_iter().find_map(Result::ok).unwrap_or_default().trim().to_owned()
    };
    let memory = [format!("memory/{group}/memory.limit_in_bytes"), format!("{group}/memory.max")];
    assert_eq!(read([&memory[0], &memory[1]]), (128 << 20).to_string());
    let cpu = read([&format!("cpu/{group}/cpu.shares"), &format!("{group}/cpu.weight")]);
    assert!(cpu == "512" || cpu == "20", "{cpu}");
    assert_eq!(sh(&runtime, &id, "true").await.0, 0);
    let sandbox = runtime.inventory().await.expect("an inventory").sandboxes.remove(0).id;
    runtime.remove_pod_sandbox(&sandbox).await.expect("the removal");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_have_addresses_of_both_families_and_reach_each_other_by_each() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let range = |number: u8| format!("10.123.{number}.0/24,fd00:123:{number}::/64");
    let (mut nodes, mut pods) = (Vec::new(), Vec::new());
    // The first family is the pod's own: each node has another.
    for (number, range) in [(1, range(1)), (2, range(2).split(',').rev().collect::<Vec<_>>().join(","))] {
        let runtime = daemon.builder(number).pod_cidr(range).build().await.expect("the runtime opens");
        daemon.bring_images(&runtime).await;
        let pod = TestPod::busybox(&format!("pod-{number}"), &[("main", "exec httpd -f -p 80 -h /etc")]);
        let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
        let id = started(&runtime, &pod, &pod.container(0)).await;
        pods.push((sandbox, id));
        nodes.push(runtime);
    }
    let ips: Vec<String> = pods.iter().flat_map(|(sandbox, _)| &sandbox.ips).map(ToString::to_string).collect();
    assert_eq!(ips, ["10.123.1.2", "fd00:123:1::2", "fd00:123:2::2", "10.123.2.2"]);
    let (_, hosts) = sh(&nodes[0], &pods[0].1, "cat /etc/hosts").await;
    assert!(hosts.contains("10.123.1.2\tpod-1") && hosts.contains("fd00:123:1::2\tpod-1"), "{hosts}");
    for (from, own) in [(0, 0..2), (1, 2..4)] {
        for (place, ip) in ips.iter().enumerate() {
            let url =
                if ip.contains(':') { format!("http://[{ip}]/hostname") } else { format!("http://{ip}/hostname") };
            let script = format!("for i in $(seq 50); do wget -qO- {url} && exit; usleep 100000; done; exit 1");
            let answer = sh(&nodes[from], &pods[from].1, &script).await;
            let answers = if own.contains(&place) { from } else { 1 - from };
            assert_eq!(answer, (0, format!("pod-{}", answers + 1)), "{ip} from pod-{}", from + 1);
        }
    }
    for (node, (sandbox, _)) in nodes.iter().zip(&pods) {
        node.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
        node.close().await;
    }
}
