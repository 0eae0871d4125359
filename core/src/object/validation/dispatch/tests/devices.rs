//! Devices that are asked for, and devices that there are.

use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change, wrong_status};

fn claim(devices: Value) -> Value {
    object("resource.k8s.io/v1", "ResourceClaim", "c", json!({"spec": {"devices": devices}}))
}

fn class(spec: Value) -> Value {
    object("resource.k8s.io/v1", "DeviceClass", "c", json!({"spec": spec}))
}

fn one(exactly: Value) -> Value {
    claim(json!({"requests": [{"name": "a", "exactly": exactly}]}))
}

#[test]
fn a_claim_asks_for_devices_of_a_class() {
    let request = json!({"deviceClassName": "x", "allocationMode": "ExactCount", "count": 1});
    let two = json!([{"name": "a", "exactly": request}, {"name": "a", "exactly": request}]);
    assert_each([
        (wrong(&one(request.clone())), ""),
        (
            wrong(&one(json!({"deviceClassName": "", "allocationMode": "All", "count": 2}))),
            "[spec.devices.requests[0].exactly.deviceClassName: Required value, \
 spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All']",
        ),
        (
            wrong(&one(json!({"deviceClassName": "x", "allocationMode": "Some", "tolerations": [
                {"operator": "Exists", "value": "v"}, {"key": "k", "effect": "X"},
            ]}))),
            "[spec.devices.requests[0].exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\", \
 spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"v\": must be empty for operator `Exists`, \
 spec.devices.requests[0].exactly.tolerations[1].effect: Unsupported value: \"X\": supported values: \"NoExecute\", \"NoSchedule\", \"None\"]",
        ),
        (
            wrong(&claim(
                json!({"requests": [{"name": "a"}, {"name": "b", "exactly": request, "firstAvailable": [{"name": "c"}]}]}),
            )),
            "[spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required, \
 spec.devices.requests[1]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set]",
        ),
        (
            wrong(&claim(json!({"requests": two, "constraints": [
                {"requests": ["b", "a/x/y"], "matchAttribute": "model"}, {},
            ]}))),
            "[spec.devices.requests[1]: Duplicate value: \"a\", \
 spec.devices.constraints[0].requests[0]: Invalid value: \"b\": must be the name of a request in the claim or the name of a \
request and a subrequest separated by '/', \
 spec.devices.constraints[0].requests[1]: Invalid value: \"a/x/y\": must be the name of a request in the claim or the name of a \
request and a subrequest separated by '/', \
 spec.devices.constraints[0].matchAttribute: Invalid value: \"model\": a fully qualified name must be a domain and a name \
separated by a slash, \
 spec.devices.constraints[1]: Required value: exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but \
multiple fields are set]",
        ),
        (
            wrong_change(&one(json!({"deviceClassName": "y", "allocationMode": "All"})), &one(request)),
            "spec: Invalid value: {\"Devices\":{\"Requests\":[{\"Name\":\"a\",\"Exactly\":{\"DeviceClassName\":\"y\",\
\"Selectors\":null,\"AllocationMode\":\"All\",\"Count\":0,\"AdminAccess\":null,\"Tolerations\":null,\"Capacity\":null},\
\"FirstAvailable\":null}],\"Constraints\":null,\"Config\":null}}: field is immutable",
        ),
    ]);
}

#[test]
fn a_class_selects_devices_by_expressions() {
    let selected = |expression: &str| wrong(&class(json!({"selectors": [{"cel": {"expression": expression}}]})));
    assert_each([
        (selected("device.driver == \"d\" && device.attributes[\"d\"].model == \"m\""), ""),
        (
            selected("device.driver"),
            "spec.selectors[0].cel.expression: Invalid value: \"device.driver\": must evaluate to bool or the unknown type, not string",
        ),
        (
            wrong(&class(
                json!({"selectors": [{}], "config": [{}, {"opaque": {"driver": "d", "parameters": 5}}], "extendedResourceName": "cpu"}),
            )),
            "[spec.selectors[0].cel: Required value, \
 spec.config[0].opaque: Required value, \
 spec.config[1].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object, \
 spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name]",
        ),
    ]);
    let undefined = selected("device.color");
    assert!(undefined.contains("compilation failed: ERROR: <input>:1:7: undefined field 'color'"), "{undefined}");
}

#[test]
fn a_slice_lists_the_devices_of_a_driver() {
    let slice = |mut spec: Value| {
        spec["driver"] = json!("d");
        spec["pool"] = json!({"name": "p", "generation": 1, "resourceSliceCount": 1});
        object("resource.k8s.io/v1", "ResourceSlice", "s", json!({"spec": spec}))
    };
    assert_each([
        (
            wrong(&slice(
                json!({"nodeName": "n", "devices": [{"name": "a", "attributes": {"d/m": {"version": "1.2.3"}}}]}),
            )),
            "",
        ),
        (
            wrong(&slice(json!({"nodeName": "n", "allNodes": true}))),
            "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, \
`perDeviceNodeSelection` is required, but multiple fields are set",
        ),
        (
            wrong(&slice(json!({"allNodes": true, "devices": [
                {"name": "a", "attributes": {"x": {}, "y": {"version": "1"}}, "taints": [{"key": "k", "effect": "X"}]},
                {"name": "a", "nodeName": "n"},
            ]}))),
            "[spec.devices[0].attributes[x]: Invalid value: \"\": exactly one value must be specified, \
 spec.devices[0].attributes[y].version: Invalid value: \"1\": must be a string compatible with semver.org spec 2.0.0, \
 spec.devices[0].taints[0].effect: Unsupported value: \"X\": supported values: \"NoExecute\", \"NoSchedule\", \"None\", \
 spec.devices[1]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` \
is set to true in the ResourceSlice spec, \
 spec.devices[1]: Duplicate value: \"a\"]",
        ),
        (
            wrong_change(&slice(json!({"nodeName": "m"})), &slice(json!({"nodeName": "n"}))),
            "spec.nodeName: Invalid value: \"m\": field is immutable",
        ),
    ]);
}

#[test]
fn what_shares_a_device_may_ask_for_as_much_as_its_policy_says() {
    let shared = |capacity: &str, policy: Value| {
        let capacity = json!({"m": {"value": capacity, "requestPolicy": policy}});
        let device = json!({"name": "a", "allowMultipleAllocations": true, "capacity": capacity});
        let pool = json!({"name": "p", "generation": 1, "resourceSliceCount": 1});
        let spec = json!({"driver": "d", "pool": pool, "allNodes": true, "devices": [device]});
        let wrong = wrong(&object("resource.k8s.io/v1", "ResourceSlice", "s", json!({"spec": spec})));
        wrong.replace("spec.devices[0].capacity[m].requestPolicy", "policy")
    };
    assert_each([
        (shared("10", json!({"default": "2", "validValues": ["1", "2"]})), ""),
        (shared("10Gi", json!({"default": "1Gi", "validRange": {"min": "1Gi", "max": "9Gi", "step": "2Gi"}})), ""),
        (
            shared("10", json!({"default": "1", "validValues": ["1"], "validRange": {"min": "1"}})),
            "policy: Forbidden: exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
        ),
        (
            shared("10", json!({"validValues": ["1"]})),
            "policy.default: Required value: required when validValues is defined",
        ),
        (
            shared("10", json!({"default": "5", "validValues": ["3", "1", "1", "20"]})),
            "[policy.validValues[1]: Invalid value: \"1\": values must be sorted in ascending order, \
 policy.validValues[3]: Invalid value: \"20\": option is larger than capacity value: 10, \
 policy.validValues[2]: Duplicate value: \"1\", \
 policy.validValues: Invalid value: \"5\": default value is not valid according to the requestPolicy]",
        ),
        (
            shared("10", json!({"default": "5", "validRange": {}})),
            "policy.validRange.min: Required value: required when validRange is defined",
        ),
        (
            shared("10", json!({"default": "1", "validRange": {"min": "12", "max": "11", "step": "0"}})),
            "[policy.validRange.min: Invalid value: \"12\": min is larger than capacity value: 10, \
 policy.validRange.default: Invalid value: \"1\": default is less than min: 12, \
 policy.validRange.max: Invalid value: \"12\": min is larger than max: 11, \
 policy.validRange.max: Invalid value: \"11\": max is larger than capacity value: 10, \
 policy.validRange.step: Invalid value: \"0\": must be greater than zero]",
        ),
        (
            shared("10", json!({"default": "4", "validRange": {"min": "1", "max": "8", "step": "2"}})),
            "[policy.validRange.step: Invalid value: \"4\": value is not a multiple of a given step (2) from (1), \
 policy.validRange.step: Invalid value: \"8\": value is not a multiple of a given step (2) from (1)]",
        ),
        (
            shared("10", json!({"default": "1", "validRange": {"min": "-1", "step": "20"}})),
            "[policy.validRange.step: Invalid value: \"20\": one step 19 is larger than capacity value: 10, \
 policy.validRange.min: Invalid value: \"-1\": must be greater than or equal to 0]",
        ),
    ]);
}

#[test]
fn what_a_claim_was_given_is_what_its_drivers_speak_of() {
    let request = json!({"name": "a", "exactly": {"deviceClassName": "x", "allocationMode": "ExactCount", "count": 1}});
    let with = |status: Value| {
        object(
            "resource.k8s.io/v1",
            "ResourceClaim",
            "c",
            json!({"spec": {"devices": {"requests": [request]}}, "status": status}),
        )
    };
    let given = |result: Value| json!({"allocation": {"devices": {"results": [result]}}});
    let result = json!({"request": "a", "driver": "d", "pool": "p", "device": "gpu"});
    let told = |devices: Value| {
        let mut status = given(result.clone());
        status["devices"] = devices;
        wrong_status(&with(status.clone()), &with(given(result.clone())))
    };
    let device = json!({"driver": "d", "pool": "p", "device": "gpu"});
    let other = json!({"driver": "d", "pool": "p", "device": "b"});
    assert_each([
        (wrong_status(&with(given(result.clone())), &with(json!({}))), ""),
        (
            wrong_status(
                &with(given(json!({
                    "request": "b", "driver": "", "pool": "P", "device": "x.y", "shareID": "1",
                    "tolerations": [{"operator": "X"}],
                }))),
                &with(json!({})),
            ),
            "[status.allocation.devices.results[0].request: Invalid value: \"b\": must be the name of a request in the claim or \
the name of a request and a subrequest separated by '/', \
 status.allocation.devices.results[0].driver: Required value, \
 status.allocation.devices.results[0].pool: Invalid value: \"P\": <subdomain>, \
 status.allocation.devices.results[0].device: Invalid value: \"x.y\": must not contain dots, \
 status.allocation.devices.results[0].tolerations[0].operator: Unsupported value: \"X\": supported values: \"Equal\", \"Exists\", \
 status.allocation.devices.results[0].shareID: Invalid value: \"1\": error validating uid: invalid UUID length: 1]",
        ),
        (
            wrong_status(
                &with(json!({"allocation": {"devices": {"config": [{"source": "X", "requests": ["a"]}]}}})),
                &with(json!({})),
            ),
            "[status.allocation.devices.config[0].source: Unsupported value: \"X\": supported values: \"FromClaim\", \"FromClass\", \
 status.allocation.devices.config[0].opaque: Required value]",
        ),
        (told(json!([device])), ""),
        (
            told(json!([device, device, other])),
            "[status.devices[2]: Invalid value: {\"Driver\":{},\"Pool\":{},\"Device\":{},\"ShareID\":{}}: must be an allocated device \
in the claim, \
 status.devices[1]: Duplicate value: {\"Driver\":{},\"Pool\":{},\"Device\":{},\"ShareID\":{}}]",
        ),
        (
            told(json!([{"driver": "d", "pool": "p", "device": "gpu", "data": 5, "networkData": {
                "hardwareAddress": "x".repeat(129), "ips": ["10.0.0.1/8", "10.0.0.1"],
            }}])),
            "[status.devices[0].data: Invalid value: \"<value omitted>\": must be a valid JSON object, \
 status.devices[0].networkData.hardwareAddress: Too long: may not be more than 128 bytes, \
 status.devices[0].networkData.ips[1]: Invalid value: \"10.0.0.1\": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or \
2001:db8::1/64)]",
        ),
    ]);
}

#[test]
fn a_rule_taints_the_devices_that_it_selects() {
    let rule = |spec: Value| object("resource.k8s.io/v1", "DeviceTaintRule", "r", json!({"spec": spec}));
    let taint = json!({"key": "k", "effect": "NoSchedule"});
    assert_each([
        (wrong(&rule(json!({"deviceSelector": {"driver": "d", "pool": "p/q", "device": "a"}, "taint": taint}))), ""),
        (wrong(&rule(json!({"taint": taint}))), ""),
        (
            wrong(&rule(
                json!({"deviceSelector": {"driver": "", "pool": "P", "device": "a.b"}, "taint": {"key": "k", "value": "/"}}),
            )),
            "[spec.deviceSelector.driver: Required value, \
 spec.deviceSelector.pool: Invalid value: \"P\": <subdomain>, \
 spec.deviceSelector.device: Invalid value: \"a.b\": must not contain dots, \
 spec.taint.value: Invalid value: \"/\": <value>, \
 spec.taint.effect: Required value]",
        ),
    ]);
}
