//! Pods on a real containerd: what a user sees of them, from their making to their removal without a trace.
//!
//! Each test has a daemon of its own; when it is dropped it looks for whatever was left on the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::runtime::{
    ContainerId, ContainerState, ContainerStatus, ExitReason, FileEntry, ImagePull, LogOptions, PortMapping, Runtime,
    RuntimeErrorKind, RuntimeEvent, SandboxState, VolumeConfig, VolumeSource,
};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{HostState, TestDaemon, TestPod};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

macro_rules! daemon {
    () => {
        match TestDaemon::start().await {
            Some(daemon) => daemon,
            None => return,
        }
    };
}

/// Makes and starts every container of a pod.
async fn run(runtime: &ContainerdRuntime, pod: &TestPod) -> (inboard::runtime::SandboxStatus, Vec<ContainerId>) {
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let mut ids = Vec::new();
    for index in 0..pod.spec.containers.len() {
        let id = runtime.create_container(&sandbox.id, &pod.container(index)).await.expect("the container");
        runtime.start_container(&id).await.expect("the start");
        ids.push(id);
    }
    (sandbox, ids)
}

async fn until_exit(runtime: &ContainerdRuntime, id: &ContainerId) -> ContainerStatus {
    let wait = async {
        let mut events = runtime.events();
        // Looked at after listening began, so that an exit cannot fall between.
        let status = runtime.container_status(id).await.expect("a status");
        if status.state.is_exited() {
            return status;
        }
        while let Some(event) = events.next().await {
            match event {
                RuntimeEvent::Exited(status) if status.id == *id => return *status,
                _ => {}
            }
        }
        panic!("the events ended");
    };
    tokio::time::timeout(SOON, wait).await.expect("the container exits")
}

async fn log_of(runtime: &ContainerdRuntime, id: &ContainerId) -> String {
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let lines: Vec<_> = runtime.logs(id, &follow).await.expect("a log").collect().await;
    let lines = lines.into_iter().map(|line| String::from_utf8_lossy(&line.expect("a line").line).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn exit_code(status: &ContainerStatus) -> i32 {
    match &status.state {
        ContainerState::Exited { exit, .. } => exit.code,
        other => panic!("not exited: {other:?}"),
    }
}

async fn remove(runtime: &ContainerdRuntime, pod: &TestPod, sandbox: &inboard::runtime::SandboxId) {
    runtime.remove_pod_sandbox(sandbox).await.expect("the removal");
    runtime.remove_volumes(&pod.identity).await.expect("the removal of volumes");
    let inventory = runtime.inventory().await.expect("an inventory");
    assert!(inventory.sandboxes.iter().all(|s| s.id != *sandbox));
    assert!(inventory.containers.iter().all(|c| c.sandbox != *sandbox));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_says_what_it_says_and_leaves_nothing() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let info = runtime.info().await.expect("an answer");
    assert_eq!(&*info.name, "containerd");
    let script = "echo out; echo err >&2; echo bye > /dev/termination-log; hostname; exit 3";
    let pod = TestPod::busybox("hello", &[("main", script)]);
    let (sandbox, ids) = run(&runtime, &pod).await;
    assert_eq!(sandbox.state, SandboxState::Ready);
    assert!(sandbox.ips[0].to_string().starts_with("10.123.1."), "{:?}", sandbox.ips);
    let status = until_exit(&runtime, &ids[0]).await;
    assert_eq!(exit_code(&status), 3);
    assert_eq!(status.termination_message.as_deref(), Some("bye\n"));
    let mut lines: Vec<String> = log_of(&runtime, &ids[0]).await.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["err", "hello", "out"]);
    // Asked again, everything answers as before; an exited container is not started again.
    assert_eq!(runtime.run_pod_sandbox(&pod.sandbox()).await, Ok(sandbox.clone()));
    assert_eq!(runtime.create_container(&sandbox.id, &pod.container(0)).await, Ok(ids[0].clone()));
    assert_eq!(runtime.start_container(&ids[0]).await, Ok(status));
    remove(&runtime, &pod, &sandbox.id).await;
    remove(&runtime, &pod, &sandbox.id).await;
    runtime.close().await;
}

/// What the other tests rely on when they end: a pod that stays is seen in every list.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_left_behind_is_found() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let before = HostState::take();
    let mut pod = TestPod::busybox("stays", &[("main", "sleep 1000")]);
    pod.ports = vec![PortMapping { protocol: "TCP".into(), container_port: 80, host_port: 18_081, host_ip: None }];
    let (sandbox, _) = run(&runtime, &pod).await;
    let (left, held) = (before.left_over(&HostState::take(), None), daemon.held());
    for kind in ["process ", "mount ", "link ", "rule ", "control group ", "runc container "] {
        assert!(left.iter().any(|thing| thing.starts_with(kind)), "no {kind}in {left:#?}");
    }
    for kind in ["containers", "tasks", "snapshot"] {
        assert!(held.iter().any(|thing| thing.contains(kind)), "no {kind} in {held:#?}");
    }
    remove(&runtime, &pod, &sandbox.id).await;
    assert_eq!((before.left_over(&HostState::take(), None), daemon.held()), (Vec::new(), Vec::new()));
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_a_pod_share_network_ipc_and_host_name_but_not_processes() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::of(
        "two",
        json!({"containers": [
            {"name": "web", "image": "nginx"},
            {"name": "look", "image": "busybox", "command": ["sleep", "1000"]},
        ]}),
    );
    let (sandbox, ids) = run(&runtime, &pod).await;
    let look = async |command: &str| {
        let command = ["sh", "-c", command].map(str::to_owned);
        let output = runtime.exec_sync(&ids[1], &command, SOON).await.expect("the command runs");
        assert_eq!(output.code, 0, "{command:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // nginx may still be opening its port: the command tries for a while.
    let page = look("for i in $(seq 50); do wget -qO- http://localhost/ && exit; usleep 100000; done; exit 1").await;
    assert_eq!(page, "<h1>Welcome to nginx!</h1>");
    assert_eq!(look("hostname").await, "two");
    assert_eq!(look("cat /etc/hostname").await, "two");
    assert!(look("cat /etc/hosts").await.contains(&format!("{}\ttwo", sandbox.ips[0])));
    assert_eq!(look("pidof nginx || echo none").await, "none");
    assert_eq!(look("cat /proc/1/comm").await, "sleep");
    assert_eq!(look("ls /html 2>/dev/null || echo none").await, "none");
    let shared = async |id: &ContainerId| {
        let script = [
            "sh",
            "-c",
            "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n 2>/dev/null || ls -l /proc/self/ns/$n; done",
        ];
        let output = runtime.exec_sync(id, &script.map(str::to_owned), SOON).await.expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.rsplit(' ').next().unwrap_or(line).to_owned()).collect::<Vec<_>>()
    };
    let (web, busybox) = (shared(&ids[0]).await, shared(&ids[1]).await);
    assert_eq!(web[..3], busybox[..3], "net, ipc and uts are the pod's");
    assert!(web[3..].iter().zip(&busybox[3..]).all(|(a, b)| a != b), "pid and mnt are each container's own");
    remove(&runtime, &pod, &sandbox.id).await;
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_asks_first_and_kills_when_the_grace_is_over() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::busybox(
        "stop",
        &[
            ("polite", "trap 'echo got it; exit 7' TERM; echo up; while :; do sleep 1000 & wait; done"),
            ("deaf", "trap '' TERM; echo up; while :; do sleep 1; done"),
        ],
    );
    let (sandbox, ids) = run(&runtime, &pod).await;
    for id in &ids {
        let mut log = runtime.logs(id, &LogOptions { follow: true, ..LogOptions::default() }).await.expect("a log");
        let first = tokio::time::timeout(SOON, log.next()).await.expect("it says that it is up");
        assert_eq!(first.expect("a line").expect("a line").line.as_ref(), b"up");
    }
    runtime.stop_container(&ids[0], SOON).await.expect("it stops");
    assert_eq!(exit_code(&runtime.container_status(&ids[0]).await.expect("a status")), 7);
    assert_eq!(log_of(&runtime, &ids[0]).await, "up\ngot it");
    runtime.stop_container(&ids[1], Duration::from_millis(300)).await.expect("it stops");
    assert_eq!(exit_code(&runtime.container_status(&ids[1]).await.expect("a status")), 137);
    runtime.stop_container(&ids[1], SOON).await.expect("a stopped one is stopped");
    remove(&runtime, &pod, &sandbox.id).await;
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_says_why_and_leaves_nothing() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::of(
        "wrong",
        json!({"containers": [
            {"name": "absent", "image": "no-such-image"},
            {"name": "badname", "image": "Not An Image"},
            {"name": "nofile", "image": "busybox", "command": ["/no/such/program"]},
            {"name": "nouser", "image": "busybox", "securityContext": {"runAsNonRoot": true}},
            {"name": "volume", "image": "busybox", "volumeMounts": [{"name": "none", "mountPath": "/x"}]},
        ]}),
    );
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let rows = [
        (0, RuntimeErrorKind::NotFound, "no-such-image"),
        (1, RuntimeErrorKind::InvalidImageName, "Not An Image"),
        (3, RuntimeErrorKind::CannotRun, "runAsNonRoot"),
        (4, RuntimeErrorKind::FailedPrecondition, "volume none"),
    ];
    for (index, kind, text) in rows {
        let error = runtime.create_container(&sandbox.id, &pod.container(index)).await.expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let id = runtime.create_container(&sandbox.id, &pod.container(2)).await.expect("made, but not started");
    let error = runtime.start_container(&id).await.expect_err("there is no such program");
    assert_eq!(error.kind(), RuntimeErrorKind::CannotRun);
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    let status = runtime.container_status(&id).await.expect("a status");
    match &status.state {
        ContainerState::Exited { exit, .. } => assert_eq!((exit.code, exit.reason), (128, ExitReason::CannotRun)),
        other => panic!("not exited: {other:?}"),
    }
    let pull = ImagePull { image: "no-such-image".into(), credentials: Vec::new(), pod: None };
    let error = runtime.pull_image(&pull).await.expect_err("there is no registry");
    assert_eq!(error.kind(), RuntimeErrorKind::RegistryUnavailable);
    assert_eq!(runtime.image_status("no-such-image").await, Ok(None));
    remove(&runtime, &pod, &sandbox.id).await;
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_the_limit_is_told_as_such() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::of(
        "hungry",
        json!({"containers": [{
            "name": "main", "image": "busybox",
            "command": ["sh", "-c", "x=a; while :; do x=$x$x; done"],
            "resources": {"limits": {"cpu": "500m", "memory": "24Mi"}},
        }]}),
    );
    let (sandbox, ids) = run(&runtime, &pod).await;
    let status = until_exit(&runtime, &ids[0]).await;
    match &status.state {
        ContainerState::Exited { exit, .. } => {
            assert_eq!((exit.code, exit.reason), (137, ExitReason::OutOfMemory), "{exit:?}");
        }
        other => panic!("not exited: {other:?}"),
    }
    remove(&runtime, &pod, &sandbox.id).await;
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_hold_what_they_should() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let mounts = json!([
        {"name": "scratch", "mountPath": "/scratch"}, {"name": "memory", "mountPath": "/memory"},
        {"name": "config", "mountPath": "/config", "readOnly": true},
        {"name": "config", "mountPath": "/one", "subPath": "key"},
        {"name": "scratch", "mountPath": "/part", "subPath": "a/b"},
        {"name": "kept", "mountPath": "/kept"}, {"name": "host", "mountPath": "/host"},
    ]);
    let pod = TestPod::of(
        "volumes",
        json!({"containers": [
            {"name": "a", "image": "busybox", "command": ["sleep", "1000"], "volumeMounts": mounts},
            {"name": "b", "image": "busybox", "command": ["sleep", "1000"], "volumeMounts": mounts,
             "securityContext": {"runAsUser": 1000}},
        ], "securityContext": {"fsGroup": 2000}}),
    );
    let files = |text: &str| {
        let entry = FileEntry { content: text.to_owned().into(), mode: 0o644 };
        VolumeSource::Files(BTreeMap::from([("key".to_owned(), entry)]))
    };
    let host = daemon.dir().join("a-host-path");
    let volume = |name: &str, source| VolumeConfig { name: name.into(), source, fs_group: Some(2000) };
    let volumes = [
        volume("scratch", VolumeSource::Empty { memory: false, size_limit: None }),
        volume("memory", VolumeSource::Empty { memory: true, size_limit: Some(1 << 20) }),
        volume("config", files("first")),
        volume("kept", VolumeSource::Persistent { handle: "claim/1".into() }),
        volume("host", VolumeSource::Host { path: host.display().to_string(), check: "DirectoryOrCreate".into() }),
    ];
    for _ in 0..2 {
        for volume in &volumes {
            runtime.prepare_volume(&pod.identity, volume).await.expect("the volume");
        }
    }
    let (sandbox, ids) = run(&runtime, &pod).await;
    let sh = async |container: usize, command: &str| {
        let argv = ["sh", "-c", command].map(str::to_owned);
        let output = runtime.exec_sync(&ids[container], &argv, SOON).await.expect("the command runs");
        let text = [output.stdout, output.stderr].concat();
        (output.code, String::from_utf8_lossy(&text).trim().to_owned())
    };
    assert_eq!(
        sh(0, "echo x > /scratch/f; echo y > /memory/f; echo z > /part/f; echo k > /kept/f; echo h > /host/f").await.0,
        0
    );
    assert_eq!(sh(1, "cat /scratch/f /memory/f /scratch/a/b/f /kept/f /host/f").await, (0, "x\ny\nz\nk\nh".to_owned()));
    assert_eq!(sh(1, "echo mine > /scratch/g && stat -c %g /scratch/g").await, (0, "2000".to_owned()), "fsGroup");
    assert_eq!(sh(0, "cat /config/key /one").await, (0, "firstfirst".to_owned()));
    assert!(sh(0, "echo no > /config/key").await.1.contains("Read-only file system"));
    assert_ne!(sh(0, "dd if=/dev/zero of=/memory/big bs=1M count=3").await.0, 0, "the size limit holds");
    runtime.prepare_volume(&pod.identity, &volume("config", files("second"))).await.expect("the volume");
    assert_eq!(sh(0, "cat /config/key").await, (0, "second".to_owned()));
    remove(&runtime, &pod, &sandbox.id).await;
    assert_eq!(std::fs::read_to_string(host.join("f")).ok().as_deref(), Some("h\n"), "host paths stay");
    assert!(runtime.inventory().await.expect("an inventory").volumes.is_empty());

    let error = runtime
        .prepare_volume(
            &pod.identity,
            &volume("host", VolumeSource::Host { path: "/no/such".into(), check: "File".into() }),
        )
        .await
        .expect_err("there is no such file");
    assert_eq!(error.to_string(), "hostPath /no/such doesn't exist");
    runtime.remove_volumes(&pod.identity).await.expect("the removal");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_port_leads_into_the_pod_and_nodes_reach_each_other() {
    let daemon = daemon!();
    let (one, two) = (daemon.node(1).await, daemon.node(2).await);
    let mut web = TestPod::of("web", json!({"containers": [{"name": "web", "image": "nginx"}]}));
    web.ports = vec![PortMapping { protocol: "TCP".into(), container_port: 80, host_port: 18_080, host_ip: None }];
    let (web_sandbox, _) = run(&one, &web).await;
    let ip = web_sandbox.ips[0];
    // What a pod sends to itself by a Service's address has to come back by the port that it came from.
    let ports = std::fs::read_dir("/sys/class/net/inbtest1/brif").expect("the bridge's ports");
    let hairpin = ports.map(|port| std::fs::read_to_string(port.expect("a port").path().join("hairpin_mode")));
    assert_eq!(hairpin.map(|mode| mode.expect("its mode")).collect::<Vec<_>>(), ["1\n"]);
    let host = TestPod::of(
        "host",
        json!({"hostNetwork": true, "containers": [{"name": "a", "image": "busybox", "command": ["sleep", "1000"]}]}),
    );
    let client = TestPod::busybox("client", &[("a", "sleep 1000")]);
    let (host_sandbox, host_ids) = run(&two, &host).await;
    let (client_sandbox, client_ids) = run(&two, &client).await;
    assert!(host_sandbox.ips.is_empty());
    let get = async |id: &ContainerId, url: String| {
        let script = format!("for i in $(seq 50); do wget -qO- {url} && exit; usleep 100000; done; exit 1");
        let output = two.exec_sync(id, &["sh".into(), "-c".into(), script], SOON).await.expect("the command runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let welcome = "<h1>Welcome to nginx!</h1>\n";
    assert_eq!(get(&client_ids[0], format!("http://{ip}/")).await, welcome, "from a pod of another node");
    assert_eq!(get(&host_ids[0], format!("http://{ip}/")).await, welcome, "from the host");
    assert_eq!(get(&host_ids[0], "http://127.0.0.1:18080/".into()).await, welcome, "by the host's port");
    remove(&two, &host, &host_sandbox.id).await;
    remove(&two, &client, &client_sandbox.id).await;
    remove(&one, &web, &web_sandbox.id).await;
    one.close().await;
    two.close().await;
}
