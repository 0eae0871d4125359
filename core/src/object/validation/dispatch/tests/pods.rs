//! Pods: what stands in a spec, and what an agent may say of one that runs.

use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_status};

fn pod(more: Value, status: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "a"}]});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    object("v1", "Pod", "p", json!({"spec": spec, "status": status}))
}

/// What is wrong with a status that comes after another, of a pod with these fields.
fn after(spec: &Value, old: Value, new: Value) -> String {
    wrong_status(&pod(spec.clone(), new), &pod(spec.clone(), old))
}

#[test]
fn a_status_says_what_can_be() {
    let plain = json!({});
    let claims = json!({"resourceClaims": [{"name": "r", "resourceClaimName": "x"}]});
    let said = |spec: &Value, status: Value| after(spec, json!({}), status);
    assert_each([
        (
            said(&plain, json!({"conditions": [{"type": "a b", "status": "True", "observedGeneration": -1}]})),
            "[status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer, \
             status.conditions[0].Type: Invalid value: \"a b\": <name>]",
        ),
        (said(&plain, json!({"nominatedNodeName": "n"})), ""),
        (
            said(&json!({"nodeName": "m"}), json!({"nominatedNodeName": "n"})),
            "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node",
        ),
        (
            said(&claims, json!({"resourceClaimStatuses": [{"name": "r", "resourceClaimName": "A"}]})),
            "status.resourceClaimStatuses[0].resourceClaimName: Invalid value: \"A\": <subdomain>",
        ),
        (
            said(&plain, json!({"extendedResourceClaimStatus": {"requestMappings": [], "resourceClaimName": ""}})),
            "[status.extendedResourceClaimStatus.requestMappings: Required value: \
             at least one request mapping is required, \
             status.extendedResourceClaimStatus.resourceClaimName: Required value]",
        ),
        (
            said(
                &plain,
                json!({"extendedResourceClaimStatus": {"resourceClaimName": "x", "requestMappings": [
                    {"containerName": "d", "resourceName": "acme.io/a", "requestName": "r"},
                    {"containerName": "c", "resourceName": "acme.io/a", "requestName": "R"},
                ]}}),
            ),
            "[status.extendedResourceClaimStatus.requestMappings[0].containerName: Invalid value: \"d\": \
             must match the name of an entry in spec.initContainers.name or spec.containers.name, \
             status.extendedResourceClaimStatus.requestMappings[1].resourceName: Invalid value: \"acme.io/a\": \
             must match the extended resource name of an entry in spec.initContainers.resources.requests or \
             spec.containers.resources.requests, \
             status.extendedResourceClaimStatus.requestName: Invalid value: \"R\": <label>]",
        ),
        (
            said(&plain, json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}]})),
            "status.podIPs: Invalid value: [{\"IP\":\"10.0.0.1\"},{\"IP\":\"10.0.0.1\"}]: \
             may specify no more than one IP for each IP family",
        ),
        (
            said(
                &plain,
                json!({"containerStatuses": [{
                    "name": "c", "image": "a", "imageID": "", "ready": true, "restartCount": 0,
                    "user": {"linux": {"uid": -1, "gid": 0}},
                }]}),
            ),
            "status.containerStatuses[0].user.linux.uid: Invalid value: -1: \
             must be between 0 and 2147483647, inclusive",
        ),
    ]);
}

#[test]
fn what_ended_for_good_stays_ended() {
    let is = |name: &str, state: Value| json!({"name": name, "image": "a", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    let ended = |name: &str| is(name, json!({"terminated": {"exitCode": 3}}));
    let runs = |name: &str| is(name, json!({"running": {}}));
    let again = |spec: Value, name: &str| {
        after(&spec, json!({"containerStatuses": [ended(name)]}), json!({"containerStatuses": [runs(name)]}))
    };
    let of_all = json!({"restartPolicy": "Never", "containers": [
        {"name": "c", "image": "a"},
        {"name": "d", "image": "a", "restartPolicy": "Never", "restartPolicyRules": [
            {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [9]}},
        ]},
    ]});
    let refused = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state";
    assert_each([
        (again(json!({"restartPolicy": "Always"}), "c"), ""),
        (again(json!({"restartPolicy": "OnFailure"}), "c"), ""),
        (again(json!({"restartPolicy": "Never"}), "c"), refused),
        // Who is not of the pod has no policy.
        (again(json!({"restartPolicy": "Always"}), "x"), refused),
        // Who may be taken along by another may always start again.
        (again(of_all, "c"), ""),
    ]);
}

#[test]
fn a_pod_asks_for_what_it_can_have() {
    let sized = |name: &str, cpu: &str| json!({"name": name, "image": "a", "resources": {"requests": {"cpu": cpu}}});
    let made = |spec: Value| wrong(&pod(spec, json!({})));
    let policy = json!([{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]);
    assert_each([
        (
            made(json!({"initContainers": [{"name": "i", "image": "a", "resizePolicy": policy}]})),
            "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": \
             must not be set to 'RestartContainer' for non-sidecar initContainers",
        ),
        (
            made(json!({"initContainers": [
                {"name": "i", "image": "a", "resizePolicy": policy, "restartPolicy": "Always"},
            ]})),
            "",
        ),
        (
            made(json!({"containers": [sized("c", "1"), sized("d", "2")], "resources": {"requests": {"cpu": "2"}}})),
            "spec.resources.requests[cpu]: Invalid value: \"2\": \
             must be greater than or equal to aggregate container requests of 3",
        ),
        // Of what the pod itself does not ask for, its containers may ask.
        (made(json!({"containers": [sized("c", "1")], "resources": {"requests": {"memory": "2Mi"}}})), ""),
        (
            made(json!({"hostNetwork": true, "setHostnameAsFQDN": true, "hostnameOverride": "A"})),
            "[spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true, \
             spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true, \
             spec.hostnameOverride: Invalid value: \"A\": <subdomain>]",
        ),
        (made(json!({"os": {"name": ""}})), "spec.os.name: Required value"),
    ]);
}
