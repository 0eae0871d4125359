//! What a real kube-scheduler decided, case by case: the same node or an equally good one, the same points, the same
//! texts, the same victims.
#![allow(clippy::print_stdout, reason = "the counts are what somebody who runs it wants to see")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use inboard::ids::Uid;
use inboard::object::kind;
use inboard::store::{ConditionKind, Object};
use inboard_tests::scheduling::Scheduling;
use serde_json::Value;

#[test]
fn placements_and_texts_are_those_of_kubernetes() {
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in cases() {
        match check(&case) {
            Ok(()) => passed += 1,
            Err(why) => failed.push(format!("{name}: {why}")),
        }
    }
    println!("scheduler: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "no case was found");
}

fn cases() -> BTreeMap<String, Value> {
    let root = std::env::var_os("INBOARD_ORACLE_DIR").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/oracle")));
    let files = std::fs::read_dir(root.join("scheduler")).expect("the folder of cases is there");
    let paths = files.map(|entry| entry.expect("the folder can be read").path());
    let cases = paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).map(|path| {
        let text = std::fs::read_to_string(&path).expect("the case can be read");
        let name = path.file_stem().expect("the case has a name").to_string_lossy().into_owned();
        (name, serde_json::from_str(&text).expect("the case is JSON"))
    });
    cases.collect()
}

fn check(case: &Value) -> Result<(), String> {
    let mut world = Scheduling::new(1);
    for object in list(&case["otherObjects"]).chain(list(&case["nodes"])) {
        world.create(in_test(object));
    }
    let mut existing = BTreeMap::new();
    for object in list(&case["existingPods"]) {
        let created = world.create(in_test(object));
        existing.insert(created.meta.name.to_string(), created.meta.uid);
        if object["deleting"] == true {
            world.delete(kind::POD, "test", &created.meta.name);
        }
    }
    let pod = world.create(in_test(&case["pod"]));
    let result = &case["result"];
    if let Some(points) = result.get("finalScores") {
        let ours: BTreeMap<String, i64> = world
            .scheduler
            .ranking(&pod, world.store.snapshot())
            .into_iter()
            .map(|(node, points)| (node.to_string(), points))
            .collect();
        let ours = serde_json::to_value(ours).map_err(|error| error.to_string())?;
        same("points", points, &ours)?;
    }
    world.settle();
    let node = world.node_of(pod.meta.uid).map(|node| node.to_string());
    if let Some(acceptable) = result.get("acceptable") {
        let fits = list(acceptable).any(|name| name.as_str() == node.as_deref());
        return if fits { Ok(()) } else { Err(format!("{node:?} is not among {acceptable}")) };
    }
    same("nodeName", &result["nodeName"], &node.into())?;
    check_pod(&world, &pod, result)?;
    check_victims(&world, &existing, result)
}

fn check_pod(world: &Scheduling, pod: &Object, result: &Value) -> Result<(), String> {
    let uid = pod.meta.uid;
    let now = world.pod(uid).and_then(|object| object.pod()).ok_or("the pod is gone")?;
    let nominated = now.state.nominated_node.as_ref().map(ToString::to_string);
    same("nominatedNodeName", &result["nominatedNodeName"], &nominated.into())?;
    for expected in list(&result["podScheduled"]) {
        let condition = now.state.condition(&ConditionKind::PodScheduled).ok_or("no condition PodScheduled")?;
        same("status", &expected["status"], &condition.status.as_str().into())?;
        let why = condition.why.as_deref().cloned().unwrap_or_default();
        same("reason", &expected["reason"], &non_empty(&why.reason))?;
        same("message", &expected["message"], &non_empty(&why.message))?;
    }
    let expected: BTreeSet<String> = list(&result["events"]).map(event_line).collect();
    let kinds = world.store.kinds();
    let events = world.store.snapshot().events().map(|event| event.to_value(kinds));
    let ours: BTreeSet<String> = events
        .map(|mut event| {
            let involved = &event["involvedObject"];
            let text = |key: &str| involved[key].as_str().unwrap_or_default().to_owned();
            event["object"] = format!("{}/{}", text("kind"), text("name")).into();
            let message = event["message"].as_str().unwrap_or_default();
            event["message"] = message.replace(&uid.to_string(), "<uid>").into();
            event_line(&event)
        })
        .collect();
    if expected == ours { Ok(()) } else { Err(format!("events: expected {expected:#?}, got {ours:#?}")) }
}

fn check_victims(world: &Scheduling, existing: &BTreeMap<String, Uid>, result: &Value) -> Result<(), String> {
    let expected: BTreeMap<&str, &Value> =
        list(&result["victims"]).filter_map(|victim| Some((victim["pod"].as_str()?, victim))).collect();
    for (name, uid) in existing {
        let is_gone = world.pod(*uid).is_none();
        let should_be = expected.get(name.as_str()).is_some_and(|victim| victim["gone"] == true);
        if is_gone != should_be {
            return Err(format!("victim {name}: gone {is_gone}, expected {should_be}"));
        }
    }
    Ok(())
}

fn event_line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {} {}", text("type"), text("object"), text("reason"), text("message"))
}

fn same(what: &str, expected: &Value, ours: &Value) -> Result<(), String> {
    if expected == ours { Ok(()) } else { Err(format!("{what}: expected {expected}, got {ours}")) }
}

fn non_empty(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The cases leave the namespace out.
fn in_test(object: &Value) -> Value {
    let mut object = object.clone();
    let is_namespaced = !matches!(
        object["kind"].as_str(),
        Some("Node" | "Namespace" | "PriorityClass" | "PersistentVolume" | "StorageClass")
    );
    if is_namespaced && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = "test".into();
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("deleting");
    }
    object
}
