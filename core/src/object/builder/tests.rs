//! Chains of calls, and the objects that come of them.

use serde_json::json;

use crate::object::kind::TypedObject;
use crate::prelude::*;

#[test]
fn a_deployment_is_what_its_chain_says() {
    let deployment = Deployment::builder("web")
        .replicas(2)
        .rolling_update("25%", 0)
        .container(
            Container::builder("c", "nginx").named_port("http", 80).request("cpu", "0.5").readiness(Probe::tcp("http")),
        )
        .sidecar(Container::builder("proxy", "envoy").env_var(EnvVar::field("POD", "metadata.name")))
        .volume(Volume::empty_dir("tmp"))
        .build()
        .expect("nothing wrong in it");
    let expected = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [{
                        "name": "c",
                        "image": "nginx",
                        "ports": [{"name": "http", "containerPort": 80}],
                        "resources": {"requests": {"cpu": "500m"}},
                        "readinessProbe": {"tcpSocket": {"port": "http"}},
                    }],
                    "initContainers": [{
                        "name": "proxy",
                        "image": "envoy",
                        "restartPolicy": "Always",
                        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    }],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    });
    assert_eq!(deployment.to_value(), expected);
}

#[test]
fn selector_and_template_agree() {
    let labelled = ReplicaSet::builder("a")
        .pod_label("tier", "front")
        .container(Container::builder("c", "i"))
        .build()
        .expect("fine");
    assert_eq!(labelled.spec.selector.match_labels, Some([("tier".to_owned(), "front".to_owned())].into()));
    let selected = DaemonSet::builder("a")
        .selector("x", "y")
        .pod_label("z", "1")
        .container(Container::builder("c", "i"))
        .build()
        .expect("fine")
        .to_value();
    assert_eq!(selected["spec"]["selector"]["matchLabels"], json!({"x": "y"}));
    assert_eq!(selected["spec"]["template"]["metadata"]["labels"], json!({"x": "y", "z": "1"}));
}

#[test]
fn a_quantity_that_is_none_is_an_error_with_its_field() {
    let error = Pod::builder("p").container(Container::builder("c", "i").limit("cpu", "lots")).build();
    let text = error.expect_err("no quantity").to_string();
    assert!(text.starts_with("Pod \"p\": spec.containers[0].resources.limits.cpu: quantities must match"), "{text}");
}

#[test]
fn what_a_cluster_would_refuse_is_refused_here() {
    let text = Pod::builder("p").build().expect_err("no containers").to_string();
    assert_eq!(text, "Pod \"p\": spec.containers: Required value");
    let service = Service::builder("s").named_port("http", 0, 80).build().expect_err("no such port").to_string();
    assert_eq!(service, "Service \"s\": spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive");
    assert!(Pod::builder("x").generate_name("p-").container(Container::builder("c", "i")).build().is_ok());
}

#[test]
fn the_smaller_kinds_build_too() {
    let node = Node::builder("n1").capacity("cpu", "4").capacity("memory", "8Gi").allocatable("cpu", "3900m").ready();
    let status = node.build().expect("fine").to_value()["status"].clone();
    assert_eq!(status["allocatable"], json!({"cpu": "3900m", "memory": "8Gi"}));
    let job = Job::builder("j").completions(2).container(Container::builder("c", "i").command(["true"])).build();
    assert_eq!(job.expect("fine").to_value()["spec"]["template"]["spec"]["restartPolicy"], "Never");
    let old = ReplicationController::builder("old").replicas(2).container(Container::builder("c", "i")).build();
    let old = old.expect("fine").to_value();
    assert_eq!(old["spec"]["selector"], json!({"app": "old"}));
    assert_eq!(old["spec"]["template"]["metadata"]["labels"], json!({"app": "old"}));
    let service = Service::builder("s").selector("app", "web").named_port("http", 80, 8080).build().expect("fine");
    assert_eq!(service.to_value()["spec"]["ports"], json!([{"name": "http", "port": 80, "targetPort": 8080}]));
    let secret = Secret::builder("s").data("a", "hello").namespace("n").build().expect("fine");
    assert_eq!(secret.to_value()["data"], json!({"a": "aGVsbG8="}));
}
