//! What admission does with each kind: the stages of one write, in order, in one place.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, NamespaceSpec, NamespaceStatus, Pod, PodSpec};
use serde_json::Value;

use super::admit::Part;
use super::pod::{PodPhase, PodState};
use super::snapshot::Snapshot;
use crate::object::field::FieldErrors;
use crate::object::kind::{self, KindId, KindInfo, TypedObject};

/// What became of an update.
#[derive(Debug)]
pub(super) struct Updated {
    pub(super) object: Arc<dyn TypedObject>,
    pub(super) spec_changed: bool,
}

/// Whether a kind counts how often its spec changed.
pub(super) fn has_generation(kind: KindId) -> bool {
    [
        kind::POD,
        kind::DEPLOYMENT,
        kind::REPLICA_SET,
        kind::STATEFUL_SET,
        kind::DAEMON_SET,
        kind::JOB,
        kind::CRON_JOB,
        kind::REPLICATION_CONTROLLER,
        kind::POD_DISRUPTION_BUDGET,
        kind::INGRESS,
        kind::NETWORK_POLICY,
    ]
    .contains(&kind)
}

/// Defaults, mutates, prepares and validates a new object.
pub(super) fn create(object: &mut dyn TypedObject, _snapshot: &Snapshot) -> FieldErrors {
    if let Some(namespace) = object.as_any_mut().downcast_mut::<Namespace>() {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        namespace.metadata.labels.get_or_insert_default().insert("kubernetes.io/metadata.name".to_owned(), name);
        namespace.spec = Some(NamespaceSpec { finalizers: Some(vec!["kubernetes".to_owned()]) });
        namespace.status = Some(NamespaceStatus { phase: Some("Active".to_owned()), conditions: None });
    }
    if let Some(pod) = object.as_any_mut().downcast_mut::<Pod>() {
        let spec = Arc::new(pod.spec.clone().unwrap_or_default());
        pod.status = Some(initial_pod_state(&spec).to_api());
    }
    FieldErrors::new()
}

/// The status of a pod that has just been created.
pub(super) fn initial_pod_state(_spec: &Arc<PodSpec>) -> PodState {
    PodState { phase: PodPhase::Pending, ..PodState::default() }
}

/// Brings `next` to what an update of this part may write, and validates it.
pub(super) fn update(
    next: &Arc<dyn TypedObject>,
    before: &dyn TypedObject,
    part: Part,
) -> Result<Updated, FieldErrors> {
    let (mut next_value, before_value) = (next.to_value(), before.to_value());
    let kept = match part {
        Part::Main => "status",
        Part::Status => "spec",
    };
    if let (Some(next), Some(before)) = (next_value.as_object_mut(), before_value.as_object()) {
        match before.get(kept) {
            Some(kept_value) => next.insert(kept.to_owned(), kept_value.clone()),
            None => next.remove(kept),
        };
    }
    let spec_changed = next_value.get("spec") != before_value.get("spec");
    let codec = next.kind_id().built_in().and_then(|info| info.codec);
    let object = codec.and_then(|codec| codec.decode(&next_value).ok()).map(|decoded| decoded.object);
    Ok(Updated { object: object.unwrap_or_else(|| Arc::clone(next)), spec_changed })
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
