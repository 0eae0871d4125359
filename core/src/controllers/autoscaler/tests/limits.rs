//! Windows, policies and limits: what becomes of a wish, at one look and over many.

use serde_json::{Value, json};

use super::{World, metric, queue};

#[test]
fn limits_and_their_words() {
    let up = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    let percent = json!({"scaleUp": {"policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}});
    let least = json!({"scaleUp": {"selectPolicy": "Min", "policies": [
        {"type": "Pods", "value": 3, "periodSeconds": 60}, {"type": "Percent", "value": 50, "periodSeconds": 60}]}});
    let never = json!({"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}});
    let slowly = json!({"scaleDown": {"stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    let tolerant = json!({"scaleUp": {"tolerance": "0.5"}});
    let waits = json!({"scaleUp": {"stabilizationWindowSeconds": 60}});
    let (busy, idle) = ("r1000 r1000 r1000 r1000", "r10 r10 r10 r10");
    let facts = [
        ("the most", 4, busy, json!({"maxReplicas": 5}), 5, "SucceededRescale ValidMetricFound TooManyReplicas"),
        (
            "twice as many at once",
            4,
            "r5000 r5000 r5000 r5000",
            json!({}),
            8,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        ("four at once", 1, "r5000", json!({}), 4, "SucceededRescale ValidMetricFound ScaleUpLimit"),
        ("one a minute", 4, busy, json!({"behavior": up}), 5, "SucceededRescale ValidMetricFound ScaleUpLimit"),
        (
            "half as many a minute",
            4,
            busy,
            json!({"behavior": percent}),
            6,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        (
            "the smaller change",
            4,
            busy,
            json!({"behavior": least}),
            6,
            "SucceededRescale ValidMetricFound ScaleUpLimit",
        ),
        ("never down", 4, idle, json!({"behavior": never}), 4, "ReadyForNewScale ValidMetricFound ScaleDownLimit"),
        (
            "one less a minute",
            4,
            idle,
            json!({"behavior": slowly}),
            3,
            "SucceededRescale ValidMetricFound ScaleDownLimit",
        ),
        (
            "an own tolerance",
            4,
            "r700 r700 r700 r700",
            json!({"behavior": tolerant}),
            4,
            "ReadyForNewScale ValidMetricFound DesiredWithinRange",
        ),
        (
            "not at once",
            4,
            busy,
            json!({"behavior": waits}),
            4,
            "ScaleUpStabilized ValidMetricFound DesiredWithinRange",
        ),
        ("stabilized", 4, idle, json!({}), 4, "ScaleDownStabilized ValidMetricFound DesiredWithinRange"),
        ("more than the most", 4, idle, json!({"maxReplicas": 3}), 3, "SucceededRescale"),
        ("fewer than the least", 1, "r10", json!({"minReplicas": 2}), 2, "SucceededRescale"),
        ("none: somebody switched it off", 0, "", json!({}), 0, "SucceededGetScale ScalingDisabled"),
        ("nothing measured", 2, "r r", json!({}), 2, "SucceededGetScale FailedGetResourceMetric"),
        (
            "one of two metrics cannot be read: still up",
            1,
            "r1000",
            json!({"metrics": [metric(50), {"type": "External", "external":
                {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}),
            2,
            "SucceededRescale ValidMetricFound DesiredWithinRange",
        ),
        (
            "one of two metrics cannot be read: not down",
            4,
            idle,
            json!({"metrics": [metric(50), {"type": "External", "external":
                {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}),
            4,
            "SucceededGetScale FailedGetExternalMetric",
        ),
    ];
    for (case, replicas, pods, spec, expected, reasons) in facts {
        let mut world = World::new(replicas, pods, spec);
        let (found, said) = world.sync();
        assert_eq!((found, &*said), (expected, reasons), "{case}");
    }
}

#[test]
fn idle_replicas_go_when_the_window_is_over() {
    let mut world = World::new(4, "r10 r10 r10 r10", json!({}));
    let mut kept = 0;
    while world.sync().0 == 4 {
        kept += 1;
        assert!(kept < 100, "it never scales down");
    }
    // The recommendation to keep four was noted at the first look; five minutes later it no longer counts.
    assert_eq!(kept, 21);
}

/// A load that asks for so many replicas at each look, and how many there are after each.
#[test]
fn wishes_over_time() {
    let up = |rules: Value| json!({ "scaleUp": rules });
    let down = |rules: Value| json!({ "scaleDown": rules });
    let a_minute = |type_: &str, value: i32| json!({"type": type_, "value": value, "periodSeconds": 60});
    let facts = [
        ("at most twice as many, or four", json!(null), 1, "99 99 99 99 99", "4 8 16 32 60"),
        ("four more or twice as many in 15 s", json!({}), 1, "99 99 99 99 99", "5 10 20 40 60"),
        ("two more in a minute", up(json!({"policies": [a_minute("Pods", 2)]})), 1, "9 9 9 9 9 9", "3 3 3 3 5 5"),
        (
            "half as many more in a minute, counted from where the minute began",
            up(json!({"policies": [a_minute("Percent", 50)]})),
            4,
            "5 9 9 9 9 9",
            "5 6 6 6 8 9",
        ),
        (
            "only what has been asked for a minute long",
            up(json!({"stabilizationWindowSeconds": 60})),
            1,
            "5 4 5 5 5 5",
            "1 1 1 1 4 5",
        ),
        (
            "a wish that goes again is forgotten",
            up(json!({"stabilizationWindowSeconds": 60})),
            1,
            "5 5 1 5 5 5 5",
            "1 1 1 1 1 1 5",
        ),
        (
            "down when nothing more was asked for a minute",
            down(json!({"stabilizationWindowSeconds": 60})),
            5,
            "1 3 2 1 1 1 1",
            "5 5 5 5 3 2 1",
        ),
        (
            "half of them in a minute",
            down(json!({"stabilizationWindowSeconds": 0,
            "policies": [a_minute("Percent", 50)]})),
            16,
            "1 1 1 1 1 1",
            "8 8 8 8 4 4",
        ),
        (
            "three in a minute",
            down(json!({"stabilizationWindowSeconds": 0,
            "policies": [a_minute("Pods", 3)]})),
            9,
            "1 1 1 1 1 1",
            "6 6 6 6 3 3",
        ),
        (
            "the smaller change",
            down(json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Min",
            "policies": [a_minute("Pods", 3), a_minute("Percent", 50)]})),
            16,
            "1 1 1 1 1 1",
            "13 13 13 13 10 10",
        ),
        (
            "the larger change",
            down(json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [a_minute("Pods", 3), a_minute("Percent", 50)]})),
            16,
            "1 1 1 1 1 1",
            "8 8 8 8 4 4",
        ),
        (
            "neither up nor down while the wishes go both ways",
            json!({"scaleUp": {"stabilizationWindowSeconds": 60}, "scaleDown": {"stabilizationWindowSeconds": 60}}),
            2,
            "3 1 1 1 1",
            "2 2 2 2 1",
        ),
        (
            "only the policy with the longer period still knows what was added",
            up(json!({"policies": [a_minute("Pods", 4), {"type": "Pods", "value": 6, "periodSeconds": 120}],
                "selectPolicy": "Min"})),
            1,
            "99 99 99 99 99 99",
            "5 5 5 5 7 7",
        ),
        (
            "what was added in this minute may go again",
            json!({
            "scaleUp": {"policies": [a_minute("Pods", 4)]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [a_minute("Pods", 2)]}}),
            4,
            "9 1 9 1",
            "8 2 8 2",
        ),
        (
            "never down",
            down(json!({"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0})),
            3,
            "5 1 6 1",
            "5 5 6 6",
        ),
    ];
    for (case, behavior, replicas, wishes, expected) in facts {
        let mut spec = json!({"maxReplicas": 60, "metrics": [queue("1")]});
        if !behavior.is_null() {
            spec["behavior"] = behavior;
        }
        let mut world = World::new(replicas, "r", spec);
        let found = wishes.split(' ').map(|wish| {
            world.answer_queue(wish);
            world.sync().0.to_string()
        });
        assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{case}");
    }
}
