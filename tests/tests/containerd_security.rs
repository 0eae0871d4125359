//! What confines real containers: filters of calls into the kernel, profiles of AppArmor, control groups, how many
//! processes there may be, users of their own.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::runtime::{
    ContainerKind, ContainerResources, ContainerState, ExitReason, LogOptions, Runtime, RuntimeError, RuntimeErrorKind,
    VolumeConfig, VolumeSource,
};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{TestDaemon, TestPod, left_out};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// What a script in a container with this security context writes.
async fn output(runtime: &ContainerdRuntime, security: Value, script: &str) -> String {
    let container =
        json!({"name": "main", "image": "busybox", "command": ["sleep", "1000"], "securityContext": security});
    let pod = TestPod::of("confined", json!({"containers": [container]}));
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let script = format!("({script}) 2>&1");
    let output = runtime.exec_sync(&id, &["sh".into(), "-c".into(), script], SOON).await.expect("it runs");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Why a container with this security context is not made.
async fn refusal(runtime: &ContainerdRuntime, security: Value) -> RuntimeError {
    let container = json!({"name": "main", "image": "busybox", "command": ["true"], "securityContext": security});
    let pod = TestPod::of("refused", json!({"containers": [container]}));
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let error = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect_err("it cannot be confined so");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    error
}

fn assert_refused(error: &RuntimeError, kind: RuntimeErrorKind, text: &str) {
    assert!(error.kind() == kind && error.to_string().contains(text), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seccomp_profile_decides_what_the_kernel_does_for_a_container() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let profiles = daemon.dir().join("profiles");
    std::fs::create_dir_all(&profiles).expect("a directory");
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    });
    std::fs::write(profiles.join("no-folders.json"), profile.to_string()).expect("a profile");
    let runtime = daemon.builder(1).seccomp_dir(&profiles).build().await.expect("the runtime opens");
    daemon.bring_images(&runtime).await;
    let seccomp = |fields: Value| json!({"seccompProfile": fields});
    const MODE: &str = "grep Seccomp: /proc/self/status";
    assert_eq!(output(&runtime, json!({}), MODE).await, "Seccomp:\t0\n");
    assert_eq!(output(&runtime, seccomp(json!({"type": "Unconfined"})), MODE).await, "Seccomp:\t0\n");
    let default = seccomp(json!({"type": "RuntimeDefault"}));
    assert_eq!(output(&runtime, default.clone(), MODE).await, "Seccomp:\t2\n");
    let refused = output(&runtime, default.clone(), "unshare -U true").await;
    assert!(refused.contains("Operation not permitted"), "{refused}");
    // What programs do all day goes on: files, processes, sockets, links.
    let script = "mkdir /tmp/x && echo a >/tmp/x/y && cat /tmp/x/y | tr a b && rm -r /tmp/x && ping -c1 127.0.0.1 >/dev/null && echo ok";
    assert_eq!(output(&runtime, default, script).await, "b\nok\n");
    let local = seccomp(json!({"type": "Localhost", "localhostProfile": "no-folders.json"}));
    let refused = output(&runtime, local, "mkdir /tmp/x; echo a >/tmp/y && cat /tmp/y").await;
    assert_eq!(refused, "mkdir: can't create directory '/tmp/x': Operation not permitted\na\n");

    let absent = seccomp(json!({"type": "Localhost", "localhostProfile": "absent.json"}));
    assert_refused(&refusal(&runtime, absent).await, RuntimeErrorKind::CannotRun, "absent.json");
    runtime.close().await;
}

/// Where the kernel lists the AppArmor profiles that it has, and takes others.
const PROFILES: &str = "/sys/kernel/security/apparmor";

#[tokio::test(flavor = "multi_thread")]
async fn an_apparmor_profile_decides_what_a_container_may_do() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    // It has the right to mount, and no filter is in its way.
    let with = |profile: Value| json!({"capabilities": {"add": ["SYS_ADMIN"]}, "appArmorProfile": profile});
    let of_type = |kind: &str| with(json!({"type": kind}));
    let local = |name: &str| with(json!({"type": "Localhost", "localhostProfile": name}));
    if !Path::new(PROFILES).exists() {
        left_out("what AppArmor's profiles do: the kernel has no AppArmor");
        for asked in [of_type("RuntimeDefault"), local("inboard-test-kept")] {
            let text = "Cannot enforce AppArmor: AppArmor is not enabled on the host";
            assert_refused(&refusal(&runtime, asked).await, RuntimeErrorKind::CannotRun, text);
        }
        runtime.close().await;
        return;
    }
    const LOOK: &str = "cat /proc/self/attr/current; mount -t tmpfs none /tmp && echo mounted";
    const CONFINED: &str = "inboard-default (enforce)\nmount: mounting none on /tmp failed: Permission denied\n";
    assert_eq!(output(&runtime, of_type("RuntimeDefault"), LOOK).await, CONFINED);
    assert_eq!(output(&runtime, json!({"capabilities": {"add": ["SYS_ADMIN"]}}), LOOK).await, CONFINED);
    assert_eq!(output(&runtime, of_type("Unconfined"), LOOK).await, "unconfined\nmounted\n");
    assert_eq!(output(&runtime, json!({"privileged": true}), LOOK).await, "unconfined\nmounted\n");
    // What programs do all day goes on, and a filter stands beside the profile.
    let script = "mkdir /tmp/x && echo a >/tmp/x/y && cat /tmp/x/y | tr a b && rm -r /tmp/x && ping -c1 127.0.0.1 >/dev/null && \
                  (sleep 100 & kill $!) && echo ok";
    let both = json!({"appArmorProfile": {"type": "RuntimeDefault"}, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(output(&runtime, both, script).await, "b\nok\n");
    // Somebody removes the default: the next container has it again.
    std::fs::write(Path::new(PROFILES).join(".remove"), "inboard-default").expect("it is removed");
    assert_eq!(output(&runtime, of_type("RuntimeDefault"), LOOK).await, CONFINED);

    let error = refusal(&runtime, local("inboard-test-kept")).await;
    assert_refused(&error, RuntimeErrorKind::CannotRun, "apparmor profile not found inboard-test-kept");
    let file = daemon.dir().join("inboard-test-kept");
    let text = "profile inboard-test-kept flags=(attach_disconnected,mediate_deleted) {\n\
                network, capability, file, umount, signal, ptrace, deny /tmp/kept w,\n}\n";
    std::fs::write(&file, text).expect("a profile");
    let parser = |what: &str| {
        let done = Command::new("apparmor_parser").args([what, "--skip-cache"]).arg(&file).status();
        assert!(done.is_ok_and(|status| status.success()), "{what} the profile");
    };
    parser("--add");
    let script = "echo a >/tmp/free && cat /tmp/free; echo b >/tmp/kept";
    let refused = output(&runtime, local("inboard-test-kept"), script).await;
    parser("--remove");
    assert_eq!(refused, "a\nsh: can't create /tmp/kept: Permission denied\n");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_the_selinux_label_that_it_asks_for() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    let asked = json!({"seLinuxOptions": {"level": "s0:c7,c9"}});
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        left_out("labels of processes and files: the kernel has no SELinux");
        let error = refusal(&runtime, asked).await;
        assert_refused(&error, RuntimeErrorKind::Unsupported, "securityContext.seLinuxOptions");
        runtime.close().await;
        return;
    }
    let pod = TestPod::of(
        "labelled",
        json!({
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [{
                "name": "main", "image": "busybox", "command": ["sleep", "1000"], "securityContext": asked,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
        }),
    );
    let source = VolumeSource::Empty { memory: false, size_limit: None };
    let volume = VolumeConfig { name: "data".into(), source, fs_group: None };
    runtime.prepare_volume(&pod.identity, &volume).await.expect("a volume");
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let script = "echo a >/data/file && cat /proc/self/attr/current | tr -d '\\0' 2>&1";
    let output = runtime.exec_sync(&id, &["sh".into(), "-c".into(), script.into()], SOON).await.expect("it runs");
    let label = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(label.starts_with("system_u:system_r:") && label.ends_with(":s0:c7,c9"), "{label:?}");
    let file = daemon.dir().join(format!("host01/pods/{}/volumes/data/file", pod.identity.uid));
    let label = Command::new("stat").args(["-c", "%C"]).arg(file).output().expect("its label").stdout;
    let label = String::from_utf8_lossy(&label).trim().to_owned();
    assert!(label.starts_with("system_u:object_r:") && label.ends_with(":s0:c7,c9"), "{label:?}");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.remove_volumes(&pod.identity).await.expect("the removal");
    runtime.close().await;
}

/// What containers are given as files of the unified hierarchy.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_its_limits_in_the_unified_hierarchy() {
    let root = Path::new("/sys/fs/cgroup");
    if !root.join("cgroup.controllers").exists() {
        left_out("the unified hierarchy: this machine has one of control groups for each controller");
        return;
    }
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.node(1).await;
    let spec = |memory: &str, cpu: &str| {
        let limited = json!({"limits": {"memory": memory, "cpu": cpu}});
        json!({"containers": [
            {"name": "limited", "image": "busybox", "command": ["sleep", "1000"], "resources": limited},
            {"name": "free", "image": "busybox", "command": ["sh", "-c", "while :; do :; done"]},
        ]})
    };
    let pod = TestPod::of("limits", spec("64Mi", "500m"));
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let mut ids = Vec::new();
    for index in 0..2 {
        let id = runtime.create_container(&sandbox.id, &pod.container(index)).await.expect("the container");
        runtime.start_container(&id).await.expect("the start");
        ids.push(id);
    }
    let files = ["memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "hugetlb.2MB.max", "pids.max"];
    let group = |id: &str| root.join(format!("inboard-test/host01/pod{}-0", pod.identity.uid)).join(id);
    let read =
        |dir: &Path| files.map(|file| std::fs::read_to_string(dir.join(file)).unwrap_or_default().trim().to_owned());
    let rows = [["67108864", "0", "1", "50000 100000", "0", "max"], ["max", "0", "1", "max 100000", "0", "max"]];
    for (id, expected) in ids.iter().zip(rows) {
        assert_eq!(read(&group(id.as_str())), expected);
    }
    // It sees nothing of what is above it, and changes nothing.
    let look = "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/x 2>&1";
    let seen = runtime.exec_sync(&ids[0], &["sh".into(), "-c".into(), look.into()], SOON).await.expect("it runs");
    let expected = "0::/\n67108864\nmkdir: can't create directory '/sys/fs/cgroup/x': Read-only file system\n";
    assert_eq!(String::from_utf8_lossy(&seen.stdout), expected);

    let stats = runtime.stats().await.expect("figures");
    let [stats] = &stats[..] else { panic!("one pod: {stats:?}") };
    let free = stats.containers.iter().find(|container| &*container.name == "free").expect("its figures");
    assert!(free.cpu > Duration::ZERO && free.memory_working_set > 0 && stats.pids >= 2, "{stats:?}");

    let other = TestPod::of("limits", spec("96Mi", "250m"));
    let wanted = ContainerResources { spec: other.spec.clone(), kind: ContainerKind::Regular, index: 0 };
    runtime.update_container_resources(&ids[0], &wanted).await.expect("other limits");
    assert_eq!(read(&group(ids[0].as_str())), ["100663296", "0", "1", "25000 100000", "0", "max"]);
    let mut none = (*other.spec).clone();
    none.containers[0].resources = None;
    let wanted = ContainerResources { spec: Arc::new(none), kind: ContainerKind::Regular, index: 0 };
    runtime.update_container_resources(&ids[0], &wanted).await.expect("no limits");
    assert_eq!(read(&group(ids[0].as_str())), rows[1]);
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    assert!(!group("").exists(), "its control group goes with it");

    // A process that takes too much takes all others of its container with it.
    let script = "sh -c 'x=a; while :; do x=$x$x; done'; echo survived; sleep 1000";
    let pod = TestPod::of(
        "hungry",
        json!({"containers": [{
            "name": "main", "image": "busybox", "command": ["sh", "-c", script],
            "resources": {"limits": {"memory": "24Mi"}},
        }]}),
    );
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let log = LogOptions { follow: true, ..LogOptions::default() };
    let lines = runtime.logs(&id, &log).await.expect("a log").count();
    assert_eq!(tokio::time::timeout(SOON, lines).await, Ok(0), "it ends without a word");
    let status = runtime.container_status(&id).await.expect("a status");
    match status.state {
        ContainerState::Exited { exit, .. } => assert_eq!((exit.code, exit.reason), (137, ExitReason::OutOfMemory)),
        other => panic!("not exited: {other:?}"),
    }
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_so_many_processes_and_no_more() {
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.builder(1).pod_pids_limit(20).build().await.expect("the runtime opens");
    daemon.bring_images(&runtime).await;
    let script = "for i in $(seq 30); do sleep 1000 & done; echo all of them";
    let output = output(&runtime, json!({}), script).await;
    assert!(output.contains("can't fork"), "{output}");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_a_pod_with_users_of_its_own_is_nobody_outside() {
    const FIRST: u32 = 3 << 20;
    let Some(daemon) = TestDaemon::start().await else { return };
    let runtime = daemon.builder(1).first_user_id(FIRST).build().await.expect("the runtime opens");
    daemon.bring_images(&runtime).await;
    let script = "echo mine >/data/file && echo more >>/bin/new && chown 7:8 /data/file && ping -c1 127.0.0.1 >/dev/null && \
                  sysctl net.ipv4.tcp_keepalive_time && hostname && ls -ln /data /etc/hosts /bin/busybox && id -u && touch /ready && sleep 1000";
    let pod = |name: &str| {
        TestPod::of(
            name,
            json!({
                "hostUsers": false,
                "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": "77"}]},
                "volumes": [{"name": "data", "emptyDir": {}}],
                "containers": [{
                    "name": "main", "image": "busybox", "command": ["sh", "-c", format!("({script}) 2>&1")],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
            }),
        )
    };
    let mut sandboxes = Vec::new();
    for (name, first) in [("one", FIRST), ("two", FIRST + 65_536)] {
        let pod = pod(name);
        let source = VolumeSource::Empty { memory: false, size_limit: None };
        let volume = VolumeConfig { name: "data".into(), source, fs_group: None };
        runtime.prepare_volume(&pod.identity, &volume).await.expect("a volume");
        let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
        let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
        runtime.start_container(&id).await.expect("the start");
        let wait =
            ["sh", "-c", "until test -e /ready; do usleep 20000; done; cat /proc/self/uid_map"].map(str::to_owned);
        let map = runtime.exec_sync(&id, &wait, SOON).await.expect("it gets so far");
        let map = String::from_utf8_lossy(&map.stdout).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(map, ["0".to_owned(), first.to_string(), "65536".to_owned()]);
        let lines: Vec<String> = runtime
            .logs(&id, &LogOptions::default())
            .await
            .expect("a log")
            .map(|line| String::from_utf8_lossy(&line.expect("a line").line).into_owned())
            .collect()
            .await;
        let text = lines.join("\n");
        assert!(
            lines.contains(&"net.ipv4.tcp_keepalive_time = 77".to_owned()) && lines.contains(&name.to_owned()),
            "{text}"
        );
        let owners = |file: &str| {
            let line = lines.iter().find(|line| line.ends_with(file)).map(String::as_str).unwrap_or_default();
            line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(":")
        };
        assert_eq!(["/etc/hosts", "/bin/busybox", "file"].map(owners), ["0:0", "0:0", "7:8"], "{text}");
        // On the machine the volume has the owners that the pod gave it: another pod may find them so.
        let file = daemon.dir().join(format!("host01/pods/{}/volumes/data/file", pod.identity.uid));
        assert_eq!(std::fs::metadata(file).expect("the file").uid(), 7);
        sandboxes.push((sandbox.id, pod.identity.clone()));
    }
    // The next process goes on with them.
    runtime.close().await;
    let runtime = daemon.builder(1).first_user_id(FIRST).build().await.expect("the runtime opens");
    assert_eq!(runtime.inventory().await.expect("an inventory").sandboxes.len(), 2);
    for (sandbox, pod) in sandboxes {
        runtime.remove_pod_sandbox(&sandbox).await.expect("the removal");
        runtime.remove_volumes(&pod).await.expect("the removal");
    }
    let shares = json!({"hostUsers": false, "hostNetwork": true, "containers": [{"name": "main", "image": "busybox"}]});
    let error =
        runtime.run_pod_sandbox(&TestPod::of("three", shares).sandbox()).await.expect_err("it cannot have both");
    assert!(error.to_string().starts_with("spec.hostUsers: "), "{error}");
    runtime.close().await;
}
