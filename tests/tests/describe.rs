//! What is told of objects: `kubectl describe` as a method.

use std::sync::Arc;

use inboard::time::Time;
use inboard::{Cluster, NodeSpec};
use inboard_runtime_mock::MockRuntime;

const OBJECTS: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: nginx}]}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {team: red}}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}
";

/// Lines of a description, without what differs from run to run.
fn told(text: &str) -> Vec<&str> {
    let differs =
        |line: &&str| !["Creation", "UID", "Resource Version"].iter().any(|name| line.trim().starts_with(name));
    text.lines().map(str::trim_end).filter(differs).collect()
}

#[tokio::test(start_paused = true)]
async fn workloads_secrets_and_everything_else_are_told_in_full() {
    let node = NodeSpec::new("host01", Arc::new(MockRuntime::new()));
    let start = Time::from_secs(1_800_000_000);
    let cluster = Cluster::builder().start_time(start).node(node).start().await.expect("a cluster");
    cluster.apply(OBJECTS).await.expect("applied");
    cluster.settle().await.expect("settled");

    let set = cluster.describe("rs", "default", "web").await.expect("a set").to_string();
    let (head, events) = set.split_once("Events:").expect("events");
    assert_eq!(
        told(head),
        [
            "Name:              web",
            "Namespace:         default",
            "Labels:            app=web",
            "Annotations:       <none>",
            "Selector:          app=web",
            "Replicas:          2 current / 2 desired",
            "Pods Status:       2 Running / 0 Waiting / 0 Succeeded / 0 Failed",
            "Containers:",
            "  nginx:",
            "    Image:         nginx",
        ]
    );
    assert_eq!(events.matches("SuccessfulCreate").count(), 2, "{events}");

    let secret = cluster.describe("secret", "default", "key").await.expect("a secret").to_string();
    assert!(!secret.contains("hunter2") && secret.contains("  password:        7 bytes"), "{secret}");

    let service = cluster.describe("svc", "default", "web").await.expect("a service").to_string();
    assert_eq!(
        told(&service),
        [
            "Name:              web",
            "Namespace:         default",
            "Labels:            <none>",
            "Annotations:       team: red",
            "API Version:       v1",
            "Kind:              Service",
            "Metadata:",
            "Spec:",
            "  Cluster IP:      None",
            "  Cluster IPs:",
            "    None",
            "  Internal Traffic Policy: Cluster",
            "  IP Families:",
            "    IPv4",
            "  IP Family Policy: SingleStack",
            "  Ports:",
            "    Name:          http",
            "    Port:          80",
            "    Protocol:      TCP",
            "    Target Port:   80",
            "  Selector:",
            "    App:           web",
            "  Session Affinity: None",
            "  Type:            ClusterIP",
            "Status:",
            "Events:  <none>",
        ]
    );
}
