//! Objects for tests, as they are when they come to be checked: defaults filled in.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::object::defaults;

/// A pod `p` in the namespace `test` with that spec.
pub(super) fn pod_of(spec: Value) -> Pod {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "test"}, "spec": spec,
    });
    let mut pod: Pod = serde_json::from_value(object).expect("a pod in a test is well-formed");
    defaults::pod(&mut pod);
    pod
}
