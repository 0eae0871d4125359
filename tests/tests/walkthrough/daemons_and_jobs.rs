//! Steps 14 and 19: a Job that ends, one that fails and tries again, and a DaemonSet on every node.

use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ListParams, LogRequest, conditions};

use super::{NODES, SOON, World};

const SLEEP_JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: sleep
spec:
  template:
    spec:
      containers:
      - name: sleep
        image: busybox
        command: [/bin/sh, -c, 'echo begun; sleep 3; echo done']
      restartPolicy: OnFailure
";

const FAILING_JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: fail
spec:
  backoffLimit: 0
  template:
    spec:
      containers:
      - name: fail
        image: busybox
        command: [/bin/sh, -c, 'exit 3']
      restartPolicy: Never
";

const CALICO_NODE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: calico-system}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: calico-node
  namespace: calico-system
  labels: {k8s-app: calico-node}
spec:
  selector:
    matchLabels: {k8s-app: calico-node}
  template:
    metadata:
      labels: {k8s-app: calico-node}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: calico-node
        image: busybox
        command: [/bin/sleep, '3600']
";

fn ended(job: Option<&Job>, how: &str) -> bool {
    let conditions = job.and_then(|job| job.status.as_ref()?.conditions.as_ref());
    conditions.is_some_and(|conditions| conditions.iter().any(|found| found.type_ == how && found.status == "True"))
}

/// Step 14.
pub(super) async fn jobs(cluster: &Cluster) {
    let jobs: Api<Job> = Api::default_namespaced(cluster);
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let running = async |cluster: &Cluster| {
        let table = cluster.table("jobs", Some("default"), false).await.expect("a table");
        table.lines().nth(1).expect("a row").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    cluster.apply(SLEEP_JOB).await.expect("applied");
    let is_active =
        |job: Option<&Job>| job.is_some_and(|job| job.status.as_ref().is_some_and(|job| job.active == Some(1)));
    jobs.wait("sleep", SOON, is_active).await.expect("its pod runs");
    assert_eq!(running(cluster).await[..3], ["sleep", "Running", "0/1"]);
    jobs.wait("sleep", SOON, |job: Option<&Job>| ended(job, "Complete")).await.expect("complete");
    assert_eq!(running(cluster).await[..3], ["sleep", "Complete", "1/1"]);
    let of_job = ListParams::default().labels("job-name=sleep");
    let pod = pods.list(&of_job).await.expect("a list").items.remove(0);
    let name = pod.metadata.name.expect("a name");
    assert!(name.starts_with("sleep-") && name.len() == "sleep-".len() + 5, "{name}");
    assert_eq!(pods.logs(&name, &LogRequest::default()).await.expect("its logs stay"), "begun\ndone\n");
    let table = cluster.table("pods", Some("default"), false).await.expect("a table");
    assert!(table.lines().any(|line| line.contains("0/1") && line.contains("Completed")), "{table}");

    cluster.apply(FAILING_JOB).await.expect("applied");
    jobs.wait("fail", SOON, |job: Option<&Job>| ended(job, "Failed")).await.expect("failed");
    let reasons: Vec<_> =
        jobs.events("fail").await.expect("events").into_iter().filter_map(|event| event.reason).collect();
    assert_eq!(reasons, ["SuccessfulCreate", "BackoffLimitExceeded"]);
    for job in ["sleep", "fail"] {
        jobs.delete(job, &DeleteParams::background()).await.expect("deleted");
        jobs.wait(job, SOON, conditions::is_deleted()).await.expect("gone");
    }
    let none_left = |snapshot: &inboard::store::Snapshot| {
        let mut pods = snapshot.list(inboard::object::kind::POD);
        pods.all(|pod| !pod.meta.labels.contains_key("job-name")).then_some(())
    };
    cluster.wait_until("no pod of a Job", SOON, none_left).await.expect("its pods go with it");
}

/// Step 19.
pub(super) async fn daemon_set(cluster: &Cluster, world: &impl World) {
    cluster.apply(CALICO_NODE).await.expect("applied");
    let sets: Api<DaemonSet> = Api::namespaced(cluster, "calico-system");
    let available = |wanted: i32| {
        move |set: Option<&DaemonSet>| {
            let status = set.and_then(|set| set.status.as_ref());
            status.is_some_and(|status| {
                let counts = [status.desired_number_scheduled, status.number_ready];
                counts == [wanted; 2] && status.number_available == Some(wanted)
            })
        }
    };
    sets.wait("calico-node", SOON, available(3)).await.expect("one on each node");
    let table = cluster.table("ds", Some("calico-system"), false).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..7], ["calico-node", "3", "3", "3", "3", "3", "<none>"], "{table}");
    let labelled = ListParams::default().labels("k8s-app=calico-node");
    let pods = cluster.dynamic("po").await.expect("pods").namespace("calico-system");
    let wide = pods.table(&labelled, true).await.expect("a table");
    for node in NODES {
        assert_eq!(wide.matches(node).count(), 1, "{wide}");
    }
    if let Some(node) = world.fourth_node() {
        cluster.add_node(node).await.expect("a fourth node");
        sets.wait("calico-node", SOON, available(4)).await.expect("it gets one too");
    }
    cluster.delete_manifest(CALICO_NODE).await.expect("deleted");
    let namespaces: Api<Namespace> = Api::all(cluster);
    let gone = Duration::from_secs(120);
    namespaces.wait("calico-system", gone, conditions::is_deleted()).await.expect("all of it is gone");
}
