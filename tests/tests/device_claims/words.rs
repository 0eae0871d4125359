//! Nodes, devices and claims in words.
//!
//! `node NAME [zone=]` (with a slash in the key it is a resource of the node). `class NAME [as=RESOURCE] EXPRESSION`. `slice NAME`, then where (`on=NODE`, `zone=`, `all`, or `each`, where the
//! devices say it), `pool=`, `gen=`, `of=` (of how many slices), and devices: `NAME,KEY=VALUE` with attributes, `@KEY=AMOUNT`
//! (capacity), `!KEY` (a taint), `~KEY` (a condition under which it is ready; under `broken` it never will be), `$SET.COUNTER=NUMBER` (what it takes), `+` (for several), `on=NODE`. `counters NAME of=`, then
//! `SET.COUNTER=NUMBER`. All are of the driver `d`, in the pool `p` unless they say another.
//!
//! `claim NAME`, then requests: `NAME=CLASS*COUNT?EXPRESSION` (`*all`, `!admin`; choices with `|` between them), `match=` and
//! `distinct=ATTRIBUTE:REQUESTS`, and for the request before it `tolerates=KEY` and `needs=CAPACITY:AMOUNT`.
//! `has CLAIM NODE DEVICE [POD]`: it was given this, and this pod, which nobody knows, uses it.

use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::object::kind;
use inboard::scheduler::Decision;
use inboard::store::{Object, Part};
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

const API: &str = "resource.k8s.io/v1";

/// What comes of a pod with these claims.
pub(crate) fn outcome(there: &[&str], claims: &str) -> String {
    let mut world = Scheduling::new(1);
    there.iter().for_each(|line| put(&mut world, line));
    let uid = world.create(pod("p", claims)).meta.uid;
    world.settle();
    // Who gave something back is tried again, but not at once.
    world.advance(std::time::Duration::from_secs(20));
    world.settle();
    let Some(node) = world.node_of(uid) else {
        let told = world.decisions.iter().rev().find_map(|decision| match decision {
            Decision::Unschedulable { event, .. } => Some(event.message.to_string()),
            _ => None,
        });
        return told.unwrap_or_else(|| "nothing".to_owned());
    };
    let given: Vec<String> = claims.split(' ').map(|name| format!("{name}({})", devices_of(&world, name))).collect();
    format!("{node} {}", given.join(" "))
}

/// A pod with these claims.
pub(crate) fn pod(name: &str, claims: &str) -> Value {
    let claims: Vec<Value> = claims.split(' ').map(|name| json!({"name": name, "resourceClaimName": name})).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "test"},
        "spec": {"containers": [{"name": "c", "image": "pause:1"}], "resourceClaims": claims,
            "terminationGracePeriodSeconds": 0},
    })
}

/// What a claim has, `REQUEST=DEVICE` each.
pub(crate) fn devices_of(world: &Scheduling, claim: &str) -> String {
    world.store.snapshot().find(kind::RESOURCE_CLAIM, "test", claim).map_or_else(String::new, |claim| given(claim))
}

fn given(object: &Object) -> String {
    let claim: Option<&ResourceClaim> = object.typed();
    let allocation = claim.and_then(|claim| claim.status.as_ref()?.allocation.clone());
    let results = allocation.and_then(|allocation| allocation.devices?.results).unwrap_or_default();
    let one = |result: &inboard::k8s_openapi::api::resource::v1::DeviceRequestAllocationResult| {
        let consumed = result.consumed_capacity.iter().flatten().map(|(name, amount)| format!(":{name}={}", amount.0));
        format!("{}={}{}", result.request, result.device, consumed.collect::<String>())
    };
    results.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Puts an object into the world.
pub(crate) fn put(world: &mut Scheduling, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[0] {
        "node" => drop(world.create(node(&words[1..]))),
        "class" => {
            let resource = words.get(2).and_then(|word| word.strip_prefix("as="));
            let mut class = class(words[1], &words[2 + usize::from(resource.is_some())..].join(" "));
            if let Some(resource) = resource {
                class["spec"]["extendedResourceName"] = resource.into();
            }
            drop(world.create(class));
        }
        "slice" => drop(world.create(slice(&words[1..]))),
        "counters" => drop(world.create(counters(&words[1..]))),
        "claim" => {
            if line.contains("!admin") {
                world.edit_named(kind::NAMESPACE, "", "test", Part::Main, |namespace| {
                    namespace["metadata"]["labels"]["resource.kubernetes.io/admin-access"] = "true".into();
                });
            }
            drop(world.create(claim(&words[1..])));
        }
        _ => has(world, &words[1..]),
    }
}

fn pair(word: &str) -> (&str, &str) {
    word.split_once('=').unwrap_or((word, ""))
}

fn node(words: &[&str]) -> Value {
    let mut room = json!({"cpu": "10", "memory": "10Gi", "pods": "100"});
    let mut labels = json!({"kubernetes.io/hostname": words[0]});
    for (key, value) in words[1..].iter().map(|word| pair(word)) {
        let into = if key.contains('/') { &mut room } else { &mut labels };
        into[key] = value.into();
    }
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": words[0], "labels": labels},
        "status": {"allocatable": room, "capacity": room},
    })
}

fn selector(expression: &str) -> Value {
    json!([{"cel": {"expression": expression}}])
}

fn class(name: &str, expression: &str) -> Value {
    let mut spec = json!({});
    if !expression.is_empty() {
        spec["selectors"] = selector(expression);
    }
    json!({"apiVersion": API, "kind": "DeviceClass", "metadata": {"name": name}, "spec": spec})
}

fn pool(name: &str) -> (Value, Value) {
    let spec = json!({"driver": "d", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}});
    (json!({ "name": name }), spec)
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

fn slice(words: &[&str]) -> Value {
    let (metadata, mut spec) = pool(words[0]);
    let mut devices = Vec::new();
    for word in &words[1..] {
        match pair(word) {
            ("on", node) => spec["nodeName"] = node.into(),
            ("zone", zone) => {
                let wanted = json!({"key": "zone", "operator": "In", "values": [zone]});
                spec["nodeSelector"] = json!({"nodeSelectorTerms": [{"matchExpressions": [wanted]}]});
            }
            ("all", _) => spec["allNodes"] = true.into(),
            ("each", _) => spec["perDeviceNodeSelection"] = true.into(),
            ("pool", name) => spec["pool"]["name"] = name.into(),
            ("gen", text) => spec["pool"]["generation"] = number(text).into(),
            ("of", text) => spec["pool"]["resourceSliceCount"] = number(text).into(),
            _ => devices.push(device(word)),
        }
    }
    spec["devices"] = devices.into();
    json!({"apiVersion": API, "kind": "ResourceSlice", "metadata": metadata, "spec": spec})
}

fn device(word: &str) -> Value {
    let mut parts = word.split(',');
    let mut device = json!({"name": parts.next()});
    for part in parts {
        let (key, value) = pair(part);
        match key.split_at(1) {
            ("+", _) => device["allowMultipleAllocations"] = true.into(),
            ("@", name) => device["capacity"][name] = json!({ "value": value }),
            ("~", name) => {
                device["bindingConditions"] = json!([name]);
                device["bindingFailureConditions"] = json!(["broken"]);
            }
            ("!", name) => device["taints"] = json!([{"key": name, "effect": "NoSchedule"}]),
            ("$", name) => {
                let (set, counter) = name.split_once('.').expect("a set and a counter");
                device["consumesCounters"] = json!([{"counterSet": set, "counters": {counter: {"value": value}}}]);
            }
            _ if key == "on" => device["nodeName"] = value.into(),
            _ => {
                device["attributes"][key] = match value.parse::<i64>() {
                    Ok(number) => json!({ "int": number }),
                    Err(_) => json!({ "string": value }),
                };
            }
        }
    }
    device
}

fn counters(words: &[&str]) -> Value {
    let (metadata, mut spec) = pool(words[0]);
    spec["allNodes"] = true.into();
    for (key, value) in words[1..].iter().map(|word| pair(word)) {
        match key.split_once('.') {
            None => spec["pool"]["resourceSliceCount"] = number(value).into(),
            Some((set, counter)) => {
                spec["sharedCounters"] = json!([{"name": set, "counters": {counter: {"value": value}}}]);
            }
        }
    }
    json!({"apiVersion": API, "kind": "ResourceSlice", "metadata": metadata, "spec": spec})
}

fn claim(words: &[&str]) -> Value {
    let mut devices = json!({"requests": [], "constraints": []});
    for word in &words[1..] {
        let (key, value) = pair(word);
        match key {
            "match" | "distinct" => {
                let (attribute, requests) = value.split_once(':').unwrap_or((value, ""));
                let requests: Vec<&str> = requests.split(',').filter(|name| !name.is_empty()).collect();
                let field = format!("{key}Attribute");
                let all = devices["constraints"].as_array_mut().expect("a list");
                all.push(json!({"requests": requests, field: attribute}));
            }
            "tolerates" => last(&mut devices)["tolerations"] = json!([{"key": value, "operator": "Exists"}]),
            "needs" => {
                let (name, amount) = value.split_once(':').expect("a capacity and an amount");
                last(&mut devices)["capacity"] = json!({"requests": {name: amount}});
            }
            _ => {
                let request = request(key, value);
                devices["requests"].as_array_mut().expect("a list").push(request);
            }
        }
    }
    let metadata = json!({"name": words[0], "namespace": "test"});
    json!({"apiVersion": API, "kind": "ResourceClaim", "metadata": metadata, "spec": {"devices": devices}})
}

fn last(devices: &mut Value) -> &mut Value {
    let requests = devices["requests"].as_array_mut().expect("a list");
    &mut requests.last_mut().expect("a request before it")["exactly"]
}

fn request(name: &str, text: &str) -> Value {
    // An expression may have bars and stars in it.
    let (plain, expression) = text.split_once('?').map_or((text, None), |(plain, rest)| (plain, Some(rest)));
    let mut choices: Vec<Value> = plain.split('|').map(choice).collect();
    if let Some(expression) = expression {
        choices.iter_mut().for_each(|choice| choice["selectors"] = selector(expression));
    }
    match choices.len() {
        1 => json!({"name": name, "exactly": choices[0]}),
        _ => {
            for (index, choice) in choices.iter_mut().enumerate() {
                choice["name"] = format!("s{index}").into();
            }
            json!({"name": name, "firstAvailable": choices})
        }
    }
}

fn choice(text: &str) -> Value {
    let (text, is_admin) = text.strip_suffix("!admin").map_or((text, false), |text| (text, true));
    let (class, count) = text.split_once('*').unwrap_or((text, "1"));
    let mut choice = json!({ "deviceClassName": class });
    match count {
        "all" => choice["allocationMode"] = "All".into(),
        count => choice["count"] = number(count).into(),
    }
    if is_admin {
        choice["adminAccess"] = true.into();
    }
    choice
}

fn has(world: &mut Scheduling, words: &[&str]) {
    let on = json!([{"key": "metadata.name", "operator": "In", "values": [words[1]]}]);
    let allocation = json!({
        "devices": {"results": [{"request": "r", "driver": "d", "pool": "p", "device": words[2]}]},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": on}]},
    });
    let users: Vec<Value> = words[3..].iter().map(|pod| json!({"resource": "pods", "name": pod, "uid": "1"})).collect();
    world.edit_named(kind::RESOURCE_CLAIM, "test", words[0], Part::Status, |claim| {
        claim["status"] = json!({"allocation": allocation, "reservedFor": users});
    });
}
