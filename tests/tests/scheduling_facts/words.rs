//! Nodes and pods in words, so that a situation is a few lines.
//!
//! A node: `node NAME cpu= memory= pods= gpu=`, then `zone=` and `region=` (the labels of these names), `host=` (another host name than its own
//! name; `-` for none), `label=K:V`, `taint=K:V:EFFECT`, `image=NAME:BYTES`, `declares=` (a feature), `cordoned`. The topology key of a host is
//! `host`.
//!
//! A pod: `pod NAME`, then `@NODE`, what its container requests (`cpu=`, `memory=`, `gpu=`), more containers
//! (`also=cpu:1`, `init=`, `sidecar=`), `overhead=`, `whole=` (what it requests for itself), `port=80[/UDP][@IP]`, `priority=`,
//! `mild=` (the same, and it ends no others), `started=SECOND`, `promised=NODE`, `label=K:V`, `ns=`, `select=K:V`, `tolerates=K[:V]:EFFECT`, `claim=`, `scratch=` (an
//! ephemeral volume), `device=` (a claim), `image=`, `phase=`, `going` (deleted, but held), `restarts-all` (a rule of its
//! container says so),
//! `must=TEST` (what the labels of its node must be: `k:v`, `!k:v`, `k:`, `!k:`, `k:>3`, `k:<3`; `@NAME` for the node
//! itself), `or=TEST` (the first of further terms), `rather=W/TEST`, `near=K:V/KEY`, `far=K:V/KEY` (others with this label, over this topology key;
//! with a third part those of a namespace of this name or label, or `*` of all), `liked=W/K:V/KEY`, `disliked=W/K:V/KEY`,
//! `spread=SKEW/KEY/K:V` (with a fourth part `taints`, `anywhere` or the least number of domains) and `wish=SKEW/KEY/K:V` (with it only preferred).
//!
//! `claim NAME`, then `volume=`, `bound`, `lost`, `mode=` (an access mode), `class=`, `size=`, `chosen=` (the node that was
//! chosen for it). `volume NAME`, then `label=K:V`, `on=K:V` (nodes with this label), `class=`, `size=`, `csi=DRIVER:HANDLE`.
//! `class NAME`, then `waits` (for the first consumer), `by=` (a provisioner), `on=K:V` (where it makes volumes).
//!
//! `limits NODE`, then `DRIVER=COUNT` (`-` for a driver that says none). `attached NAME @NODE by=DRIVER volume=`.
//! `driver NAME`: one that says where there is room. `room NAME class=`, then `on=K:V`, `everywhere`, `size=`, `max=`
//! (the largest volume). Anything else is an object in JSON.

use inboard_tests::scheduling::Scheduling;
use serde_json::{Map, Value, json};

const GPU: &str = "example.com/gpu";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Puts an object into the world.
pub(crate) fn put(world: &mut Scheduling, line: &str) {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    match words.first() {
        Some(&"node") => drop(world.create(node(&words[1..]))),
        Some(&"pod") => put_pod(world, &words[1..]),
        Some(&"claim") => drop(world.create(claim(&words[1..]))),
        Some(&"volume") => drop(world.create(volume(&words[1..]))),
        Some(&"class") => drop(world.create(class(&words[1..]))),
        Some(&"limits") => drop(world.create(limits(&words[1..]))),
        Some(&"attached") => drop(world.create(attached(&words[1..]))),
        Some(&"driver") => drop(world.create(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": words[1]},
            "spec": {"storageCapacity": true},
        }))),
        Some(&"room") => drop(world.create(room(&words[1..]))),
        _ => drop(world.create(serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))),
    }
}

/// A claim for a device that nobody has.
fn put_claim(world: &mut Scheduling, name: &str, namespace: &str) {
    let api = "resource.k8s.io/v1";
    world.create(json!({"apiVersion": api, "kind": "DeviceClass", "metadata": {"name": name}, "spec": {}}));
    let request = json!({"name": "r", "exactly": {"deviceClassName": name}});
    world.create(json!({
        "apiVersion": api, "kind": "ResourceClaim", "metadata": {"name": name, "namespace": namespace},
        "spec": {"devices": {"requests": [request]}},
    }));
}

fn put_pod(world: &mut Scheduling, words: &[&str]) {
    let pod = pod(world, words);
    let (namespace, name) = (pod["metadata"]["namespace"].clone(), pod["metadata"]["name"].clone());
    world.create(pod);
    if words.contains(&"going") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        world.delete(inboard::object::kind::POD, &text(&namespace), &text(&name));
    }
}

/// The two sides of `a:b`, or of another sign.
fn split(text: &str, sign: char) -> (&str, &str) {
    text.split_once(sign).unwrap_or((text, ""))
}

fn amounts(text: &str) -> Value {
    let pairs = text.split(',').map(|pair| split(pair, ':'));
    let name = |name: &str| if name == "gpu" { GPU.to_owned() } else { name.to_owned() };
    pairs.map(|(key, amount)| (name(key), Value::from(amount))).collect::<Map<_, _>>().into()
}

fn push(value: &mut Value, item: Value) {
    match value.as_array_mut() {
        Some(list) => list.push(item),
        None => *value = json!([item]),
    }
}

fn node(words: &[&str]) -> Value {
    let mut room = json!({"cpu": "10", "memory": "10Gi", "pods": "100"});
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": words[0], "labels": {HOSTNAME: words[0]}},
        "spec": {}, "status": {"images": []},
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        match key {
            "cpu" | "memory" | "pods" => room[key] = value.into(),
            "gpu" => room[GPU] = value.into(),
            "zone" | "region" => node["metadata"]["labels"][key] = value.into(),
            "host" if value == "-" => {
                drop(node["metadata"]["labels"].as_object_mut().and_then(|all| all.remove(HOSTNAME)))
            }
            "host" => node["metadata"]["labels"][HOSTNAME] = value.into(),
            "label" => node["metadata"]["labels"][split(value, ':').0] = split(value, ':').1.into(),
            "taint" => {
                let (name, rest) = split(value, ':');
                let (value, effect) = split(rest, ':');
                push(&mut node["spec"]["taints"], json!({"key": name, "value": value, "effect": effect}));
            }
            "image" => {
                let (name, bytes) = value.rsplit_once(':').expect("a name and a size");
                let bytes: i64 = bytes.parse().expect("a number of bytes");
                push(&mut node["status"]["images"], json!({"names": [name], "sizeBytes": bytes}));
            }
            "cordoned" => node["spec"]["unschedulable"] = true.into(),
            "declares" => push(&mut node["status"]["declaredFeatures"], value.into()),
            _ => panic!("{words:?}: {key}"),
        }
    }
    node["status"]["allocatable"] = room.clone();
    node["status"]["capacity"] = room;
    node
}

/// A pod in words, and the class of its priority.
pub(crate) fn pod(world: &mut Scheduling, words: &[&str]) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": words[0], "namespace": "test", "labels": {}},
        "spec": {"containers": [{"name": "c", "image": "pause:1"}], "terminationGracePeriodSeconds": 0},
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        let spec = &mut pod["spec"];
        match key {
            _ if key.starts_with('@') => spec["nodeName"] = key[1..].into(),
            "cpu" | "memory" => spec["containers"][0]["resources"]["requests"][key] = value.into(),
            "gpu" => request_gpus(&mut spec["containers"][0], value),
            "also" => push(&mut spec["containers"], container("also", value)),
            "init" | "sidecar" => {
                let number = spec["initContainers"].as_array().map_or(0, Vec::len);
                let mut made = container(&format!("i{number}"), value);
                if key == "sidecar" {
                    made["restartPolicy"] = "Always".into();
                }
                push(&mut spec["initContainers"], made);
            }
            "overhead" => {
                let overhead = json!({"podFixed": amounts(value)});
                world.create(json!({
                    "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "heavy"},
                    "handler": "heavy", "overhead": overhead,
                }));
                spec["runtimeClassName"] = "heavy".into();
            }
            "whole" => spec["resources"] = json!({"requests": amounts(value)}),
            "port" => push(&mut spec["containers"][0]["ports"], port(value)),
            "priority" => spec["priorityClassName"] = priority(world, value, "PreemptLowerPriority").into(),
            "mild" => spec["priorityClassName"] = priority(world, value, "Never").into(),
            "started" => {
                let at = format!("2026-01-01T00:00:{value:0>2}Z");
                pod["status"] = json!({"phase": "Running", "startTime": at});
            }
            "promised" => pod["status"]["nominatedNodeName"] = value.into(),
            "phase" => pod["status"]["phase"] = value.into(),
            "label" => pod["metadata"]["labels"][split(value, ':').0] = split(value, ':').1.into(),
            "ns" => pod["metadata"]["namespace"] = value.into(),
            "select" => spec["nodeSelector"][split(value, ':').0] = split(value, ':').1.into(),
            "tolerates" => push(&mut spec["tolerations"], toleration(value)),
            "claim" => {
                let source = json!({"claimName": value});
                push(&mut spec["volumes"], json!({"name": value, "persistentVolumeClaim": source}));
            }
            "scratch" => push(&mut spec["volumes"], scratch(value)),
            "device" => {
                push(&mut spec["resourceClaims"], json!({"name": value, "resourceClaimName": value}));
                put_claim(world, value, "test");
            }
            "restarts-all" => {
                spec["containers"][0]["restartPolicy"] = "Never".into();
                let exits = json!({"operator": "In", "values": [1]});
                spec["containers"][0]["restartPolicyRules"] =
                    json!([{"action": "RestartAllContainers", "exitCodes": exits}]);
            }
            "image" => spec["containers"][0]["image"] = value.into(),
            "going" => pod["metadata"]["finalizers"] = json!(["example.com/hold"]),
            "must" | "or" => {
                let required = &mut spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"];
                if key == "or" || required.is_null() {
                    push(required, json!({}));
                }
                let last = required.as_array_mut().and_then(|terms| terms.last_mut()).expect("there is one");
                add_test(last, value);
            }
            "rather" => {
                let (weight, test) = split(value, '/');
                let mut preference = json!({});
                add_test(&mut preference, test);
                let weight: i32 = weight.parse().expect("a weight");
                let preferred = &mut spec["affinity"]["nodeAffinity"][PREFERRED];
                push(preferred, json!({"weight": weight, "preference": preference}));
            }
            "near" => push(&mut spec["affinity"]["podAffinity"][REQUIRED], term(value)),
            "far" => push(&mut spec["affinity"]["podAntiAffinity"][REQUIRED], term(value)),
            "liked" => push(&mut spec["affinity"]["podAffinity"][PREFERRED], weighted(value)),
            "disliked" => push(&mut spec["affinity"]["podAntiAffinity"][PREFERRED], weighted(value)),
            "spread" => push(&mut spec["topologySpreadConstraints"], spread(value, "DoNotSchedule")),
            "wish" => push(&mut spec["topologySpreadConstraints"], spread(value, "ScheduleAnyway")),
            _ => panic!("{words:?}: {key}"),
        }
    }
    pod
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Of what cannot be shared as much may be used as is requested, and that is to be said.
fn request_gpus(container: &mut Value, amount: &str) {
    container["resources"]["requests"][GPU] = amount.into();
    container["resources"]["limits"][GPU] = amount.into();
}

fn container(name: &str, requests: &str) -> Value {
    let mut requests = amounts(requests);
    let gpus = requests.as_object_mut().and_then(|all| all.remove(GPU));
    let mut made = json!({"name": name, "image": "pause:1", "resources": {"requests": requests}});
    if let Some(gpus) = gpus.as_ref().and_then(Value::as_str) {
        request_gpus(&mut made, gpus);
    }
    made
}

fn port(text: &str) -> Value {
    let (port, ip) = split(text, '@');
    let (number, protocol) = split(port, '/');
    let number: i32 = number.parse().expect("a port");
    let protocol = if protocol.is_empty() { "TCP" } else { protocol };
    json!({"containerPort": number, "hostPort": number, "protocol": protocol, "hostIP": ip})
}

fn priority(world: &mut Scheduling, value: &str, policy: &str) -> String {
    let name = format!("{}-{}", policy.to_lowercase(), value.replace('-', "below-"));
    let value: i32 = value.parse().expect("a priority");
    let class = inboard::object::kind::KindId::of::<inboard::k8s_openapi::api::scheduling::v1::PriorityClass>();
    if world.store.snapshot().find(class, "", &name).is_none() {
        world.create(json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name.as_str()},
            "value": value, "preemptionPolicy": policy,
        }));
    }
    name
}

fn toleration(text: &str) -> Value {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["", effect] => json!({"operator": "Exists", "effect": effect}),
        [key, effect] => json!({"key": key, "operator": "Exists", "effect": effect}),
        [key, value, effect] => json!({"key": key, "operator": "Equal", "value": value, "effect": effect}),
        _ => panic!("{text} is no toleration"),
    }
}

fn scratch(name: &str) -> Value {
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    json!({"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}})
}

fn selector(text: &str) -> Value {
    let (key, value) = split(text, ':');
    json!({"matchLabels": {key: value}})
}

fn term(text: &str) -> Value {
    let (labels, rest) = split(text, '/');
    let (key, whose) = split(rest, '/');
    let mut term = json!({"labelSelector": selector(labels), "topologyKey": topology(key)});
    match whose {
        "" => {}
        "*" => term["namespaceSelector"] = json!({}),
        label if label.contains(':') => term["namespaceSelector"] = selector(label),
        name => term["namespaces"] = json!([name]),
    }
    term
}

fn topology(key: &str) -> &str {
    if key == "host" { HOSTNAME } else { key }
}

/// Adds a test of a node to a term.
fn add_test(term: &mut Value, test: &str) {
    if let Some(name) = test.strip_prefix('@') {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [name]});
        return push(&mut term["matchFields"], field);
    }
    let (test, is_not) = test.strip_prefix('!').map_or((test, false), |test| (test, true));
    let (key, value) = split(test, ':');
    let (operator, values) = match (value, is_not) {
        ("", false) => ("Exists", vec![]),
        ("", true) => ("DoesNotExist", vec![]),
        (value, _) if value.starts_with('>') => ("Gt", vec![&value[1..]]),
        (value, _) if value.starts_with('<') => ("Lt", vec![&value[1..]]),
        (value, false) => ("In", vec![value]),
        (value, true) => ("NotIn", vec![value]),
    };
    push(&mut term["matchExpressions"], json!({"key": key, "operator": operator, "values": values}));
}

fn weighted(text: &str) -> Value {
    let (weight, rest) = split(text, '/');
    json!({"weight": weight.parse::<i32>().expect("a weight"), "podAffinityTerm": term(rest)})
}

fn spread(text: &str, otherwise: &str) -> Value {
    let (skew, rest) = split(text, '/');
    let (key, rest) = split(rest, '/');
    let (labels, more) = split(rest, '/');
    let (skew, key): (i32, _) = (skew.parse().expect("a skew"), topology(key));
    let mut spread =
        json!({"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": otherwise, "labelSelector": selector(labels)});
    match more {
        "" => {}
        "taints" => spread["nodeTaintsPolicy"] = "Honor".into(),
        "anywhere" => spread["nodeAffinityPolicy"] = "Ignore".into(),
        domains => spread["minDomains"] = domains.parse::<i32>().expect("a number of domains").into(),
    }
    spread
}

fn claim(words: &[&str]) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": words[0], "namespace": "test"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""},
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        match key {
            "volume" => claim["spec"]["volumeName"] = value.into(),
            "bound" => claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = "yes".into(),
            "lost" => claim["status"] = json!({"phase": "Lost"}),
            "mode" => claim["spec"]["accessModes"] = json!([value]),
            "class" => claim["spec"]["storageClassName"] = value.into(),
            "size" => claim["spec"]["resources"]["requests"]["storage"] = value.into(),
            "chosen" => claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = value.into(),
            _ => panic!("{words:?}: {key}"),
        }
    }
    claim
}

fn volume(words: &[&str]) -> Value {
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": words[0]},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/v"}},
        "status": {"phase": "Available"},
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        match key {
            "label" => volume["metadata"]["labels"][split(value, ':').0] = split(value, ':').1.into(),
            "on" => {
                let wanted = json!({"key": split(value, ':').0, "operator": "In", "values": [split(value, ':').1]});
                let terms = json!([{"matchExpressions": [wanted]}]);
                volume["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": terms}});
            }
            "class" => volume["spec"]["storageClassName"] = value.into(),
            "size" => volume["spec"]["capacity"]["storage"] = value.into(),
            "csi" => {
                drop(volume["spec"].as_object_mut().and_then(|spec| spec.remove("hostPath")));
                let (driver, handle) = split(value, ':');
                volume["spec"]["csi"] = json!({"driver": driver, "volumeHandle": handle});
            }
            _ => panic!("{words:?}: {key}"),
        }
    }
    volume
}

fn class(words: &[&str]) -> Value {
    let mut class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": words[0]},
        "provisioner": "kubernetes.io/no-provisioner",
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        match key {
            "waits" => class["volumeBindingMode"] = "WaitForFirstConsumer".into(),
            "by" => class["provisioner"] = value.into(),
            "on" => {
                let wanted = json!({"key": split(value, ':').0, "values": [split(value, ':').1]});
                class["allowedTopologies"] = json!([{"matchLabelExpressions": [wanted]}]);
            }
            _ => panic!("{words:?}: {key}"),
        }
    }
    class
}

fn limits(words: &[&str]) -> Value {
    let driver = |word: &&str| {
        let (name, count) = split(word, '=');
        let count: Option<i32> = (count != "-").then(|| count.parse().expect("a number of volumes"));
        json!({"name": name, "nodeID": words[0], "allocatable": count.map(|count| json!({"count": count}))})
    };
    let drivers: Vec<Value> = words[1..].iter().map(driver).collect();
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": words[0]}, "spec": {"drivers": drivers},
    })
}

fn attached(words: &[&str]) -> Value {
    let mut attached = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": words[0]},
        "spec": {"nodeName": words[1].trim_start_matches('@'), "source": {}},
    });
    for (key, value) in words[2..].iter().map(|word| split(word, '=')) {
        match key {
            "by" => attached["spec"]["attacher"] = value.into(),
            "volume" => attached["spec"]["source"]["persistentVolumeName"] = value.into(),
            _ => panic!("{words:?}: {key}"),
        }
    }
    attached
}

fn room(words: &[&str]) -> Value {
    let mut room = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity",
        "metadata": {"name": words[0], "namespace": "default"},
    });
    for (key, value) in words[1..].iter().map(|word| split(word, '=')) {
        match key {
            "class" => room["storageClassName"] = value.into(),
            "on" => room["nodeTopology"] = selector(value),
            "everywhere" => room["nodeTopology"] = json!({}),
            "size" => room["capacity"] = value.into(),
            "max" => room["maximumVolumeSize"] = value.into(),
            _ => panic!("{words:?}: {key}"),
        }
    }
    room
}
