//! Jobs while they run, budgets, and what guards the network.

use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change, wrong_status};

/// A job with the selector that is generated for it, whose template has these labels beside.
fn job(spec: Value, status: Value) -> Value {
    let labels = json!({
        "controller-uid": "1", "job-name": "j", "batch.kubernetes.io/controller-uid": "1",
        "batch.kubernetes.io/job-name": "j",
    });
    let mut whole = json!({
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a"}]},
        },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    object("batch/v1", "Job", "j", json!({"spec": whole, "status": status}))
}

#[test]
fn a_jobs_status_moves_forward() {
    let at = |second: u8| format!("2026-01-01T00:00:0{second}Z");
    let is = |kind: &str, status: &str| json!({"type": kind, "status": status});
    let status = |spec: Value, old: Value, new: Value| wrong_status(&job(spec.clone(), new), &job(spec, old));
    let indexed = |completions: u8| json!({"completionMode": "Indexed", "completions": completions, "parallelism": 2});
    assert_each([
        (
            status(json!({}), json!({"startTime": at(1)}), json!({"startTime": at(2)})),
            "status.startTime: Invalid value: \"2026-01-01T00:00:02Z\": \
             field is immutable for unsuspended job once set",
        ),
        (
            status(json!({}), json!({"startTime": at(1)}), json!({})),
            "status.startTime: Invalid value: null: field is immutable for unsuspended job once set",
        ),
        (
            status(
                json!({}),
                json!({"startTime": at(1), "conditions": [is("Suspended", "True")]}),
                json!({"startTime": at(2), "conditions": [is("Suspended", "False")]}),
            ),
            "",
        ),
        (
            status(indexed(3), json!({"succeeded": 2}), json!({"succeeded": 1})),
            "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
        ),
        // Who scales an Indexed job down takes away some that succeeded.
        (status(indexed(2), json!({"succeeded": 2}), json!({"succeeded": 1})), ""),
        (
            status(
                json!({"suspend": true, "completions": 0}),
                json!({}),
                json!({"completionTime": at(1), "conditions": [is("SuccessCriteriaMet", "True"), is("Complete", "True")]}),
            ),
            "",
        ),
    ]);
}

#[test]
fn a_suspended_jobs_template_may_change() {
    let changed = |spec: Value, status: Value| {
        let mut other = job(spec.clone(), status.clone());
        other["spec"]["template"]["spec"]["nodeSelector"] = json!({"zone": "a"});
        other["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
        wrong_change(&other, &job(spec, status)).split(": ").next().unwrap_or_default().to_owned()
    };
    let started = json!({"startTime": "2026-01-01T00:00:00Z"});
    let suspended =
        json!({"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Suspended", "status": "True"}]});
    let ending = json!({"active": 1, "conditions": [{"type": "Suspended", "status": "True"}]});
    assert_each([
        (changed(json!({}), json!({})), "spec.template"),
        (changed(json!({"suspend": true}), json!({})), ""),
        (changed(json!({"suspend": true}), suspended), ""),
        (changed(json!({"suspend": true}), started), "spec.template"),
        (changed(json!({"suspend": true}), ending), "spec.template"),
    ]);
    let mut image = job(json!({"suspend": true}), json!({}));
    image["spec"]["template"]["spec"]["containers"][0]["image"] = json!("b");
    let told = wrong_change(&image, &job(json!({"suspend": true}), json!({})));
    assert!(told.starts_with("spec.template.spec: Invalid value: {"), "{told}");
}

#[test]
fn an_older_jobs_template_has_fewer_labels() {
    let mut old = job(json!({}), json!({}));
    let labels = old["spec"]["template"]["metadata"]["labels"].as_object_mut().expect("labels are a map");
    labels.retain(|label, _| !label.contains('/'));
    old["spec"]["selector"] = json!({"matchLabels": {"controller-uid": "1"}});
    assert_each([(wrong_change(&old, &old), "")]);
}

#[test]
fn budgets_have_any_name() {
    let budget = |name: &str, spec: Value| object("policy/v1", "PodDisruptionBudget", name, json!({"spec": spec}));
    assert_each([
        (wrong(&budget("A_b", json!({"minAvailable": 1}))), ""),
        (
            wrong(&budget("a/b", json!({"minAvailable": 1}))),
            "metadata.name: Invalid value: \"a/b\": may not contain '/'",
        ),
        (
            wrong(&budget("a/b", json!({"minAvailable": -1}))),
            "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0",
        ),
    ]);
}

#[test]
fn networks_are_guarded_by_whole_rules() {
    let policy = |port: Value| {
        let spec = json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
        wrong(&object("networking.k8s.io/v1", "NetworkPolicy", "n", json!({"spec": spec})))
    };
    let slice = |more: Value| {
        let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", "s", json!({"addressType": "IPv4"}));
        for (field, value) in more.as_object().into_iter().flatten() {
            slice[field] = value.clone();
        }
        slice
    };
    let of = |address: &str| json!([{"addresses": [address]}]);
    let old = slice(json!({"endpoints": of("010.0.0.1")}));
    let changed = slice(json!({"endpoints": [{"addresses": ["010.0.0.1"]}, {"addresses": ["10.0.0.2"]}]}));
    assert_each([
        (policy(json!({"port": 80, "endPort": 81})), ""),
        (
            policy(json!({"port": 80, "endPort": 79})),
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
        ),
        (
            wrong(&slice(json!({"ports": [{"name": "A"}], "endpoints": of("127.0.0.1")}))),
            "[ports[0].name: Invalid value: \"A\": <label>, \
             endpoints[0].addresses[0]: Invalid value: \"127.0.0.1\": \
             may not be in the loopback range (127.0.0.0/8, ::1/128)]",
        ),
        (
            wrong(&slice(json!({"endpoints": of("fd00::1")}))),
            "endpoints[0].addresses: Invalid value: \"fd00::1\": must be an IPv4 address",
        ),
        // What is there already may stay as it is written, but not beside something new.
        (wrong_change(&old, &old), ""),
        (
            wrong_change(&changed, &old),
            "endpoints[0].addresses[0]: Invalid value: \"010.0.0.1\": must not have leading 0s",
        ),
    ]);
}

#[test]
fn ranges_that_a_balancer_lets_in_are_read_once() {
    let service = |ranges: &str, port: u16| {
        let spec = json!({
            "type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "ports": [{"port": port, "nodePort": 30000, "targetPort": 1}],
        });
        let mut service = object("v1", "Service", "s", json!({"spec": spec}));
        service["metadata"]["annotations"] = json!({"service.beta.kubernetes.io/load-balancer-source-ranges": ranges});
        service
    };
    assert_each([
        (
            wrong(&service("10.0.0.1/8", 80)),
            "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: \
             \"10.0.0.1/8\": must not have bits set beyond the prefix length",
        ),
        (wrong_change(&service("10.0.0.1/8", 81), &service("10.0.0.1/8", 80)), ""),
    ]);
}

#[test]
fn nodes_say_what_they_can_do() {
    let node = |features: Value| object("v1", "Node", "n", json!({"status": {"declaredFeatures": features}}));
    let name = "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature \
                or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
    assert_each([
        (wrong(&node(json!(["A", "A/b", "B"]))), ""),
        (
            wrong(&node(json!(["B", "A", "A"]))),
            "[status.declaredFeatures[1]: Invalid value: \"A\": list must be sorted alphabetically, \
             status.declaredFeatures[2]: Duplicate value: \"A\"]",
        ),
        (
            wrong(&node(json!(["A/1"]))).replace(name, "<feature>"),
            "status.declaredFeatures[0]: Invalid value: \"A/1\": invalid feature name \"A/1\": <feature>",
        ),
        (
            wrong(&object(
                "v1",
                "Node",
                "n",
                json!({"status": {"nodeInfo": {
                    "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
                    "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "",
                    "osImage": "", "systemUUID": "", "swap": {"capacity": 0},
                }}}),
            )),
            "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero",
        ),
    ]);
}

#[test]
fn what_selects_roles_selects() {
    let role = object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "r",
        json!({"aggregationRule": {"clusterRoleSelectors": [
            {"matchLabels": {"a": "b"}},
            {"matchExpressions": [{"key": "a", "operator": "Near"}]},
        ]}}),
    );
    assert_each([(
        wrong(&role),
        "[aggregationRule.clusterRoleSelectors[1].matchExpressions[0].operator: Invalid value: \"Near\": \
         not a valid selector operator, \
         aggregationRule.clusterRoleSelectors[1]: Invalid value: null: invalid label selector.]",
    )]);
}
