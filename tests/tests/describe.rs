//! What is told of objects: `kubectl describe` as a method, held against the real one, word for word and blank for blank.

use std::sync::Arc;
use std::time::Duration;

use inboard::time::Time;
use inboard::{Cluster, NodeSpec};
use inboard_runtime_mock::MockRuntime;
use inboard_tests::typed::with_each_cluster;

/// At least one object of each kind that has words of its own, with as many of their parts as there are words for.
const OBJECTS: &str = include_str!("describe/objects.yaml");

/// What is described: a kind and, behind it, the namespace and the name.
const DESCRIBED: &[(&str, &str, &str)] = &[
    ("node", "", "host01"),
    ("namespace", "", "default"),
    ("namespace", "", "shop"),
    ("pod", "default", "full"),
    ("pod", "default", "done"),
    ("pod", "default", "nowhere"),
    ("deployment", "default", "web"),
    ("replicationcontroller", "default", "old"),
    ("statefulset", "default", "store"),
    ("statefulset", "default", "bare"),
    ("daemonset", "default", "agent"),
    ("job", "default", "count"),
    ("job", "default", "frames"),
    ("cronjob", "default", "nightly"),
    ("cronjob", "default", "full"),
    ("hpa", "default", "web"),
    ("hpa", "default", "many"),
    ("service", "default", "web"),
    ("service", "default", "headless"),
    ("service", "default", "outside"),
    ("service", "default", "kubernetes"),
    ("endpoints", "default", "web"),
    ("endpointslice", "default", "by-hand"),
    ("ingress", "default", "shop"),
    ("ingress", "default", "empty"),
    ("ingressclass", "", "fast"),
    ("networkpolicy", "default", "some"),
    ("networkpolicy", "default", "none"),
    ("pvc", "default", "data"),
    ("pvc", "default", "pending"),
    ("pv", "", "disk"),
    ("pv", "", "attached"),
    ("storageclass", "", "local"),
    ("storageclass", "", "far"),
    ("volumeattributesclass", "", "gold"),
    ("csinode", "", "host01"),
    ("secret", "default", "key"),
    ("configmap", "default", "settings"),
    ("serviceaccount", "default", "robot"),
    ("serviceaccount", "default", "default"),
    ("limitrange", "shop", "limits"),
    ("resourcequota", "shop", "quota"),
    ("pdb", "default", "web"),
    ("pdb", "default", "percent"),
    ("priorityclass", "", "high"),
    ("role", "default", "reader"),
    ("clusterrole", "", "cluster-admin"),
    ("clusterrole", "", "edit"),
    ("rolebinding", "default", "reader"),
    ("clusterrolebinding", "", "cluster-admin"),
    ("lease", "kube-node-lease", "host01"),
];

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_told_as_kubectl_tells_them() {
    with_each_cluster(env!("CARGO_TARGET_TMPDIR"), async |cluster, terminal| {
        // The words of the version that is imitated; an older one lacks some.
        if !terminal.which.contains("1.35") {
            return;
        }
        cluster.apply(OBJECTS).await.unwrap_or_else(|error| panic!("{error}"));
        cluster.settle().await.expect("settled");
        let mut wrong = Vec::new();
        for (kind, namespace, name) in DESCRIBED {
            let scope = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
            let mut both = (String::new(), String::new());
            // Ages and leases change between the two; sooner or later both look within the same second.
            for _ in 0..8 {
                let theirs = terminal.kubectl.run(&format!("describe {kind} {name}{scope}")).await;
                let ours = cluster.describe(kind, namespace, name).await;
                let ours = ours.map_or_else(|error| error.to_string(), |told| told.to_string());
                let ours = known(&ours);
                both = (known(&(theirs.stdout + &theirs.stderr)), ours);
                if both.0.trim_end() == both.1.trim_end() {
                    break;
                }
            }
            let (theirs, ours) = both;
            if theirs.trim_end() != ours.trim_end() {
                let mut pairs = theirs.lines().zip(ours.lines().chain(std::iter::repeat("(nothing)")));
                let first = pairs.find(|(theirs, ours)| theirs != ours);
                wrong.push(format!("{kind} {name}: {first:#?}\n{theirs}\n---- ours\n{ours}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), DESCRIBED.len(), wrong.join("\n========\n"));
    })
    .await;
}

/// What this version and the next one tell.
fn known(text: &str) -> String {
    let only_one = ["  Kube-Proxy Version:", "Time Zone:", "AppProtocol:"];
    let lines = text.lines().filter(|line| !only_one.iter().any(|title| line.starts_with(title)));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Without a kubectl: what must not be told, and what is told in every case.
#[tokio::test(start_paused = true)]
async fn secrets_are_counted_and_times_are_those_of_the_cluster() {
    let node = NodeSpec::new("host01", Arc::new(MockRuntime::new()));
    let start = Time::from_secs(1_800_000_000);
    let cluster = Cluster::builder().start_time(start).node(node).start().await.expect("a cluster");
    cluster.apply(OBJECTS).await.unwrap_or_else(|error| panic!("{error}"));
    cluster.settle().await.expect("settled");
    tokio::time::sleep(Duration::from_secs(90)).await;

    let secret = cluster.describe("secret", "default", "key").await.expect("a secret").to_string();
    assert!(!secret.contains("hunter2") && secret.contains("password:  7 bytes"), "{secret}");

    let web = cluster.describe("deploy", "default", "web").await.expect("a deployment").to_string();
    let wanted = [
        "CreationTimestamp:      Fri, 15 Jan 2027 08:00:00 +0000",
        "Replicas:               2 desired | 2 updated | 2 total | 0 available | 2 unavailable",
        "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
        "Pod Template:",
        "OldReplicaSets:  <none>",
        "  Normal  ScalingReplicaSet  90s   deployment-controller  Scaled up replica set web-",
    ];
    for line in wanted {
        assert!(web.contains(line), "{line}:\n{web}");
    }
}
