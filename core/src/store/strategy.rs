//! What admission does with each kind: the stages of one write, in order, in one place.
//!
//! ```text
//! create:         default ─► mutate ─► prepare ─► validate
//! update:         default ─► prepare (status stays) ─► validate against the old one
//! status update:  prepare (all but the status stays) ─► validate against the old one
//! ```

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use super::admit::{Part, exclusive};
use super::pod::{PodPhase, PodState, QosClass};
use super::snapshot::Snapshot;
use crate::object::field::FieldErrors;
use crate::object::kind::{KindId, KindInfo, Kinds, TypedObject};
use crate::object::mutate::{self, Refusal, Suffix, Surroundings};
use crate::object::{defaults, prepare, validation};
use crate::time::Time;

/// Whether a kind counts how often its spec changed.
pub(super) fn has_generation(kind: KindId) -> bool {
    prepare::has_generation(kind)
}

/// Why a new object is not let in.
#[derive(Debug)]
pub(super) enum Objection {
    /// A plugin says no; the reason goes behind `... is forbidden: `.
    Refused(Refusal),
    /// It breaks rules.
    Invalid(FieldErrors),
}

/// Defaults, mutates, prepares and validates a new object, whose name and uid are set.
pub(super) fn create(
    object: &mut dyn TypedObject,
    snapshot: &Snapshot,
    suffix: &str,
    now: Time,
) -> Result<(), Objection> {
    defaults::apply(object.as_any_mut());
    mutate::on_create(object, snapshot, Suffix(suffix)).map_err(Objection::Refused)?;
    prepare::for_create(object, &prepare::Request::internal(now));
    let errors = validation::create(object);
    if errors.is_empty() { Ok(()) } else { Err(Objection::Invalid(errors)) }
}

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

/// Brings `next` to what an update of this part may write, and validates it.
pub(super) fn update(
    mut next: Arc<dyn TypedObject>,
    before: &dyn TypedObject,
    part: Part,
    now: Time,
) -> Result<Arc<dyn TypedObject>, FieldErrors> {
    let object = exclusive(&mut next);
    let request = prepare::Request::internal(now);
    let errors = match part {
        Part::Main => {
            defaults::apply(object.as_any_mut());
            prepare::for_update(object, before, &request);
            seen_as_stored(object, before);
            validation::update(object, before)
        }
        Part::Status => {
            prepare::for_status_update(object, before, &request);
            seen_as_stored(object, before);
            validation::status_update(object, before)
        }
    };
    if errors.is_empty() { Ok(next) } else { Err(errors) }
}

/// An update that names no version is meant for the one that is there: the store has checked those that name one.
fn seen_as_stored(object: &mut dyn TypedObject, before: &dyn TypedObject) {
    object.metadata_mut().resource_version.clone_from(&before.metadata().resource_version);
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
