//! What upstream's templates of nodes and pods say, as far as it matters to a scheduler.

use serde_json::{Value, json};

pub(crate) type Template = fn() -> Value;
pub(crate) type NodeTemplate = fn(usize) -> Value;

/// The one node that pods of a DaemonSet name.
const BIG_NODE: &str = "scheduler-perf-node";
const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn node_named(name: &str, pods: &str, zone: Option<&str>, taints: &Value) -> Value {
    let room = json!({"cpu": "4", "memory": "32Gi", "pods": pods});
    let mut labels = json!({HOST: name});
    if let Some(zone) = zone {
        labels[ZONE] = json!(zone);
    }
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": taints},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

pub(crate) fn node(index: usize) -> Value {
    node_named(&format!("node-{index}"), "110", None, &json!([]))
}

pub(crate) fn node_in_zone1(index: usize) -> Value {
    node_named(&format!("node-{index}"), "110", Some("zone1"), &json!([]))
}

pub(crate) fn node_on_moons(index: usize) -> Value {
    node_named(&format!("node-{index}"), "110", Some(&format!("moon-{}", index % 3 + 1)), &json!([]))
}

pub(crate) fn tainted_node(index: usize) -> Value {
    let taint = json!({"key": "foo", "value": "", "effect": "NoSchedule"});
    node_named(&format!("node-{index}"), "110", None, &json!([taint]))
}

pub(crate) fn big_node(_: usize) -> Value {
    node_named(BIG_NODE, "90000", None, &json!([]))
}

/// A pod that asks for this much, with more in its spec.
fn pod(color: &str, requests: &Value, more: Value) -> Value {
    let image = "registry.k8s.io/pause:3.10";
    let container = json!({"name": "pause", "image": image, "resources": {"requests": requests}});
    let mut spec = json!({"containers": [container]});
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    let labels = if color.is_empty() { json!({}) } else { json!({"color": color}) };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "labels": labels}, "spec": spec})
}

fn sized(color: &str, more: Value) -> Value {
    pod(color, &json!({"cpu": "100m", "memory": "500Mi"}), more)
}

pub(crate) fn plain() -> Value {
    sized("", json!({}))
}

pub(crate) fn light() -> Value {
    pod("", &json!({}), json!({}))
}

pub(crate) fn gated() -> Value {
    pod("", &json!({}), json!({"schedulingGates": [{"name": "test.k8s.io/hold"}]}))
}

pub(crate) fn with_finalizer() -> Value {
    let mut pod = light();
    pod["metadata"]["finalizers"] = json!(["test.k8s.io/finalizer"]);
    pod
}

pub(crate) fn low_priority() -> Value {
    pod("", &json!({"cpu": "900m", "memory": "500Mi"}), json!({"terminationGracePeriodSeconds": 0}))
}

pub(crate) fn high_priority() -> Value {
    pod("", &json!({"cpu": "3000m", "memory": "500Mi"}), json!({"priorityClassName": "high"}))
}

pub(crate) fn high_priority_large_cpu() -> Value {
    pod("", &json!({"cpu": "9", "memory": "500Mi"}), json!({"priorityClassName": "high"}))
}

pub(crate) fn daemon() -> Value {
    let field = json!({"key": "metadata.name", "operator": "In", "values": [BIG_NODE]});
    let required = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
    pod(
        "",
        &json!({}),
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}),
    )
}

pub(crate) fn in_zones() -> Value {
    let expression = json!({"key": ZONE, "operator": "In", "values": ["zone1", "zone2"]});
    let required = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
    sized("", json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}))
}

pub(crate) fn with_secret() -> Value {
    sized("", json!({"volumes": [{"name": "secret", "secret": {"secretName": "secret"}}]}))
}

/// Where a term looks: in the two namespaces of most workloads, or in those of a team.
fn near(color: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key, "namespaces": ["sched-1", "sched-0"]})
}

fn near_in_team(color: &str, key: &str) -> Value {
    json!({
        "labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key,
        "namespaceSelector": {"matchLabels": {"team": "devops"}},
    })
}

fn required(kind: &str, term: &Value) -> Value {
    json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

fn preferred(kind: &str, term: &Value) -> Value {
    let weighted = json!([{"weight": 1, "podAffinityTerm": term}]);
    json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}})
}

pub(crate) fn green() -> Value {
    sized("green", json!({}))
}

pub(crate) fn apart() -> Value {
    sized("green", required("podAntiAffinity", &near("green", HOST)))
}

pub(crate) fn together() -> Value {
    sized("blue", required("podAffinity", &near("blue", ZONE)))
}

pub(crate) fn rather_together() -> Value {
    sized("red", preferred("podAffinity", &near("red", HOST)))
}

pub(crate) fn rather_apart() -> Value {
    sized("yellow", preferred("podAntiAffinity", &near("yellow", HOST)))
}

pub(crate) fn apart_in_team() -> Value {
    sized("green", required("podAntiAffinity", &near_in_team("green", HOST)))
}

pub(crate) fn together_in_team() -> Value {
    sized("blue", required("podAffinity", &near_in_team("blue", ZONE)))
}

pub(crate) fn rather_together_in_team() -> Value {
    sized("red", preferred("podAffinity", &near_in_team("red", HOST)))
}

pub(crate) fn rather_apart_in_team() -> Value {
    sized("yellow", preferred("podAntiAffinity", &near_in_team("yellow", HOST)))
}

pub(crate) fn gated_with_affinity() -> Value {
    let mut spec =
        required("podAffinity", &json!({"labelSelector": {"matchLabels": {"color": "blue"}}, "topologyKey": ZONE}));
    spec["schedulingGates"] = json!([{"name": "test.k8s.io/hold"}]);
    pod("blue", &json!({}), spec)
}

fn spreading(key: &str, skew: i32, when: &str) -> Value {
    let selector = json!({"matchLabels": {"color": "blue"}});
    json!([{"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": selector}])
}

pub(crate) fn spread() -> Value {
    sized("blue", json!({"topologySpreadConstraints": spreading(ZONE, 5, "DoNotSchedule")}))
}

pub(crate) fn rather_spread() -> Value {
    sized("blue", json!({"topologySpreadConstraints": spreading(ZONE, 5, "ScheduleAnyway")}))
}

pub(crate) fn of_service() -> Value {
    sized("service", json!({}))
}

pub(crate) fn spread_over_untainted() -> Value {
    let mut constraints = spreading(HOST, 1, "DoNotSchedule");
    constraints[0]["nodeTaintsPolicy"] = json!("Honor");
    sized("blue", json!({"topologySpreadConstraints": constraints}))
}
