//! Nodes that are emptied, and budgets that hold pods back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use inboard::control::pods::is_ready;
use inboard::k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Event};
use inboard::object::kind;
use inboard::prelude::*;
use inboard::{
    Api, Cluster, DeleteParams, DrainOptions, EvictParams, ListParams, NodeSpec, Patch, PatchParams, PostParams,
    Reason, conditions,
};
use inboard_runtime_mock::MockRuntime;
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

async fn cluster(nodes: &[&str]) -> Cluster {
    let nodes = nodes.iter().map(|name| NodeSpec::new(*name, Arc::new(MockRuntime::new())));
    Cluster::builder().nodes(nodes).start().await.expect("a cluster")
}

fn container() -> Container {
    Container::builder("c", "app")
}

/// The Deployment `web`, of which one pod may be missing.
async fn web(cluster: &Cluster, replicas: i32) {
    let web = Deployment::builder("web").replicas(replicas).container(container()).build().expect("a deployment");
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    deployments.create(&PostParams::default(), &web).await.expect("created");
    let budget = PodDisruptionBudget::builder("web").max_unavailable(1).build().expect("a budget");
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(cluster);
    budgets.create(&PostParams::default(), &budget).await.expect("created");
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("it is rolled out");
    cluster.settle().await.expect("settled");
}

/// The nodes of the pods, each once for each pod.
async fn nodes_of_pods(cluster: &Cluster) -> Vec<String> {
    let pods: Api<Pod> = Api::all(cluster);
    let pods = pods.list(&ListParams::default()).await.expect("pods").items;
    let mut nodes: Vec<_> = pods.into_iter().filter_map(|pod| pod.spec?.node_name).collect();
    nodes.sort();
    nodes
}

#[tokio::test(start_paused = true)]
async fn a_drain_takes_no_more_pods_at_a_time_than_the_budget_allows() {
    let cluster = cluster(&["host01", "host02"]).await;
    let nodes: Api<Node> = Api::all(&cluster);
    nodes.cordon("host02").await.expect("cordoned");
    web(&cluster, 4).await;
    assert_eq!(nodes_of_pods(&cluster).await, ["host01"; 4]);
    nodes.uncordon("host02").await.expect("uncordoned");

    let fewest = Arc::new(AtomicUsize::new(usize::MAX));
    let (watcher, seen) = (cluster.clone(), Arc::clone(&fewest));
    let watch = tokio::spawn(async move {
        let count = |snapshot: &inboard::store::Snapshot| {
            let pods = snapshot.list_in(kind::POD, "default");
            let ready = pods.filter(|pod| is_ready(pod) && !pod.meta.is_deleting()).count();
            seen.fetch_min(ready, Ordering::Relaxed);
            None::<()>
        };
        let _ = watcher.wait_until("nothing", Duration::MAX, count).await;
    });
    let moved = nodes.drain("host01", &DrainOptions::default()).await.expect("emptied");
    assert_eq!(moved.len(), 4);
    let deployments: Api<Deployment> = Api::default_namespaced(&cluster);
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("all are back");
    watch.abort();
    assert_eq!(nodes_of_pods(&cluster).await, ["host02"; 4]);
    assert_eq!(fewest.load(Ordering::Relaxed), 3, "one was away at a time");
}

#[tokio::test(start_paused = true)]
async fn a_drain_gives_up_when_its_time_is_over_and_deletes_only_when_told() {
    let cluster = cluster(&["host01"]).await;
    web(&cluster, 2).await;
    let nodes: Api<Node> = Api::all(&cluster);
    let mut options = DrainOptions { timeout: Some(MINUTE), ..DrainOptions::default() };
    // The first one goes, and its successor finds no node.
    let error = nodes.drain("host01", &options).await.expect_err("the second pod is held back");
    assert_eq!(error.reason(), Reason::Timeout);
    assert_eq!(nodes_of_pods(&cluster).await, ["host01"]);

    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let held = pods.list(&ListParams::default().fields("status.phase=Running")).await.expect("pods").items.remove(0);
    let name = held.metadata.name.expect("a name");
    let error = pods.evict(&name, &EvictParams::default()).await.expect_err("it is held back");
    assert_eq!(error.reason(), Reason::TooManyRequests);
    let cause = error.causes()[0].message.clone();
    assert_eq!(cause.as_deref(), Some("The disruption budget web needs 1 healthy pods and has 1 currently"));

    options.disable_eviction = true;
    assert_eq!(nodes.drain("host01", &options).await.expect("emptied").len(), 1);
    assert!(nodes_of_pods(&cluster).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_begin_while_a_pod_stands_in_the_way() {
    let cluster = cluster(&["host01"]).await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let sets: Api<DaemonSet> = Api::default_namespaced(&cluster);
    let nodes: Api<Node> = Api::all(&cluster);
    let agent = DaemonSet::builder("agent").container(container()).build().expect("a set");
    sets.create(&PostParams::default(), &agent).await.expect("created");
    let scratch =
        Volume { name: "scratch".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() };
    let pod = |name: &str| Pod::builder(name).label("app", name).container(container());
    let mirror = pod("mirror").annotation("kubernetes.io/config.mirror", "x").pod_spec(|spec| {
        spec.node_name = Some("host01".to_owned());
    });
    for pod in [pod("bare"), pod("messy").volume(scratch), mirror] {
        pods.create(&PostParams::default(), &pod.build().expect("a pod")).await.expect("created");
    }
    cluster.settle().await.expect("settled");
    assert_eq!(nodes_of_pods(&cluster).await.len(), 4);

    let error = nodes.drain("host01", &DrainOptions::default()).await.expect_err("all stand in the way").to_string();
    for part in [
        "unable to drain node \"host01\": cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/agent-",
        "; cannot delete Pods with local storage (use --delete-emptydir-data to override): default/messy",
        "; cannot delete Pods that declare no controller (use --force to override): default/bare",
    ] {
        assert!(error.contains(part), "{error} has no {part:?}");
    }
    assert_eq!(nodes_of_pods(&cluster).await.len(), 4, "nothing has begun");
    let spec = nodes.get("host01").await.expect("the node").spec.expect("a spec");
    assert_eq!(spec.unschedulable, Some(true), "but it takes no more");

    let only = DrainOptions { force: true, pod_selector: "app=bare".to_owned(), ..DrainOptions::default() };
    let gone = nodes.drain("host01", &only).await.expect("one is chosen");
    assert_eq!(gone[0].metadata.name.as_deref(), Some("bare"));
    let all =
        DrainOptions { force: true, ignore_daemon_sets: true, delete_empty_dir_data: true, ..DrainOptions::default() };
    let gone = nodes.drain("host01", &all).await.expect("nothing is in the way");
    assert_eq!(gone.iter().map(|pod| pod.metadata.name.as_deref()).collect::<Vec<_>>(), [Some("messy")]);
    assert_eq!(nodes_of_pods(&cluster).await.len(), 2, "the agent and the mirror stay");
}

#[tokio::test(start_paused = true)]
async fn pods_that_have_ended_and_pods_of_lost_daemon_sets_are_no_loss() {
    let cluster = cluster(&["host01"]).await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let nodes: Api<Node> = Api::all(&cluster);
    let ended = Pod::builder("ended").container(container()).build().expect("a pod");
    pods.create(&PostParams::default(), &ended).await.expect("created");
    pods.wait("ended", MINUTE, conditions::is_pod_running()).await.expect("it runs");
    let failed = Patch::Merge(json!({"status": {"phase": "Failed", "containerStatuses": null}}));
    pods.patch_status("ended", &PatchParams::default(), &failed).await.expect("it failed");
    let gone = nodes.drain("host01", &DrainOptions::default()).await.expect("emptied");
    assert_eq!(gone[0].metadata.name.as_deref(), Some("ended"));
    nodes.uncordon("host01").await.expect("uncordoned");

    let sets: Api<DaemonSet> = Api::default_namespaced(&cluster);
    let agent = DaemonSet::builder("agent").container(container()).build().expect("a set");
    sets.create(&PostParams::default(), &agent).await.expect("created");
    cluster.settle().await.expect("settled");
    let orphan = DeleteParams::orphan();
    sets.delete("agent", &orphan).await.expect("deleted");
    cluster.settle().await.expect("settled");
    assert_eq!(nodes_of_pods(&cluster).await.len(), 1);
    assert!(nodes.drain("host01", &DrainOptions::default()).await.is_err(), "nobody makes it again");
    let options = DrainOptions { force: true, grace_seconds: Some(0), ..DrainOptions::default() };
    nodes.drain("host01", &options).await.expect("emptied");
    assert!(nodes_of_pods(&cluster).await.is_empty());
    let events: Api<Event> = Api::default_namespaced(&cluster);
    let events = events.list(&ListParams::default()).await.expect("events").items;
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("Killing")));
}
