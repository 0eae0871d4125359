//! ControllerRevisions: an object's past, which never changes.
//!
//! Source: `pkg/apis/apps/validation`.

use k8s_openapi::api::apps::v1::ControllerRevision;
use serde_json::Value;

use super::checks;
use super::names::name_is_dns_subdomain;
use super::shared;
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new ControllerRevision.
pub fn controller_revision(revision: &ControllerRevision) -> FieldErrors {
    let mut errors = always(revision);
    let path = Path::new("data");
    match &revision.data.0 {
        Value::Null => errors.required(&path, "data is mandatory"),
        Value::Object(_) => {}
        _ => errors.required(&path, "data must be a valid JSON object"),
    }
    errors
}

/// What is wrong with a changed ControllerRevision.
pub fn controller_revision_update(new: &ControllerRevision, old: &ControllerRevision) -> FieldErrors {
    let mut errors = shared::meta_update(&new.metadata, &old.metadata);
    errors.append(always(new));
    checks::immutable(&new.data, &old.data, &Path::new("data"), &mut errors);
    errors
}

fn always(revision: &ControllerRevision) -> FieldErrors {
    let mut errors = shared::namespaced(&revision.metadata, name_is_dns_subdomain);
    checks::nonnegative_if(revision.revision, &Path::new("revision"), &mut errors);
    errors
}
