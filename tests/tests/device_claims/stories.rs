//! What happens over time: who waits for what, who shares, and that nothing is given twice.

use std::collections::BTreeSet;
use std::time::Duration;

use inboard::k8s_openapi::api::resource::v1::ResourceClaim;
use inboard::object::kind;
use inboard::store::{Object, Part};
use inboard_tests::scheduling::Scheduling;
use serde_json::json;

use super::words::{devices_of, pod, put};

fn world(lines: &[&str]) -> Scheduling {
    let mut world = Scheduling::new(1);
    lines.iter().for_each(|line| put(&mut world, line));
    world
}

/// The pods and their nodes, `name@node`, or `name@-` for those that wait.
fn placed(world: &mut Scheduling) -> String {
    world.settle();
    world.advance(Duration::from_secs(20));
    world.settle();
    let one = |object: &std::sync::Arc<Object>| {
        let node = object.pod().and_then(|pod| pod.node.clone());
        format!("{}@{}", object.meta.name, node.as_ref().map_or("-", |node| node.as_str()))
    };
    world.store.snapshot().list(kind::POD).map(one).collect::<Vec<_>>().join(" ")
}

fn claim(world: &Scheduling, name: &str) -> ResourceClaim {
    let found = world.store.snapshot().find(kind::RESOURCE_CLAIM, "test", name).expect("the claim");
    found.typed::<ResourceClaim>().cloned().expect("a claim")
}

fn users(world: &Scheduling, name: &str) -> Vec<String> {
    let status = claim(world, name).status.unwrap_or_default();
    status.reserved_for.unwrap_or_default().into_iter().map(|consumer| consumer.name).collect()
}

#[test]
fn a_claim_is_given_its_devices_with_the_binding_of_its_pod() {
    let mut world = world(&["node n", "class gpu", "slice s on=n g0", "claim a r=gpu"]);
    world.create(pod("p", "a"));
    assert_eq!(placed(&mut world), "p@n");
    let claim = claim(&world, "a");
    assert_eq!(claim.metadata.finalizers, Some(vec!["resource.kubernetes.io/delete-protection".to_owned()]));
    let allocation = claim.status.and_then(|status| status.allocation).expect("an allocation");
    assert!(allocation.allocation_timestamp.is_some());
    let selector = serde_json::to_value(allocation.node_selector).expect("a selector");
    let fields = json!([{"key": "metadata.name", "operator": "In", "values": ["n"]}]);
    assert_eq!(selector, json!({"nodeSelectorTerms": [{"matchFields": fields}]}));
    assert_eq!(users(&world, "a"), ["p"]);
}

#[test]
fn several_pods_share_a_claim_where_it_is() {
    let mut world = world(&["node m", "node n", "class gpu", "slice s on=n g0", "claim a r=gpu"]);
    world.create(pod("p", "a"));
    world.create(pod("q", "a"));
    assert_eq!(placed(&mut world), "p@n q@n");
    assert_eq!(users(&world, "a"), ["p", "q"]);
    assert_eq!(devices_of(&world, "a"), "r=g0");
}

#[test]
fn pods_that_come_at_once_never_get_the_same_device() {
    let mut world = world(&["node m", "node n", "class gpu", "slice s on=m g0 g1", "slice t on=n pool=q g0 g1"]);
    for number in 0..6 {
        put(&mut world, &format!("claim c{number} r=gpu"));
        world.create(pod(&format!("p{number}"), &format!("c{number}")));
    }
    // All in one turn: each must see what those before it took.
    world.step(100);
    let placed = placed(&mut world);
    assert_eq!(placed.matches("@-").count(), 2, "{placed}");
    let claims = world.store.snapshot().list(kind::RESOURCE_CLAIM).filter_map(|object| {
        let allocation = object.typed::<ResourceClaim>()?.status.as_ref()?.allocation.as_ref()?;
        let given = allocation.devices.as_ref()?.results.as_ref()?.first()?;
        Some((given.pool.clone(), given.device.clone()))
    });
    let claims: Vec<_> = claims.collect();
    assert_eq!((claims.len(), claims.iter().collect::<BTreeSet<_>>().len()), (4, 4), "{claims:?}");
}

#[test]
fn a_pod_waits_for_a_claim_a_class_a_slice_and_for_what_others_give_back() {
    let mut world = world(&["node n"]);
    world.create(pod("p", "a"));
    assert_eq!(placed(&mut world), "p@-");
    assert!(world.decisions.is_empty(), "nothing is said while there is no claim");

    put(&mut world, "claim a r=gpu");
    assert_eq!(placed(&mut world), "p@-");
    put(&mut world, "class gpu");
    assert_eq!(placed(&mut world), "p@-");
    put(&mut world, "claim b r=gpu");
    put(&mut world, "has b n g0");
    put(&mut world, "slice s on=n g0");
    assert_eq!(placed(&mut world), "p@-", "somebody else has it");
    world.edit_named(kind::RESOURCE_CLAIM, "test", "b", Part::Status, |claim| claim["status"] = json!({}));
    assert_eq!(placed(&mut world), "p@n");
}

#[test]
fn what_does_not_help_wakes_nobody() {
    let mut world = world(&["node n", "class gpu", "claim a r=gpu", "claim b r=gpu"]);
    world.create(pod("p", "a"));
    assert_eq!(placed(&mut world), "p@-");
    world.decisions.clear();
    world.edit_named(kind::RESOURCE_CLAIM, "test", "b", Part::Main, |claim| {
        claim["metadata"]["labels"] = json!({"x": "y"});
    });
    put(&mut world, "has b n g0");
    assert_eq!(placed(&mut world), "p@-");
    assert!(world.decisions.is_empty(), "{:?}", world.decisions);
}

#[test]
fn a_claim_that_is_full_is_for_nobody_else() {
    let mut world = world(&["node n", "class gpu", "slice s on=n g0", "claim a r=gpu"]);
    put(&mut world, "has a n g0");
    let others: Vec<_> =
        (0..256).map(|number| json!({"resource": "pods", "name": "x", "uid": number.to_string()})).collect();
    world.edit_named(kind::RESOURCE_CLAIM, "test", "a", Part::Status, |claim| {
        claim["status"]["reservedFor"] = json!(others)
    });
    world.create(pod("p", "a"));
    assert_eq!(placed(&mut world), "p@-");
    world.edit_named(kind::RESOURCE_CLAIM, "test", "a", Part::Status, |claim| {
        claim["status"]["reservedFor"].as_array_mut().expect("a list").pop();
    });
    assert_eq!(placed(&mut world), "p@n");
    assert_eq!(users(&world, "a").len(), 256);
}

#[test]
fn the_drivers_are_told_what_the_classes_and_the_claim_say() {
    let mut world = world(&["node n", "slice s on=n g0 g1"]);
    let opaque = |what: &str| json!({"opaque": {"driver": "d", "parameters": {"what": what}}});
    world.create(json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"},
        "spec": {"config": [opaque("class")]},
    }));
    let for_requests = |names: &[&str], what: &str| {
        let mut config = opaque(what);
        config["requests"] = json!(names);
        config
    };
    world.create(json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "a", "namespace": "test"},
        "spec": {"devices": {
            "requests": [
                {"name": "r", "firstAvailable": [{"name": "x", "deviceClassName": "gpu", "count": 3}, {"name": "y", "deviceClassName": "gpu"}]},
                {"name": "t", "exactly": {"deviceClassName": "gpu"}},
            ],
            "config": [opaque("all"), for_requests(&["r/x"], "not chosen"), for_requests(&["r/y"], "chosen")],
        }},
    }));
    world.create(pod("p", "a"));
    assert_eq!(placed(&mut world), "p@n");
    assert_eq!(devices_of(&world, "a"), "r/y=g0 t=g1");
    let allocation = claim(&world, "a").status.and_then(|status| status.allocation).expect("an allocation");
    let config = allocation.devices.and_then(|devices| devices.config).expect("a configuration");
    let told: Vec<_> = config
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one.source,
                one.opaque.as_ref().map_or_else(String::new, |opaque| opaque.parameters.0.to_string())
            )
        })
        .collect();
    let class = "FromClass {\"what\":\"class\"}";
    assert_eq!(told, [class, class, "FromClaim {\"what\":\"all\"}", "FromClaim {\"what\":\"chosen\"}"]);
}
