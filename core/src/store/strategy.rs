//! What the store needs of each kind beyond the rules of one write ([`crate::object::strategy`]).

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use super::admit::Part;
use super::pod::{PodPhase, PodState, QosClass};
use super::snapshot::Snapshot;
use crate::object::kind::{KindId, KindInfo, Kinds, TypedObject};
use crate::object::mutate::Surroundings;
use crate::object::prepare;

impl Surroundings for Snapshot {
    fn get(&self, kind: KindId, namespace: &str, name: &str) -> Option<Arc<dyn TypedObject>> {
        self.find(kind, namespace, name)?.to_typed(&Kinds::built_in())
    }

    fn list(&self, kind: KindId, namespace: &str) -> Vec<Arc<dyn TypedObject>> {
        let kinds = Kinds::built_in();
        self.list_in(kind, namespace).filter_map(|object| object.to_typed(&kinds)).collect()
    }
}

/// The status of a pod that has just been created from a spec that was admitted.
pub(super) fn initial_pod_state(spec: &PodSpec) -> PodState {
    let qos = match prepare::qos_class(spec) {
        "Guaranteed" => QosClass::Guaranteed,
        "Burstable" => QosClass::Burstable,
        _ => QosClass::BestEffort,
    };
    PodState { phase: PodPhase::Pending, qos: Some(qos), ..PodState::default() }
}

/// Whether two objects of one kind are the same but for their metadata.
pub(super) fn same_but_metadata(a: &dyn TypedObject, b: &dyn TypedObject) -> bool {
    let strip = |object: &dyn TypedObject| {
        let mut value = object.to_value();
        if let Some(object) = value.as_object_mut() {
            object.remove("metadata");
        }
        value
    };
    strip(a) == strip(b)
}

/// An update of one part of a user's own kind.
pub(super) fn merge_custom(before: &Value, next: &Value, part: Part, info: Option<&KindInfo>) -> Value {
    if !info.is_some_and(|info| info.has_subresource("status")) {
        return next.clone();
    }
    let (mut merged, status) = match part {
        Part::Main => (next.clone(), before.get("status")),
        Part::Status => (before.clone(), next.get("status")),
    };
    if let Some(object) = merged.as_object_mut() {
        match status {
            Some(status) => object.insert("status".to_owned(), status.clone()),
            None => object.remove("status"),
        };
    }
    merged
}
