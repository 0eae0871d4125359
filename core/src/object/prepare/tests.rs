//! What a client sends, and what becomes of it before it is validated.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::object::defaults;
use crate::object::kind::Kinds;

const THEN: Time = Time::from_secs(1_000);
const NOW: Time = Time::from_secs(2_000);

fn object(value: &Value) -> Arc<dyn TypedObject> {
    let kinds = Kinds::built_in();
    let text = |field: &str| value[field].as_str().expect("a text").to_owned();
    let info = kinds.by_api_version(&text("apiVersion"), &text("kind")).expect("a kind");
    info.codec.expect("a built-in kind").decode(value).expect("an object").object
}

/// The object as it is after creation, then after an update (or a status update) made of its own JSON by `edit`.
fn created_and_updated(value: &Value, status: bool, edit: impl FnOnce(&mut Value)) -> (Value, Value) {
    let mut first = object(value);
    let first = Arc::get_mut(&mut first).expect("alone");
    defaults::apply(first.as_any_mut());
    for_create(first, &Request::internal(THEN));
    let created = first.to_wire();
    let mut next = created.clone();
    edit(&mut next);
    let mut second = object(&next);
    let second = Arc::get_mut(&mut second).expect("alone");
    defaults::apply(second.as_any_mut());
    if status {
        for_status_update(second, first, &Request::internal(NOW));
    } else {
        for_update(second, first, &Request::internal(NOW));
    }
    (created, second.to_wire())
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{
                "name": "c", "image": "i", "resources": {"limits": {"cpu": "0.5"}}
            }]}}
        },
        "status": {"replicas": 7}
    })
}

#[test]
fn the_generation_counts_changes_of_what_is_asked_for_and_nothing_else() {
    type Edit = fn(&mut Value);
    let rows: [(&str, Edit, i64); 7] = [
        ("nothing", |_| {}, 1),
        ("labels", |next| next["metadata"]["labels"]["x"] = json!("y"), 1),
        ("annotations", |next| next["metadata"]["annotations"] = json!({"x": "y"}), 2),
        ("replicas", |next| next["spec"]["replicas"] = json!(3), 2),
        ("the status", |next| next["status"]["replicas"] = json!(3), 1),
        ("the generation itself", |next| next["metadata"]["generation"] = json!(9), 1),
        (
            "the same in other words",
            |next| {
                let container = &mut next["spec"]["template"]["spec"]["containers"][0];
                container["resources"] = json!({"limits": {"cpu": "500m"}, "claims": []});
                container["env"] = json!([]);
                container["workingDir"] = json!("");
                next["spec"]["paused"] = json!(false);
                next["spec"]["minReadySeconds"] = json!(0);
            },
            1,
        ),
    ];
    for (what, edit, generation) in rows {
        let (_, updated) = created_and_updated(&deployment(), false, edit);
        assert_eq!(updated["metadata"]["generation"], generation, "{what}");
        assert_eq!(updated["status"], json!({}), "{what}");
    }
}

#[test]
fn a_status_update_changes_the_status_alone() {
    let (created, updated) = created_and_updated(&deployment(), true, |next| {
        next["status"] = json!({"replicas": 2, "observedGeneration": 1});
        next["spec"]["replicas"] = json!(5);
        next["metadata"]["labels"] = json!({});
    });
    assert_eq!(updated["status"], json!({"replicas": 2, "observedGeneration": 1}));
    assert_eq!((&updated["spec"], &updated["metadata"]), (&created["spec"], &created["metadata"]));
}

#[test]
fn a_service_keeps_what_was_given_out_until_it_has_no_use_for_it() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {
            "type": "NodePort", "clusterIP": "10.96.0.7", "selector": {"a": "b"},
            "ports": [{"name": "x", "port": 80, "nodePort": 30080}, {"name": "y", "port": 81, "nodePort": 30081}]
        }
    });
    let bare = |kind: &str| {
        json!({
            "type": kind, "selector": {"a": "b"},
            "ports": [{"name": "y", "port": 81, "nodePort": 30080}, {"name": "x", "port": 82}]
        })
    };
    let (_, updated) = created_and_updated(&service, false, |next| next["spec"] = bare("NodePort"));
    assert_eq!(updated["spec"]["clusterIPs"], json!(["10.96.0.7"]));
    // `x` had 30080, which `y` has taken; the store will find another.
    let node_ports: Vec<_> = (0..2).map(|at| updated["spec"]["ports"][at]["nodePort"].clone()).collect();
    assert_eq!(node_ports, [json!(30080), Value::Null]);
    let (_, updated) = created_and_updated(&service, false, |next| next["spec"]["type"] = json!("ClusterIP"));
    assert_eq!(updated["spec"]["ports"][0]["nodePort"], Value::Null);
    assert_eq!(updated["spec"].get("externalTrafficPolicy"), None);
    let (_, updated) = created_and_updated(&service, false, |next| {
        next["spec"]["type"] = json!("ExternalName");
        next["spec"]["externalName"] = json!("example.com");
    });
    assert_eq!((updated["spec"].get("clusterIP"), updated["spec"].get("ipFamilies")), (None, None));
}

#[test]
fn a_volume_remembers_when_it_changed_its_phase() {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"},
        "spec": {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    });
    let (then, now, told) = ("1970-01-01T00:16:40Z", "1970-01-01T00:33:20Z", "2020-01-01T00:00:00Z");
    for (phase, given, since) in [
        ("Pending", json!(then), then),
        ("Pending", Value::Null, then),
        ("Pending", json!(told), told),
        ("Available", json!(then), now),
        ("Available", Value::Null, now),
        ("Available", json!(told), told),
    ] {
        let (_, updated) = created_and_updated(&volume, true, |next| {
            next["status"] = json!({"phase": phase, "lastPhaseTransitionTime": given});
        });
        assert_eq!(updated["status"]["lastPhaseTransitionTime"], since, "{phase} {given}");
    }
}

/// A row is an object, a pointer, and what stands there once it is created and once it is updated with another label.
#[test]
fn what_a_client_may_not_say_goes_and_the_rest_stays() {
    let claim = |source: Value| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "dataSourceRef": source},
        })
    };
    let source =
        |namespace: &str| json!({"kind": "Thing", "apiGroup": "example.com", "name": "t", "namespace": namespace});
    let driver = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "d"}, "spec": {}});
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "spec": {"configSource": {"configMap": {"name": "m", "namespace": "n", "kubeletConfigKey": "k"}}},
        "status": {"config": {"error": "e"}, "phase": "Running"},
    });
    let service = |behind: Value| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.example.com"},
            "spec": {"group": "example.com", "version": "v1", "service": behind, "groupPriorityMinimum": 1, "versionPriority": 1},
            "status": {"conditions": [{"type": "Available", "status": "False"}]},
        })
    };
    let remote = service(json!({"name": "s", "namespace": "n"}));
    for (given, pointer, wanted) in [
        (claim(source("elsewhere")), "/spec/dataSourceRef", Value::Null),
        (claim(source("elsewhere")), "/spec/dataSource", Value::Null),
        (claim(source("")), "/spec/dataSource/name", json!("t")),
        (driver, "/metadata/generation", Value::Null),
        (node.clone(), "/spec/configSource", Value::Null),
        (node.clone(), "/status/config", Value::Null),
        (node, "/status/phase", json!("Running")),
        (service(Value::Null), "/status/conditions/0/reason", json!("Local")),
        (remote.clone(), "/status/conditions", Value::Null),
        (remote, "/spec/service/port", json!(443)),
    ] {
        let edit = |next: &mut Value| next["metadata"]["labels"] = json!({"a": "b"});
        let (created, updated) = created_and_updated(&given, false, edit);
        for object in [created, updated] {
            assert_eq!(object.pointer(pointer).cloned().unwrap_or_default(), wanted, "{pointer} of {object}");
        }
    }
}

#[test]
fn a_pod_keeps_its_class_and_its_observed_generations() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "g"}]}
    });
    let (created, updated) = created_and_updated(&pod, true, |next| {
        next["status"] = json!({"phase": "Running", "podIP": "10.0.0.1"});
    });
    assert_eq!(created["status"]["conditions"][0]["reason"], "SchedulingGated");
    assert_eq!(
        updated["status"],
        json!({"phase": "Running", "qosClass": "BestEffort", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]})
    );
}

#[test]
fn the_table_agrees_with_the_rules() {
    for info in Kinds::built_in().iter().filter(|info| info.is_stored()) {
        let value = json!({"apiVersion": info.api_version(), "kind": &*info.kind, "metadata": {"name": "x"}});
        let mut object = object(&value);
        let object = Arc::get_mut(&mut object).expect("alone");
        for_create(object, &Request::internal(NOW));
        // Definitions of users' kinds have rules of their own elsewhere.
        if info.id != kind::CUSTOM_RESOURCE_DEFINITION {
            let counts = object.metadata().generation == Some(1);
            assert_eq!(counts, has_generation(info.id), "{:?}", info.id);
        }
    }
}

#[test]
fn a_lease_has_no_strategy_while_its_gate_is_closed() {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "a", "strategy": "x", "preferredHolder": "b"},
    });
    let (created, updated) = created_and_updated(&lease, false, |next| next["spec"]["strategy"] = json!("y"));
    assert_eq!(created["spec"], json!({"holderIdentity": "a"}));
    assert_eq!(updated["spec"], json!({"holderIdentity": "a"}));
}
