//! Every kind of metric: what it asks for, and what is said when it cannot be read.

use serde_json::{Value, json};

use super::{World, metric, queue};
use crate::store::MetricQuery;

/// So many replicas and because of what, or what went wrong.
fn outcome(world: &mut World) -> String {
    let look = world.look();
    match look.active.strip_prefix("the HPA was able to successfully calculate a replica count from ") {
        Some(metric) => format!("{} from {metric}", look.replicas),
        None => look.events.first().cloned().unwrap_or_default(),
    }
}

fn world(replicas: i32, pods: &str, metric: Value, pod_spec: Value) -> World {
    let at_once = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    let mut world = World::new(replicas, pods, json!({"metrics": [metric], "behavior": at_once, "podSpec": pod_spec}));
    world.report_replicas(replicas.into());
    world
}

#[test]
fn metrics_of_pods() {
    let each = json!({"type": "Pods", "pods":
        {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "15"}}});
    let query = MetricQuery::Pods {
        namespace: "default".into(),
        pods: "app=web".to_owned(),
        metric: "qps".to_owned(),
        selector: String::new(),
    };
    let facts = [
        ("above", "r r r", "web-0=20 web-1=10 web-2=30", "4 from pods metric qps"),
        ("just above", "r r r", "web-0=16 web-1=15 web-2=17", "3 from pods metric qps"),
        ("below", "r r r", "web-0=5 web-1=5 web-2=5", "1 from pods metric qps"),
        ("unready ones count: it is no CPU", "r u u", "web-0=20 web-1=20 web-2=20", "4 from pods metric qps"),
        ("a pending one as idle on the way up", "r r p", "web-0=30 web-1=30", "4 from pods metric qps"),
        ("a missing one as right on the way down", "r r r", "web-0=3 web-1=3", "2 from pods metric qps"),
        ("missing ones as idle on the way up, but not further", "r r r", "web-0=40", "3 from pods metric qps"),
        ("however hot and unready: it is no CPU", "y u u", "web-0=50 web-1=15 web-2=30", "7 from pods metric qps"),
        ("one that has succeeded counts", "r r s", "web-0=20 web-1=20 web-2=20", "4 from pods metric qps"),
        ("others do not count", "r r r", "web-0=15 web-1=15 web-2=15 db-0=900", "3 from pods metric qps"),
        (
            "nobody said anything",
            "r r r",
            "",
            "FailedGetPodsMetric: unable to get metric qps: no metrics returned from custom metrics API",
        ),
        (
            "no pods",
            "",
            "web-0=20",
            "FailedGetPodsMetric: no pods returned by selector while calculating replica count",
        ),
        (
            "only of one that has failed",
            "f",
            "web-0=20",
            "FailedGetPodsMetric: did not receive metrics for targeted pods (pods might be unready)",
        ),
    ];
    for (case, pods, samples, expected) in facts {
        let mut world = world(3, pods, each.clone(), json!({}));
        world.answer(query.clone(), samples);
        assert_eq!(outcome(&mut world), expected, "{case}");
    }
    let mut world = world(3, "r r r", each, json!({}));
    let unable = "FailedGetPodsMetric: unable to get metric qps: unable to fetch metrics from custom metrics API";
    let expected = format!("{unable}: no custom metrics API (custom.metrics.k8s.io) registered");
    assert_eq!(outcome(&mut world), expected, "nobody can be asked");
    world.store.answered(query, Err("closed at night".to_owned()));
    assert_eq!(outcome(&mut world), format!("{unable}: closed at night"));
}

#[test]
fn metrics_of_an_object() {
    let object = |target: Value| {
        let described = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"});
        json!({"type": "Object", "object": {"describedObject": described, "metric": {"name": "rps"}, "target": target}})
    };
    let whole = object(json!({"type": "Value", "value": "10"}));
    let each = object(json!({"type": "AverageValue", "averageValue": "10"}));
    let query = MetricQuery::Object {
        namespace: "default".into(),
        api_version: "networking.k8s.io/v1".to_owned(),
        kind: "Ingress".to_owned(),
        name: "main".to_owned(),
        metric: "rps".to_owned(),
        selector: String::new(),
    };
    let facts = [
        ("twice its target", &whole, "r r r", "20", "6 from Ingress metric rps"),
        ("twice its target, by two that serve", &whole, "r r u", "20", "4 from Ingress metric rps"),
        ("just above", &whole, "r r r", "10500m", "3 from Ingress metric rps"),
        ("nothing", &whole, "r r r", "0", "1 from Ingress metric rps"),
        ("shared by all", &each, "r r r", "45", "5 from external metric rps(nil)"),
        ("five times its target, by the one that serves", &whole, "u r u", "50", "5 from Ingress metric rps"),
        ("of a pod that has succeeded nothing is served", &whole, "r r s", "20", "4 from Ingress metric rps"),
        ("shared, and just above", &each, "r r r", "31", "3 from external metric rps(nil)"),
        (
            "no pods",
            &whole,
            "",
            "20",
            "FailedGetObjectMetric: unable to calculate ready pods: no pods returned by selector while calculating \
             replica count",
        ),
    ];
    for (case, metric, pods, sample, expected) in facts {
        let mut world = world(3, pods, metric.clone(), json!({}));
        world.answer(query.clone(), sample);
        assert_eq!(outcome(&mut world), expected, "{case}");
    }
    let mut world = world(3, "r r r", whole, json!({}));
    let expected = "FailedGetObjectMetric: unable to get metric rps: Ingress on default main/unable to fetch metrics \
                    from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
    assert_eq!(outcome(&mut world), expected, "nobody can be asked");
}

#[test]
fn metrics_from_outside() {
    let whole = json!({"type": "External", "external":
        {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "10"}}});
    let facts = [
        ("a sum against a target for all", &whole, "r r r", "8 14", "7 from external metric queue(nil)"),
        ("a sum against a target for each", &queue("5"), "r r r", "8 14", "5 from external metric queue(nil)"),
        (
            "a little more than its target, by the one that serves",
            &whole,
            "u r u",
            "19500m",
            "2 from external metric queue(nil)",
        ),
        ("just below", &queue("5"), "r r r", "14", "3 from external metric queue(nil)"),
        ("nothing", &queue("5"), "r r r", "0", "1 from external metric queue(nil)"),
        ("more than a number can say", &queue("1m"), "r r r", "9e18 9e18", "7 from external metric queue(nil)"),
    ];
    for (case, metric, pods, samples, expected) in facts {
        let mut world = world(3, pods, metric.clone(), json!({}));
        world.answer_queue(samples);
        assert_eq!(outcome(&mut world), expected, "{case}");
    }
    let mut selected = whole;
    selected["external"]["metric"]["selector"] = json!({"matchLabels": {"of": "mail"}});
    let mut world = world(3, "r r r", selected, json!({}));
    let selector = "&LabelSelector{MatchLabels:map[string]string{of: mail,},\
                    MatchExpressions:[]LabelSelectorRequirement{},}";
    let expected = format!(
        "FailedGetExternalMetric: unable to get external metric default/queue/{selector}: unable to fetch metrics from \
         external metrics API: the server could not find the requested resource (get queue.external.metrics.k8s.io)"
    );
    assert_eq!(outcome(&mut world), expected, "nobody can be asked");
    let of_mail = "of=mail".to_owned();
    let query = MetricQuery::External { namespace: "default".into(), metric: "queue".into(), selector: of_mail };
    world.answer(query, "20");
    assert_eq!(outcome(&mut world), format!("6 from external metric queue({selector})"));
}

#[test]
fn metrics_of_resources() {
    let average = |name: &str, amount: &str| {
        json!({"type": "Resource", "resource":
            {"name": name, "target": {"type": "AverageValue", "averageValue": amount}}})
    };
    let of_container = |container: &str, target: Value| {
        json!({"type": "ContainerResource", "containerResource":
            {"name": "cpu", "container": container, "target": target}})
    };
    let half = json!({"type": "Utilization", "averageUtilization": 50});
    let some = json!({"type": "AverageValue", "averageValue": "400m"});
    let unasked = json!({"containers": [{"name": "c", "image": "web"}]});
    let whole = |requests: Value| json!({"resources": {"requests": requests}});
    let unable = "FailedGetResourceMetric: failed to get cpu utilization";
    let cpu = "from cpu resource utilization (percentage of request)";
    let of_one = "from cpu container resource utilization (percentage of request)";
    let facts = [
        (average("memory", "60Mi"), "r1:90 r1:90", json!({}), "3 from memory resource".to_owned()),
        (average("memory", "60Mi"), "r1:90 u1:90", json!({}), "3 from memory resource".to_owned()),
        (average("cpu", "400m"), "r600 r600", json!({}), "3 from cpu resource".to_owned()),
        (of_container("c", half.clone()), "r500+100 r700+100", json!({}), format!("3 {of_one}")),
        (of_container("side", half.clone()), "r500+100 r700+100", json!({}), format!("1 {of_one}")),
        (of_container("c", some), "r500+100 r700+100", json!({}), "3 from cpu resource".to_owned()),
        (metric(50), "r500+100 r900+500", json!({}), format!("2 {cpu}")),
        (metric(50), "r900 r900", whole(json!({"cpu": "2", "memory": "100Mi"})), format!("2 {cpu}")),
        (metric(50), "r900 r900", whole(json!({"cpu": "1", "memory": "1Gi"})), format!("4 {cpu}")),
        (
            of_container("log", half),
            "r500 r500",
            json!({}),
            "FailedGetContainerResourceMetric: failed to get cpu utilization: unable to get metrics for resource cpu: \
             container log not present in metrics for pod default/web-0"
                .to_owned(),
        ),
        (metric(50), "r900 r900", unasked, format!("{unable}: missing request for cpu in container c of Pod web-0")),
        (
            metric(50),
            "r r",
            json!({}),
            format!("{unable}: unable to get metrics for resource cpu: no metrics returned from resource metrics API"),
        ),
        (
            metric(50),
            "u100 u100",
            json!({}),
            format!("{unable}: did not receive metrics for targeted pods (pods might be unready)"),
        ),
    ];
    for (metric, pods, pod_spec, expected) in facts {
        let case = format!("{metric} {pods} {pod_spec}");
        assert_eq!(outcome(&mut world(2, pods, metric, pod_spec)), expected, "{case}");
    }
}

#[test]
fn of_several_metrics_the_one_that_needs_most_counts() {
    let mut world = World::new(3, "r600 r600 r600", json!({"metrics": [metric(50), queue("10")]}));
    world.report_replicas(3);
    world.answer_queue("55");
    let look = world.look();
    assert_eq!(look.events, ["SuccessfulRescale: New size: 6; reason: external metric queue(nil) above target"]);
    let shown = json!([
        {"type": "Resource", "resource":
            {"name": "cpu", "current": {"averageUtilization": 60, "averageValue": "600m"}}},
        {"type": "External", "external": {"metric": {"name": "queue"}, "current": {"averageValue": "18334m"}}},
    ]);
    assert_eq!(look.metrics, shown);
}
