//! Tables against recorded Kubernetes behaviour: the columns of each kind, and the cells of objects in many states.

use std::sync::LazyLock;

use inboard::object::kind::{self, KindInfo, Kinds, TypedObject};
use inboard::object::table::{Column, Table};
use inboard::store::{Store, WriteOptions};
use inboard::time::Time;
use inboard_tests::oracle::{self, Tally};
use serde_json::{Value, json};

const NOW: Time = Time::from_secs(1_800_000_000);
const UID: &str = "6f3c8a51-6d0c-4a7e-9a57-0f2b6d2f1c11";
const CLUSTER_IP: &str = "10.96.7.7";

/// How old all objects are: no recording has that age by chance.
const AGE: std::time::Duration = std::time::Duration::from_secs(77);

static KINDS: LazyLock<Kinds> = LazyLock::new(Kinds::built_in);

#[test]
fn tables_are_as_recorded() {
    let folder = oracle::folder("tables");
    let mut tally = Tally::default();
    for name in oracle::cases(&folder, ".json").expect("the recordings") {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("a recording");
        let case: Value = serde_json::from_str(&text).expect("a recording is JSON");
        tally.count(&name, judge(&case));
    }
    assert!(tally.is_green(), "{}", tally.report("tables"));
}

/// What upstream's printers make of objects that no recording has. A row is an object, a column and its cell.
#[test]
fn odd_objects_have_the_cells_of_upstream() {
    let volume = json!({"volumeAttributesClassName": "", "accessModes": ["ReadWriteOnce"]});
    let metric = json!({"name": "m"});
    let scaler = |status: Value| {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "spec": {
                "maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "metrics": [{"type": "Pods", "pods": {"metric": metric, "target": {"type": "AverageValue", "averageValue": "5"}}}],
            },
            "status": status,
        })
    };
    let binding = |parameters: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": "p", "paramRef": parameters},
        })
    };
    let subjects = json!([
        {"kind": "User", "name": "u", "namespace": "n"}, {"kind": "ServiceAccount", "name": "s"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"}, {"kind": "Group", "name": "g"},
    ]);
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": subjects,
        "roleRef": {"kind": "Role", "name": "r"},
    });
    let conditions = |kind: &str, statuses: [&str; 2]| -> Value {
        statuses.iter().map(|status| json!({"type": kind, "status": status})).collect()
    };
    let init = json!([{"name": "i", "restartCount": 0, "state": {"running": {}}}]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}], "readinessGates": [{"conditionType": "Initialized"}]},
        "status": {"phase": "Running", "conditions": conditions("Initialized", ["False", "True"]), "initContainerStatuses": init},
    });
    let moment = NOW.minus(std::time::Duration::from_millis(5900)).to_api_micro();
    for (object, column, cell) in [
        (json!({"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle"}), 1, json!("<none>")),
        (
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "driverName": "d",
                "metadata": {"annotations": {"volumeattributesclass.alpha.kubernetes.io/is-default-class": "true"}},
            }),
            0,
            json!("o (default)"),
        ),
        (json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": volume}), 6, json!("")),
        (scaler(json!({})), 2, json!("<unknown>/5")),
        (
            scaler(json!({"currentMetrics": [{"type": "Pods", "pods": {"metric": metric, "current": {}}}]})),
            2,
            json!("<nil>/5"),
        ),
        (role.clone(), 3, json!("u")),
        (role.clone(), 4, json!("g")),
        (role, 5, json!("/s, n/s")),
        (binding(json!({"name": "x"})), 2, json!("*/x")),
        (binding(json!({"parameterNotFoundAction": "Deny"})), 2, json!("<unset>")),
        (
            binding(json!({"selector": {
                "matchLabels": {"b": "c", "a": "b"},
                "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}],
            }})),
            2,
            json!(
                "&LabelSelector{MatchLabels:map[string]string{a: b,b: c,},MatchExpressions:[]LabelSelectorRequirement{\
                 LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}"
            ),
        ),
        (json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress"}), 2, json!("77s")),
        (
            json!({"apiVersion": "v1", "kind": "Node", "status": {"conditions": conditions("Ready", ["False", "True"])}}),
            1,
            json!("Ready"),
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": conditions("Complete", ["False", "True"])}}),
            1,
            json!("Running"),
        ),
        (pod.clone(), 2, json!("Init:0/1")),
        (pod, 8, json!("0/1")),
        (json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {}, "eventTime": moment}), 0, json!("5s")),
    ] {
        let mut object = object;
        object["metadata"]["name"] = "o".into();
        let (info, typed) = object_of(&json!({}), &object).expect("an object");
        let table = Table::of(info.id, [&*typed as &dyn TypedObject], NOW);
        assert_eq!(table.rows[0].get(column), Some(&cell), "column {column} of {object}");
    }
}

/// Cells of users' kinds: texts are printed as upstream prints what a path leads to.
#[test]
fn own_columns_print_what_they_find_as_upstream_does() {
    for (kind, found, cell) in [
        ("string", json!(null), json!("<no value>")),
        ("string", json!("a"), json!("a")),
        ("string", json!(true), json!("true")),
        ("string", json!(7), json!("7")),
        ("string", json!(1.5), json!("1.5")),
        ("string", json!(1.0), json!("1")),
        ("string", json!(1e8), json!("1e+08")),
        ("string", json!({"b": "<", "a": 1}), json!("{\"a\":1,\"b\":\"\\u003c\"}")),
        ("string", json!([1, "x"]), json!("[1,\"x\"]")),
        ("integer", json!(1.9), json!(1)),
        ("integer", json!("1"), json!(null)),
        ("boolean", json!("true"), json!(null)),
        ("date", json!(""), json!("<unknown>")),
        ("date", json!("null"), json!("<unknown>")),
        ("date", json!("today"), json!("<invalid>")),
        ("date", json!(NOW.minus(AGE).to_api()), json!("77s")),
        ("date", json!(7), json!(null)),
    ] {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                    "additionalPrinterColumns": [{"name": "Found", "type": kind, "jsonPath": ".found"}],
                }],
            },
        });
        let kinds = defined(std::iter::once(&definition)).expect("a definition");
        let info = kinds.by_api_version("example.com/v1", "Thing").expect("its kind");
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "o"}, "found": found});
        let table = Table::of_values(info, [&thing], NOW);
        assert_eq!(table.rows[0], [json!("o"), cell], "{kind} {found}");
    }
}

fn judge(case: &Value) -> Result<(), String> {
    let wanted = &case["table"];
    let objects = case["objects"].as_array().ok_or("no objects")?;
    let definitions = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    let kinds = defined(definitions)?;
    let mut rows = Vec::new();
    for object in objects {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let own = kinds.by_api_version(text("apiVersion"), text("kind")).filter(|info| info.codec.is_none());
        let is_listed = own.is_some() || objects.iter().all(|other| other["kind"] == object["kind"]);
        if !is_listed && object["kind"] == "CustomResourceDefinition" {
            continue;
        }
        let name = &object["metadata"]["name"];
        let table = match own {
            Some(info) => Table::of_values(info, [&stored(object)], NOW),
            None => {
                let (info, typed) = object_of(case, object)?;
                Table::of(info.id, [&*typed as &dyn TypedObject], NOW)
            }
        };
        let column = |column: &Column| json!([&*column.name, column.priority, column.kind.name(), &*column.format]);
        let columns: Vec<Value> = table.columns.iter().map(column).collect();
        let recorded = wanted["columnDefinitions"].as_array().ok_or("no columns")?;
        let fields = ["name", "priority", "type", "format"];
        let recorded = recorded.iter().map(|column| fields.iter().map(|field| column[*field].clone()).collect());
        let recorded: Vec<Value> = recorded.collect();
        same(&Value::from(recorded), &Value::from(columns))?;
        rows.extend(table.rows.into_iter().map(|cells| json!({ "cells": cells, "name": name })));
    }
    for row in wanted["rows"].as_array().ok_or("no rows")? {
        let ours = rows.iter().find(|ours| ours["name"] == row["name"]).ok_or("a row is missing")?;
        let created = NOW.minus(AGE).to_timestamp().to_string();
        let given = row["cells"].to_string().replace("<age>", "77s").replace("<clusterIP>", CLUSTER_IP);
        let given = given.replace("<uid>", UID).replace("<time>", &created);
        same(&serde_json::from_str(&given).map_err(|error| error.to_string())?, &ours["cells"])?;
    }
    Ok(())
}

/// All kinds, those of these definitions included.
fn defined<'d>(definitions: impl Iterator<Item = &'d Value>) -> Result<Kinds, String> {
    let mut store = Store::new(7);
    for definition in definitions {
        let draft = store.decode(kind::CUSTOM_RESOURCE_DEFINITION, definition.clone());
        let draft = draft.map_err(|error| error.to_string())?;
        store.create_with(draft, WriteOptions::default(), NOW).map_err(|error| error.to_string())?;
    }
    Ok(store.kinds().clone())
}

/// An object of a user's kind as the server had it: with its age.
fn stored(object: &Value) -> Value {
    let mut object = with_times(object);
    object["metadata"]["creationTimestamp"] = json!(NOW.minus(AGE).to_api());
    object["metadata"]["uid"] = UID.into();
    object
}

fn same(wanted: &Value, found: &Value) -> Result<(), String> {
    let differences = oracle::differences(wanted, found);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}

/// The object as the server had it: with its age, its defaults, its addresses.
fn object_of(case: &Value, object: &Value) -> Result<(&'static KindInfo, std::sync::Arc<dyn TypedObject>), String> {
    let mut object = with_times(object);
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let info = KINDS.by_api_version(&api_version, &kind).ok_or_else(|| format!("no kind {kind}"))?;
    let deleted = case["deletedBeforeListing"].as_array().is_some_and(|names| names.contains(&name.as_str().into()));
    let codec = info.codec.ok_or("a built-in kind has a codec")?;
    if kind == "Service" && object["spec"]["type"] != "ExternalName" {
        object["spec"]["clusterIP"] = CLUSTER_IP.into();
    }
    if kind == "Pod" && object.pointer("/status/phase").is_none() {
        object["status"]["phase"] = "Pending".into();
    }
    if deleted && kind == "Namespace" {
        object["status"] = json!({ "phase": "Terminating" });
    }
    if kind == "Job" && object.pointer("/spec/selector").is_none() {
        object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": UID}});
    }
    let mut typed = codec.decode(&object).map_err(|error| error.to_string())?.object;
    let exclusive = std::sync::Arc::get_mut(&mut typed).ok_or("a fresh object has one owner")?;
    inboard::object::defaults::apply(exclusive.as_any_mut());
    let meta = exclusive.metadata_mut();
    meta.creation_timestamp = Some(NOW.minus(AGE).to_api());
    meta.uid = Some(UID.to_owned());
    if deleted {
        meta.deletion_timestamp = Some(NOW.to_api());
    }
    Ok((info, typed))
}

/// `<now-70s>` and `<now-200su>` as times.
fn with_times(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_times(value))).collect(),
        Value::Array(items) => items.iter().map(with_times).collect(),
        Value::String(text) => {
            let ago = text.strip_prefix("<now-").and_then(|text| text.strip_suffix('>'));
            let (ago, micro) = match ago {
                Some(ago) => (ago.trim_end_matches('u').trim_end_matches('s').parse().ok(), ago.ends_with('u')),
                None => (None, false),
            };
            match ago.map(|seconds| NOW.minus(std::time::Duration::from_secs(seconds))) {
                Some(time) if micro => json!(time.to_api_micro()),
                Some(time) => json!(time.to_api()),
                None => value.clone(),
            }
        }
        other => other.clone(),
    }
}
