//! The walk-through: what a user of the cluster does, told once, for every runtime.
//!
//! Three nodes. A pod, its logs and its end; a Deployment that heals, scales, rolls, refuses a bad image and survives the
//! loss of a node, and follows its load; a StatefulSet whose pods find their files again; and nothing left at the end.

#[path = "walkthrough/autoscaler.rs"]
mod autoscaler;
#[path = "walkthrough/batch.rs"]
mod batch;
#[path = "walkthrough/daemon_set.rs"]
mod daemon_set;
#[cfg(feature = "containerd")]
#[path = "walkthrough/on_containerd.rs"]
mod on_containerd;
#[path = "walkthrough/on_the_mock.rs"]
mod on_the_mock;
#[path = "walkthrough/stateful_set.rs"]
mod stateful_set;

use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Event;
use inboard::prelude::*;
use inboard::{Api, Cluster, DeleteParams, ExecOptions, ListParams, LogRequest, NodeSpec, conditions};

/// What differs between runtimes.
trait World {
    /// Lets a node lose its power.
    async fn power_off(&self, cluster: &Cluster, node: &str);
    /// Brings it back.
    async fn power_on(&self, cluster: &Cluster, node: &str);
    /// Lets it lose its network; what runs there runs on.
    async fn cut_off(&self, cluster: &Cluster, node: &str);
    /// Brings its network back.
    async fn reconnect(&self, cluster: &Cluster, node: &str);
    /// From now on the pods of the Deployment need so much CPU together, in thousandths of a core.
    async fn load(&self, cluster: &Cluster, millis: u64);
    /// How long pods stay on a node that is lost, where the five minutes of every pod would be too long to wait for.
    fn toleration_seconds(&self) -> Option<u32> {
        None
    }
    /// One more node, where there is a machine for it.
    fn fourth_node(&self) -> Option<NodeSpec> {
        None
    }
    /// An image that can be had, other than `nginx`, and one that cannot.
    fn images(&self) -> (&'static str, &'static str);
}

const NODES: [&str; 3] = ["host01", "host02", "host03"];
const SOON: Duration = Duration::from_secs(120);
/// Pods are evicted five minutes after their node was lost; that is noticed within a minute.
const EVICTED: Duration = Duration::from_secs(500);

const NGINX_POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: nginx
spec:
  containers:
  - name: nginx
    image: nginx
";

const TALKER_POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: talker
spec:
  containers:
  - name: talker
    image: busybox
    command: [/bin/sh, -c, 'echo one; echo two >&2; echo three; exit 3']
";

const PAIR_POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: pair
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: left
    image: busybox
    command: [/bin/sleep, '3600']
  - name: right
    image: busybox
    command: [/bin/sleep, '3600']
";

const NGINX_DEPLOY: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nginx
spec:
  replicas: 3
  selector:
    matchLabels:
      app: nginx
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx
        resources:
          requests:
            cpu: 100m
";

/// The Deployment, with pods that leave a lost node earlier than others.
fn deployment_manifest(toleration_seconds: Option<u32>) -> String {
    let mut manifest = NGINX_DEPLOY.to_owned();
    if let Some(seconds) = toleration_seconds {
        manifest.push_str("      tolerations:\n");
        for taint in ["not-ready", "unreachable"] {
            let key = format!("key: node.kubernetes.io/{taint}, operator: Exists, effect: NoExecute");
            manifest.push_str(&format!("      - {{{key}, tolerationSeconds: {seconds}}}\n"));
        }
    }
    manifest
}

fn reasons(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.reason.as_deref()).collect()
}

async fn app_pods(cluster: &Cluster) -> Vec<Pod> {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    pods.list(&ListParams::default().labels("app=nginx")).await.expect("a list").items
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().expect("a name")
}

fn node(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default()
}

fn is_ready(pod: &Pod) -> bool {
    conditions::is_pod_ready()(Some(pod)) && pod.metadata.deletion_timestamp.is_none()
}

/// Waits until the Deployment has this many pods, all ready, and no others are left.
async fn settled_at(cluster: &Cluster, count: usize, within: Duration) -> Vec<Pod> {
    let what = format!("{count} ready pods and no others");
    let wait = cluster.wait_until(&what, within, |snapshot| {
        let labelled = |object: &&std::sync::Arc<inboard::store::Object>| {
            object.meta.labels.get("app").map(String::as_str) == Some("nginx")
        };
        let pods = snapshot.list(inboard::object::kind::POD).filter(labelled);
        let pods: Vec<Pod> = pods.filter_map(|object| object.to_pod()).collect();
        (pods.len() == count && pods.iter().all(is_ready)).then_some(pods)
    });
    match wait.await {
        Ok(pods) => pods,
        Err(error) => {
            let table = cluster.table("pods,rs,deploy,nodes", None, true).await.expect("a table");
            let events = cluster.table("events", None, false).await.expect("a table");
            panic!("{error}\n{table}\n{events}")
        }
    }
}

async fn rolled_out(cluster: &Cluster) -> String {
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    let status = deployments.wait_rolled_out("nginx", SOON, |_| ()).await.expect("a rollout");
    status.message
}

async fn walk_through(cluster: &Cluster, world: &impl World) {
    one_pod(cluster).await;
    logs_and_exec(cluster).await;
    two_containers(cluster).await;
    delete_the_pod(cluster).await;
    let manifest = deployment_manifest(world.toleration_seconds());
    deployment(cluster, &manifest).await;
    self_healing_and_scaling(cluster).await;
    rolling_update(cluster, world).await;
    a_node_is_lost(cluster, world).await;
    autoscaler::autoscaler(cluster, world).await;
    stateful_set::stateful_set(cluster).await;
    names(cluster).await;
    delete_everything(cluster, &manifest).await;
    batch::jobs(cluster).await;
    batch::cron_job(cluster).await;
    daemon_set::daemon_set(cluster, world).await;
}

/// Steps 1 to 3: apply, look at the runtime, describe.
async fn one_pod(cluster: &Cluster) {
    let applied = cluster.apply(NGINX_POD).await.expect("applied");
    assert_eq!(applied[0].to_string(), "pod/nginx created");
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let pod = pods.wait("nginx", SOON, conditions::is_pod_ready()).await.expect("ready").expect("there");
    let applied = cluster.apply(NGINX_POD).await.expect("applied again");
    assert_eq!(applied[0].to_string(), "pod/nginx unchanged");

    let host = node(&pod);
    assert!(NODES.contains(&host));
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("an address");
    let table = cluster.table("pods", Some("default"), true).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..4], ["nginx", "1/1", "Running", "0"]);
    assert_eq!(words[5..7], [&*ip, host]);

    let inventory = cluster.inventory(host).await.expect("an inventory");
    let ours = |pod: &inboard::runtime::PodIdentity| &*pod.name == "nginx" && &*pod.namespace == "default";
    assert_eq!(inventory.sandboxes.iter().filter(|sandbox| ours(&sandbox.pod)).count(), 1);
    let containers: Vec<_> = inventory.containers.iter().filter(|container| ours(&container.pod)).collect();
    assert_eq!(containers.len(), 1);
    assert!(containers[0].state.is_running());

    let events = pods.events("nginx").await.expect("events");
    assert_eq!(reasons(&events), ["Scheduled", "Pulling", "Pulled", "Created", "Started"]);
    let message = events[0].message.as_deref().expect("a message");
    assert_eq!(message, format!("Successfully assigned default/nginx to {host}"));
    let description = cluster.describe("pod", "default", "nginx").await.expect("described").to_string();
    let id = format!("://{}", containers[0].id);
    for wanted in ["Namespace:        default", &id, "Scheduled", "default-scheduler", "kubelet"] {
        assert!(description.contains(wanted), "{wanted:?} is missing in\n{description}");
    }
}

/// Step 4: logs, of this instance and the one before; and a command in a container.
async fn logs_and_exec(cluster: &Cluster) {
    cluster.apply(TALKER_POD).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let restarted = |pod: Option<&Pod>| {
        let statuses = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        statuses.is_some_and(|statuses| {
            let waits = |status: &inboard::k8s_openapi::api::core::v1::ContainerStatus| {
                status.restart_count >= 1 && status.state.as_ref().is_some_and(|state| state.waiting.is_some())
            };
            statuses.iter().any(waits)
        })
    };
    pods.wait("talker", SOON, restarted).await.expect("restarted");
    let all = LogRequest::default();
    let lines = |text: String| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let wanted = ["one", "two", "three"].map(str::to_owned).into();
    assert_eq!(lines(pods.logs("talker", &all).await.expect("a log")), wanted);
    let previous = LogRequest { previous: true, ..all.clone() };
    match pods.logs("talker", &previous).await {
        Ok(text) => assert_eq!(lines(text), wanted),
        Err(error) => panic!("no log of the previous instance: {error}"),
    }
    let tail = LogRequest { tail: Some(1), follow: true, timestamps: true, ..all };
    let text = pods.logs("talker", &tail).await.expect("a log");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("20") && text.contains("Z "), "{text}");
    let table = cluster.table("po", Some("default"), false).await.expect("a table");
    assert!(table.contains("CrashLoopBackOff"), "{table}");
    pods.delete("talker", &DeleteParams::default()).await.expect("deleted");
    pods.wait("talker", SOON, conditions::is_deleted()).await.expect("gone");
}

/// Step 5: two containers share the pod's name, each has its own files; one has to be named.
async fn two_containers(cluster: &Cluster) {
    cluster.apply(PAIR_POD).await.expect("applied");
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    pods.wait("pair", SOON, conditions::is_pod_ready()).await.expect("ready");
    let error = pods.logs("pair", &LogRequest::default()).await.expect_err("which one?");
    let wanted = "a container name must be specified for pod pair, choose one of: [left right]";
    assert_eq!(error.to_string(), wanted);
    let within = |container: &str| ExecOptions { container: Some(container.to_owned()), ..ExecOptions::default() };
    let shell = |line: &str| ["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()];
    for container in ["left", "right"] {
        let output = pods.exec("pair", ["hostname"], &within(container)).await.expect("a name");
        assert_eq!((&output.stdout[..], output.code), (&b"pair\n"[..], 0));
    }
    let written = pods.exec("pair", shell("echo here > /mark"), &within("left")).await.expect("written");
    assert_eq!(written.code, 0, "{written:?}");
    let own = pods.exec("pair", ["cat", "/mark"], &within("left")).await.expect("read");
    assert_eq!(&own.stdout[..], b"here\n");
    let other = pods.exec("pair", ["cat", "/mark"], &within("right")).await.expect("read");
    assert_ne!(other.code, 0, "files are not shared: {other:?}");
    pods.delete("pair", &DeleteParams::default()).await.expect("deleted");
    pods.wait("pair", SOON, conditions::is_deleted()).await.expect("gone");
}

/// Step 6: delete by the same file; nothing of it stays on its node.
async fn delete_the_pod(cluster: &Cluster) {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let host = node(&pods.get("nginx").await.expect("there")).to_owned();
    let deleted = cluster.delete_manifest(NGINX_POD).await.expect("deleted");
    assert_eq!(deleted[0].to_string(), "pod \"nginx\" deleted");
    pods.wait("nginx", SOON, conditions::is_deleted()).await.expect("gone");
    assert_eq!(cluster.inventory(&host).await.expect("an inventory"), inboard::runtime::Inventory::default());
}

/// Steps 7 and 8: a Deployment, its set and its pods; a wrong selector; all of it by label.
async fn deployment(cluster: &Cluster, manifest: &str) {
    let wrong = manifest.replace("      app: nginx\n  template", "      app: apache\n  template");
    let error = cluster.apply(&wrong).await.expect_err("the selector does not match").to_string();
    assert!(error.contains("spec.template.metadata.labels"), "{error}");
    assert!(error.contains("`selector` does not match template `labels`"), "{error}");

    let applied = cluster.apply(manifest).await.expect("applied");
    assert_eq!(applied[0].to_string(), "deployment.apps/nginx created");
    assert_eq!(rolled_out(cluster).await, "deployment \"nginx\" successfully rolled out");
    let pods = settled_at(cluster, 3, SOON).await;
    let sets: Api<ReplicaSet> = Api::default_namespaced(cluster);
    let sets = sets.list(&ListParams::default()).await.expect("sets").items;
    assert_eq!(sets.len(), 1);
    let hash = sets[0].metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash")).expect("a hash");
    assert_eq!(sets[0].metadata.name, Some(format!("nginx-{hash}")));
    for pod in &pods {
        let suffix = name(pod).strip_prefix(&format!("nginx-{hash}-")).expect("the name of its set");
        assert_eq!(suffix.len(), 5);
    }
    let table = cluster.table("deploy", Some("default"), false).await.expect("a table");
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[..4], ["nginx", "3/3", "3", "3"]);

    let labelled = ListParams::default().labels("app=nginx");
    let all = cluster.dynamic("all").await.expect("a category").list(&labelled).await.expect("a list");
    let kinds: Vec<&str> = all.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "Pod").count(), 3);
    assert!(kinds.contains(&"ReplicaSet"), "{kinds:?}");
}

/// Steps 9 and 10: a pod is deleted and replaced; one more, and two fewer.
async fn self_healing_and_scaling(cluster: &Cluster) {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let before = app_pods(cluster).await;
    let victim = name(&before[0]);
    pods.delete(victim, &DeleteParams::default()).await.expect("deleted");
    pods.wait(victim, SOON, conditions::is_deleted()).await.expect("gone");
    let after = settled_at(cluster, 3, SOON).await;
    let kept = after.iter().filter(|pod| before.iter().any(|old| old.metadata.uid == pod.metadata.uid)).count();
    assert_eq!(kept, 2, "the others keep running");

    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    deployments.set_scale("nginx", 4).await.expect("scaled");
    let four = settled_at(cluster, 4, SOON).await;
    deployments.set_scale("nginx", 2).await.expect("scaled");
    let two = settled_at(cluster, 2, SOON).await;
    assert!(two.iter().all(|pod| four.iter().any(|old| old.metadata.uid == pod.metadata.uid)));
    deployments.set_scale("nginx", 3).await.expect("scaled");
    settled_at(cluster, 3, SOON).await;
}

/// Step 11: another image, and back; one that cannot be pulled stops the rollout with the old pods serving.
async fn rolling_update(cluster: &Cluster, world: &impl World) {
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    let (good, bad) = world.images();
    deployments.set_image("nginx", "nginx", good).await.expect("another image");
    let lowest = std::sync::Mutex::new(i32::MAX);
    let watched = deployments.wait("nginx", SOON, |deployment| {
        let Some(status) = deployment.and_then(|deployment| deployment.status.as_ref()) else { return false };
        let mut lowest = lowest.lock().expect("no panic before");
        *lowest = status.available_replicas.unwrap_or(0).min(*lowest);
        assert!(status.replicas.unwrap_or(0) <= 4, "more than maxSurge allows: {status:?}");
        conditions::is_deployment_rolled_out()(deployment)
    });
    watched.await.expect("rolled out");
    assert_eq!(*lowest.lock().expect("no panic before"), 3, "25% of 3 may be unavailable: none");
    let pods = settled_at(cluster, 3, SOON).await;
    assert!(
        pods.iter().all(|pod| pod.spec.as_ref().is_some_and(|spec| spec.containers[0].image.as_deref() == Some(good)))
    );
    let history = deployments.rollout_history("nginx").await.expect("a history");
    assert_eq!(history.iter().map(|revision| revision.number).collect::<Vec<_>>(), [1, 2]);

    let deadline = inboard::Patch::Merge(serde_json::json!({ "spec": { "progressDeadlineSeconds": 20 } }));
    deployments.patch("nginx", &Default::default(), &deadline).await.expect("patched");
    deployments.set_image("nginx", "nginx", bad).await.expect("a bad image");
    let status = deployments.wait_rolled_out("nginx", SOON, |_| ()).await.expect("a rollout");
    assert!(status.timed_out, "{status:?}");
    assert_eq!(status.message, "deployment \"nginx\" exceeded its progress deadline");
    let pods = app_pods(cluster).await;
    assert_eq!(pods.iter().filter(|pod| is_ready(pod)).count(), 3, "the old pods serve");
    let table = cluster.table("pods", Some("default"), false).await.expect("a table");
    assert!(table.contains("ErrImagePull") || table.contains("ImagePullBackOff"), "{table}");
    deployments.rollout_undo("nginx", None).await.expect("undone");
    rolled_out(cluster).await;
    settled_at(cluster, 3, SOON).await;

    deployments.rollout_pause("nginx").await.expect("paused");
    deployments.set_image("nginx", "nginx", "nginx").await.expect("the first image");
    cluster.settle().await.expect("settled");
    assert!(!deployments.rollout_status("nginx").await.expect("a status").done, "a paused rollout does not go on");
    deployments.rollout_resume("nginx").await.expect("resumed");
    rolled_out(cluster).await;
    let before = settled_at(cluster, 3, SOON).await;
    deployments.rollout_restart("nginx").await.expect("restarted");
    rolled_out(cluster).await;
    let after = settled_at(cluster, 3, SOON).await;
    assert!(after.iter().all(|pod| before.iter().all(|old| old.metadata.uid != pod.metadata.uid)));
}

/// Step 12: a node without power, then one without network; pods move, and the surplus goes.
async fn a_node_is_lost(cluster: &Cluster, world: &impl World) {
    let lost = node(&app_pods(cluster).await[0]).to_owned();
    let ready = |wanted: bool| {
        move |node: Option<&Node>| {
            let conditions = node.and_then(|node| node.status.as_ref()?.conditions.as_ref());
            conditions.is_some_and(|conditions| {
                conditions.iter().any(|condition| condition.type_ == "Ready" && (condition.status == "True") == wanted)
            })
        }
    };
    let nodes: Api<Node> = Api::all(cluster);
    for has_power in [false, true] {
        if has_power {
            world.cut_off(cluster, &lost).await
        } else {
            world.power_off(cluster, &lost).await
        }
        nodes.wait(&lost, SOON, ready(false)).await.expect("not ready");
        let elsewhere = |snapshot: &inboard::store::Snapshot| {
            let pods = snapshot.list(inboard::object::kind::POD).filter_map(|object| object.to_pod());
            (pods.filter(|pod| is_ready(pod) && node(pod) != lost).count() == 3).then_some(())
        };
        cluster.wait_until("three ready pods elsewhere", EVICTED, elsewhere).await.expect("replaced");
        if has_power {
            world.reconnect(cluster, &lost).await
        } else {
            world.power_on(cluster, &lost).await
        }
        nodes.wait(&lost, SOON, ready(true)).await.expect("ready again");
        settled_at(cluster, 3, SOON).await;
        let inventory = cluster.inventory(&lost).await.expect("an inventory");
        let live = inventory.containers.iter().filter(|container| container.state.is_running()).count();
        let wanted = app_pods(cluster).await.iter().filter(|pod| node(pod) == lost).count();
        assert_eq!(live, wanted, "the surplus is removed");
    }
}

/// Step 20: every name that a user may type.
async fn names(cluster: &Cluster) {
    let names = [
        ("deploy", "deployments"),
        ("deployment", "deployments"),
        ("Deployments.apps", "deployments"),
        ("po", "pods"),
        ("pod", "pods"),
        ("rs", "replicasets"),
        ("hpa", "horizontalpodautoscalers"),
        ("sts", "statefulsets"),
        ("ds", "daemonsets"),
        ("cj", "cronjobs"),
        ("svc", "services"),
        ("ns", "namespaces"),
        ("pvc", "persistentvolumeclaims"),
        ("no", "nodes"),
        ("ev", "events"),
    ];
    for (typed, plural) in names {
        let api = cluster.dynamic(typed).await.expect("a known name");
        assert_eq!(api.kinds()[0].plural, plural, "{typed}");
        api.table(&ListParams::default(), true).await.expect("a table");
    }
    let error = cluster.dynamic("gizmo").await.expect_err("no such name");
    assert_eq!(error.to_string(), "the server doesn't have a resource type \"gizmo\"");
}

/// Step 21: the owner takes its dependents along, and the nodes are empty.
async fn delete_everything(cluster: &Cluster, manifest: &str) {
    let deleted = cluster.delete_manifest(manifest).await.expect("deleted");
    assert_eq!(deleted[0].to_string(), "deployment.apps \"nginx\" deleted");
    settled_at(cluster, 0, SOON).await;
    let left = cluster.dynamic("all").await.expect("a category").all_namespaces();
    let left = left.list(&ListParams::default().labels("app=nginx")).await.expect("a list");
    assert_eq!(left, Vec::<serde_json::Value>::new());
    for node in NODES {
        let inventory = cluster.inventory(node).await.expect("an inventory");
        assert_eq!(inventory, inboard::runtime::Inventory::default(), "{node} is not empty");
    }
}
