//! The world as a recording shows it: for each kind what it follows, with placeholders for names that were drawn.

use std::collections::BTreeMap;

use inboard::object::kind::{self, Kinds};
use inboard::store::Object;
use serde_json::{Map, Value, json};

use super::names::NAMESPACE;
use super::requests::Place;
use super::stage::Stage;

/// What is followed of the spec of any kind, when it is not `false`.
const SPEC_FIELDS: [&str; 14] = [
    "replicas",
    "paused",
    "completions",
    "parallelism",
    "completionMode",
    "hard",
    "storageClassName",
    "volumeName",
    "minReplicas",
    "maxReplicas",
    "minAvailable",
    "maxUnavailable",
    "type",
    "restartPolicy",
];
/// The kinds with a list of the images of their template.
const WITH_IMAGES: [&str; 2] = ["ReplicaSet", "ReplicationController"];
/// What pods are told apart by only in stories that follow it.
const POD_EXTRAS: [&str; 4] = ["node", "env", "spec", "conditions"];
/// The keys of a world that are no kinds.
const NO_KINDS: [&str; 5] = ["Pods", "Pod", "Other", "events", "EndpointSlices"];
/// Times in conditions.
const TIMES: [&str; 4] = ["lastTransitionTime", "lastUpdateTime", "lastProbeTime", "lastHeartbeatTime"];

/// The recorded world, in an order that does not depend on names, and without what is not ours to do.
pub(super) fn canonical(world: &Value) -> Value {
    let mut world = world.clone();
    forget_what_is_not_ours(&mut world);
    for list in ["Pods", "events", "EndpointSlices"] {
        if let Some(list) = world.get_mut(list).and_then(Value::as_array_mut) {
            sort(list);
        }
    }
    world
}

/// The world as it is; `recorded` says which cluster-scoped objects are followed.
pub(super) fn of(stage: &mut Stage, recorded: &Value) -> Value {
    let mut world = Map::new();
    let followed = followed(&stage.story);
    for name in followed.iter().filter(|name| !NO_KINDS.contains(&name.as_str())) {
        let Ok(info) = Stage::kind(name) else { continue };
        let objects = stage.snapshot().list_in(info.id, NAMESPACE);
        let views: Map<_, _> = objects.map(|object| (object.meta.name.to_string(), view(object))).collect();
        add(&mut world, name, Value::Object(views));
    }
    let by_name = followed.iter().any(|name| name == "Pod");
    let alike = followed.iter().any(|name| name == "Pods");
    pods(stage, by_name, alike, &mut world);
    if followed.iter().any(|name| name == "EndpointSlices") {
        let slices = stage.snapshot().list_in(kind::ENDPOINT_SLICE, NAMESPACE).map(|slice| slice_view(slice));
        add(&mut world, "EndpointSlices", slices.collect());
    }
    let paths = recorded["Other"].as_object().into_iter().flatten().map(|(path, _)| path);
    let others: Map<_, _> = paths.map(|path| (path.clone(), other(stage, path))).collect();
    add(&mut world, "Other", Value::Object(others));
    let mut world = stage.names.hide(&Value::Object(world));
    let events = events(stage);
    if !events.is_empty() {
        world["events"] = Value::Array(events);
    }
    if alike {
        count_alike(&mut world);
    }
    canonical(&world)
}

fn add(world: &mut Map<String, Value>, key: &str, value: Value) {
    let empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    if !empty {
        world.insert(key.to_owned(), value);
    }
}

/// The kinds that any step of the story shows.
fn followed(story: &Value) -> Vec<String> {
    let worlds = story["steps"].as_array().into_iter().flatten().filter_map(|step| step["world"].as_object());
    let mut names: Vec<String> = worlds.flat_map(|world| world.keys().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether any pod of the story shows this.
fn follows_of_pods(story: &Value, field: &str) -> bool {
    let steps = story["steps"].as_array().into_iter().flatten();
    let mut pods = steps.flat_map(|step| {
        let alike = step["world"]["Pods"].as_array().into_iter().flatten();
        alike.chain(step["world"]["Pod"].as_object().into_iter().flat_map(|pods| pods.values()))
    });
    pods.any(|pod| pod.get(field).is_some())
}

/// What is followed of an object of any kind but pods.
fn view(object: &Object) -> Value {
    let value = object.to_value(&Kinds::built_in());
    let mut view = common(&value);
    let kind = value["kind"].as_str().unwrap_or_default();
    if let Some(generation) = value["metadata"].get("generation") {
        view.insert("generation".to_owned(), generation.clone());
    }
    if WITH_IMAGES.contains(&kind) {
        let containers = value["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
        view.insert("images".to_owned(), containers.map(|container| container["image"].clone()).collect());
    }
    if kind == "ControllerRevision" {
        view.insert("revision".to_owned(), value["revision"].clone());
    } else if let Some(data) = value["data"].as_object() {
        view.insert("dataKeys".to_owned(), data.keys().cloned().collect());
    }
    if kind == "Secret" {
        view.insert("type".to_owned(), value["type"].clone());
    }
    let spec = value["spec"].as_object().into_iter().flatten();
    let is_followed = |key: &str, value: &Value| match key {
        "minReadySeconds" => kind == "ReplicaSet" && *value != 0,
        "suspend" => true,
        _ => SPEC_FIELDS.contains(&key) && *value != false,
    };
    let spec: Map<_, _> =
        spec.filter(|(key, value)| is_followed(key, value)).map(|(key, value)| (key.clone(), value.clone())).collect();
    add(&mut view, "spec", Value::Object(spec));
    let mut status = match object.to_typed(&Kinds::built_in()) {
        // Go prints the empty parts of these too.
        Some(typed) if kind == "Service" => typed.to_wire()["status"].clone(),
        _ => value["status"].clone(),
    };
    tidy_conditions(&mut status);
    add(&mut view, "status", status);
    view.retain(|_, value| !value.is_null());
    Value::Object(view)
}

/// What is followed of every object.
fn common(value: &Value) -> Map<String, Value> {
    let meta = &value["metadata"];
    let mut view = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = meta.get(field) {
            add(&mut view, field, value.clone());
        }
    }
    if meta.get("deletionTimestamp").is_some() {
        view.insert("deleting".to_owned(), json!(true));
    }
    let owners = meta["ownerReferences"].as_array().into_iter().flatten().map(owner);
    add(&mut view, "owners", owners.collect());
    view
}

fn owner(owner: &Value) -> Value {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let flag = |field: &str, word: &'static str| if owner[field] == true { word } else { "" };
    let flags = [flag("controller", " controller"), flag("blockOwnerDeletion", " block")].concat();
    json!(format!("{}/{}{flags}", text("kind"), text("name")))
}

fn tidy_conditions(status: &mut Value) {
    let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) else { return };
    for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
        condition.retain(|key, _| !TIMES.contains(&key.as_str()));
    }
    conditions.sort_by_key(|condition| condition["type"].as_str().unwrap_or_default().to_owned());
}

/// What is followed of an endpoint slice: addresses are counted only.
fn slice_view(object: &Object) -> Value {
    let value = object.to_value(&Kinds::built_in());
    let mut view = common(&value);
    let prefix = object.meta.generate_name.as_deref().unwrap_or_default();
    view.insert("name".to_owned(), json!(format!("{prefix}<suffix>")));
    view.insert("generation".to_owned(), value["metadata"]["generation"].clone());
    view.insert("addressType".to_owned(), value["addressType"].clone());
    view.insert("ports".to_owned(), value.get("ports").cloned().unwrap_or_default());
    let endpoints = value["endpoints"].as_array().into_iter().flatten().map(|endpoint| {
        json!({
            "addresses": endpoint["addresses"].as_array().map_or(0, Vec::len),
            "conditions": endpoint["conditions"],
            "target": endpoint["targetRef"]["name"],
        })
    });
    let mut endpoints: Vec<Value> = endpoints.collect();
    sort(&mut endpoints);
    view.insert("endpoints".to_owned(), Value::Array(endpoints));
    Value::Object(view)
}

fn pods(stage: &Stage, by_name: bool, alike: bool, world: &mut Map<String, Value>) {
    let extras: Vec<&str> =
        POD_EXTRAS.into_iter().filter(|field| *field == "conditions" || follows_of_pods(&stage.story, field)).collect();
    let (mut named, mut nameless) = (Map::new(), Vec::new());
    for object in stage.snapshot().list_in(kind::POD, NAMESPACE) {
        let view = pod_view(object, &extras);
        let is_generated = object.meta.generate_name.is_some();
        if by_name && (!alike || !is_generated) {
            named.insert(object.meta.name.to_string(), view);
        } else if alike {
            nameless.push(view);
        }
    }
    add(world, "Pod", Value::Object(named));
    add(world, "Pods", Value::Array(nameless));
}

fn pod_view(object: &Object, extras: &[&str]) -> Value {
    let value = object.to_value(&Kinds::built_in());
    let mut view = common(&value);
    if let Some(labels) = view.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|label, _| !label.ends_with("controller-uid"));
    }
    let (meta, spec, status) = (&value["metadata"], &value["spec"], &value["status"]);
    if let Some(prefix) = meta.get("generateName") {
        view.insert("generateName".to_owned(), prefix.clone());
    }
    view.insert("image".to_owned(), spec["containers"][0]["image"].clone());
    view.insert("phase".to_owned(), status["phase"].clone());
    if object.pod().is_some_and(inboard::store::PodBody::is_ready) {
        view.insert("ready".to_owned(), json!(true));
    }
    for extra in extras {
        match *extra {
            "node" => view.insert("node".to_owned(), spec["nodeName"].clone()),
            "env" => {
                let containers = spec["containers"].as_array().into_iter().flatten();
                view.insert("env".to_owned(), containers.map(|container| container["env"].clone()).collect())
            }
            "spec" => {
                let fields = ["restartPolicy", "tolerations", "volumes", "hostname", "subdomain"];
                let some = fields.iter().filter_map(|field| Some(((*field).to_owned(), spec.get(*field)?.clone())));
                view.insert("spec".to_owned(), Value::Object(some.collect()))
            }
            _ => {
                let mut status = status.clone();
                tidy_conditions(&mut status);
                let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
                conditions.retain(|condition| condition["type"] == "DisruptionTarget");
                conditions.iter_mut().filter_map(Value::as_object_mut).for_each(|condition| {
                    condition.remove("observedGeneration");
                });
                add(&mut view, "conditions", Value::Array(conditions));
                None
            }
        };
    }
    Value::Object(view)
}

/// Pods that look the same are one entry with their number.
fn count_alike(world: &mut Value) {
    let Some(pods) = world.get_mut("Pods").and_then(Value::as_array_mut) else { return };
    *pods = counted(pods.drain(..), "count");
}

fn counted(all: impl Iterator<Item = Value>, field: &str) -> Vec<Value> {
    let mut counts: BTreeMap<String, (Value, usize)> = BTreeMap::new();
    for each in all {
        counts.entry(each.to_string()).or_insert_with(|| (each, 0)).1 += 1;
    }
    let with_count = |(mut each, count): (Value, usize)| {
        each[field] = json!(count);
        each
    };
    counts.into_values().map(with_count).collect()
}

fn sort(list: &mut [Value]) {
    list.sort_by_key(Value::to_string);
}

/// A whole object by its path.
fn other(stage: &Stage, path: &str) -> Value {
    let place = Place::of(&stage.names.fill_text(path, stage.now));
    let found = place.and_then(|place| {
        stage.snapshot().find(place.info.id, &place.namespace, place.name.as_deref().unwrap_or_default())
    });
    let Some(object) = found else { return json!({"absent": true}) };
    let Some(typed) = object.to_typed(&Kinds::built_in()) else { return json!({"absent": true}) };
    let mut value = typed.to_wire();
    if let Some(meta) = value["metadata"].as_object_mut() {
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
            meta.remove(field);
        }
    }
    if let Some(version) = value.pointer_mut("/spec/claimRef/resourceVersion") {
        *version = json!("<resourceVersion>");
    }
    if let Some(status) = value.get_mut("status") {
        tidy_conditions(status);
    }
    value
}

/// What has happened since the step before; what the scheduler says is left out.
fn events(stage: &mut Stage) -> Vec<Value> {
    let kinds = Kinds::built_in();
    let sent = std::mem::take(&mut stage.events);
    let heard = sent.values().filter(|draft| &*draft.component != "default-scheduler");
    let views = heard.map(|draft| {
        let kind = kinds.info(draft.involved.kind).map(|info| info.kind.to_string()).unwrap_or_default();
        stage.names.hide(&json!({
            "from": draft.component.as_str(),
            "message": draft.message.as_str(),
            "object": format!("{kind}/{}", draft.involved.name),
            "reason": draft.reason,
            "type": draft.event_type.as_str(),
        }))
    });
    counted(views, "times")
}

/// What is left out on both sides, because nobody here is concerned:
/// - the volume with the token of a service account: no API is served to pods;
/// - `node.alpha.kubernetes.io/ttl`: how long kubelets keep secrets;
/// - the order of a node's taints: it is that of the conditions in a request, and those were sorted when it was recorded.
fn forget_what_is_not_ours(world: &mut Value) {
    for list in ["Pods", "Pod"] {
        let pods: Vec<&mut Value> = match world.get_mut(list) {
            Some(Value::Array(pods)) => pods.iter_mut().collect(),
            Some(Value::Object(pods)) => pods.values_mut().collect(),
            _ => continue,
        };
        for pod in pods {
            let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { continue };
            if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
                let is_token =
                    |volume: &Value| volume["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
                volumes.retain(|volume| !is_token(volume));
                if volumes.is_empty() {
                    spec.remove("volumes");
                }
            }
        }
    }
    for object in
        world.get_mut("Other").and_then(Value::as_object_mut).into_iter().flat_map(|others| others.values_mut())
    {
        if let Some(taints) = object.pointer_mut("/spec/taints").and_then(Value::as_array_mut) {
            sort(taints);
        }
        let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("node.alpha.kubernetes.io/ttl");
            if annotations.is_empty() {
                meta.remove("annotations");
            }
        }
    }
}
