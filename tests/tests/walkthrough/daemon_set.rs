//! Step 19: a DaemonSet on every node.

use std::time::Duration;

use inboard::prelude::*;
use inboard::{Api, Cluster, ListParams, conditions};

use super::{NODES, SOON, World};

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
