//! How endpoints are spread over slices when many come and go: few are written, and none without need.

use std::ops::Range;

use serde_json::{Value, json};

use super::super::{HEADLESS, MANAGED_BY, SERVICE_NAME};
use super::{NOW, World, plain, web};
use crate::object::kind;
use crate::store::{ConditionStatus, DeleteOptions, Part, WriteOptions};

/// A service with so many pods, without some of them.
fn world(pods: u16, gone: &[Range<u16>]) -> World {
    let mut world = World::new(plain());
    (0..pods).for_each(|number| world.pod(number, &web(1)));
    world.settle();
    gone.iter().cloned().flatten().for_each(|number| world.kill(number));
    world.settle();
    world
}

#[test]
fn as_few_slices_are_written_as_may_be() {
    let facts = [
        (
            "two slices have 62 and 61: what no new one takes goes into the fuller one",
            &[0..38, 100..139],
            200..327,
            "update 89, create 100",
        ),
        ("two have 74: neither has room for all of the rest", &[0..26, 100..126], 200..352, "create 100, create 52"),
        ("two have 80 and 20: the fuller one takes a few more", &[0..20, 100..180], 200..215, "update 95"),
        ("two have 80 and 20: the other one takes what does not fit", &[0..20, 100..180], 200..250, "update 70"),
    ];
    for (case, gone, come, expected) in facts {
        let mut world = world(200, gone);
        come.for_each(|number| world.pod(number, &web(1)));
        assert_eq!(world.settle(), expected, "{case}");
    }
    let mut world = world(200, &[0..20, 100..180]);
    world.ready(20, ConditionStatus::False);
    world.ready(190, ConditionStatus::False);
    (200..215).for_each(|number| world.pod(number, &web(1)));
    assert_eq!(world.settle(), "update 95, update 20", "where both are written, new ones fill the fuller one");
}

#[test]
fn what_concerns_all_slices_is_written_to_each_or_packs_them_anew() {
    let mut world = world(300, &[0..70, 100..170, 200..270]);
    world.edit(|service| service["metadata"]["labels"] = json!({"team": "b"}));
    assert_eq!(world.settle(), "update 30, update 30, update 30", "they have the labels of the service");
    world.edit(|service| {
        let own = [(SERVICE_NAME, "else"), (MANAGED_BY, "somebody"), (HEADLESS, "no")];
        own.into_iter().for_each(|(label, text)| service["metadata"]["labels"][label] = Value::from(text));
    });
    assert_eq!(world.settle(), "", "what says whose they are is no matter of the service");
    world.edit(|service| service["spec"]["ports"][0]["targetPort"] = json!(81));
    assert_eq!(world.settle(), "delete, delete, update 90", "with other ports they are packed anew");

    let mut world = World::new(plain());
    assert_eq!(world.settle(), "create 0");
    world.edit(|service| service["metadata"]["labels"] = json!({"team": "b"}));
    assert_eq!(world.settle(), "update 0", "the empty one has them too");
}

#[test]
fn a_service_on_its_way_out_gets_no_new_slices() {
    let mut world = world(100, &[]);
    world.edit(|service| service["metadata"]["finalizers"] = json!(["example.com/kept"]));
    world.store.delete(kind::SERVICE, "default", "svc", DeleteOptions::default(), NOW).expect("it is there");
    world.pod(100, &web(1));
    assert_eq!(world.settle(), "");
    world.kill(0);
    assert_eq!(world.settle(), "update 100", "those that are there are kept right");
}

#[test]
fn a_slice_whose_pods_are_nowhere_is_emptied() {
    let mut world = world(2, &[]);
    world.store.delete(kind::NODE, "", "n", DeleteOptions::default(), NOW).expect("it is there");
    let skipped = |pod: &str| format!("skipping Pod {pod} for Service default/svc: Node n Not Found");
    let why = format!("[{}, {}]", skipped("p000"), skipped("p001"));
    let told = format!("FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/svc: {why}");
    assert_eq!(world.settle(), format!("update 0, {told}"));
}

#[test]
fn a_slice_on_its_way_out_is_as_good_as_gone() {
    let mut world = world(3, &[]);
    let name = world.store.snapshot().list(kind::ENDPOINT_SLICE).next().expect("a slice").meta.name.clone();
    let keep = |mut value: Value| {
        value["metadata"]["finalizers"] = json!(["example.com/kept"]);
        Ok(value)
    };
    let (key, options) = (("default", &*name), WriteOptions::default());
    world.store.edit(kind::ENDPOINT_SLICE, key, Part::Main, options, NOW, keep).expect("written");
    world.store.delete(kind::ENDPOINT_SLICE, "default", &name, DeleteOptions::default(), NOW).expect("it is there");
    assert_eq!(world.settle(), "create 3");
    world.pod(3, &web(1));
    assert_eq!(world.settle(), "update 4", "the one that stays");
}
