//! Kinds of which more is known before a webhook sees them: pods, a user's own kind, scales, evictions; and policies, over
//! HTTP.

use http_body_util::BodyExt as _;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::EvictParams;
use tower_service::Service as _;

use super::*;

fn rules(group: &str, resource: &str) -> Value {
    json!([{ "apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource] }])
}

fn pod(name: &str) -> Pod {
    let containers = json!([{ "name": "c", "image": "web:1" }]);
    serde_json::from_value(json!({ "metadata": { "name": name }, "spec": { "containers": containers } }))
        .expect("a pod")
}

#[tokio::test(start_paused = true)]
async fn a_webhook_puts_a_container_beside_others() {
    let beside = Hook::patching(|request| match request["operation"].as_str() {
        Some("CREATE") => json!([
            { "op": "add", "path": "/spec/containers/-", "value": { "name": "proxy", "image": "proxy:1" } },
            { "op": "add", "path": "/metadata/labels", "value": { "meshed": "yes" } },
        ]),
        _ => json!([]),
    });
    let sees = Hook::quick(|_| json!({ "allowed": true }));
    let (_cluster, client) = cluster(&[("beside", &beside), ("sees", &sees)]).await;
    configure(&client, MUTATING, "beside", json!({ "rules": rules("", "pods") })).await;
    configure(&client, VALIDATING, "sees", json!({ "rules": rules("", "pods") })).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let created = pods.create(&PostParams::default(), &pod("web")).await.expect("created");
    let spec = created.spec.as_ref().expect("a spec");
    assert_eq!(spec.containers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["c", "proxy"]);
    assert_eq!(
        spec.containers[1].termination_message_path.as_deref(),
        Some("/dev/termination-log"),
        "with its defaults"
    );
    assert_eq!(created.labels()["meshed"], "yes");
    let shown = &beside.seen()[0]["object"]["spec"];
    assert_eq!(
        (shown["serviceAccountName"].as_str(), shown["tolerations"].as_array().map(Vec::len)),
        (Some("default"), Some(2))
    );
    let judged = &sees.seen()[0]["object"];
    assert_eq!(judged["spec"], serde_json::to_value(spec).expect("JSON"), "what was judged is what is stored");
    let running = kube::runtime::wait::conditions::is_pod_running();
    kube::runtime::wait::await_condition(pods.clone(), "web", running).await.expect("it runs");

    let generated: Pod = serde_json::from_value(json!({
        "metadata": { "generateName": "job-" },
        "spec": { "containers": [{ "name": "c", "image": "web:1" }] },
    }))
    .expect("a pod");
    let created = pods.create(&PostParams::default(), &generated).await.expect("created");
    let last = sees.seen().pop().expect("it was asked");
    assert!(last["name"].is_null(), "a name that is given out is not asked for");
    assert_eq!(last["object"]["metadata"]["name"].as_str(), created.metadata.name.as_deref());

    pods.evict("web", &EvictParams::default()).await.expect("evicted");
    assert_eq!(sees.seen().pop().expect("it was asked")["operation"], "CREATE", "rules name no subresource");
    configure(&client, VALIDATING, "stays", json!({ "rules": rules("", "pods/eviction") })).await;
    let refused = told(pods.evict(&created.name_any(), &EvictParams::default()).await);
    assert!(refused.contains("failed calling webhook \"stays.example.com\""), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_fills_in_what_a_schema_demands() {
    let fills = Hook::patching(|request| match &request["object"]["spec"]["size"] {
        Value::Null if !request["object"].is_null() => json!([{ "op": "add", "path": "/spec/size", "value": 3 }]),
        _ => json!([]),
    });
    let (_cluster, client) = cluster(&[("fills", &fills)]).await;
    let spec = json!({ "type": "object", "required": ["size"], "properties": { "size": { "type": "integer" }, "color": { "type": "string", "default": "red" } } });
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": { "name": "boxes.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "boxes", "singular": "box", "kind": "Box" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            }],
        },
    }))
    .expect("a definition");
    Api::all(client.clone()).create(&PostParams::default(), &definition).await.expect("created");
    configure(&client, MUTATING, "fills", json!({ "rules": rules("example.com", "boxes") })).await;
    let kind = kube::core::GroupVersionKind::gvk("example.com", "v1", "Box");
    let resource = kube::core::ApiResource::from_gvk_with_plural(&kind, "boxes");
    let boxes: Api<DynamicObject> = Api::default_namespaced_with(client, &resource);
    let new = DynamicObject::new("b", &resource).data(json!({ "spec": {} }));
    let created =
        boxes.create(&PostParams::default(), &new).await.expect("what it lacks is filled in before it is judged");
    assert_eq!(created.data["spec"], json!({ "size": 3, "color": "red" }));
    assert_eq!(fills.seen()[0]["object"]["spec"], json!({ "color": "red" }), "defaults come first");
    let gone = json!({ "spec": { "size": null } });
    let patched = boxes.patch("b", &PatchParams::default(), &Patch::Merge(gone)).await.expect("patched");
    assert_eq!(patched.data["spec"]["size"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_judged_as_a_scale() {
    let few = Hook::quick(|request| match request["object"]["spec"]["replicas"].as_i64() {
        Some(replicas) if request["kind"]["kind"] == "Scale" && replicas > 3 => json!({ "allowed": false }),
        _ => json!({ "allowed": true }),
    });
    let (_cluster, client) = cluster(&[("few", &few)]).await;
    let deployment = json!({
        "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "web:1" }] },
            },
        },
    });
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let deployment = serde_json::from_value(deployment).expect("a deployment");
    deployments.create(&PostParams::default(), &deployment).await.expect("created");
    configure(&client, VALIDATING, "few", json!({ "rules": rules("apps", "deployments/scale") })).await;
    let to = |replicas: i32| Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    deployments.patch_scale("web", &PatchParams::default(), &to(3)).await.expect("three are few");
    assert_eq!(
        told(deployments.patch_scale("web", &PatchParams::default(), &to(4)).await),
        "403 deployments.apps \"web\" is forbidden: admission webhook \"few.example.com\" denied the request without explanation"
    );
    assert_eq!(few.seen()[0]["oldObject"]["spec"]["replicas"], 1);
    assert_eq!(deployments.get("web").await.expect("it is there").spec.replicas, Some(3));
}

#[tokio::test(start_paused = true)]
async fn policies_warn_and_refuse_over_http() {
    let (cluster, client) = cluster(&[]).await;
    for (name, action, expression) in
        [("strict", "Deny", "!object.data.exists(key, key == 'bad')"), ("mild", "Warn", "size(object.data) < 2")]
    {
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": name },
            "spec": {
                "matchConstraints": { "resourceRules": rules("", "configmaps") },
                "validations": [{ "expression": expression, "message": format!("{name} about it") }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": [action] },
        });
        for object in [policy, binding] {
            let kind = object["kind"].as_str().expect("a kind");
            let kind = kube::core::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            let resource = kube::core::ApiResource::from_gvk(&kind);
            let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
            let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            all.create(&PostParams::default(), &object).await.expect("created");
        }
    }
    let mut api = ApiServer::new(&cluster);
    let mut post = async |data: Value| {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": data });
        let request = Request::post("/api/v1/namespaces/default/configmaps").header("content-type", "application/json");
        let response =
            api.call(request.body(Full::from(body.to_string())).expect("a request")).await.expect("answered");
        let warning = response.headers().get("warning").map(|value| value.to_str().expect("a text").to_owned());
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (code, warning, serde_json::from_slice::<Value>(&body).expect("JSON"))
    };
    let warned = "299 - \"Validation failed for ValidatingAdmissionPolicy 'mild' with binding 'mild': mild about it\"";
    let (code, warning, status) = post(json!({ "bad": "x", "more": "y" })).await;
    assert_eq!((code, warning.as_deref(), status["reason"].as_str()), (422, Some(warned), Some("Invalid")));
    let why = "ValidatingAdmissionPolicy 'strict' with binding 'strict' denied request: strict about it";
    assert_eq!(status["message"], format!("configmaps \"m\" is forbidden: {why}"));
    assert_eq!(status["details"], json!({ "name": "m", "kind": "configmaps", "causes": [{ "message": why }] }));
    let (code, warning, _) = post(json!({ "one": "x", "two": "y" })).await;
    assert_eq!((code, warning.as_deref()), (201, Some(warned)));
}
