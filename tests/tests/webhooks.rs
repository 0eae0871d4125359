//! An operator's webhooks, asked in its own process: no socket, and time that jumps.

#[path = "webhooks/conversion.rs"]
mod conversion;
#[path = "webhooks/kinds.rs"]
mod kinds;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use inboard::k8s_openapi::api::apps::v1::Deployment;
use inboard::k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use inboard::{Cluster, NodeSpec};
use inboard_apiserver::ApiServer;
use inboard_runtime_mock::MockRuntime;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

/// What a webhook does with a request: a response without its uid; and how long it takes.
type Judge = Arc<dyn Fn(&Value) -> (Value, Duration) + Send + Sync>;

/// A webhook, and the requests that it has seen.
#[derive(Clone)]
struct Hook {
    judge: Judge,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    fn new(judge: impl Fn(&Value) -> (Value, Duration) + Send + Sync + 'static) -> Self {
        Self { judge: Arc::new(judge), seen: Arc::default() }
    }

    /// One that answers at once.
    fn quick(judge: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        Self::new(move |request| (judge(request), Duration::ZERO))
    }

    /// One that changes the object so.
    fn patching(patch: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        Self::quick(move |request| {
            let patch = patch(request);
            if patch.as_array().is_none_or(Vec::is_empty) {
                return json!({ "allowed": true });
            }
            let encoded = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
            json!({ "allowed": true, "patch": encoded, "patchType": "JSONPatch" })
        })
    }

    fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("nobody panics").clone()
    }
}

impl tower_service::Service<Request<Full<Bytes>>> for Hook {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let Self { judge, seen } = self.clone();
        Box::pin(async move {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let review: Value = serde_json::from_slice(&body).expect("a review");
            let asked = &review["request"];
            seen.lock().expect("nobody panics").push(asked.clone());
            let (mut response, lasts) = judge(asked);
            tokio::time::sleep(lasts).await;
            response["uid"] = asked["uid"].clone();
            let answer = json!({ "apiVersion": review["apiVersion"], "kind": review["kind"], "response": response });
            Ok(Response::new(Full::from(answer.to_string())))
        })
    }
}

/// A cluster whose API asks these webhooks, each behind a service of its name.
async fn cluster(hooks: &[(&str, &Hook)]) -> (Cluster, Client) {
    let node = NodeSpec::new("host01", Arc::new(MockRuntime::builder().build()));
    let cluster = Cluster::builder().node(node).start().await.expect("it starts");
    let mut api = ApiServer::builder(&cluster);
    for (name, hook) in hooks {
        api = api.webhook(format!("default/{name}"), (*hook).clone());
    }
    let client = Client::new(api.build(), "default");
    (cluster, client)
}

/// A configuration of one webhook for ConfigMaps, behind a service of its name; `more` says what is not usual.
async fn configure(client: &Client, kind: &str, name: &str, more: Value) {
    let mut hook = json!({
        "name": format!("{name}.example.com"),
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": { "service": { "namespace": "default", "name": name, "path": "/check" } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] }],
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        hook[field] = value.clone();
    }
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": { "name": name },
        "webhooks": [hook],
    });
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let kind = kube::core::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    let resource = kube::core::ApiResource::from_gvk(&kind);
    let configurations: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    configurations.create(&PostParams::default(), &object).await.expect("it is configured");
}

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

fn map(name: &str, data: Value) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": data })).expect("a map")
}

fn told<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => format!("{} {}", status.code, status.message),
        other => panic!("no refusal: {other:?}"),
    }
}

/// Adds a key to the data of a map, unless it is there.
fn adding(key: &'static str, value: &'static str) -> Hook {
    Hook::patching(move |request| match request["object"]["data"].as_object() {
        Some(data) if data.contains_key(key) => json!([]),
        None => json!([]),
        Some(_) => json!([{ "op": "add", "path": format!("/data/{key}"), "value": value }]),
    })
}

#[tokio::test(start_paused = true)]
async fn a_webhook_changes_an_object_and_another_judges_it() {
    let (adds, judges) = (
        adding("owner", "nobody"),
        Hook::quick(|request| match &request["object"]["data"]["size"] {
            Value::String(size) if size == "huge" => {
                json!({ "allowed": false, "status": { "message": "too big", "code": 422 } })
            }
            _ => json!({ "allowed": true, "warnings": ["mind the gap"] }),
        }),
    );
    let (_cluster, client) = cluster(&[("adds", &adds), ("judges", &judges)]).await;
    configure(&client, MUTATING, "adds", json!({})).await;
    configure(&client, VALIDATING, "judges", json!({})).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let created = maps.create(&PostParams::default(), &map("m", json!({ "size": "small" }))).await.expect("created");
    assert_eq!(created.data.clone().expect("data")["owner"], "nobody");
    let seen = judges.seen();
    assert_eq!(
        (seen[0]["operation"].as_str(), seen[0]["object"]["data"]["owner"].as_str()),
        (Some("CREATE"), Some("nobody"))
    );
    assert_eq!(
        seen[0]["object"]["metadata"]["uid"].as_str(),
        created.uid().as_deref(),
        "what it saw is what is stored"
    );
    assert_eq!(seen[0]["userInfo"]["username"], "system:admin");
    assert!(
        seen[0]["oldObject"].is_null() && seen[0]["dryRun"] == false && seen[0]["options"]["kind"] == "CreateOptions"
    );
    assert_eq!(seen[0]["resource"], json!({ "group": "", "version": "v1", "resource": "configmaps" }));

    let huge = json!({ "data": { "size": "huge" } });
    let refused = told(maps.patch("m", &PatchParams::default(), &Patch::Merge(huge)).await);
    assert_eq!(
        refused,
        "422 configmaps \"m\" is forbidden: admission webhook \"judges.example.com\" denied the request: too big"
    );
    let last = judges.seen().pop().expect("it was asked");
    assert_eq!(
        (last["operation"].as_str(), last["oldObject"]["data"]["size"].as_str()),
        (Some("UPDATE"), Some("small"))
    );
    assert_eq!(maps.get("m").await.expect("it is there").data.expect("data")["size"], "small");

    let metadata = json!({ "name": "new" });
    let apply = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "color": "red" } });
    let applied = maps.patch("new", &PatchParams::apply("me"), &Patch::Apply(apply)).await.expect("applied");
    let owned = applied.managed_fields().iter().find(|entry| entry.manager.as_deref() == Some("me")).expect("an owner");
    let fields = owned.fields_v1.as_ref().expect("fields").0.to_string();
    assert_eq!(fields, "{\"f:data\":{\"f:color\":{}}}", "what a webhook adds has no owner");
    assert_eq!(applied.data.expect("data")["owner"], "nobody");

    maps.delete("m", &DeleteParams::default()).await.expect("deleted");
    let last = judges.seen().pop().expect("it was asked");
    assert_eq!(
        (last["operation"].as_str(), last["object"].is_null(), last["oldObject"]["metadata"]["name"].as_str()),
        (Some("DELETE"), true, Some("m"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_fails_to_say_is_decided_by_its_policy() {
    let slow = Hook::new(|_| (json!({ "allowed": true }), Duration::from_secs(3600)));
    let (_cluster, client) = cluster(&[("slow", &slow)]).await;
    configure(&client, VALIDATING, "slow", json!({ "timeoutSeconds": 2 })).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let before = tokio::time::Instant::now();
    assert_eq!(
        told(maps.create(&PostParams::default(), &map("m", json!({}))).await),
        "500 Internal error occurred: failed calling webhook \"slow.example.com\": failed to call webhook: Post \
         \"https://slow.default.svc:443/check?timeout=2s\": context deadline exceeded"
    );
    assert_eq!(before.elapsed(), Duration::from_secs(2));
    configure(&client, VALIDATING, "absent", json!({ "failurePolicy": "Ignore" })).await;
    let configurations =
        Api::<inboard::k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration>::all(
            client.clone(),
        );
    configurations.delete("slow", &DeleteParams::default()).await.expect("what configures webhooks is judged by none");
    maps.create(&PostParams::default(), &map("m", json!({}))).await.expect("nobody is there, and nobody minds");
    configure(&client, VALIDATING, "closed", json!({})).await;
    assert_eq!(
        told(maps.create(&PostParams::default(), &map("n", json!({}))).await),
        "500 Internal error occurred: failed calling webhook \"closed.example.com\": failed to call webhook: Post \
         \"https://closed.default.svc:443/check?timeout=10s\": service \"closed\" not found"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_to_is_asked_again_when_somebody_later_changes_the_object() {
    // The first one counts what it sees, and wants to know of changes; the second one adds something.
    let first = Hook::patching(|request| {
        let data =
            request["object"]["data"].as_object().map_or(0, |data| data.keys().filter(|key| *key != "count").count());
        json!([{ "op": "add", "path": "/data/count", "value": data.to_string() }])
    });
    let second = adding("more", "yes");
    let (_cluster, client) = cluster(&[("a", &first), ("b", &second)]).await;
    configure(&client, MUTATING, "a", json!({ "reinvocationPolicy": "IfNeeded" })).await;
    configure(&client, MUTATING, "b", json!({})).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let created = maps.create(&PostParams::default(), &map("m", json!({ "x": "y" }))).await.expect("created");
    assert_eq!(created.data.expect("data")["count"], "2", "it has seen what the second one added");
    assert_eq!((first.seen().len(), second.seen().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_asked_about_what_concerns_them() {
    let hook = adding("owner", "nobody");
    let (_cluster, client) = cluster(&[("h", &hook)]).await;
    let conditions = json!([{ "name": "not-skipped", "expression": "!has(object.metadata.labels) || !('skip' in object.metadata.labels)" }]);
    configure(
        &client,
        MUTATING,
        "h",
        json!({
            "matchConditions": conditions,
            "objectSelector": { "matchLabels": { "look": "here" } },
            "sideEffects": "NoneOnDryRun",
        }),
    )
    .await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let labelled = |name: &str, labels: Value| -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels }, "data": { "x": "y" } }))
            .expect("a map")
    };
    maps.create(&PostParams::default(), &labelled("a", json!({}))).await.expect("created");
    maps.create(&PostParams::default(), &labelled("b", json!({ "look": "here", "skip": "me" })))
        .await
        .expect("created");
    assert_eq!(hook.seen().len(), 0);
    let trying = PostParams { dry_run: true, ..PostParams::default() };
    let tried = maps.create(&trying, &labelled("c", json!({ "look": "here" }))).await.expect("tried");
    assert_eq!((hook.seen().len(), hook.seen()[0]["dryRun"].as_bool()), (1, Some(true)));
    assert_eq!(tried.data.expect("data")["owner"], "nobody");
    assert!(maps.get_opt("c").await.expect("answered").is_none());
}

/// Two writers at once: what is committed is what the webhook saw.
#[tokio::test(start_paused = true)]
async fn a_write_begins_anew_when_another_comes_between() {
    let slow = Hook::new(|_| (json!({ "allowed": true }), Duration::from_secs(1)));
    let (_cluster, client) = cluster(&[("slow", &slow)]).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &map("m", json!({}))).await.expect("created");
    configure(&client, VALIDATING, "slow", json!({})).await;
    let add = |key: &str| {
        let (maps, patch) = (maps.clone(), Patch::Merge(json!({ "data": { key: "x" } })));
        async move { maps.patch("m", &PatchParams::default(), &patch).await }
    };
    let (one, other) = tokio::join!(add("one"), add("other"));
    assert!(one.is_ok() && other.is_ok());
    let data = maps.get("m").await.expect("it is there").data.expect("data");
    assert_eq!(data.keys().collect::<Vec<_>>(), ["one", "other"]);
    let last = slow.seen().pop().expect("it was asked");
    assert_eq!(last["object"]["data"].as_object().expect("data").len(), 2, "it has seen what came of both");
    assert_eq!(slow.seen().len(), 3);
}

fn web(replicas: i32) -> Deployment {
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "web:1" }] },
            },
        },
    });
    serde_json::from_value(deployment).expect("a deployment")
}

/// Rules for one resource of one group.
fn about(group: &str, resource: &str, operations: &[&str]) -> Value {
    json!({ "rules": [{
        "apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": [resource],
    }] })
}

/// A mesh puts a container into every pod, whoever makes it, and is asked about every other write of controllers, too.
#[tokio::test(start_paused = true)]
async fn webhooks_see_what_controllers_write() {
    let mesh = Hook::patching(|request| {
        let sidecar = json!({ "name": "mesh", "image": "mesh:1" });
        match request["operation"].as_str() {
            Some("CREATE") => json!([{ "op": "add", "path": "/spec/containers/-", "value": sidecar }]),
            _ => json!([]),
        }
    });
    let watches = Hook::quick(|_| json!({ "allowed": true }));
    let (cluster, client) = cluster(&[("mesh", &mesh), ("watches", &watches)]).await;
    configure(&client, MUTATING, "mesh", about("", "pods", &["CREATE"])).await;
    configure(&client, VALIDATING, "watches", about("apps", "*/*", &["*"])).await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &web(2)).await.expect("created");
    let is_ready = |deployment: Option<&Deployment>| {
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        status.is_some_and(|status| status.ready_replicas == Some(2))
    };
    kube::runtime::wait::await_condition(deployments.clone(), "web", is_ready).await.expect("it becomes ready");
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let all = pods.list(&ListParams::default()).await.expect("listed").items;
    for pod in &all {
        let names = pod.spec.iter().flat_map(|spec| &spec.containers).map(|container| container.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["c", "mesh"]);
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        assert_eq!(statuses.map(Vec::len), Some(2), "both are run");
    }
    assert_eq!(all.len(), 2);
    let by = |request: &Value| request["userInfo"]["username"].as_str().unwrap_or_default().to_owned();
    let replica_sets = "system:serviceaccount:kube-system:replicaset-controller";
    assert_eq!(mesh.seen().iter().map(by).collect::<Vec<_>>(), [replica_sets, replica_sets]);
    let seen = |operation: &str, resource: &str, subresource: &str, user: &str| {
        watches.seen().iter().any(|request| {
            request["operation"] == operation
                && request["resource"]["resource"] == resource
                && request["subResource"].as_str().unwrap_or_default() == subresource
                && by(request).ends_with(user)
        })
    };
    assert!(seen("CREATE", "replicasets", "", ":deployment-controller"));
    assert!(seen("UPDATE", "deployments", "status", ":deployment-controller"));
    assert!(seen("UPDATE", "replicasets", "status", ":replicaset-controller"));
    let status = deployments.get("web").await.expect("it is there").status.expect("a status");
    assert_eq!((status.replicas, status.available_replicas), (Some(2), Some(2)));

    // The program that has the cluster is asked about like anybody else.
    let own: inboard::Api<Deployment> = inboard::Api::default_namespaced(&cluster);
    own.delete("web", &inboard::DeleteParams::default()).await.expect("deleted");
    assert!(seen("DELETE", "deployments", "", "system:admin"));
    kube::runtime::wait::await_condition(pods.clone(), &all[0].name_any(), |pod: Option<&Pod>| pod.is_none())
        .await
        .expect("it goes");
    assert!(seen("DELETE", "replicasets", "", ":garbage-collector-controller"));
    tokio::time::timeout(Duration::from_secs(60), cluster.settle()).await.expect("it comes to rest").expect("settled");
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_refuses_a_controller_is_told_and_tried_again() {
    let refuses = Arc::new(Mutex::new(true));
    let judge = {
        let refuses = Arc::clone(&refuses);
        Hook::quick(move |_| {
            let allowed = !*refuses.lock().expect("nobody panics");
            json!({ "allowed": allowed, "status": { "message": "not today" } })
        })
    };
    let (_cluster, client) = cluster(&[("judge", &judge)]).await;
    configure(&client, VALIDATING, "judge", about("", "pods", &["CREATE"])).await;
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &web(1)).await.expect("created");
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let failed = loop {
        let all = events.list(&ListParams::default().fields("reason=FailedCreate")).await.expect("listed").items;
        match all.into_iter().next() {
            Some(event) => break event,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let message = failed.message.unwrap_or_default();
    assert_eq!(
        message,
        "Error creating: pods \"Unknown\" is forbidden: admission webhook \"judge.example.com\" denied the request: \
         not today"
    );
    *refuses.lock().expect("nobody panics") = false;
    let is_ready = |deployment: Option<&Deployment>| {
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        status.is_some_and(|status| status.ready_replicas == Some(1))
    };
    kube::runtime::wait::await_condition(deployments, "web", is_ready).await.expect("it becomes ready");
}

/// What is asked of a pod beside itself can be changed: here every eviction gets less time.
#[tokio::test(start_paused = true)]
async fn an_eviction_is_changed() {
    let hasty =
        Hook::patching(|_| json!([{ "op": "add", "path": "/deleteOptions", "value": { "gracePeriodSeconds": 3 } }]));
    let (_cluster, client) = cluster(&[("hasty", &hasty)]).await;
    configure(&client, MUTATING, "hasty", about("", "pods/eviction", &["CREATE"])).await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "c:1" }] } });
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    let is_running = kube::runtime::conditions::is_pod_running();
    kube::runtime::wait::await_condition(pods.clone(), "p", is_running).await.expect("it runs");
    pods.evict("p", &Default::default()).await.expect("evicted");
    let grace = pods.get("p").await.expect("it is going").metadata.deletion_grace_period_seconds;
    assert_eq!((grace, hasty.seen()[0]["object"]["kind"].as_str()), (Some(3), Some("Eviction")));
}
