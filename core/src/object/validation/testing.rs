//! Objects for tests, as they are when they come to be checked: defaults filled in.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::object::defaults;
use crate::object::kind::{Kinds, TypedObject};

/// A pod `p` in the namespace `test` with that spec.
pub(super) fn pod_of(spec: Value) -> Pod {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "test"}, "spec": spec,
    });
    let mut pod: Pod = serde_json::from_value(object).expect("a pod in a test is well-formed");
    defaults::pod(&mut pod);
    pod
}

/// The object that a manifest describes, in the namespace `test` when it is of one.
pub(super) fn object_of(manifest: &Value) -> Arc<dyn TypedObject> {
    let mut manifest = manifest.clone();
    let kinds = Kinds::built_in();
    let [api_version, kind] =
        [&manifest["apiVersion"], &manifest["kind"]].map(|text| text.as_str().unwrap_or_default());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let info = kinds.by_kind(group, version, kind).expect("the kind of a manifest in a test is built in");
    if info.is_namespaced() {
        manifest["metadata"]["namespace"] = json!("test");
    }
    let codec = info.codec.expect("a built-in kind that is stored has a codec");
    let mut object = codec.decode(&manifest).expect("a manifest in a test is well-formed").object;
    defaults::apply(Arc::get_mut(&mut object).expect("a new object is not shared").as_any_mut());
    object
}
