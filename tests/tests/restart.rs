//! A cluster whose process ends, and the next one that goes on from what was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use inboard::ids::Revision;
use inboard::prelude::*;
use inboard::runtime::Runtime;
use inboard::store::{Batch, Durability, DurabilityError, Recovered};
use inboard::{Api, Cluster, ListParams, NodeSpec, PostParams, Reason, Shutdown, StartError, WatchParams, conditions};
use inboard_runtime_mock::MockRuntime;
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// What outlives the process: objects by uid, the last revision, and how often it was opened.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    objects: BTreeMap<String, Value>,
    revision: Revision,
    opened: u32,
    is_full: bool,
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> Writer {
        Writer { disk: self.clone(), term: 0 }
    }
}

/// One process's hold on the disk: the last one that opened it writes.
#[derive(Debug)]
struct Writer {
    disk: Disk,
    term: u32,
}

#[async_trait]
impl Durability for Writer {
    async fn open(&mut self) -> Result<Recovered, DurabilityError> {
        let mut content = self.disk.content();
        content.opened += 1;
        self.term = content.opened;
        Ok(Recovered { objects: content.objects.values().cloned().collect(), revision: content.revision })
    }

    async fn commit(&mut self, batch: Batch<'_>) -> Result<(), DurabilityError> {
        let mut content = self.disk.content();
        if content.opened != self.term {
            return Err(DurabilityError::Fenced);
        }
        if content.is_full {
            return Err(DurabilityError::Unavailable("no space left on device".into()));
        }
        for (uid, object) in batch.last_of_each() {
            match object {
                Some(object) => content.objects.insert(uid.to_string(), object),
                None => content.objects.remove(&uid.to_string()),
            };
        }
        content.revision = batch.revision;
        Ok(())
    }
}

async fn cluster(disk: &Disk, machine: &MockRuntime) -> Cluster {
    let node = NodeSpec::new("host01", Arc::new(machine.clone()));
    Cluster::builder().durability(disk.writer()).node(node).start().await.expect("a cluster")
}

async fn rolled_out(cluster: &Cluster, replicas: i32) {
    let deployments: Api<Deployment> = Api::default_namespaced(cluster);
    let web = Deployment::builder("web").replicas(replicas).container(Container::builder("nginx", "nginx"));
    deployments.create(&PostParams::default(), &web.build().expect("a deployment")).await.expect("created");
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("rolled out");
}

/// Uid, node, container id and restarts of each pod.
async fn lives(cluster: &Cluster) -> Vec<(String, String, String, i32)> {
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let mut lives = Vec::new();
    for pod in pods.list(&ListParams::default()).await.expect("pods").items {
        let status = pod.status.and_then(|status| status.container_statuses).unwrap_or_default().remove(0);
        let node = pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
        let uid = pod.metadata.uid.unwrap_or_default();
        lives.push((uid, node, status.container_id.unwrap_or_default(), status.restart_count));
    }
    lives
}

#[tokio::test(start_paused = true)]
async fn what_ran_runs_on_and_is_the_same_to_the_next_process() {
    let (disk, machine) = (Disk::default(), MockRuntime::new());
    let first = cluster(&disk, &machine).await;
    rolled_out(&first, 3).await;
    let before = lives(&first).await;
    let revision = first.snapshot().await.expect("a snapshot").revision();
    first.shutdown(Shutdown::LeaveRunning).await.expect("stopped");

    let second = cluster(&disk, &machine).await;
    second.settle().await.expect("settled");
    assert_eq!(lives(&second).await, before, "adopted, not restarted");
    assert!(second.snapshot().await.expect("a snapshot").revision() > revision, "revisions go on");
    // What a client saw of the first process is gone for the second: it must list anew.
    let pods: Api<Pod> = Api::default_namespaced(&second);
    let mut stale = pods.watch(&WatchParams::default(), "1").await.expect("a watch");
    let first = stale.next().await.expect("an answer");
    assert_eq!(first.map(|event| format!("{event:?}")).map_err(|error| error.reason()), Err(Reason::Expired));

    let deployments: Api<Deployment> = Api::default_namespaced(&second);
    deployments.set_scale("web", 1).await.expect("scaled");
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("rolled out");
    let kept = pods.list(&ListParams::default()).await.expect("pods").items;
    let kept = kept.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    assert_eq!(kept.count(), 1, "controllers look after what was there before");
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_is_there_after_the_process_was_killed() {
    let (disk, machine) = (Disk::default(), MockRuntime::new());
    let first = cluster(&disk, &machine).await;
    let deployments: Api<Deployment> = Api::default_namespaced(&first);
    let web = Deployment::builder("web").replicas(2).container(Container::builder("nginx", "nginx"));
    deployments.create(&PostParams::default(), &web.build().expect("a deployment")).await.expect("created");
    drop((deployments, first));

    let second = cluster(&disk, &machine).await;
    let deployments: Api<Deployment> = Api::default_namespaced(&second);
    deployments.wait("web", MINUTE, conditions::is_deployment_rolled_out()).await.expect("it rolls out");
    assert_eq!(machine.inventory().await.expect("an inventory").containers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_another_has_taken_over_from_stops() {
    let (disk, machine) = (Disk::default(), MockRuntime::new());
    let first = cluster(&disk, &machine).await;
    let second = cluster(&disk, &MockRuntime::new()).await;
    let of = |cluster: &Cluster| -> Api<Pod> { Api::default_namespaced(cluster) };
    let pod = |name: &str| Pod::builder(name).container(Container::builder("app", "app")).build().expect("a pod");
    let late =
        of(&first).create(&PostParams::default(), &pod("late")).await.expect_err("it is not the writer any more");
    assert_eq!(late.reason(), Reason::ServiceUnavailable);
    of(&second).create(&PostParams::default(), &pod("web")).await.expect("the second one writes");
    assert_eq!(of(&second).get("late").await.expect_err("never committed").reason(), Reason::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_holds_answers_back_until_there_is_room() {
    let (disk, machine) = (Disk::default(), MockRuntime::new());
    let cluster = cluster(&disk, &machine).await;
    disk.content().is_full = true;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let pod = Pod::builder("web").container(Container::builder("app", "app")).build().expect("a pod");
    let params = PostParams::default();
    let create = pods.create(&params, &pod);
    tokio::pin!(create);
    assert!(tokio::time::timeout(MINUTE, &mut create).await.is_err(), "nothing is answered before it is durable");
    assert_eq!(machine.inventory().await.expect("an inventory").containers.len(), 0, "and nothing is started");
    disk.content().is_full = false;
    create.await.expect("created");
    pods.wait("web", MINUTE, conditions::is_pod_ready()).await.expect("ready");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named() {
    let start = async |objects: Vec<Value>| {
        let disk = Disk::default();
        disk.content().objects = objects.into_iter().enumerate().map(|(n, object)| (n.to_string(), object)).collect();
        disk.content().revision = "7".parse().expect("a revision");
        match Cluster::builder().durability(disk.writer()).start().await {
            Err(StartError::Stored(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let uid = "11111111-1111-1111-1111-111111111111";
    let meta = json!({"name": "w", "namespace": "default", "uid": uid, "resourceVersion": "5"});
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": meta});
    assert_eq!(
        start(vec![widget]).await,
        "`default/w` is of the kind `Widget` in `example.com/v1`, which this cluster does not know: add it before the start"
    );
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta});
    assert_eq!(start(vec![map]).await, "ConfigMap `default/w`: metadata.creationTimestamp is missing or is none");
    let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": 1}});
    assert!(start(vec![wrong]).await.starts_with("ConfigMap `default/w`: "));
}
