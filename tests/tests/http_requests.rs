//! What requests over HTTP may say besides their path and body: verbs, headers, parameters, and what is said to those that
//! make no sense. A row of a table is a request and what must be in its answer.

use http::Method;
use inboard_tests::recorded::{Response, Server};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/test/pods";
const MAPS: &str = "/api/v1/namespaces/test/configmaps";

/// A cluster with the ConfigMaps `a`, `b` and `c`.
async fn server() -> Server {
    let server = Server::start("test").await;
    for name in ["a", "b", "c"] {
        let map = json!({ "metadata": { "name": name, "labels": { "name": name } }, "data": { "k": "v" } });
        assert_eq!(send(&server, "POST", MAPS, &[], map.to_string()).await.code, 201);
    }
    server
}

async fn send(server: &Server, verb: &str, path: &str, headers: &[(&str, &str)], body: String) -> Response {
    server.send(verb.parse::<Method>().expect("a verb"), path, headers, body).await
}

/// What an answer says: the message of a refusal, or all of it.
fn text(body: &Value) -> String {
    let said = body["message"].as_str().or_else(|| body.as_str());
    said.map_or_else(|| body.to_string(), str::to_owned)
}

#[tokio::test(start_paused = true)]
async fn verbs_do_what_upstream_lets_them_do() {
    let server = server().await;
    let page_not_found = "404 page not found";
    let not_allowed = "the server does not allow this method on the requested resource";
    let no_such = "the server could not find the requested resource";
    let mut wrong = Vec::new();
    for (verb, path, code, part) in [
        ("GET", "/healthz", 200, "ok"),
        ("HEAD", "/healthz", 200, ""),
        ("GET", "/readyz?verbose", 200, "[+]ping ok\nreadyz check passed\n"),
        ("GET", "/livez?verbose&exclude=ping", 200, "[+]ping excluded: ok\nlivez check passed\n"),
        ("GET", "/livez/nothing", 404, page_not_found),
        ("GET", "/version/", 200, "v1.36"),
        ("POST", "/version", 405, not_allowed),
        ("POST", "/apis", 405, not_allowed),
        ("DELETE", "/apis/apps/v1", 405, not_allowed),
        ("GET", "/nothing", 404, page_not_found),
        ("GET", "/api/v2/pods", 404, page_not_found),
        ("GET", "/apis/apps/v7/deployments", 404, page_not_found),
        ("GET", "/api/v1/nothings", 404, no_such),
        ("GET", "/api/v1/namespaces/test/nodes", 404, no_such),
        ("HEAD", MAPS, 405, ""),
        ("OPTIONS", MAPS, 405, not_allowed),
        ("PUT", MAPS, 405, not_allowed),
        ("PATCH", MAPS, 405, not_allowed),
        ("POST", &format!("{MAPS}/a"), 405, not_allowed),
        ("DELETE", "/api/v1/namespaces", 405, not_allowed),
        ("DELETE", "/api/v1/configmaps", 405, not_allowed),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405, not_allowed),
        // With a name in the path, a parameter does not make a watch of it.
        ("GET", &format!("{MAPS}/a?watch=true"), 200, "\"name\":\"a\""),
        // Flags: what is not `false` or `0` is true.
        ("GET", &format!("{MAPS}?watch=False"), 200, "ConfigMapList"),
        ("GET", &format!("{MAPS}?limit=x"), 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("GET", &format!("{MAPS}?timeoutSeconds=x"), 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("GET", &format!("{MAPS}?limit=-1"), 200, "\"name\":\"c\""),
        ("GET", &format!("{MAPS}?resourceVersion=x"), 400, "invalid resource version"),
        ("GET", &format!("{MAPS}?labelSelector=name in (a"), 400, "unable to parse requirement"),
        ("GET", &format!("{MAPS}?fieldSelector=data.k=v"), 400, "\"data.k\" is not a known field selector"),
        ("DELETE", &format!("{MAPS}/a?propagationPolicy=Never"), 422, "supported values: \""),
        ("DELETE", &format!("{MAPS}/a?dryRun=Some"), 422, "supported values: \"All\""),
        ("DELETE", &format!("{MAPS}/a?gracePeriodSeconds=soon"), 400, "strconv.ParseInt"),
        ("DELETE", &format!("{MAPS}?labelSelector=name=a&dryRun=All"), 200, "\"name\":\"a\""),
        ("GET", &format!("{MAPS}/a"), 200, "\"name\":\"a\""),
        ("DELETE", &format!("{MAPS}?labelSelector=name!=c"), 200, "\"name\":\"b\""),
        ("GET", MAPS, 200, "\"name\":\"c\""),
        ("GET", &format!("{MAPS}/b"), 404, "configmaps \"b\" not found"),
        ("GET", &format!("{PODS}/p/log?sinceTime=abc"), 400, "cannot parse \"abc\" as \"2006\""),
        ("GET", &format!("{PODS}/p/log?tailLines=abc"), 400, "strconv.ParseInt"),
    ] {
        let answer = send(&server, verb, path, &[], String::new()).await;
        let body = text(&answer.body);
        if answer.code != code || !body.contains(part) {
            wrong.push(format!("{verb} {path}: {} {body}", answer.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn media_types_are_agreed_on() {
    let server = server().await;
    for (accept, code, begins) in [
        ("application/json", 200, "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\""),
        ("application/json;pretty=1", 200, "{\n  \"kind\": \"ConfigMap\",\n  \"apiVersion\": \"v1\""),
        ("application/yaml", 200, "apiVersion: v1\n"),
        ("text/html", 406, "{\"kind\":\"Status\""),
        ("application/json;as=Nonsense;v=v1;g=meta.k8s.io", 406, "{\"kind\":\"Status\""),
        ("text/html, */*;q=0.1", 200, "{\"kind\":\"ConfigMap\""),
    ] {
        let answer = server.raw(&format!("{MAPS}/a"), &[("accept", accept)]).await;
        assert_eq!(answer.0, code, "{accept}: {}", answer.1);
        assert!(answer.1.starts_with(begins), "{accept}: {}", answer.1);
    }
    for (parameter, agent, has_lines) in [
        ("?pretty=true", "kubectl", true),
        ("?pretty=yes", "kubectl", false),
        ("?pretty=false", "curl/8", false),
        ("?pretty=", "curl/8", true),
        ("", "curl/8", true),
        ("", "kubectl", false),
    ] {
        let (_, body) = server.raw(&format!("{MAPS}/a{parameter}"), &[("user-agent", agent)]).await;
        assert_eq!(body.contains("\n  "), has_lines, "{parameter} {agent}: {body}");
    }
    let map = "{\"metadata\":{\"name\":\"x\"}}";
    let accepted = "the body of the request was in an unknown format - accepted media types include: application/json, \
                    application/yaml, application/vnd.kubernetes.protobuf";
    for (verb, path, content_type, code, part) in [
        ("POST", MAPS.to_owned(), "text/plain", 415, accepted),
        ("PUT", format!("{MAPS}/a"), "application/merge-patch+json", 415, accepted),
        ("PATCH", format!("{MAPS}/a"), "application/json", 415, "415: Unsupported Media Type"),
        ("POST", MAPS.to_owned(), "application/json; charset=utf-8", 201, ""),
    ] {
        let answer = send(&server, verb, &path, &[("content-type", content_type)], map.to_owned()).await;
        assert!(answer.code == code && text(&answer.body).contains(part), "{verb} {content_type}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_read_in_their_format_and_with_their_types() {
    let server = server().await;
    let json = [("content-type", "application/json")];
    for (options, code, part) in [
        (json!({ "gracePeriodSeconds": "5" }), 400, "json: cannot unmarshal string into Go struct field"),
        (json!({ "gracePeriodSeconds": 5.0 }), 400, "json: cannot unmarshal number 5.0 into Go struct field"),
        (json!({ "dryRun": "All" }), 400, "json: cannot unmarshal string into Go struct field"),
        (json!({ "preconditions": 1 }), 400, "json: cannot unmarshal number into Go struct field"),
        (json!({ "preconditions": { "uid": "x" } }), 409, "the UID in the precondition (x) does not match the UID"),
        (json!({ "preconditions": { "resourceVersion": "x" } }), 409, "the ResourceVersion in the precondition (x)"),
    ] {
        let answer = send(&server, "DELETE", &format!("{MAPS}/a"), &json, options.to_string()).await;
        assert!(answer.code == code && text(&answer.body).contains(part), "{options}: {answer:?}");
    }
    let yaml = [("content-type", "application/yaml")];
    let gone = send(&server, "DELETE", &format!("{MAPS}/a"), &yaml, "propagationPolicy: Background\n".to_owned()).await;
    assert_eq!(gone.code, 200, "{gone:?}");

    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    for name in ["p", "q"] {
        let mut pod = pod.clone();
        pod["metadata"]["name"] = name.into();
        assert_eq!(send(&server, "POST", PODS, &[], pod.to_string()).await.code, 201);
    }
    let (zone, region) = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region");
    let node = json!({ "metadata": { "name": "host", "labels": { zone: "z", region: "r" } } });
    assert_eq!(send(&server, "POST", "/api/v1/nodes", &[], node.to_string()).await.code, 201);
    // A binding by either path.
    let binding = "metadata: {name: p}\ntarget: {kind: Node, name: host}\n".to_owned();
    let bound = send(&server, "POST", &format!("{PODS}/p/binding"), &yaml, binding).await;
    assert_eq!(bound.code, 201, "{bound:?}");
    // The pod takes over what the binding says, and where the node is.
    let metadata = json!({ "name": "q", "labels": { zone: "y", "a": "b" }, "annotations": { "c": "d" } });
    let binding = json!({ "metadata": metadata, "target": { "kind": "Node", "name": "host" } });
    let mut other = binding.clone();
    other["metadata"]["uid"] = json!("x");
    let refused = send(&server, "POST", &format!("{PODS}/q/binding"), &json, other.to_string()).await;
    let problem = "Precondition failed: UID in precondition: x, UID in object meta: ";
    assert!(refused.code == 409 && text(&refused.body).contains(problem), "{refused:?}");
    let path = "/api/v1/namespaces/test/bindings";
    let bound = send(&server, "POST", path, &json, binding.to_string()).await;
    assert_eq!((bound.code, &bound.body["status"]), (201, &json!("Success")), "{bound:?}");
    let shown = send(&server, "GET", &format!("{PODS}/q"), &[], String::new()).await.body;
    assert_eq!(shown["metadata"]["labels"], json!({ zone: "y", region: "r", "a": "b" }));
    assert_eq!(shown["metadata"]["annotations"]["c"], "d");
    let again = send(&server, "POST", path, &json, binding.to_string()).await;
    assert_eq!(again.code, 409, "{again:?}");
    let evicted = send(&server, "POST", &format!("{PODS}/p/eviction"), &yaml, "metadata: {name: p}\n".to_owned()).await;
    assert_eq!(evicted.code, 201, "{evicted:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_created_has_no_version() {
    let server = server().await;
    let map = json!({ "metadata": { "name": "d", "resourceVersion": "5" } });
    let refused = send(&server, "POST", MAPS, &[], map.to_string()).await;
    assert_eq!(refused.code, 500, "{refused:?}");
    assert_eq!(refused.body["message"], "resourceVersion should not be set on objects to be created");
    // What is wrong with the object is told before.
    let bad = json!({ "metadata": { "name": "D", "resourceVersion": "5" } });
    assert_eq!(send(&server, "POST", MAPS, &[], bad.to_string()).await.code, 422);
    // An update that creates takes no notice of the version.
    let role = json!({ "metadata": { "name": "r", "resourceVersion": "5" }, "rules": [] });
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/test/roles/r";
    assert_eq!(send(&server, "PUT", path, &[], role.to_string()).await.code, 201);
}

#[tokio::test(start_paused = true)]
async fn keys_that_stand_twice_in_a_patch_are_told() {
    let server = server().await;
    let merge = [("content-type", "application/merge-patch+json")];
    let patch = r#"{"data":{"x":"1","x":"2"},"bogus":1}"#;
    let path = format!("{MAPS}/a?fieldValidation=");
    let warned = send(&server, "PATCH", &format!("{path}Warn"), &merge, patch.to_owned()).await;
    let wanted = ["299 - \"duplicate field \\\"data.x\\\"\"", "299 - \"unknown field \\\"bogus\\\"\""];
    assert_eq!((warned.code, warned.warnings()), (200, wanted.to_vec()), "{warned:?}");
    assert_eq!(warned.body["data"]["x"], "2");
    let json = [("content-type", "application/json-patch+json")];
    let patch = r#"[{"op":"add","op":"add","path":"/data/y","value":"1"}]"#;
    let warned = send(&server, "PATCH", &format!("{path}Warn"), &json, patch.to_owned()).await;
    assert_eq!(warned.warnings(), ["299 - \"json patch duplicate field \\\"[0].op\\\"\""], "{warned:?}");
    let strict = send(&server, "PATCH", &format!("{path}Strict"), &json, patch.to_owned()).await;
    assert!(strict.code == 422 && text(&strict.body).contains("strict decoding error: json patch duplicate field"));
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let patch = r#"{"data":{"x":"1","x":"3"}}"#;
    let ignored = send(&server, "PATCH", &format!("{path}Ignore"), &strategic, patch.to_owned()).await;
    assert_eq!((ignored.code, ignored.warnings()), (200, Vec::new()), "{ignored:?}");
}

/// What is found wrong does not silence what was to be said before.
#[tokio::test(start_paused = true)]
async fn a_refusal_brings_its_warnings() {
    let server = server().await;
    let map = json!({ "metadata": { "name": "Bad" }, "bogus": 1 });
    let refused = send(&server, "POST", MAPS, &[], map.to_string()).await;
    assert_eq!((refused.code, refused.warnings()), (422, vec!["299 - \"unknown field \\\"bogus\\\"\""]), "{refused:?}");
}

/// Somebody who may edit roles and holds `get pods`.
#[tokio::test(start_paused = true)]
async fn what_is_written_must_be_what_the_path_names() {
    let server = server().await;
    let deployments = "/apis/apps/v1/namespaces/test/deployments";
    let labels = json!({ "a": "b" });
    let template =
        json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let spec = json!({ "selector": { "matchLabels": labels }, "template": template });
    let deployment = json!({ "metadata": { "name": "d" }, "spec": spec });
    assert_eq!(send(&server, "POST", deployments, &[], deployment.to_string()).await.code, 201);
    let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    assert_eq!(send(&server, "POST", PODS, &[], pod.to_string()).await.code, 201);
    let (map, scale) = (format!("{MAPS}/a"), format!("{deployments}/d/scale"));
    let (eviction, binding) = (format!("{PODS}/p/eviction"), format!("{PODS}/p/binding"));
    let (json_patch, merge) = ("application/json-patch+json", "application/merge-patch+json");
    let mut wrong = Vec::new();
    for (verb, path, kind, body, code, part) in [
        (
            "PUT",
            &map,
            "",
            "{}",
            400,
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
        (
            "PUT",
            &map,
            "",
            r#"{"metadata":{"name":"z","namespace":"z"}}"#,
            400,
            "the namespace of the provided object does not",
        ),
        (
            "PUT",
            &map,
            "",
            r#"{"metadata":{"name":"a","resourceVersion":"x"}}"#,
            500,
            "strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        ("PUT", &map, "", r#"{"metadata":{"name":"a","resourceVersion":"0"}}"#, 200, "\"name\":\"a\""),
        (
            "PUT",
            &map,
            "",
            r#"{"apiVersion":"apps/v1","kind":"ConfigMap"}"#,
            400,
            "no kind \"ConfigMap\" is registered for version \"apps/v1\"",
        ),
        ("PUT", &map, "", r#"{"apiVersion":"a/b/c"}"#, 400, "unexpected GroupVersion string: a/b/c"),
        ("PUT", &map, "", r#"{"binaryData":{"a":"@"}}"#, 400, "illegal base64 data at input byte 0"),
        (
            "PATCH",
            &map,
            json_patch,
            "{}",
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type",
        ),
        ("PATCH", &format!("{MAPS}/nope"), json_patch, "{}", 404, "configmaps \"nope\" not found"),
        (
            "PATCH",
            &map,
            merge,
            "[]",
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[",
        ),
        (
            "PATCH",
            &map,
            merge,
            r#"{"kind":"Secret","data":null}"#,
            422,
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
        ("PATCH", &map, merge, r#"{"kind":"Secret","data":{"a":"v1"}}"#, 422, "illegal base64 data at input byte 0"),
        ("PATCH", &map, merge, r#"{"apiVersion":"v7"}"#, 422, "no kind \"ConfigMap\" is registered for version \"v7\""),
        ("PUT", &scale, "", "{}", 400, "the name of the object (d based on URL) was undeterminable"),
        (
            "PUT",
            &scale,
            "",
            r#"{"metadata":{"name":"d","namespace":"z"}}"#,
            400,
            "the namespace of the provided object does not",
        ),
        (
            "PUT",
            &scale,
            "",
            r#"{"spec":{"replicas":"x"}}"#,
            400,
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal string",
        ),
        (
            "PUT",
            &scale,
            "",
            r#"{"apiVersion":"apps/v1"}"#,
            400,
            "no kind \"Scale\" is registered for version \"apps/v1\"",
        ),
        ("PATCH", &scale, merge, r#"{"metadata":{"name":"z"}}"#, 400, "the name of the object (z) does not match"),
        ("PATCH", &scale, merge, r#"{"spec":{"replicas":"x"}}"#, 422, "patch: Invalid value: \"{"),
        (
            "PATCH",
            &scale,
            json_patch,
            r#"[{"op":"test","path":"/spec/replicas","value":7}]"#,
            422,
            "the server rejected our request",
        ),
        ("PATCH", &scale, json_patch, r#"[{"op":"replace","path":"/spec/replicas","value":3}]"#, 200, "\"replicas\":3"),
        (
            "POST",
            &eviction,
            "",
            r#"{"apiVersion":"v1","kind":"Pod"}"#,
            400,
            "Pod in version \"v1\" cannot be handled as a Eviction: converting (v1.Pod) to (policy.Eviction)",
        ),
        (
            "POST",
            &eviction,
            "",
            r#"{"metadata":{"name":"p","namespace":"z"}}"#,
            400,
            "the namespace of the provided object does not",
        ),
        (
            "POST",
            &binding,
            "",
            r#"{"apiVersion":"apps/v1","kind":"Binding"}"#,
            400,
            "no kind \"Binding\" is registered for version \"apps/v1\"",
        ),
        (
            "POST",
            &eviction,
            "",
            r#"{"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"p"}}"#,
            201,
            "Success",
        ),
    ] {
        let kind = if kind.is_empty() { "application/json" } else { kind };
        let answer = send(&server, verb, path, &[("content-type", kind)], body.to_owned()).await;
        let said = text(&answer.body);
        if answer.code != code || !said.contains(part) {
            wrong.push(format!("{verb} {path} {body}: {} {said}", answer.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn nobody_gives_away_by_a_patch_or_an_apply_what_is_not_theirs() {
    let server = server().await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let make = async |path: String, object: Value| {
        let made = send(&server, "POST", &path, &[], object.to_string()).await;
        assert_eq!(made.code, 201, "{made:?}");
    };
    let roles = format!("{rbac}/namespaces/test/roles");
    let editor = json!([
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "create", "patch"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] },
    ]);
    make(roles.clone(), json!({ "metadata": { "name": "editor" }, "rules": editor })).await;
    make(
        format!("{rbac}/namespaces/test/rolebindings"),
        json!({
            "metadata": { "name": "editor" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "editor" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice" }],
        }),
    )
    .await;
    let rule = |verb: &str| json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": [verb] }]);
    make(roles.clone(), json!({ "metadata": { "name": "other" }, "rules": rule("delete") })).await;
    let merge = "application/merge-patch+json";
    let apply = "application/apply-patch+yaml";
    let applied = |verb: &str| {
        let kind =
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "new" } });
        let mut role = kind;
        role["rules"] = rule(verb);
        role
    };
    for (path, content_type, body, code) in [
        ("editor", merge, json!({ "rules": rule("delete") }), 403),
        ("editor?dryRun=All", merge, json!({ "rules": rule("delete") }), 403),
        ("new?fieldManager=m", apply, applied("delete"), 403),
        ("new?fieldManager=m", apply, applied("get"), 201),
        ("new?fieldManager=m", apply, applied("get"), 200),
        // The outcome counts, and that has a rule that is not theirs.
        ("other", merge, json!({ "metadata": { "labels": { "a": "b" } } }), 403),
        ("new", merge, json!({ "metadata": { "labels": { "a": "b" } } }), 200),
    ] {
        let headers = [("content-type", content_type)];
        let path = format!("{roles}/{path}");
        let answer = server.send_as(Some("alice"), Method::PATCH, &path, &headers, body.to_string()).await;
        assert_eq!(answer.code, code, "{path} {body}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn flow_schemas_stand_in_the_order_in_which_they_are_tried() {
    let server = server().await;
    let path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    for (name, precedence) in [("a", 900), ("b", 100), ("c", 500), ("d", 100)] {
        let schema = json!({
            "metadata": { "name": name },
            "spec": { "matchingPrecedence": precedence, "priorityLevelConfiguration": { "name": "exempt" } },
        });
        let made = send(&server, "POST", path, &[], schema.to_string()).await;
        assert_eq!(made.code, 201, "{made:?}");
    }
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = send(&server, "GET", path, &accept, String::new()).await.body;
    let names: Vec<&str> =
        table["rows"].as_array().into_iter().flatten().filter_map(|row| row["cells"][0].as_str()).collect();
    assert_eq!(names, ["exempt", "b", "d", "c", "a", "catch-all"], "{table}");
    let of_objects: Vec<&str> = table["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["object"]["metadata"]["name"].as_str())
        .collect();
    assert_eq!(names, of_objects);
}

/// The older kind of events does not ask when a series was last seen, the newer one does.
#[tokio::test(start_paused = true)]
async fn a_series_of_events_says_when_it_was_last_seen() {
    let server = server().await;
    let older = json!({
        "metadata": { "name": "older" },
        "involvedObject": { "kind": "Pod", "name": "p", "namespace": "test" },
        "reason": "Tested",
        "type": "Normal",
        "series": { "count": 2 },
    });
    let path = "/api/v1/namespaces/test/events";
    let made = send(&server, "POST", path, &[], older.to_string()).await;
    assert_eq!((made.code, &made.body["series"]), (201, &json!({ "count": 2, "lastObservedTime": null })), "{made:?}");
    let read = send(&server, "GET", "/apis/events.k8s.io/v1/namespaces/test/events/older", &[], String::new()).await;
    assert_eq!((read.code, &read.body["series"]["lastObservedTime"]), (200, &Value::Null), "{read:?}");
    let newer = json!({
        "metadata": { "name": "newer" },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": { "kind": "Pod", "name": "p", "namespace": "test" },
        "reportingController": "example.com/tester",
        "reportingInstance": "one",
        "action": "Testing",
        "reason": "Tested",
        "type": "Normal",
        "series": { "count": 2 },
    });
    let path = "/apis/events.k8s.io/v1/namespaces/test/events";
    let refused = send(&server, "POST", path, &[], newer.to_string()).await;
    let message = text(&refused.body);
    assert!(refused.code >= 400 && message.contains("lastObservedTime"), "{refused:?}");
}
