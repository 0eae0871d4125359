//! What confines real containers: filters of calls into the kernel.

use std::time::Duration;

use inboard::runtime::{Runtime, RuntimeErrorKind};
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
