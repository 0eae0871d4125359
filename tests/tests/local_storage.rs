//! Pods that take up more of their node's disk than they may are evicted; told once, for every runtime.

use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, conditions};

const SOON: Duration = Duration::from_secs(120);

/// Each writes some 500 KB, in all: what doubles twelve times.
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: filler}
spec:
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'WRITE-scratch; sleep 3600']
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {sizeLimit: 100Ki}}]
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'WRITE-tmp; sleep 3600']
    resources: {limits: {ephemeral-storage: 100Ki}}
---
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'echo little; sleep 3600']
    resources: {limits: {ephemeral-storage: 100Ki}}
  - name: other
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'WRITE-tmp; sleep 3600']
    resources: {limits: {ephemeral-storage: 50Mi}}
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {sizeLimit: 100Ki}}]
";

fn manifest() -> String {
    let write = |dir: &str| {
        format!(
            "echo 01234567890123456789012345678901234567890123456789012345678 > /{dir}/a; \
             for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat /{dir}/a /{dir}/a > /{dir}/b; cat /{dir}/b > /{dir}/a; done"
        )
    };
    PODS.replace("WRITE-scratch", &write("scratch")).replace("WRITE-tmp", &write("tmp"))
}

async fn those_that_take_up_too_much_are_evicted(cluster: &Cluster) {
    cluster.apply(&manifest()).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let rows = [
        ("filler", "Usage of EmptyDir volume \"scratch\" exceeds the limit \"100Ki\". "),
        ("writer", "Pod ephemeral local storage usage exceeds the total limit of containers 100Ki. "),
    ];
    for (name, message) in rows {
        let pod = pods.wait(name, SOON, conditions::is_pod_finished()).await.expect("it ends").expect("it is there");
        let status = pod.status.expect("a status");
        let said = [status.phase, status.reason, status.message].map(Option::unwrap_or_default);
        assert_eq!(said, ["Failed", "Evicted", message], "{name}");
        let ended = status.container_statuses.expect("containers").remove(0).state.and_then(|state| state.terminated);
        assert!(ended.is_some_and(|end| end.exit_code != 0), "{name}: its containers are stopped");
        let events = pods.events(name).await.expect("events");
        let told = events.iter().find(|event| event.reason.as_deref() == Some("Evicted")).expect("an event");
        assert_eq!((told.type_.as_deref(), told.message.as_deref()), (Some("Warning"), Some(message)), "{name}");
    }
    // Measured in the same moments as the others.
    let talker = pods.get("talker").await.expect("it is there");
    assert!(conditions::is_pod_running()(Some(&talker)), "{:?}", talker.status);
}

#[cfg(feature = "containerd")]
mod on_containerd {
    use std::sync::Arc;

    use inboard::{NodeSpec, Shutdown};
    use inboard_tests::containerd::TestDaemon;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_fills_the_disk_goes() {
        let Some(daemon) = TestDaemon::start().await else { return };
        let runtime = Arc::new(daemon.node(1).await);
        let node = NodeSpec::new("host01", runtime.clone());
        let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
        those_that_take_up_too_much_are_evicted(&cluster).await;
        cluster.delete_manifest(&manifest()).await.expect("deleted");
        cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
        runtime.close().await;
    }
}

mod on_the_mock {
    use std::sync::Arc;

    use inboard::NodeSpec;
    use inboard_runtime_mock::MockRuntime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fills_the_disk_goes() {
        let node = NodeSpec::new("host01", Arc::new(MockRuntime::new()));
        let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
        those_that_take_up_too_much_are_evicted(&cluster).await;
    }
}
