//! Who owns what, as clients and the cluster itself write in turns.

use serde_json::{Value, json};

use super::*;
use crate::control::{Action, Target};
use crate::object::kind::{CONFIG_MAP, DEPLOYMENT};

const NOW: Time = Time::from_secs(1_000);

fn store() -> Store {
    let mut store = Store::new(1);
    store.found(NOW);
    store
}

fn named(name: &str) -> WriteOptions {
    WriteOptions { manager: Some(FieldManager::new(name.to_owned())), ..WriteOptions::default() }
}

fn apply(store: &mut Store, kind: KindId, object: &Value, manager: &str, force: bool) -> Result<Arc<Object>, ApiError> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let application =
        Application { kind, namespace: "default".to_owned(), name, part: Part::Main, object: object.clone(), force };
    store.apply_object(&application, &named(manager), NOW).map(|(object, _)| object)
}

fn deployment(replicas: i32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "web:1"}]}}}})
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
}

/// Each owner with its operation and its fields.
fn owners(object: &Object) -> Vec<String> {
    let entries = object.meta.managed_fields.as_deref().map(Vec::as_slice).unwrap_or_default();
    let shown = entries.iter().map(|entry| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string()).unwrap_or_default();
        format!("{} {} {fields}", text(&entry.manager), text(&entry.operation))
    });
    shown.collect()
}

#[test]
fn an_autoscaler_owns_the_replicas_that_it_sets() {
    let mut store = store();
    let applied = apply(&mut store, DEPLOYMENT, &deployment(2), "me", false).expect("nobody is in the way");
    let scale = Action::Scale { target: Target::seen(&applied), replicas: 5 };
    store.commit(vec![scale], NOW).expect("it is as it was seen");
    let error = apply(&mut store, DEPLOYMENT, &deployment(2), "me", false).expect_err("the autoscaler owns them");
    let text = "Apply failed with 1 conflict: conflict with \"kube-controller-manager\" with subresource \"scale\" using \
                apps/v1: .spec.replicas";
    assert_eq!(error.to_string(), text);
    let forced = apply(&mut store, DEPLOYMENT, &deployment(2), "me", true).expect("by force");
    assert_eq!(owners(&forced).len(), 1, "the autoscaler has lost its only field");
}

#[test]
fn who_writes_without_a_name_changes_no_owner_and_loses_none() {
    let mut store = store();
    let applied = apply(&mut store, CONFIG_MAP, &map(&json!({"a": "1"})), "me", false).expect("it is new");
    let before = owners(&applied);
    let edit = |mut value: Value| {
        value["data"]["a"] = json!("2");
        value["metadata"].as_object_mut().expect("an object").remove("managedFields");
        Ok(value)
    };
    let options = WriteOptions::default();
    let edited = store.edit(CONFIG_MAP, ("default", "m"), Part::Main, options, NOW, edit).expect("it is there");
    assert_eq!(owners(&edited), before);
    let mine = apply(&mut store, CONFIG_MAP, &map(&json!({"a": "3"})), "me", false).expect("it is still mine");
    assert_eq!(owners(&mine), before);
}

#[test]
fn an_object_stays_untracked_until_it_is_applied() {
    let mut store = store();
    let draft = store.decode(CONFIG_MAP, map(&json!({"a": "1"}))).expect("a map");
    store.create_with(draft, WriteOptions::default(), NOW).expect("it is new");
    let edit = |mut value: Value| {
        value["data"]["b"] = json!("2");
        Ok(value)
    };
    let edited = store.edit(CONFIG_MAP, ("default", "m"), Part::Main, named("you"), NOW, edit).expect("it is there");
    assert!(owners(&edited).is_empty());
    let applied = apply(&mut store, CONFIG_MAP, &map(&json!({"c": "3"})), "me", false).expect("nobody is in the way");
    let expected = [
        "me Apply {\"f:data\":{\"f:c\":{}}}",
        "before-first-apply Update {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}",
    ];
    assert_eq!(owners(&applied), expected);
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_client_side() {
    let mut store = store();
    let last = map(&json!({"a": "1"})).to_string();
    let mut object = map(&json!({"a": "1", "b": "1"}));
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let draft = store.decode(CONFIG_MAP, object).expect("a map");
    store.create_with(draft, named("kubectl-client-side-apply"), NOW).expect("it is new");
    let mine = map(&json!({"a": "2"}));
    assert!(apply(&mut store, CONFIG_MAP, &mine, "argocd", false).is_err_and(|error| error.is_conflict()));
    let applied = apply(&mut store, CONFIG_MAP, &mine, "kubectl", false).expect("it was kubectl's before");
    let annotation = applied.meta.annotations.get("kubectl.kubernetes.io/last-applied-configuration");
    assert_eq!(annotation.map(String::as_str), Some(&*format!("{mine}\n")));
    let error = apply(&mut store, CONFIG_MAP, &map(&json!({"b": "2"})), "kubectl", false).expect_err("never applied");
    assert!(error.to_string().ends_with("conflict with \"kubectl-client-side-apply\" using v1: .data.b"), "{error}");
}

#[test]
fn what_is_wrong_with_an_apply_is_said_as_upstream_says_it() {
    let mut store = store();
    let good = map(&json!({"a": "1"}));
    let object = apply(&mut store, CONFIG_MAP, &good, "me", false).expect("it is new");
    let with = |pointer: &str, value: Value| {
        let mut object = good.clone();
        object["metadata"][pointer] = value;
        object
    };
    let uid = object.meta.uid;
    let rows = [
        (with("managedFields", json!([])), "metadata.managedFields must be nil".to_owned()),
        (
            with("resourceVersion", json!("1")),
            "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to \
             the latest version and try again"
                .to_owned(),
        ),
        (
            with("uid", json!("11111111-1111-1111-1111-111111111111")),
            "ConfigMap \"m\" is invalid: metadata.uid: Invalid value: \"11111111-1111-1111-1111-111111111111\": field is \
             immutable"
                .to_owned(),
        ),
        (
            with("namespace", json!("other")),
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        ),
        (
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m"}}),
            "invalid object type: /v1, Kind=Secret".to_owned(),
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "dats": {}}),
            "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .dats: field not declared in schema".to_owned(),
        ),
        (
            map(&json!({"a": 1})),
            "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .data.a: expected string, got \
             &value.valueUnstructured{Value:1}"
                .to_owned(),
        ),
    ];
    for (object, expected) in rows {
        let error = apply(&mut store, CONFIG_MAP, &object, "me", true).expect_err("it is wrong");
        assert_eq!(error.to_string(), expected);
    }
    assert!(apply(&mut store, CONFIG_MAP, &with("uid", json!(uid.to_string())), "me", false).is_ok());
}
