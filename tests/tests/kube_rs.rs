//! Programs written with kube-rs against a cluster in their own process: no socket, no binary, and time that jumps.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use inboard::k8s_openapi::api::apps::v1::Deployment;
use inboard::k8s_openapi::api::core::v1::{ConfigMap, Pod};
use inboard::{Cluster, NodeSpec};
use inboard_apiserver::ApiServer;
use inboard_runtime_mock::{MockRuntime, Script};
use kube::api::{Api, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchParams};
use kube::core::WatchEvent;
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher::Config;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

async fn cluster() -> (Cluster, Client) {
    let script = Script::image("busybox").logs("hello");
    let runtime = MockRuntime::builder().script(script).build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(runtime))).start().await.expect("it starts");
    let client = Client::new(ApiServer::new(&cluster), "default");
    (cluster, client)
}

fn pod(name: &str) -> Pod {
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "c", "image": "busybox", "command": ["sleep", "3600"] }] },
    });
    serde_json::from_value(pod).expect("a pod")
}

#[tokio::test(start_paused = true)]
async fn the_verbs_of_kube_rs_work_in_process() {
    let (_cluster, client) = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let mut events = pods.watch(&WatchParams::default().labels("app=web"), "0").await.expect("a watch").boxed();
    let created = pods.create(&PostParams::default(), &pod("one")).await.expect("created");
    assert!(created.uid().is_some() && created.resource_version().is_some());
    loop {
        let event = events.try_next().await.expect("an event").expect("the watch goes on");
        if let WatchEvent::Modified(pod) = event
            && pod.status.is_some_and(|status| status.phase.as_deref() == Some("Running"))
        {
            break;
        }
    }
    let patch = json!({ "metadata": { "annotations": { "a": "b" } } });
    let patched = pods.patch("one", &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
    assert_eq!(patched.annotations()["a"], "b");
    assert_eq!(pods.logs("one", &LogParams::default()).await.expect("a log"), "hello\n");
    pods.create(&PostParams::default(), &pod("two")).await.expect("created");
    let page = pods.list(&ListParams::default().limit(1)).await.expect("a page");
    assert_eq!(page.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["one"]);
    let token = page.metadata.continue_.expect("there is more");
    let rest = pods.list(&ListParams::default().limit(1).continue_token(&token)).await.expect("the rest");
    assert_eq!(rest.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["two"]);
    let missing = pods.get("three").await.expect_err("nobody made it");
    assert!(
        matches!(&missing, kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound"),
        "{missing}"
    );
    pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await.expect("deleted");
    let mut gone = 0;
    while gone < 2 {
        if let WatchEvent::Deleted(_) = events.try_next().await.expect("an event").expect("the watch goes on") {
            gone += 1;
        }
    }
    let info = client.apiserver_version().await.expect("a version");
    assert_eq!(info.major, "1");
}

/// A controller that keeps a Deployment for each ConfigMap that asks for one, and takes it away before the ConfigMap goes.
async fn reconcile(
    map: Arc<ConfigMap>,
    client: Arc<Client>,
) -> Result<Action, kube::runtime::finalizer::Error<kube::Error>> {
    let maps: Api<ConfigMap> = Api::default_namespaced((*client).clone());
    let deployments: Api<Deployment> = Api::default_namespaced((*client).clone());
    finalizer(&maps, "example.com/deployment", map, |event| async move {
        match event {
            Event::Apply(map) => {
                let name = map.name_any();
                let replicas: i32 = map.data.as_ref().and_then(|data| data.get("replicas")?.parse().ok()).unwrap_or(1);
                let labels = json!({ "app": name });
                let wanted = json!({
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": { "name": name },
                    "spec": {
                        "replicas": replicas,
                        "selector": { "matchLabels": labels },
                        "template": {
                            "metadata": { "labels": labels },
                            "spec": { "containers": [{ "name": "c", "image": "busybox", "command": ["sleep", "3600"] }] },
                        },
                    },
                });
                match deployments.get_opt(&name).await? {
                    None => {
                        let made: Deployment = serde_json::from_value(wanted).expect("a Deployment");
                        deployments.create(&PostParams::default(), &made).await?;
                    }
                    Some(_) => {
                        deployments.patch(&name, &PatchParams::default(), &Patch::Merge(wanted)).await?;
                    }
                }
                Ok(Action::requeue(Duration::from_secs(3600)))
            }
            Event::Cleanup(map) => {
                match deployments.delete(&map.name_any(), &DeleteParams::background()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    other => drop(other?),
                }
                Ok(Action::await_change())
            }
        }
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_operator_of_kube_rs_runs_in_process() {
    let (_cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let controller = Controller::new(maps.clone(), Config::default().labels("kind=web"))
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(5)), Arc::new(client.clone()))
        .for_each(|_| std::future::ready(()));
    let controller = tokio::spawn(controller);
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "web", "labels": { "kind": "web" } },
        "data": { "replicas": "2" },
    }))
    .expect("a ConfigMap");
    maps.create(&PostParams::default(), &map).await.expect("created");
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let ready = |replicas: i32| {
        let deployments = deployments.clone();
        async move {
            let mut objects = watcher(deployments, Config::default()).applied_objects().boxed();
            loop {
                let object = objects.try_next().await.expect("an event").expect("the watch goes on");
                if object.status.and_then(|status| status.ready_replicas) == Some(replicas) {
                    break;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready(2)).await.expect("two pods are ready");
    let more = json!({ "data": { "replicas": "3" } });
    maps.patch("web", &PatchParams::default(), &Patch::Merge(more)).await.expect("patched");
    tokio::time::timeout(Duration::from_secs(60), ready(3)).await.expect("three pods are ready");
    maps.delete("web", &DeleteParams::default()).await.expect("it is on its way");
    let gone = kube::runtime::wait::await_condition(maps.clone(), "web", |map: Option<&ConfigMap>| map.is_none());
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the finalizer lets go").expect("a watch");
    let left = deployments.list(&ListParams::default()).await.expect("a list");
    assert!(left.items.iter().all(|one| one.metadata.deletion_timestamp.is_some()), "{left:?}");
    controller.abort();
}
