//! Tables against recorded Kubernetes behaviour: the columns of each kind, and the cells of objects in many states.

use std::sync::LazyLock;

use inboard::object::kind::{self, KindInfo, Kinds, TypedObject};
use inboard::object::table::Table;
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
        let columns: Vec<Value> = table.columns.iter().map(|column| json!([&*column.name, column.priority])).collect();
        let recorded = wanted["columnDefinitions"].as_array().ok_or("no columns")?;
        let recorded: Vec<Value> = recorded.iter().map(|column| json!([column["name"], column["priority"]])).collect();
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
