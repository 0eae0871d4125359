//! Steps 16 to 18: a StatefulSet.

use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ExecOptions, conditions};

use super::{SOON, is_ready};

const SLEEP_SET: &str = "
apiVersion: v1
kind: Service
metadata:
  name: sleep
spec:
  clusterIP: None
  selector:
    app: sleep
  ports:
  - port: 80
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: sleep
spec:
  serviceName: sleep
  replicas: 2
  selector:
    matchLabels:
      app: sleep
  template:
    metadata:
      labels:
        app: sleep
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: sleep
        image: busybox
        command: [/bin/sleep, '3600']
        volumeMounts:
        - name: sleep-volume
          mountPath: /storagedir
  volumeClaimTemplates:
  - metadata:
      name: sleep-volume
    spec:
      storageClassName: longhorn
      accessModes: [ReadWriteOnce]
      resources:
        requests:
          storage: 10Mi
";

/// Steps 16 to 18: pods with names and volumes of their own, one after the other; a pod that is deleted finds its file.
pub(super) async fn stateful_set(cluster: &Cluster) {
    let applied = cluster.apply(SLEEP_SET).await.expect("applied");
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    assert_eq!(applied, ["service/sleep created", "statefulset.apps/sleep created"]);
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let second = pods.wait("sleep-1", SOON, conditions::is_pod_ready()).await.expect("ready").expect("there");
    let first = pods.get("sleep-0").await.expect("it came before");
    let ready_since = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
        conditions.into_iter().find(|found| found.type_ == "Ready").and_then(|ready| ready.last_transition_time)
    };
    assert!(ready_since(&first) <= second.metadata.creation_timestamp, "sleep-1 is made once sleep-0 is ready");
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(cluster);
    for claim in ["sleep-volume-sleep-0", "sleep-volume-sleep-1"] {
        let claim = claims.get(claim).await.expect("a claim of its own");
        assert_eq!(claim.status.and_then(|status| status.phase).as_deref(), Some("Bound"));
    }

    let within = ExecOptions::default();
    let write = ["/bin/sh", "-c", "hostname > /storagedir/myhost"];
    for name in ["sleep-0", "sleep-1"] {
        let written = pods.exec(name, write, &within).await.expect("written");
        assert_eq!(written.code, 0, "{written:?}");
    }
    for name in ["sleep-0", "sleep-1"] {
        assert_eq!(my_host(&pods, name).await, name);
    }

    pods.delete("sleep-0", &DeleteParams::default()).await.expect("deleted");
    let is_another = |pod: Option<&Pod>| pod.is_some_and(|pod| pod.metadata.uid != first.metadata.uid && is_ready(pod));
    pods.wait("sleep-0", SOON, is_another).await.expect("a new pod of the same name");
    assert_eq!(my_host(&pods, "sleep-0").await, "sleep-0", "the file is still there");
    let table = cluster.table("sts", Some("default"), false).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..2], ["sleep", "2/2"]);

    cluster.delete_manifest(SLEEP_SET).await.expect("deleted");
    for name in ["sleep-0", "sleep-1"] {
        pods.wait(name, SOON, conditions::is_deleted()).await.expect("gone");
        let claim = format!("sleep-volume-{name}");
        claims.delete(&claim, &DeleteParams::default()).await.expect("it has stayed");
        claims.wait(&claim, SOON, conditions::is_deleted()).await.expect("gone");
    }
    let volumes = |snapshot: &inboard::store::Snapshot| {
        snapshot.list(inboard::object::kind::PERSISTENT_VOLUME).next().is_none().then_some(())
    };
    cluster.wait_until("no volumes", SOON, volumes).await.expect("the data is gone with the claims");
}

/// What a pod reads in its volume.
async fn my_host(pods: &Api<Pod>, name: &str) -> String {
    let read = pods.exec(name, ["cat", "/storagedir/myhost"], &ExecOptions::default()).await.expect("read");
    String::from_utf8_lossy(&read.stdout).trim_end().to_owned()
}
