//! No replicas at all: where an autoscaler may take the last one away, and when it makes some again.

use serde_json::{Value, json};

use super::{World, metric, queue, read};
use crate::object::kind;
use crate::store::{AutoscalingSettings, DeleteOptions, Draft, WriteOptions};

fn whole() -> Value {
    json!({"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "10"}}})
}

/// Three idle pods, and an autoscaler that may take all of them away.
fn world(metrics: Value) -> World {
    let at_once = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    let spec = json!({"minReplicas": 0, "metrics": metrics, "behavior": at_once});
    let mut world = World::new(3, "r0 r0 r0", spec);
    world.report_replicas(3);
    world
}

/// A look at a queue of this length: the replicas after it, and the reasons of the conditions.
fn look(world: &mut World, length: &str) -> (i64, String) {
    world.answer_queue(length);
    let (replicas, reasons) = world.sync();
    for index in (0..3).filter(|_| replicas == 0) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        let _ = world.store.delete(kind::POD, "default", &format!("web-{index}"), options, world.now);
    }
    (replicas, reasons)
}

#[test]
fn what_its_autoscaler_scaled_to_none_comes_back_when_there_is_something_to_do() {
    // The length of the queue at each look, and the replicas after it.
    for (case, metrics, lengths, expected) in [
        ("so much for each", json!([queue("5")]), "0 0 7 4 0", "0 0 2 1 0"),
        // Where nobody runs, one is taken to bring the whole target.
        ("so much for all", json!([whole()]), "0 0 31", "0 0 4"),
        ("a little for all", json!([whole()]), "0 1m", "0 1"),
        ("right for one: no tolerance lets it stay at none", json!([whole()]), "0 10", "0 1"),
        ("no more than four at once", json!([whole()]), "0 200", "0 4"),
        ("pods that are not there use nothing, and others tell", json!([metric(50), queue("5")]), "0 0 7", "0 0 2"),
    ] {
        let mut world = world(metrics);
        let found = lengths.split(' ').map(|length| look(&mut world, length).0.to_string());
        assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{case}");
    }
}

#[test]
fn it_is_said_who_took_the_replicas_away() {
    let mut world = world(json!([queue("5")]));
    let usual = "ValidMetricFound DesiredWithinRange";
    for (length, expected, reasons) in [
        ("9", 2, format!("SucceededRescale {usual} NotScaledToZero")),
        ("0", 0, format!("SucceededRescale {usual} ScaledToZero")),
        ("0", 0, format!("ReadyForNewScale {usual} ScaledToZero")),
        ("7", 2, format!("SucceededRescale {usual} NotScaledToZero")),
    ] {
        assert_eq!(look(&mut world, length), (expected, reasons));
    }
    // Somebody switches it off.
    world.write(kind::DEPLOYMENT, "replicas", 0);
    let off = (0, "SucceededGetScale ScalingDisabled DesiredWithinRange NotScaledToZero".to_owned());
    assert_eq!(look(&mut world, "7"), off);
    // And on again: the autoscaler takes over.
    world.write(kind::DEPLOYMENT, "replicas", 1);
    assert_eq!(look(&mut world, "7"), (2, format!("SucceededRescale {usual} NotScaledToZero")));
    assert_eq!(look(&mut world, "0").0, 0);
    // One that is to keep some by now makes them, even if there is nothing to do.
    world.write(kind::HORIZONTAL_POD_AUTOSCALER, "minReplicas", 2);
    assert_eq!(look(&mut world, "0"), (2, format!("SucceededRescale {usual} NotScaledToZero")));
}

#[test]
fn where_none_is_no_number_for_autoscalers_they_leave_it() {
    let mut world = world(json!([queue("5")]));
    assert_eq!(look(&mut world, "0").0, 0);
    world.store.set_autoscaling(AutoscalingSettings::default());
    let off = (0, "SucceededGetScale ScalingDisabled DesiredWithinRange".to_owned());
    assert_eq!(look(&mut world, "7"), off, "what was said of it goes");

    let mut new = |metrics: Value, scale_to_zero: bool| {
        world.store.set_autoscaling(AutoscalingSettings { scale_to_zero, ..AutoscalingSettings::default() });
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let spec = json!({"scaleTargetRef": target, "minReplicas": 0, "maxReplicas": 3, "metrics": metrics});
        let autoscaler: k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler =
            read(json!({"metadata": {"name": "new", "namespace": "default"}, "spec": spec}));
        let made = world.store.create_with(Draft::of(autoscaler), WriteOptions::default(), world.now);
        made.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = "HorizontalPodAutoscaler.autoscaling \"new\" is invalid: spec.";
    let least = format!("{refused}minReplicas: Invalid value: 0: must be greater than or equal to 1");
    assert_eq!(new(json!([queue("5")]), false), Err(least));
    let outside = "must specify at least one Object or External metric to support scaling to zero replicas";
    assert_eq!(new(json!([metric(50)]), true), Err(format!("{refused}metrics: Forbidden: {outside}")));
    assert_eq!(new(json!([metric(50), queue("5")]), true), Ok(()));
}

#[test]
fn somebody_elses_none_is_left_alone() {
    let spec = json!({"minReplicas": 0, "metrics": [queue("5")]});
    for least in [0, 1] {
        let mut spec = spec.clone();
        spec["minReplicas"] = least.into();
        let mut world = World::new(0, "", spec);
        assert_eq!(look(&mut world, "50"), (0, "SucceededGetScale ScalingDisabled".to_owned()), "{least}");
    }
}
