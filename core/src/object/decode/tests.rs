//! What is tolerated, what is refused, and the words for it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use serde_json::json;

use super::*;

/// A pod with one container, in which one field has this value.
fn container(field: &str, value: Value) -> Value {
    json!({"spec": {"containers": [{"name": "c", field: value}]}})
}

#[test]
fn wrong_types_are_told_in_upstreams_words() {
    fn error<T: DeserializeOwned + fmt::Debug>(value: Value) -> String {
        from_value::<T>(&value).expect_err("a wrong type").to_string()
    }
    let rows = [
        (
            error::<Pod>(container("env", json!([{"name": "A", "value": 1}]))),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (
            error::<Pod>(json!({"spec": {"containers": {}}})),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            error::<Pod>(json!({"spec": {"containers": ["c"]}})),
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        (
            error::<ConfigMap>(json!({"metadata": {"labels": {"a": true}}})),
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            error::<Pod>(container("image", json!(false))),
            "json: cannot unmarshal bool into Go struct field Container.spec.containers.image of type string",
        ),
        (
            error::<Pod>(container("args", json!(""))),
            "json: cannot unmarshal string into Go struct field Container.spec.containers.args of type []string",
        ),
        (
            error::<Pod>(container("ports", json!([{"containerPort": ""}]))),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            error::<Pod>(container("ports", json!([{"containerPort": 1, "hostPort": ""}]))),
            "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.hostPort of type int32",
        ),
        (
            error::<Pod>(json!({"spec": {"nodeSelector": []}})),
            "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string",
        ),
        (
            error::<ConfigMap>(json!({"data": "x"})),
            "json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string",
        ),
        (
            error::<Deployment>(json!({"spec": {"selector": {"matchLabels": []}}})),
            "json: cannot unmarshal array into Go struct field LabelSelector.spec.selector.matchLabels of type map[string]string",
        ),
        (
            error::<Deployment>(json!({"spec": {"replicas": "3"}})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            error::<Pod>(json!({"spec": {"priority": 3.0}})),
            "json: cannot unmarshal number 3.0 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            error::<Service>(json!({"spec": {"ports": [{"port": 1, "targetPort": 1.5}]}})),
            "json: cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            error::<Pod>(container("resources", json!({"limits": {"cpu": true}}))),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            error::<Lease>(json!({"spec": {"renewTime": "yesterday"}})),
            r#"parsing time "yesterday" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "yesterday" as "2006""#,
        ),
    ];
    for (found, expected) in rows {
        assert_eq!(found, expected);
    }
}

#[test]
fn an_error_knows_its_field_and_says_it_plainly() {
    let wrong = container("ports", json!([{"containerPort": 1}, {"containerPort": "http"}]));
    let error = from_value::<Pod>(&wrong).expect_err("a wrong type");
    assert_eq!(error.field(), "spec.containers[0].ports[1].containerPort");
    assert_eq!(error.summary(), "expected a whole number, found string");
}

#[test]
fn unknown_fields_are_named_wherever_they_are() {
    let value =
        json!({"bogus": 1, "metadata": {"zz": {"deep": 1}}, "spec": {"containers": [{"b1": null, "name": "c"}]}});
    let (_, unknown) = from_value::<Pod>(&value).expect("all types are right");
    assert_eq!(unknown, ["bogus", "metadata.zz", "spec.containers[0].b1"]);
}

#[test]
fn what_kubernetes_tolerates_is_tolerated() {
    let limits = json!({"limits": {"cpu": 1.5, "memory": "2.5Gi", "pods": 1000, "x": null}});
    let (pod, unknown) = from_value::<Pod>(&json!({
        "metadata": null,
        "spec": {"containers": [{"name": "c", "args": null, "resources": limits}, null], "priority": 3}
    }))
    .expect("nothing that Kubernetes would refuse");
    assert!(unknown.is_empty());
    let spec = pod.spec.expect("a spec");
    assert_eq!((spec.containers.len(), spec.priority), (2, Some(3)));
    let shown = serde_json::to_value(&spec.containers[0].resources).expect("JSON");
    assert_eq!(shown, json!({"limits": {"cpu": "1500m", "memory": "2560Mi", "pods": "1k", "x": "0"}}));
    let (secret, _) = from_value::<Secret>(&json!({"data": {"a": "aGVs\nbG8=\n"}})).expect("line ends are ignored");
    assert_eq!(secret.data.expect("data")["a"].0, b"hello");
}
