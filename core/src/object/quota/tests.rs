//! What objects use of which quotas, as tables.

use serde_json::{Value, json};

use super::*;

fn listed(amounts: &Amounts) -> String {
    shown(amounts.iter().map(|(name, amount)| (name.as_str(), *amount)))
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("an object of this type")
}

#[test]
fn names_say_which_kind_is_counted() {
    let kinds = Kinds::built_in();
    for (name, expected) in [
        ("pods", "pods"),
        ("count/pods", "pods"),
        ("cpu", "pods"),
        ("requests.ephemeral-storage", "pods"),
        ("limits.memory", "pods"),
        ("hugepages-2Mi", "pods"),
        ("requests.hugepages-2Mi", "pods"),
        ("requests.example.com/gpu", "pods"),
        ("limits.example.com/gpu", "-"),
        ("requests.kubernetes.io/batteries", "-"),
        ("services.nodeports", "services"),
        ("count/services", "services"),
        ("requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "persistentvolumeclaims"),
        ("gold.storageclass.storage.k8s.io/pods", "-"),
        ("secrets", "secrets"),
        ("count/secrets", "secrets"),
        ("count/deployments.apps", "deployments.apps"),
        ("gpu.deviceclass.resource.k8s.io/devices", "resourceclaims.resource.k8s.io"),
        ("count/resourceclaims.resource.k8s.io", "resourceclaims.resource.k8s.io"),
        ("count/deployments.extensions", "-"),
        ("count/nodes", "-"),
        ("count/events", "-"),
        ("deployments", "-"),
    ] {
        let found = counted_kind(name, &kinds).and_then(|id| kinds.info(id)).map(KindInfo::group_resource);
        assert_eq!(found.as_deref().unwrap_or("-"), expected, "{name}");
    }
}

#[test]
fn a_pod_uses_what_it_asks_for_until_it_has_ended() {
    let spec: PodSpec = parsed(&json!({"containers": [{"name": "c", "resources": {
        "requests": {"cpu": "1", "hugepages-2Mi": "4Mi", "example.com/gpu": "2"},
        "limits": {"memory": "1Gi", "hugepages-2Mi": "4Mi", "example.com/gpu": "2"},
    }}]}));
    assert_eq!(
        listed(&of_pod(&spec, false)),
        "count/pods=1,cpu=1,hugepages-2Mi=4Mi,limits.memory=1Gi,pods=1,requests.cpu=1,requests.example.com/gpu=2,\
         requests.hugepages-2Mi=4Mi"
    );
    assert_eq!(listed(&of_pod(&spec, true)), "count/pods=1");
}

#[test]
fn services_use_node_ports_and_balancers_by_their_type() {
    let ports = json!([{"port": 1}, {"port": 2, "nodePort": 30000}]);
    for (spec, expected) in [
        (json!({"ports": ports}), "services.loadbalancers=0,services.nodeports=0"),
        (json!({"type": "NodePort", "ports": ports}), "services.loadbalancers=0,services.nodeports=2"),
        (json!({"type": "LoadBalancer", "ports": ports}), "services.loadbalancers=1,services.nodeports=2"),
        (
            json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": ports}),
            "services.loadbalancers=1,services.nodeports=1",
        ),
    ] {
        let used = listed(&of_service(&parsed(&json!({"spec": spec}))));
        assert_eq!(used, format!("count/services=1,services=1,{expected}"), "{spec}");
    }
}

#[test]
fn a_claim_uses_storage_of_its_class_and_what_it_is_growing_to() {
    let claim = json!({
        "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}},
        "status": {"allocatedResources": {"storage": "3"}},
    });
    assert_eq!(
        listed(&of_claim(&parsed(&claim))),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,\
         gold.storageclass.storage.k8s.io/requests.storage=3,persistentvolumeclaims=1,requests.storage=3"
    );
    let plain = json!({"spec": {"resources": {"requests": {"storage": "1500m"}}}});
    assert_eq!(
        listed(&of_claim(&parsed(&plain))),
        "count/persistentvolumeclaims=1,persistentvolumeclaims=1,requests.storage=2"
    );
}

#[test]
fn scopes_select_pods() {
    let term = |extra: Value| {
        let mut term = json!({"topologyKey": "zone"});
        term.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
        json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": term},
        ]}})
    };
    let container = json!({"name": "c", "resources": {"requests": {"cpu": "1"}}});
    let plain = json!({"containers": [{"name": "c"}]});
    let short = json!({"containers": [container], "activeDeadlineSeconds": 5, "priorityClassName": "high"});
    let across = json!({"containers": [{"name": "c"}], "affinity": term(json!({"namespaceSelector": {}}))});
    let within = json!({"containers": [{"name": "c"}], "affinity": term(json!({}))});
    let class = |operator: &str, values: &[&str]| json!(["PriorityClass", operator, values]);
    for (scope, spec, expected) in [
        (json!(["Terminating", "Exists", []]), &short, true),
        (json!(["Terminating", "Exists", []]), &plain, false),
        (json!(["NotTerminating", "Exists", []]), &plain, true),
        (json!(["BestEffort", "Exists", []]), &plain, true),
        (json!(["NotBestEffort", "Exists", []]), &short, true),
        (json!(["CrossNamespacePodAffinity", "Exists", []]), &across, true),
        (json!(["CrossNamespacePodAffinity", "Exists", []]), &within, false),
        (json!(["VolumeAttributesClass", "Exists", []]), &plain, false),
        (class("Exists", &[]), &short, true),
        (class("Exists", &[]), &plain, false),
        (class("DoesNotExist", &[]), &plain, true),
        (class("In", &["high", "low"]), &short, true),
        (class("In", &["low"]), &short, false),
        (class("NotIn", &["high"]), &short, false),
        (class("NotIn", &["high"]), &plain, true),
    ] {
        let scope_of = Scope {
            scope_name: scope[0].as_str().unwrap_or_default().to_owned(),
            operator: scope[1].as_str().unwrap_or_default().to_owned(),
            values: parsed(&scope[2]),
        };
        assert_eq!(pod_is_in(&parsed(spec), &scope_of), expected, "{scope} {spec}");
    }
}

#[test]
fn containers_must_say_what_a_quota_limits() {
    let all = ["limits.memory", "pods", "requests.cpu", "requests.ephemeral-storage"];
    let named = |name: &str, resources: Value| json!({"name": name, "resources": resources});
    let silent = json!({"containers": [named("b", json!({})), named("a", json!({"requests": {"cpu": "1"}}))]});
    let whole = json!({"containers": [named("a", json!({}))], "resources": {"requests": {"cpu": "1"}}});
    for (spec, expected) in
        [(&silent, Some("must specify limits.memory for: a,b; requests.cpu for: b")), (&whole, None)]
    {
        assert_eq!(unsaid(&parsed(spec), all.into_iter()).as_deref(), expected, "{spec}");
    }
}

#[test]
fn a_claim_for_devices_uses_as_many_as_it_may_get() {
    let one =
        |class: &str, count: i64| json!({"deviceClassName": class, "allocationMode": "ExactCount", "count": count});
    let choice = |name: &str, class: &str, count: i64| {
        let mut choice = one(class, count);
        choice["name"] = name.into();
        choice
    };
    let claim = json!({"spec": {"devices": {"requests": [
        {"name": "a", "exactly": one("gpu", 2)},
        {"name": "b", "exactly": {"deviceClassName": "nic", "allocationMode": "All"}},
        {"name": "c", "firstAvailable": [choice("x", "gpu", 1), choice("y", "gpu", 4), choice("z", "small", 8)]},
    ]}}});
    assert_eq!(
        listed(&of_device_claim(&parsed(&claim))),
        "count/resourceclaims.resource.k8s.io=1,gpu.deviceclass.resource.k8s.io/devices=6,\
         nic.deviceclass.resource.k8s.io/devices=32,small.deviceclass.resource.k8s.io/devices=8"
    );
    assert_eq!(listed(&of_device_claim(&parsed(&json!({})))), "count/resourceclaims.resource.k8s.io=1");
}
