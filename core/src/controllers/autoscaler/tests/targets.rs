//! Whom an autoscaler scales: any kind with a scale, and nobody else's pods.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use super::super::AutoscalerController;
use super::{SYNC, World, queue};
use crate::control::{Action, Controller, Propagation, Target};
use crate::error::{ApiError, Reason};
use crate::object::kind::KindInfo;
use crate::object::scale::ScalePaths;
use crate::store::Draft;

#[test]
fn targets_that_cannot_be_scaled() {
    let facts = [
        ("apps/v1", "Deployment", "deployments.apps \"x\" not found"),
        ("apps/v1", "DaemonSet", "the server could not find the requested resource"),
        ("example.com/v1", "Farm", "no matches for kind \"Farm\" in group \"example.com\""),
        ("v1", "ReplicationController", "replicationcontrollers \"x\" not found"),
    ];
    for (version, kind, expected) in facts {
        let target = json!({"apiVersion": version, "kind": kind, "name": "x"});
        let look = World::new(1, "r500", json!({ "scaleTargetRef": target })).look();
        assert_eq!(look.events, [format!("FailedGetScale: {expected}")]);
        assert_eq!(look.reasons, "FailedGetScale");
    }
}

#[test]
fn a_users_own_kind_is_scaled_where_it_says() {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "example.com/v1", "kind": "Farm", "name": "green"}, "metrics": [queue("10")],
    });
    let mut world = World::new(1, "", spec);
    let farm = KindInfo {
        group: "example.com".into(),
        kind: "Farm".into(),
        plural: "farms".into(),
        singular: "farm".into(),
        ..KindInfo::custom::<ConfigMap>()
    };
    let paths = ScalePaths { replicas: ".spec.workers.count".into(), ..ScalePaths::USUAL };
    let farm = world.store.add_kind(farm.subresource("status").scale(paths)).expect("a new kind");
    let mut green = json!({
        "apiVersion": "example.com/v1", "kind": "Farm", "metadata": {"name": "green", "namespace": "default"},
        "spec": {"workers": {"count": 2}},
    });
    world.create(Draft::custom(farm, green.clone()).expect("a farm"));
    world.answer_queue("35");
    let look = world.look();
    assert_eq!(look.events[0], "SelectorRequired: selector is required");
    assert_eq!(look.reasons, "SucceededGetScale InvalidSelector");

    for (selector, expected) in [("a in (", "InvalidSelector"), ("app=web", "SuccessfulRescale")] {
        green["status"] = json!({"replicas": 2, "selector": selector});
        let status = green["status"].clone();
        let edit = |mut value: serde_json::Value| {
            value["status"] = status;
            Ok(value)
        };
        let part = crate::store::Part::Status;
        world.store.edit(farm, ("default", "green"), part, Default::default(), world.now, edit).expect("written");
        let look = world.look();
        assert!(look.events[0].starts_with(expected), "{:?}", look.events);
    }
    assert_eq!(world.value(farm, "green")["spec"], json!({"workers": {"count": 4}}));
}

#[test]
fn two_for_the_same_pods_do_nothing_once_both_have_looked() {
    let mut world = World::new(2, "r900 r900", json!({}));
    let second = world.autoscaler("other", json!({}));
    assert_eq!(world.look().reasons, "SucceededRescale ValidMetricFound DesiredWithinRange", "it knows of no other");
    let _ = world.step(second);
    let look = world.look();
    let said = "pods by selector app=web are controlled by multiple HPAs: [default/other default/web]";
    let expected = [format!("AmbiguousSelector: {said}"), format!("FailedComputeMetricsReplicas: {said}")];
    assert_eq!(look.events, expected);

    let delete = Action::Delete {
        target: Target::any_version(second),
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: None,
    };
    world.store.commit(vec![delete], world.now).expect("deleted");
    assert!(world.look().reasons.contains("ValidMetricFound"), "it is alone again");
}

#[test]
fn a_size_that_is_refused_is_said() {
    let mut world = World::new(2, "r900 r900", json!({}));
    world.now = world.now + SYNC;
    let observed = AutoscalerController::observe(world.store.snapshot(), world.key).expect("observed");
    let error = ApiError::new(Reason::Forbidden, "not today");
    let plan = AutoscalerController::refused(&observed, &error, world.now);
    assert_eq!(plan.wake_at, Some(world.now + SYNC), "it tries again at the next look");
    world.store.commit(plan.actions.clone(), world.now).expect("committed");
    let events = plan.actions.iter().filter_map(|action| match action {
        Action::Emit(event) => Some(format!("{}: {}", event.reason, event.message)),
        _ => None,
    });
    let events: Vec<_> = events.collect();
    let reason = "cpu resource utilization (percentage of request) above target";
    assert_eq!(events, [format!("FailedRescale: New size: 4; reason: {reason}; error: not today")]);
    let value = world.value(crate::object::kind::HORIZONTAL_POD_AUTOSCALER, "web");
    assert_eq!(value["status"]["conditions"][0]["reason"], "FailedUpdateScale");
    assert_eq!(world.value(crate::object::kind::DEPLOYMENT, "web")["spec"]["replicas"], 2);
}
