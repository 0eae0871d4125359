//! Devices that are asked for, and devices that there are.

use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change};

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
