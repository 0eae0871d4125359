//! What is answered over HTTP: the forms of objects, what deletions lead to, names and identities. A row of a table is a
//! request and what must be in its answer, as upstream's handlers and its generic registry have it.

use std::time::Duration;

use http::Method;
use inboard_tests::recorded::{Response, Server};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/test/configmaps";
const PODS: &str = "/api/v1/namespaces/test/pods";
const TABLE: [(&str, &str); 1] = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];

async fn send(server: &Server, verb: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Response {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.send(verb.parse::<Method>().expect("a verb"), path, headers, body).await
}

async fn made(server: &Server, path: &str, object: Value) -> Value {
    let made = send(server, "POST", path, &[], object).await;
    assert_eq!(made.code, 201, "{made:?}");
    made.body
}

/// Sends the rows one after the other: verb, path, body, code, a pointer into the answer and what is there.
async fn answers(server: &Server, rows: &[(&str, String, Value, u16, &str, Value)]) {
    let mut wrong = Vec::new();
    for (verb, path, body, code, pointer, wanted) in rows {
        let headers: &[(&str, &str)] =
            if *verb == "PATCH" { &[("content-type", "application/merge-patch+json")] } else { &[] };
        let answer = send(server, verb, path, headers, body.clone()).await;
        let found = answer.body.pointer(pointer).cloned().unwrap_or_default();
        if answer.code != *code || found != *wanted {
            wrong.push(format!("{verb} {path}: {} {found} instead of {code} {wanted}\n  {}", answer.code, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn map(name: &str, finalizers: &[&str]) -> Value {
    json!({ "metadata": { "name": name, "finalizers": finalizers } })
}

#[tokio::test(start_paused = true)]
async fn deletions_are_conditional_and_say_whether_they_are_done() {
    let server = Server::start("test").await;
    let held = made(&server, MAPS, map("held", &["example.com/held"])).await;
    let (uid, version) = (&held["metadata"]["uid"], &held["metadata"]["resourceVersion"]);
    let (uid, version) = (uid.as_str().expect("a uid"), version.as_str().expect("a version"));
    for name in ["a", "b", "c"] {
        made(&server, MAPS, map(name, &[])).await;
    }
    let namespace = send(&server, "GET", "/api/v1/namespaces/test", &[], Value::Null).await.body;
    let of_namespace = namespace["metadata"]["uid"].as_str().expect("a uid");
    let other = "11111111-1111-1111-1111-111111111111";
    let conflict = |kind: &str, detail: String| json!(format!("Operation cannot be fulfilled on {kind}: {detail}"));
    let by_uid = format!(
        "the UID in the precondition ({other}) does not match the UID in record ({uid}). The object might have been deleted \
         and then recreated"
    );
    let by_version = format!(
        "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The object \
         might have been modified"
    );
    let special = format!("Precondition failed: UID in precondition: {other}, UID in object meta: {of_namespace}");
    let path = |rest: &str| format!("{MAPS}{rest}");
    answers(
        &server,
        &[
            (
                "DELETE",
                path(&format!("/held?uid={other}")),
                Value::Null,
                409,
                "/message",
                conflict("ConfigMap \"held\"", by_uid),
            ),
            (
                "DELETE",
                path("/held?resourceVersion=1"),
                Value::Null,
                409,
                "/message",
                conflict("ConfigMap \"held\"", by_version),
            ),
            (
                "DELETE",
                "/api/v1/namespaces/test".to_owned(),
                json!({ "preconditions": { "uid": other } }),
                409,
                "/message",
                conflict("namespaces \"test\"", special),
            ),
            // Only the old way of asking for it is told that something is left.
            (
                "DELETE",
                path("/held?dryRun=All&propagationPolicy=Background"),
                Value::Null,
                200,
                "/metadata/name",
                json!("held"),
            ),
            (
                "DELETE",
                path("/held?dryRun=All&orphanDependents=true"),
                Value::Null,
                200,
                "/metadata/name",
                json!("held"),
            ),
            (
                "DELETE",
                path("/held?dryRun=All&orphanDependents=false"),
                Value::Null,
                202,
                "/metadata/name",
                json!("held"),
            ),
            (
                "DELETE",
                path("/held"),
                json!({ "orphanDependents": false, "dryRun": ["All"] }),
                202,
                "/metadata/name",
                json!("held"),
            ),
            ("DELETE", path("/c?orphanDependents=false"), Value::Null, 200, "/status", json!("Success")),
            // A collection goes by pages, and is shown as it was found.
            ("DELETE", path("?limit=x"), Value::Null, 400, "/reason", json!("BadRequest")),
            ("DELETE", path("?resourceVersionMatch=Exact"), Value::Null, 422, "/reason", json!("Invalid")),
            ("DELETE", path("?limit=1"), Value::Null, 200, "/items/0/metadata/name", json!("a")),
            ("GET", path("/a"), Value::Null, 404, "/reason", json!("NotFound")),
            ("GET", path("/b"), Value::Null, 200, "/metadata/name", json!("b")),
            ("DELETE", MAPS.to_owned(), Value::Null, 200, "/items/1/metadata/deletionTimestamp", Value::Null),
            ("GET", path("/held"), Value::Null, 200, "/metadata/deletionGracePeriodSeconds", json!(0)),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_a_pod_is_only_made_shorter_and_ends_no_sooner_than_now() {
    let server = Server::start("test").await;
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": { "nodeName": "n", "containers": [{ "name": "c", "image": "i" }] },
    });
    made(&server, PODS, pod).await;
    let path = |query: &str| format!("{PODS}/p{query}");
    let grace = "/metadata/deletionGracePeriodSeconds";
    answers(
        &server,
        &[
            ("DELETE", path(""), Value::Null, 200, grace, json!(30)),
            ("DELETE", path("?gracePeriodSeconds=40"), Value::Null, 200, grace, json!(30)),
            // What is running is not told what becomes of dependents any more.
            ("DELETE", path("?propagationPolicy=Foreground"), Value::Null, 200, "/metadata/finalizers", Value::Null),
            ("DELETE", path("?gracePeriodSeconds=20"), Value::Null, 200, grace, json!(20)),
            ("GET", path(""), Value::Null, 200, "/metadata/generation", json!(2)),
        ],
    )
    .await;
    // Nobody plays the kubelet: the pod outlives its grace.
    tokio::time::sleep(Duration::from_secs(100)).await;
    let now = server.now().whole_second().to_timestamp().to_string();
    let status = json!({ "status": { "phase": "Failed" } });
    answers(
        &server,
        &[
            ("DELETE", path("?gracePeriodSeconds=10"), Value::Null, 200, grace, json!(1)),
            ("GET", path(""), Value::Null, 200, "/metadata/deletionTimestamp", json!(now)),
            // It has ended, and waits for its kubelet all the same.
            ("PATCH", path("/status"), status, 200, "/status/phase", json!("Failed")),
            ("DELETE", path(""), Value::Null, 200, grace, json!(1)),
            ("DELETE", path("?gracePeriodSeconds=0"), Value::Null, 200, grace, json!(0)),
            ("GET", path(""), Value::Null, 404, "/reason", json!("NotFound")),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn names_identities_and_owners_are_as_the_client_gives_them() {
    let server = Server::start("test").await;
    let owner =
        json!({ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "11111111-1111-1111-1111-111111111111" });
    let owned = |name: &str| json!({ "metadata": { "name": name, "ownerReferences": [owner, owner] } });
    made(&server, MAPS, map("taken", &[])).await;
    let unlucky =
        "configmaps \"taken\" already exists, the server was not able to generate a unique name for the object";
    let lease = "/apis/coordination.k8s.io/v1/namespaces/test/leases/l";
    let stranger = json!({ "metadata": { "name": "l", "uid": "11111111-1111-1111-1111-111111111111" } });
    let no_such = "Operation cannot be fulfilled on leases.coordination.k8s.io \"l\": StorageError: invalid object, Code: 4, \
                   Key: /registry/leases/test/l, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
                   precondition: 11111111-1111-1111-1111-111111111111, UID in object meta: ";
    let counted = json!({ "metadata": { "name": "counted", "generation": 5 } });
    let backwards = json!({ "metadata": { "name": "backwards", "generation": -1 } });
    let drawn = json!({ "metadata": { "name": "taken", "generateName": "t-" } });
    let limits = json!({ "spec": { "limits": [] } });
    let maps = || MAPS.to_owned();
    answers(
        &server,
        &[
            ("POST", maps(), drawn.clone(), 409, "/message", json!(unlucky)),
            ("POST", maps(), drawn, 409, "/details/retryAfterSeconds", json!(1)),
            ("POST", "/api/v1/namespaces/test/limitranges".to_owned(), limits, 201, "/kind", json!("LimitRange")),
            ("PUT", lease.to_owned(), stranger, 409, "/message", json!(no_such)),
            ("POST", maps(), counted, 201, "/metadata/generation", json!(5)),
            ("POST", maps(), backwards, 422, "/details/causes/0/field", json!("metadata.generation")),
            ("POST", maps(), owned("owned"), 201, "/metadata/ownerReferences", json!([owner])),
            ("PUT", format!("{MAPS}/taken"), owned("taken"), 200, "/metadata/ownerReferences", json!([owner])),
            ("PATCH", format!("{MAPS}/counted"), owned("counted"), 200, "/metadata/ownerReferences", json!([owner])),
        ],
    )
    .await;
    for (verb, name, when) in [("PUT", "taken", ""), ("PATCH", "owned", " after mutating admission happens")] {
        let headers =
            [("content-type", if verb == "PUT" { "application/json" } else { "application/merge-patch+json" })];
        let told = send(&server, verb, &format!("{MAPS}/{name}"), &headers, owned(name)).await;
        let warning = format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
             reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: \
             11111111-1111-1111-1111-111111111111"
        );
        assert!(told.warnings().iter().any(|told| told.contains(&warning)), "{verb}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_has_the_form_that_is_asked_for() {
    let server = Server::start("test").await;
    let deployment = json!({
        "metadata": { "name": "d" },
        "spec": {
            "replicas": 3, "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
        },
    });
    let deployments = "/apis/apps/v1/namespaces/test/deployments";
    made(&server, deployments, deployment).await;
    let scale = send(&server, "GET", &format!("{deployments}/d/scale"), &TABLE, Value::Null).await.body;
    let columns: Vec<&Value> =
        scale["columnDefinitions"].as_array().into_iter().flatten().map(|one| &one["name"]).collect();
    assert_eq!(columns, ["Name", "Desired", "Available", "Age"], "{scale}");
    assert_eq!(scale["rows"][0]["cells"], json!(["d", 3, 0, "0s"]));
    assert_eq!(scale["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let metadata = |of: &str| format!("application/json;as={of};v=v1;g=meta.k8s.io");
    for (path, form, code, told) in [
        (format!("{deployments}/d"), "PartialObjectMetadata", 200, ""),
        (deployments.to_owned(), "PartialObjectMetadataList", 200, ""),
        (
            deployments.to_owned(),
            "PartialObjectMetadata",
            406,
            "you requested PartialObjectMetadata, but the requested object is a list (*apps.DeploymentList)",
        ),
        (
            format!("{deployments}/d"),
            "PartialObjectMetadataList",
            406,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*apps.Deployment)",
        ),
        (
            format!("{deployments}/d?export=true"),
            "PartialObjectMetadata",
            400,
            "the export parameter, deprecated since v1.14, is no longer supported",
        ),
    ] {
        let answer = send(&server, "GET", &path, &[("accept", &metadata(form))], Value::Null).await;
        assert_eq!((answer.code, answer.body["message"].as_str().unwrap_or_default()), (code, told), "{path} {form}");
    }
    let odd = send(&server, "GET", &format!("{deployments}?includeObject=All"), &TABLE, Value::Null).await;
    let problem = "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', \
                   'None', or empty";
    assert_eq!((odd.code, odd.body["message"].as_str()), (400, Some(problem)));
}

/// The events of a watch that ends by itself.
async fn watched(server: &Server, query: &str, accept: &str) -> Vec<Value> {
    let path = format!("/apis/apps/v1/namespaces/test/deployments?watch=true&{query}");
    let (code, text) = server.raw(&path, &[("accept", accept)]).await;
    assert_eq!(code, 200, "{text}");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[tokio::test(start_paused = true)]
async fn bookmarks_have_the_form_of_the_watch() {
    let server = Server::start("test").await;
    let of = |form: &str| format!("application/json;as={form};v=v1;g=meta.k8s.io");
    let end = "/metadata/annotations/k8s.io~1initial-events-end";
    let first = |events: Vec<Value>| events.into_iter().next().unwrap_or_default();

    // Who does not say from where is told what there is, and where that ends.
    let begun = first(watched(&server, "allowWatchBookmarks=true&timeoutSeconds=1", "application/json").await);
    assert_eq!((&begun["type"], &begun["object"]["kind"]), (&json!("BOOKMARK"), &json!("Deployment")));
    assert_eq!(begun["object"].pointer(end), Some(&json!("true")));
    let silent = watched(&server, "timeoutSeconds=1", "application/json").await;
    assert_eq!(silent, Vec::<Value>::new());

    let metadata =
        first(watched(&server, "allowWatchBookmarks=true&timeoutSeconds=1", &of("PartialObjectMetadata")).await);
    assert_eq!(metadata["object"]["kind"], "PartialObjectMetadata", "{metadata}");
    assert_eq!(metadata["object"].pointer(end), Some(&json!("true")));

    let query = "allowWatchBookmarks=true&timeoutSeconds=90&includeObject=None";
    let tables = watched(&server, query, &of("Table")).await;
    let [begun, later] = tables.as_slice() else { panic!("two bookmarks and not {tables:?}") };
    assert_eq!((&begun["type"], &begun["object"]["kind"]), (&json!("BOOKMARK"), &json!("Table")));
    assert_eq!(begun["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(begun["object"]["rows"][0]["cells"][1], "0/0");
    assert_eq!(begun["object"]["rows"][0]["object"].pointer(end), Some(&json!("true")));
    assert_eq!(later["object"]["columnDefinitions"], Value::Null);
    assert_eq!(later["object"]["rows"][0].get("object"), None);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_for_whom_the_path_names() {
    let server = Server::start("test").await;
    let accounts = "/api/v1/namespaces/test/serviceaccounts";
    let account = made(&server, accounts, map("a", &[])).await;
    let secret = made(&server, "/api/v1/namespaces/test/secrets", map("s", &[])).await;
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": { "serviceAccountName": "default", "containers": [{ "name": "c", "image": "i" }] },
    });
    made(&server, PODS, pod).await;
    let other = "11111111-1111-1111-1111-111111111111";
    let request = |metadata: Value, spec: Value| json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": metadata, "spec": spec });
    let bound = |kind: &str, name: &str, uid: &Value| {
        request(json!({}), json!({ "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": name, "uid": uid } }))
    };
    let path = || format!("{accounts}/a/token");
    let invalid = |name: &str, problem: &str| {
        json!(format!("TokenRequest.authentication.k8s.io \"{name}\" is invalid: {problem}"))
    };
    let issuer = "https://kubernetes.default.svc.cluster.local";
    answers(
        &server,
        &[
            ("POST", path(), request(json!({}), json!({})), 201, "/spec/audiences/0", json!(issuer)),
            (
                "POST",
                path(),
                request(json!({}), json!({ "audiences": ["vault"] })),
                201,
                "/spec/expirationSeconds",
                json!(3600),
            ),
            (
                "POST",
                path(),
                request(json!({ "name": "b" }), json!({})),
                422,
                "/message",
                invalid("a", "metadata.name: Invalid value: \"b\": must match the service account name if specified"),
            ),
            (
                "POST",
                path(),
                request(json!({ "namespace": "n" }), json!({})),
                422,
                "/message",
                invalid(
                    "a",
                    "metadata.namespace: Invalid value: \"n\": must match the service account namespace if specified",
                ),
            ),
            ("POST", path(), request(json!({ "uid": other }), json!({})), 409, "/reason", json!("Conflict")),
            (
                "POST",
                path(),
                request(json!({ "uid": account["metadata"]["uid"] }), json!({})),
                201,
                "/metadata/name",
                json!("a"),
            ),
            (
                "POST",
                path(),
                request(json!({}), json!({ "expirationSeconds": 0 })),
                422,
                "/message",
                invalid(
                    "",
                    "spec.expirationSeconds: Invalid value: 0: may not specify a duration less than 10 minutes",
                ),
            ),
            (
                "POST",
                path(),
                bound("Pod", "p", &json!("")),
                400,
                "/message",
                json!("cannot bind token for serviceaccount \"a\" to pod running with different serviceaccount name."),
            ),
            ("POST", path(), bound("Secret", "s", &json!(other)), 409, "/details/kind", json!("Secret")),
            ("POST", path(), bound("Secret", "s", &secret["metadata"]["uid"]), 201, "/kind", json!("TokenRequest")),
            ("POST", path(), bound("Secret", "x", &json!("")), 404, "/message", json!("secrets \"x\" not found")),
            ("POST", path(), json!({ "kind": "Pod", "apiVersion": "v1" }), 400, "/reason", json!("BadRequest")),
        ],
    )
    .await;
}
