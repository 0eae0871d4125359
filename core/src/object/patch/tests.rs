//! Objects and patches in, patched objects or errors out.

use serde_json::json;

use super::super::kind::{CONFIG_MAP, DEPLOYMENT, KindId, POD, SERVICE};
use super::*;

fn patched(kind: KindId, patch: Patch, mut object: Value) -> Result<Value, String> {
    patch.apply(kind, &mut object).map(|()| object).map_err(|error| error.to_string())
}

fn json_patch(operations: Value, object: Value) -> Result<Value, String> {
    patched(CONFIG_MAP, Patch::Json(operations), object)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|element| element.get("name")?.as_str()).collect()
}

#[test]
fn json_patch_works_as_upstreams_library() {
    let object = json!({"a": {"x/y": 1}, "l": [1, 2, 3]});
    for (operation, expected) in [
        (json!({"op": "add", "path": "/a/b", "value": 2}), json!({"a": {"x/y": 1, "b": 2}, "l": [1, 2, 3]})),
        (json!({"op": "remove", "path": "/a/x~1y"}), json!({"a": {}, "l": [1, 2, 3]})),
        (json!({"op": "add", "path": "/l/-", "value": 4}), json!({"a": {"x/y": 1}, "l": [1, 2, 3, 4]})),
        (json!({"op": "add", "path": "/l/01", "value": 9}), json!({"a": {"x/y": 1}, "l": [1, 9, 2, 3]})),
        (json!({"op": "replace", "path": "/l/-1", "value": 9}), json!({"a": {"x/y": 1}, "l": [1, 2, 9]})),
        (json!({"op": "move", "from": "/l/0", "path": "/b"}), json!({"a": {"x/y": 1}, "b": 1, "l": [2, 3]})),
        (json!({"op": "copy", "from": "/l/0", "path": "/l/3"}), json!({"a": {"x/y": 1}, "l": [1, 2, 3, 1]})),
        (json!({"op": "test", "path": "/a/none", "value": null}), object.clone()),
        (json!({"op": "add", "path": "/a"}), json!({"a": null, "l": [1, 2, 3]})),
        (json!({"op": "replace", "path": "/b", "value": 1}), json!({"a": {"x/y": 1}, "b": 1, "l": [1, 2, 3]})),
        (json!({"op": "copy", "from": "/none", "path": "/b"}), json!({"a": {"x/y": 1}, "b": null, "l": [1, 2, 3]})),
        (json!({"op": "add", "path": "/a/~01", "value": 2}), json!({"a": {"x/y": 1, "~1": 2}, "l": [1, 2, 3]})),
        (json!({"op": "add", "path": "x/b", "value": 1}), json!({"a": {"x/y": 1}, "b": 1, "l": [1, 2, 3]})),
        (json!({"op": "test", "path": "/none"}), object.clone()),
        (json!({"op": "test", "path": "", "value": object}), object.clone()),
        (json!({"op": "replace", "path": "", "value": {"b": 1}}), json!({"b": 1})),
    ] {
        assert_eq!(json_patch(json!([operation]), object.clone()), Ok(expected), "{operation}");
    }
    for operation in [
        json!({"op": "test", "path": "/l/0", "value": 2}),
        json!({"op": "remove", "path": "/b"}),
        json!({"op": "replace", "path": "/b/c", "value": 1}),
        json!({"op": "replace", "path": "/l/3", "value": 1}),
        json!({"op": "replace", "path": "a", "value": 1}),
        json!({"op": "replace", "path": "", "value": 1}),
        json!({"op": "add", "path": "", "value": {}}),
        json!({"op": "move", "from": "/none", "path": "/b"}),
        json!({"op": "copy", "from": "/l/3", "path": "/b"}),
        json!({"op": "remove", "path": "/l/-"}),
        json!({"op": "test", "path": "/l"}),
        json!({"op": "test", "path": "/none/x", "value": null}),
        json!({"op": "add", "path": "/b/c", "value": 1}),
        json!({"op": "add", "path": "/l/4", "value": 1}),
        json!({"op": "add", "path": "/l/x", "value": 1}),
        json!({"op": "move", "from": "/a", "path": "/a/b"}),
        json!({"op": "frob", "path": "/a"}),
        json!({"op": "add", "value": 1}),
    ] {
        assert!(json_patch(json!([operation]), object.clone()).is_err(), "{operation}");
    }
    let many = Value::Array(vec![json!({"op": "add", "path": "/a", "value": 1}); 10_001]);
    let expected = "The allowed maximum operations in a JSON patch is 10000, got 10001";
    assert_eq!(json_patch(many, object), Err(expected.to_owned()));
}

#[test]
fn a_merge_patch_replaces_and_removes() {
    let object = json!({"a": {"b": 1, "c": 2}, "l": [1]});
    let patch = json!({"a": {"b": null, "d": {"e": null}}, "l": [2, 3]});
    assert_eq!(patched(POD, Patch::Merge(patch), object), Ok(json!({"a": {"c": 2, "d": {}}, "l": [2, 3]})));
    assert_eq!(patched(POD, Patch::Merge(Value::Null), json!({})), Err("Invalid JSON Patch".to_owned()));
}

#[test]
fn a_strategic_patch_merges_lists_by_their_keys() {
    let service = json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 443, "name": "b"}]}});
    let patch = json!({"spec": {"ports": [{"port": 443, "nodePort": 30000}, {"port": 8080}, {"port": 80, "$patch": "delete"}]}});
    let expected = json!({"spec": {"ports": [{"port": 443, "name": "b", "nodePort": 30000}, {"port": 8080}]}});
    assert_eq!(patched(SERVICE, Patch::Strategic(patch), service), Ok(expected));
    let pod = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "a"}], "volumes": [{"name": "v", "emptyDir": {}}]}});
    let patch = json!({
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]},
        "spec": {"tolerations": [{"key": "b"}], "volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]},
    });
    let expected = json!({"metadata": {"finalizers": ["b", "c"]}, "spec": {"tolerations": [{"key": "b"}], "volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}});
    let found = patched(POD, Patch::Strategic(patch), pod).map(|mut pod| {
        // The order of what is new and what is old is checked elsewhere.
        if let Some(Value::Array(list)) = pod.pointer_mut("/metadata/finalizers") {
            list.sort_by_key(ToString::to_string);
        }
        pod
    });
    assert_eq!(found, Ok(expected));
}

#[test]
fn elements_are_put_in_the_order_that_is_asked_for() {
    let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}});
    for (patch, expected) in [
        (json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}), ["b", "c", "a"].as_slice()),
        (
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "d"}], "containers": [{"name": "d"}]}),
            &["a", "b", "d", "c"],
        ),
        (json!({"containers": [{"name": "d"}]}), &["d", "a", "b", "c"]),
        (json!({"containers": [{"$patch": "replace"}, {"name": "x"}]}), &["x"]),
    ] {
        let found = patched(POD, Patch::Strategic(json!({"spec": patch})), pod.clone());
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(names(&found["spec"]["containers"]), expected, "{patch}");
    }
}

#[test]
fn directives_for_what_is_not_there_mean_nothing() {
    let object = || json!({"metadata": {"finalizers": ["a", "b", "a"]}, "spec": {"nodeName": "n"}});
    for (patch, expected) in [
        (json!({"spec": {"securityContext": {"$patch": "replace", "runAsUser": 1}}}), object()),
        (json!({"spec": {"securityContext": {"$patch": "delete"}}}), object()),
        (
            json!({"spec": {"nodeName": {"$patch": "delete"}}}),
            json!({"metadata": {"finalizers": ["a", "b", "a"]}, "spec": {}}),
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "$patch": "delete"}, {"name": "w", "emptyDir": null}]}}),
            json!({"metadata": {"finalizers": ["a", "b", "a"]}, "spec": {"nodeName": "n", "volumes": [{"name": "w"}]}}),
        ),
        (json!({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}), object()),
        (json!({"metadata": {"$deleteFromPrimitiveList/nothing": ["a"]}}), object()),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": null}}),
            json!({"metadata": {}, "spec": {"nodeName": "n"}}),
        ),
        (
            json!({"metadata": {"finalizers": ["c"]}}),
            json!({"metadata": {"finalizers": ["c", "a", "b"]}, "spec": {"nodeName": "n"}}),
        ),
    ] {
        assert_eq!(patched(POD, Patch::Strategic(patch.clone()), object()), Ok(expected), "{patch}");
    }
}

#[test]
fn directives_that_make_no_sense_are_refused_in_upstreams_words() {
    let deployment = json!({"data": {"a": "b"}, "metadata": {"finalizers": ["f"]}, "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
    let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
    for (patch, expected) in [
        (json!({"data": {"$patch": "frobnicate"}}), "unknown patch type: frobnicate in map: map[$patch:frobnicate]"),
        (containers(json!([{"$patch": "merge", "name": "a"}])), "merging lists cannot yet be specified in the patch"),
        (containers(json!([{"image": "x"}])), "map: map[image:x] does not contain declared merge key: name"),
        (
            containers(json!([{"$patch": "replace"}, {"image": "x"}])),
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (containers(json!(["a"])), "list element types are not identical: [[map[name:a]] [a]]"),
        (containers(json!([["a"]])), "list element types are not identical: [[map[name:a]] [[a]]]"),
        (json!({"metadata": {"finalizers": [{"a": 1}]}}), "list element types are not identical: [[f] [map[a:1]]]"),
        (json!({"metadata": {"$patch": 1}}), "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
        (json!({"metadata": {"$setElementOrder/finalizers": "f"}}), "expected a []interface {}, but received a string"),
        (
            json!({"metadata": {"$setElementOrder/finalizers": ["f"], "finalizers": null}}),
            "expected a []interface {}, but received a %!s(<nil>)",
        ),
        (json!({"metadata": {"$setElementOrder": ["f"]}}), "invalid patch format of setElementOrder list"),
        (json!({"metadata": {"$deleteFromPrimitiveList": ["f"]}}), "invalid patch format of primitive list"),
        (
            json!({"spec": {"$setElementOrder/frobs": []}}),
            "unable to find api field in struct DeploymentSpec for the json field \"frobs\"",
        ),
        (
            json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"image": "x"}]}}}}),
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            json!({"spec": {"template": {"spec": {"$setElementOrder/containers": ["a"], "containers": [{"name": "a"}]}}}}),
            "expected a map[string]interface {}, but received a string",
        ),
        (
            json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}}}}),
            "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
        ),
    ] {
        assert_eq!(patched(DEPLOYMENT, Patch::Strategic(patch), deployment.clone()), Err(expected.to_owned()));
    }
}

#[test]
fn apply_takes_back_what_it_gave_and_leaves_what_others_gave() {
    let container = |name: &str| json!({"name": name, "image": "x"});
    let manifest = |replicas: Value, containers: Value| json!({"kind": "Deployment", "metadata": {"name": "w", "labels": {"ours": "1"}}, "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}}});
    let mut live = with_last_applied(manifest(json!(3), json!([container("a"), container("b")])));
    live["metadata"]["labels"]["theirs"] = json!("1");
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    live["spec"]["template"]["spec"]["containers"].as_array_mut().expect("a list").push(container("injected"));

    let mut next = manifest(json!(5), json!([container("c"), container("a")]));
    next["metadata"]["labels"] = json!({"new": "1"});
    let applied = apply(DEPLOYMENT, &live, next);
    assert_eq!(applied["metadata"]["labels"], json!({"theirs": "1", "new": "1"}));
    assert_eq!(applied["spec"]["replicas"], 5);
    let containers = &applied["spec"]["template"]["spec"]["containers"];
    assert_eq!(names(containers), ["c", "a", "injected"]);
    assert_eq!(containers[1]["imagePullPolicy"], "Always");
    let remembered = applied["metadata"]["annotations"][LAST_APPLIED].as_str().expect("remembered");
    assert!(
        remembered.starts_with(r#"{"kind":"Deployment","metadata":{"annotations":{},"#) && remembered.ends_with("}\n")
    );
}
