//! The life of CustomResourceDefinitions over HTTP, with controllers: what they define comes, changes and goes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use inboard::{Cluster, NodeSpec};
use inboard_runtime_mock::MockRuntime;
use inboard_tests::recorded::{Response, Server};
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const GARDENS: &str = "/apis/example.com/v1/namespaces/default/gardens";
const LIMIT: Duration = Duration::from_secs(60);

async fn server() -> Server {
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(MockRuntime::new()))).start().await;
    Server::around(cluster.expect("a cluster starts"))
}

fn version(name: &str, is_stored: bool) -> Value {
    let properties = json!({
        "spec": { "type": "object", "properties": {
            "replicas": { "type": "integer", "default": 1 },
            "color": { "type": "string" },
        } },
        "status": { "type": "object", "properties": {
            "replicas": { "type": "integer" },
            "selector": { "type": "string" },
        } },
    });
    json!({
        "name": name,
        "served": true,
        "storage": is_stored,
        "schema": { "openAPIV3Schema": { "type": "object", "properties": properties } },
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    })
}

fn definition(plural: &str, kind: &str, versions: &[Value]) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.example.com") },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List") },
            "versions": versions,
        },
    })
}

fn garden(version: &str, name: &str) -> Value {
    json!({ "apiVersion": format!("example.com/{version}"), "kind": "Garden", "metadata": { "name": name }, "spec": {} })
}

async fn get(server: &Server, path: &str) -> Response {
    server.send(Method::GET, path, &[], "").await
}

async fn post(server: &Server, path: &str, object: &Value) -> Response {
    server.send(Method::POST, path, &[], object.to_string()).await
}

async fn merge(server: &Server, path: &str, patch: &Value) -> Response {
    server.send(Method::PATCH, path, &[("content-type", "application/merge-patch+json")], patch.to_string()).await
}

/// Waits until an answer is as it shall be.
async fn until(server: &Server, path: &str, is_right: impl Fn(&Response) -> bool) -> Response {
    let wait = async {
        loop {
            let answer = get(server, path).await;
            if is_right(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{path} does not become what it shall be"))
}

/// A condition as its status and reason.
fn condition(definition: &Value, of_type: &str) -> (String, String) {
    let conditions = definition["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == of_type);
    let text = |field: &str| found.and_then(|found| found[field].as_str()).unwrap_or("-").to_owned();
    (text("status"), text("reason"))
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_definition_goes_after_its_objects() {
    let server = server().await;
    let made = post(&server, DEFINITIONS, &definition("gardens", "Garden", &[version("v1", true)])).await;
    assert_eq!(made.code, 201, "{made:?}");
    let path = format!("{DEFINITIONS}/gardens.example.com");
    let live = get(&server, &path).await.body;
    assert_eq!(condition(&live, "NamesAccepted"), is("True", "NoConflicts"));
    assert_eq!(condition(&live, "Established"), is("True", "InitialNamesAccepted"));
    assert_eq!(live["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(live["status"]["acceptedNames"]["kind"], "Garden");

    for name in ["free", "held"] {
        let mut garden = garden("v1", name);
        if name == "held" {
            garden["metadata"]["finalizers"] = json!(["example.com/gardener"]);
        }
        assert_eq!(post(&server, GARDENS, &garden).await.code, 201);
    }
    let deleted = server.send(Method::DELETE, &path, &[], "").await;
    assert_eq!(deleted.code, 200, "{deleted:?}");
    let one_left = |answer: &Response| answer.body["items"].as_array().is_some_and(|items| items.len() == 1);
    let left = until(&server, GARDENS, one_left).await;
    assert_eq!(left.body["items"][0]["metadata"]["name"], "held");
    let live = get(&server, &path).await.body;
    assert_eq!(condition(&live, "Terminating"), is("True", "InstanceDeletionInProgress"));
    let refused = post(&server, GARDENS, &garden("v1", "late")).await;
    let message = "create not allowed while custom resource definition is terminating";
    assert_eq!((refused.code, &refused.body["message"]), (405, &json!(message)), "{refused:?}");

    let freed = merge(&server, &format!("{GARDENS}/held"), &json!({ "metadata": { "finalizers": [] } })).await;
    assert_eq!(freed.code, 200, "{freed:?}");
    until(&server, &path, |answer| answer.code == 404).await;
    let gone = get(&server, GARDENS).await;
    assert_eq!((gone.code, gone.body.as_str()), (404, Some("404 page not found\n")));
    assert!(get(&server, "/apis").await.body.to_string().find("example.com").is_none());

    // The name is free again, and nothing of what was there comes back.
    assert_eq!(post(&server, DEFINITIONS, &definition("gardens", "Garden", &[version("v1", true)])).await.code, 201);
    assert_eq!(get(&server, GARDENS).await.body["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_given_once_and_to_the_next_when_it_is_free() {
    let server = server().await;
    let first = definition("gardens", "Garden", &[version("v1", true)]);
    assert_eq!(post(&server, DEFINITIONS, &first).await.code, 201);
    let second = definition("barns", "Garden", &[version("v1", true)]);
    assert_eq!(post(&server, DEFINITIONS, &second).await.code, 201);
    let path = format!("{DEFINITIONS}/barns.example.com");
    let live = get(&server, &path).await.body;
    assert_eq!(condition(&live, "NamesAccepted"), is("False", "ListKindConflict"));
    assert_eq!(condition(&live, "Established"), is("False", "NotAccepted"));
    let barns = "/apis/example.com/v1/namespaces/default/barns";
    assert_eq!(get(&server, barns).await.code, 404, "what is not established is not served");

    assert_eq!(server.send(Method::DELETE, &format!("{DEFINITIONS}/gardens.example.com"), &[], "").await.code, 200);
    let live = until(&server, &path, |answer| condition(&answer.body, "Established").0 == "True").await.body;
    assert_eq!(condition(&live, "NamesAccepted"), is("True", "NoConflicts"));
    assert_eq!(get(&server, barns).await.code, 200);

    // What has no structure is not taken.
    let mut bad = definition("cows", "Cow", &[version("v1", true)]);
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({});
    let refused = post(&server, DEFINITIONS, &bad).await;
    let message = refused.body["message"].as_str().unwrap_or_default().to_owned();
    assert!(refused.code == 422 && message.contains("type: Required value"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn versions_come_are_deprecated_and_go() {
    let server = server().await;
    let path = format!("{DEFINITIONS}/gardens.example.com");
    let made = definition("gardens", "Garden", &[version("v1alpha1", false), version("v1", true)]);
    assert_eq!(post(&server, DEFINITIONS, &made).await.code, 201);
    let alpha = "/apis/example.com/v1alpha1/namespaces/default/gardens";
    assert_eq!(post(&server, alpha, &garden("v1alpha1", "a")).await.code, 201);
    let seen = get(&server, &format!("{GARDENS}/a")).await.body;
    assert_eq!((&seen["apiVersion"], &seen["spec"]["replicas"]), (&json!("example.com/v1"), &json!(1)));

    // A third version, which is what is stored from here on; the first is deprecated.
    let mut old = version("v1alpha1", false);
    old["deprecated"] = json!(true);
    let next = [old, version("v1", false), version("v2", true)];
    let changed = merge(&server, &path, &json!({ "spec": { "versions": next } })).await;
    assert_eq!((changed.code, &changed.body["status"]["storedVersions"]), (200, &json!(["v1", "v2"])), "{changed:?}");
    let group = get(&server, "/apis/example.com").await.body;
    let order: Vec<&Value> = group["versions"].as_array().into_iter().flatten().map(|one| &one["version"]).collect();
    assert_eq!(order, ["v2", "v1", "v1alpha1"]);
    assert_eq!(group["preferredVersion"]["version"], "v2");

    let deprecated = ["299 - \"example.com/v1alpha1 Garden is deprecated\""];
    assert_eq!(get(&server, &format!("{alpha}/a")).await.warnings(), deprecated);
    assert_eq!(get(&server, alpha).await.warnings(), deprecated);
    assert_eq!(get(&server, &format!("{alpha}/nobody")).await.warnings(), deprecated, "of a refusal, too");
    assert_eq!(post(&server, alpha, &garden("v1alpha1", "b")).await.warnings(), deprecated);
    assert!(get(&server, &format!("{GARDENS}/a")).await.warnings().is_empty());
    let own = json!({ "spec": { "versions": [
        { "name": "v1alpha1", "deprecationWarning": "go away" }
    ] } });
    let mut told = get(&server, &path).await.body;
    told["spec"]["versions"][0]["deprecationWarning"] = own["spec"]["versions"][0]["deprecationWarning"].clone();
    assert_eq!(server.send(Method::PUT, &path, &[], told.to_string()).await.code, 200);
    assert_eq!(get(&server, alpha).await.warnings(), ["299 - \"go away\""]);

    // Who owns what is told in the version of the owner, whichever is stored.
    let apply = [("content-type", "application/apply-patch+yaml")];
    let color = |version: &str, color: &str| {
        let mut garden = garden(version, "a");
        garden["spec"]["color"] = color.into();
        garden.to_string()
    };
    let one = format!("{GARDENS}/a?fieldManager=one");
    assert_eq!(server.send(Method::PATCH, &one, &apply, color("v1", "red")).await.code, 200);
    let two = "/apis/example.com/v2/namespaces/default/gardens/a?fieldManager=two";
    let refused = server.send(Method::PATCH, two, &apply, color("v2", "blue")).await;
    assert_eq!((refused.code, &refused.body["reason"]), (409, &json!("Conflict")), "{refused:?}");
    assert_eq!(server.send(Method::PATCH, &format!("{two}&force=true"), &apply, color("v2", "blue")).await.code, 200);

    // A version in which something may be stored stays, until it is said that nothing is.
    let dropped = json!({ "spec": { "versions": [version("v2", true)] } });
    let refused = merge(&server, &path, &dropped).await;
    let message = refused.body["message"].as_str().unwrap_or_default().to_owned();
    assert!(refused.code == 422 && message.contains("status.storedVersions[0]"), "{refused:?}");
    let status = json!({ "status": { "storedVersions": ["v2"] } });
    let said = merge(&server, &format!("{path}/status"), &status).await;
    assert_eq!((said.code, &said.body["status"]["storedVersions"]), (200, &json!(["v2"])), "{said:?}");
    assert_eq!(merge(&server, &path, &dropped).await.code, 200);
    assert_eq!(get(&server, GARDENS).await.code, 404);
    let kept = get(&server, "/apis/example.com/v2/namespaces/default/gardens/a").await.body;
    assert_eq!((&kept["apiVersion"], &kept["spec"]["color"]), (&json!("example.com/v2"), &json!("blue")));
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_scales_what_is_defined() {
    let server = server().await;
    assert_eq!(post(&server, DEFINITIONS, &definition("gardens", "Garden", &[version("v1", true)])).await.code, 201);
    assert_eq!(post(&server, GARDENS, &garden("v1", "a")).await.code, 201);
    let status = json!({ "status": { "replicas": 1, "selector": "garden=a" } });
    assert_eq!(merge(&server, &format!("{GARDENS}/a/status"), &status).await.code, 200);
    let scale = get(&server, &format!("{GARDENS}/a/scale")).await.body;
    assert_eq!(scale["status"], json!({ "replicas": 1, "selector": "garden=a" }));
    let autoscaler = json!({
        "metadata": { "name": "a" },
        "spec": {
            "scaleTargetRef": { "apiVersion": "example.com/v1", "kind": "Garden", "name": "a" },
            "minReplicas": 3,
            "maxReplicas": 5,
        },
    });
    let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    assert_eq!(post(&server, path, &autoscaler).await.code, 201);
    let scaled = |answer: &Response| answer.body["spec"]["replicas"] == 3;
    let live = until(&server, &format!("{GARDENS}/a"), scaled).await;
    assert_eq!(live.body["metadata"]["generation"], 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_of_the_kind_and_version_that_its_path_names() {
    let server = server().await;
    let versions = [version("v1", true), version("v2", false)];
    assert_eq!(post(&server, DEFINITIONS, &definition("gardens", "Garden", &versions)).await.code, 201);
    until(&server, GARDENS, |answer| answer.code == 200).await;
    let garden = |fields: Value| {
        let mut garden = json!({ "apiVersion": "example.com/v1", "kind": "Garden", "metadata": { "name": "g" } });
        if let (Value::Object(garden), Value::Object(fields)) = (&mut garden, fields) {
            garden.extend(fields);
        }
        garden
    };
    let other_kind = "Barn.example.com \"g\" is invalid: kind: Invalid value: \"Barn\": must be Garden";
    let no_labels = "json: cannot unmarshal string into Go struct field ObjectMeta.labels of type map[string]string";
    let no_version = "request to convert CR from an invalid group/version: example.com/v3";
    for (fields, code, said) in [
        (json!({ "kind": "Barn" }), 422, other_kind),
        (json!({ "apiVersion": "example.com/v3" }), 400, no_version),
        (json!({ "apiVersion": "example.com/v2" }), 400, "does not match the expected API version (example.com/v1)"),
        (
            json!({ "apiVersion": "a.b/v1" }),
            400,
            "a.b/v1, Kind=Garden is unstructured and is not suitable for converting",
        ),
        (json!({ "metadata": { "name": "g", "labels": "x" } }), 400, no_labels),
        (json!({}), 201, ""),
    ] {
        let answer = post(&server, GARDENS, &garden(fields.clone())).await;
        let text = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.code == code && text.contains(said), "{fields}: {answer:?}");
    }
    for (patch, said) in [
        (json!({ "kind": "Barn" }), other_kind),
        (json!({ "apiVersion": "example.com/v3" }), no_version),
        (json!({ "metadata": { "labels": "x" } }), no_labels),
    ] {
        let answer = merge(&server, &format!("{GARDENS}/g"), &patch).await;
        let text = answer.body["message"].as_str().unwrap_or_default();
        assert!(answer.code == 422 && text.contains(said), "{patch}: {answer:?}");
    }
}
