//! Extended resources that classes of devices have: which claim is made for a pod that requests them, and which container
//! uses what of it. The situations of upstream's unit tests of `extendeddynamicresources.go`.

use std::time::Duration;

use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::object::kind;
use inboard::scheduler::Decision;
use inboard_tests::scheduling::Scheduling;
use serde_json::{Value, json};

use super::words::put;

const GPU: &str = "example.com/gpu";
const IMPLICIT: &str = "deviceclass.resource.kubernetes.io/gpu";

/// A pod whose containers request devices: `main=2`, `init/i=1`, `sidecar/s=1`; with `+cpu` after it one requests CPU as
/// well, with `:RESOURCE` another resource.
fn pod(text: &str) -> Value {
    let (mut containers, mut inits) = (Vec::new(), Vec::new());
    for word in text.split(' ') {
        let (word, has_cpu) = word.strip_suffix("+cpu").map_or((word, false), |word| (word, true));
        let (name, amount) = word.split_once('=').expect("a name and an amount");
        let (amount, resource) = amount.split_once(':').unwrap_or((amount, GPU));
        let (role, name) = name.split_once('/').unwrap_or(("", name));
        let mut requests = json!({ resource: amount });
        if has_cpu {
            requests["cpu"] = "1".into();
        }
        let mut container = json!({"name": name, "image": "pause:1", "resources": {"requests": requests, "limits": {resource: amount}}});
        if role == "sidecar" {
            container["restartPolicy"] = "Always".into();
        }
        if role.is_empty() { containers.push(container) } else { inits.push(container) }
    }
    if containers.is_empty() {
        containers.push(json!({"name": "idle", "image": "pause:1"}));
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "test"},
        "spec": {"containers": containers, "initContainers": inits, "terminationGracePeriodSeconds": 0},
    })
}

/// The claim that was made: `REQUEST*COUNT=CLASS`, the devices, and who uses what.
fn claimed(world: &Scheduling) -> String {
    let claim = world.store.snapshot().list(kind::RESOURCE_CLAIM).find_map(|object| object.typed::<ResourceClaim>());
    let Some(claim) = claim.map(|claim| serde_json::to_value(claim).expect("a claim")) else { return String::new() };
    let list = |value: &Value, each: &dyn Fn(&Value) -> String| {
        value.as_array().into_iter().flatten().map(each).collect::<Vec<_>>().join(" ")
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let requests = list(&claim["spec"]["devices"]["requests"], &|request| {
        let exactly = &request["exactly"];
        format!("{}*{}={}", text(&request["name"]), exactly["count"], text(&exactly["deviceClassName"]))
    });
    let devices = list(&claim["status"]["allocation"]["devices"]["results"], &|result| {
        format!("{}={}", text(&result["request"]), text(&result["device"]))
    });
    let pod = world.store.snapshot().find(kind::POD, "test", "p").expect("the pod");
    let status = pod.pod().expect("a pod").state.to_api().extended_resource_claim_status.expect("its claim");
    assert_eq!(
        Some(&status.resource_claim_name),
        serde_json::from_value(claim["metadata"]["name"].clone()).ok().as_ref()
    );
    let uses =
        status.request_mappings.iter().map(|mapping| format!("{}:{}", mapping.container_name, mapping.request_name));
    format!("{requests} | {devices} | {}", uses.collect::<Vec<_>>().join(" "))
        .replace("container-", "")
        .replace("-request-", ".")
}

fn outcome(there: &[&str], text: &str) -> String {
    let mut world = Scheduling::new(1);
    there.iter().for_each(|line| put(&mut world, line));
    let uid = world.create(pod(text)).meta.uid;
    world.settle();
    match world.node_of(uid) {
        Some(node) => format!("{node} {}", claimed(&world)).trim_end().to_owned(),
        None => {
            let told = world.decisions.iter().rev().find_map(|decision| match decision {
                Decision::Unschedulable { event, .. } => Some(event.message.to_string()),
                _ => None,
            });
            told.unwrap_or_default()
        }
    }
}

#[test]
fn a_claim_is_made_for_what_the_node_itself_has_none_of() {
    let class = format!("class gpu as={GPU}");
    let four = "slice s on=n g0 g1 g2 g3";
    let cannot = "0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: 0/1 nodes are \
                  available: 1 Preemption is not helpful for scheduling.";
    let insufficient = "0/1 nodes are available: 1 Insufficient example.com/gpu. no new claims to deallocate, preemption: \
                        0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    let too_few = insufficient.replace("no new claims to deallocate", "still not schedulable");
    let implicit = format!("c=1:{IMPLICIT}");
    let rows: &[(&str, &[&str], &str, &str)] = &[
        ("one", &["node n", &class, four], "c=1", "n 0.0*1=gpu | 0.0=g0 | c:0.0"),
        (
            "the place of the resource counts",
            &["node n", &class, four],
            "c=2+cpu",
            "n 0.1*2=gpu | 0.1=g0 0.1=g1 | c:0.1",
        ),
        ("no class has it", &["node n", "class gpu", four], "c=1", insufficient),
        ("every class has one of its name", &["node n", "class gpu", four], &implicit, "n 0.0*1=gpu | 0.0=g0 | c:0.0"),
        ("too few", &["node n", &class, "slice s on=n g0"], "c=2", cannot),
        (
            "the class chooses",
            &["node n", &format!("{class} device.attributes['d'].i > 1"), "slice s on=n g0,i=1 g1,i=2"],
            "c=1",
            "n 0.0*1=gpu | 0.0=g1 | c:0.0",
        ),
        ("the node has some of its own", &["node n example.com/gpu=4", &class, four], "c=1", "n"),
        ("too few of its own", &["node n example.com/gpu=1", &class, four], "c=2", &too_few),
        (
            "two containers",
            &["node n", &class, four],
            "c=1 d=2",
            "n 0.0*1=gpu 1.0*2=gpu | 0.0=g0 1.0=g1 1.0=g2 | c:0.0 d:1.0",
        ),
        (
            "who ends before uses the same",
            &["node n", &class, four],
            "init/i=2 c=2",
            "n 1.0*2=gpu | 1.0=g0 1.0=g1 | c:1.0 i:1.0",
        ),
        (
            "and what it needs beyond that",
            &["node n", &class, four],
            "init/i=3 c=1",
            "n 0.0*2=gpu 1.0*1=gpu | 0.0=g0 0.0=g1 1.0=g2 | c:1.0 i:1.0 i:0.0",
        ),
        (
            "of several the largest",
            &["node n", &class, four],
            "init/i=2 init/j=3",
            "n 1.0*3=gpu | 1.0=g0 1.0=g1 1.0=g2 | i:1.0 j:1.0",
        ),
        (
            "a sidecar has its own from its turn on",
            &["node n", &class, four],
            "sidecar/s=1 init/i=1 c=1",
            "n 0.0*1=gpu 2.0*1=gpu | 0.0=g0 2.0=g1 | s:0.0 c:2.0 i:2.0",
        ),
        (
            "by two names",
            &["node n", &class, "class fast as=example.com/fast", four],
            "c=1 d=1:example.com/fast",
            "n 0.0*1=gpu 1.0*1=fast | 0.0=g0 1.0=g1 | d:1.0 c:0.0",
        ),
    ];
    for (what, there, text, expected) in rows {
        assert_eq!(outcome(there, text), *expected, "{what}");
    }
}

#[test]
fn of_two_classes_with_one_resource_the_later_one_has_it() {
    for (older, newer, expected) in [("a", "b", "b"), ("b", "a", "a")] {
        let mut world = Scheduling::new(1);
        put(&mut world, "node n");
        put(&mut world, "slice s on=n g0");
        put(&mut world, &format!("class {older} as={GPU}"));
        world.advance(Duration::from_secs(1));
        put(&mut world, &format!("class {newer} as={GPU}"));
        world.create(pod("c=1"));
        world.settle();
        assert!(claimed(&world).starts_with(&format!("0.0*1={expected} ")), "{}", claimed(&world));
    }
}

#[test]
fn the_claim_is_the_pods_and_says_what_it_is_for() {
    let mut world = Scheduling::new(1);
    ["node n", &format!("class gpu as={GPU}"), "slice s on=n g0"].iter().for_each(|line| put(&mut world, line));
    let pod = world.create(pod("c=1"));
    world.settle();
    let claim = world.store.snapshot().list(kind::RESOURCE_CLAIM).next().expect("a claim");
    assert_eq!(claim.meta.generate_name.as_deref(), Some("p-extended-resources-"));
    assert!(claim.meta.name.starts_with("p-extended-resources-") && claim.meta.name.len() == 26, "{}", claim.meta.name);
    assert_eq!(claim.meta.controller_uid(), Some(pod.meta.uid));
    assert_eq!(claim.meta.annotations["resource.kubernetes.io/extended-resource-claim"], "true");
    assert_eq!(claim.meta.finalizers[..], ["resource.kubernetes.io/delete-protection"]);
    let users = claim.typed::<ResourceClaim>().and_then(|claim| claim.status.clone()?.reserved_for).unwrap_or_default();
    assert_eq!(users.iter().map(|user| &*user.name).collect::<Vec<_>>(), ["p"]);
}

#[test]
fn a_pod_that_waits_for_a_resource_hears_of_the_class_that_has_it() {
    let mut world = Scheduling::new(1);
    ["node n", "slice s on=n g0"].iter().for_each(|line| put(&mut world, line));
    let uid = world.create(pod("c=1")).meta.uid;
    world.settle();
    put(&mut world, "class other as=example.com/other");
    assert!(!world.scheduler.has_work(world.now), "it is no cure");
    put(&mut world, &format!("class gpu as={GPU}"));
    world.settle();
    assert_eq!(world.node_of(uid).as_ref().map(|node| node.as_str()), Some("n"));
}
