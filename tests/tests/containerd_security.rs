//! What confines real containers: filters of calls into the kernel, how many processes there may be, users of their own.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::runtime::{LogOptions, Runtime, RuntimeErrorKind, VolumeConfig, VolumeSource};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::{TestDaemon, TestPod};
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
    let container = json!({"name": "main", "image": "busybox", "command": ["true"], "securityContext": absent});
    let pod = TestPod::of("absent", json!({"containers": [container]}));
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let error = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect_err("there is no such profile");
    assert_eq!(error.kind(), RuntimeErrorKind::CannotRun, "{error}");
    assert!(error.to_string().contains("absent.json"), "{error}");
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
                  sysctl net.core.somaxconn && hostname && ls -ln /data /etc/hosts /bin/busybox && id -u && touch /ready && sleep 1000";
    let pod = |name: &str| {
        TestPod::of(
            name,
            json!({
                "hostUsers": false,
                "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "77"}]},
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
        assert!(lines.contains(&"net.core.somaxconn = 77".to_owned()) && lines.contains(&name.to_owned()), "{text}");
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
