//! Accidents on a real containerd: the embedding process ends and comes back, the daemon too, calls are cut off.

use std::time::Duration;

use futures_util::StreamExt;
use inboard::runtime::{ContainerState, LogOptions, Runtime, RuntimeErrorKind, RuntimeEvent, SandboxState};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{TestDaemon, TestPod};

inboard_tests::on_each_containerd!(
    what_runs_is_taken_over_and_what_ended_meanwhile_is_told,
    pods_run_on_while_the_daemon_is_away,
);

const SOON: Duration = Duration::from_secs(30);

macro_rules! daemon {
    () => {
        match TestDaemon::start().await {
            Some(daemon) => daemon,
            None => return,
        }
    };
}

async fn log_of(runtime: &ContainerdRuntime, id: &inboard::runtime::ContainerId) -> Vec<String> {
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let lines: Vec<_> = runtime.logs(id, &follow).await.expect("a log").collect().await;
    lines.into_iter().map(|line| String::from_utf8_lossy(&line.expect("a line").line).into_owned()).collect()
}

/// The embedding process ends while one container runs on and another exits; the next process finds both.
async fn what_runs_is_taken_over_and_what_ended_meanwhile_is_told(daemon: TestDaemon) {
    let runtime = daemon.node(1).await;
    let pod = TestPod::busybox(
        "adopted",
        &[
            ("stays", "echo before; while ! test -e /dev/shm/go; do usleep 20000; done; echo after; exit 6"),
            ("ends", "while ! test -e /dev/shm/end; do usleep 20000; done; exit 9"),
            ("waits", "true"),
        ],
    );
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let mut ids = Vec::new();
    for index in 0..3 {
        ids.push(runtime.create_container(&sandbox.id, &pod.container(index)).await.expect("the container"));
    }
    for id in &ids[..2] {
        runtime.start_container(id).await.expect("the start");
    }
    let touch = |name: &str| ["touch".to_owned(), format!("/dev/shm/{name}")];
    let started = runtime.container_status(&ids[0]).await.expect("a status").state;
    // The end comes when the runtime is closed already, from a process of the pod's own.
    let later = ["sh", "-c", "(usleep 300000; touch /dev/shm/end) >/dev/null 2>&1 &"].map(str::to_owned);
    runtime.exec_sync(&ids[0], &later, SOON).await.expect("it runs");
    runtime.close().await;
    drop(runtime);

    let runtime = daemon.node(1).await;
    let mut events = runtime.events();
    let inventory = runtime.inventory().await.expect("an inventory");
    assert_eq!(inventory.sandboxes, std::slice::from_ref(&sandbox));
    assert_eq!(inventory.containers.len(), 3);
    let other = runtime.run_pod_sandbox(&TestPod::busybox("other", &[]).sandbox()).await.expect("another sandbox");
    assert!(!other.ips.is_empty() && other.ips.iter().all(|ip| !sandbox.ips.contains(ip)), "{other:?} {sandbox:?}");
    runtime.remove_pod_sandbox(&other.id).await.expect("the removal");
    assert_eq!(runtime.container_status(&ids[0]).await.expect("a status").state, started, "not restarted");
    assert_eq!(runtime.container_status(&ids[2]).await.expect("a status").state, ContainerState::Created);
    let ended = async {
        loop {
            let status = runtime.container_status(&ids[1]).await.expect("a status");
            if status.state.is_exited() {
                return status;
            }
            events.next().await;
        }
    };
    let ended = tokio::time::timeout(SOON, ended).await.expect("its exit is told");
    assert!(matches!(&ended.state, ContainerState::Exited { exit, .. } if exit.code == 9), "{ended:?}");
    runtime.exec_sync(&ids[0], &touch("go"), SOON).await.expect("it runs");
    assert_eq!(log_of(&runtime, &ids[0]).await, ["before", "after"]);
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}

/// The daemon goes away and comes back: pods run on, listeners are told, calls fail in a way that says "later".
async fn pods_run_on_while_the_daemon_is_away(mut daemon: TestDaemon) {
    let runtime = daemon.node(1).await;
    let pod = TestPod::busybox(
        "steady",
        &[("main", "while ! test -e /dev/shm/go; do usleep 20000; done; exit 5"), ("next", "true")],
    );
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let mut events = runtime.events();
    let mut next = async || tokio::time::timeout(SOON, events.next()).await.expect("an event").expect("an event");

    daemon.halt();
    assert!(matches!(next().await, RuntimeEvent::Unavailable(_)));
    let error = runtime.create_container(&sandbox.id, &pod.container(1)).await.expect_err("nobody answers");
    assert_eq!((error.kind(), error.is_retryable()), (RuntimeErrorKind::Unavailable, true), "{error}");
    assert!(runtime.container_status(&id).await.expect("a status").state.is_running());

    daemon.launch().await;
    assert_eq!(next().await, RuntimeEvent::Relist);
    assert!(runtime.container_status(&id).await.expect("a status").state.is_running());
    let touch = ["touch", "/dev/shm/go"].map(str::to_owned);
    runtime.exec_sync(&id, &touch, SOON).await.expect("it runs");
    match next().await {
        RuntimeEvent::Exited(status) => {
            assert_eq!(status.id, id);
            assert!(matches!(&status.state, ContainerState::Exited { exit, .. } if exit.code == 5), "{status:?}");
        }
        other => panic!("not an exit: {other:?}"),
    }
    runtime.create_container(&sandbox.id, &pod.container(1)).await.expect("the same call succeeds now");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}

/// A call whose caller went away is brought to its end, and repeating it finds the work done.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_leaves_nothing_unlisted() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    for (round, micros) in [0_u64, 500, 5_000, 20_000, 60_000].into_iter().enumerate() {
        let pod = TestPod::busybox(&format!("cut-{round}"), &[("main", "sleep 1000")]);
        let cut = Duration::from_micros(micros);
        drop(tokio::time::timeout(cut, runtime.run_pod_sandbox(&pod.sandbox())).await);
        let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
        assert_eq!(sandbox.state, SandboxState::Ready);
        drop(tokio::time::timeout(cut, runtime.create_container(&sandbox.id, &pod.container(0))).await);
        let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
        drop(tokio::time::timeout(cut, runtime.start_container(&id)).await);
        let status = runtime.start_container(&id).await.expect("the start");
        assert!(status.state.is_running());
        drop(tokio::time::timeout(cut, runtime.remove_pod_sandbox(&sandbox.id)).await);
        runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    }
    assert_eq!(runtime.inventory().await, Ok(Default::default()));
    runtime.close().await;
}

/// A second process with the same directory is refused; a daemon that is not there is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_cannot_be_opened_says_why() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let builder = || ContainerdRuntime::builder().socket(daemon.socket()).bridge("inbtest9").pod_cidr("10.123.9.0/24");
    let error = builder().state_dir(daemon.dir().join("host01")).build().await.expect_err("it is in use");
    assert!(error.to_string().ends_with("cannot be used: another process uses it"), "{error}");
    let state = daemon.dir().join("other");
    let rows = [
        (builder().bridge("a-name-that-is-too-long"), "bridge \"a-name-that-is-too-long\" cannot be used"),
        (builder().pod_cidr("10.0.0.0/33"), "pod_cidr \"10.0.0.0/33\" cannot be used"),
        (builder().namespace("a/b"), "namespace \"a/b\" cannot be used"),
        (builder().cgroup_root("/a/../b"), "cgroup_root \"/a/../b\" cannot be used"),
        (builder().cni_bin_dir("/no/such"), "the network plugin portmap is not in /no/such; install the CNI plugins"),
        (builder().socket("/no/such.sock"), "containerd does not answer on /no/such.sock"),
    ];
    for (builder, expected) in rows {
        let error = builder.state_dir(&state).build().await.expect_err(expected);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    runtime.close().await;
}
