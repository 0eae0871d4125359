//! `patch`: a change to the object that is there. An apply is one by its verb, and is in `apply`.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use inboard::error::Subject;
use inboard::kernel::Request;
use inboard::object::apply::patch_options;
use inboard::object::body;
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::store::Part;
use inboard::{ApiError, Reason};
use serde_json::Value;

use super::{Place, Sent, object_of, options};
use crate::apply;
use crate::body::Body;
use crate::rbac::escalation;

/// `patch`
pub(crate) async fn patch(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    if apply::is_apply(sent) {
        return apply::apply(place, part, sent).await;
    }
    let patch = read_patch(sent)?;
    let manager = sent.query.field_manager("PatchOptions", &sent.headers)?;
    patch_options(&manager, sent.query.text("force").map(|_| true), false)?;
    let validation = sent.query.field_validation("PatchOptions")?;
    let duplicates = match validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Warn | FieldValidation::Strict => body::duplicate_fields(&sent.body),
    };
    let request = |options| Request::Patch {
        kind: place.info.id,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        part,
        patch: patch.clone(),
        duplicates: duplicates.clone(),
        validation,
        options,
    };
    let answer = escalation::guarded(place, sent, options(place, sent, "PatchOptions")?, request).await?;
    Ok(place.show(&object_of(answer)?, StatusCode::OK, sent.wanted))
}

/// The patch that a request brings.
pub(crate) fn read_patch(sent: &Sent) -> Result<Patch, ApiError> {
    let media = sent.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = || -> Result<Value, ApiError> {
        let explain = |error: serde_json::Error| body::explain(&sent.body, &error.to_string());
        serde_json::from_slice(&sent.body).map_err(|error| ApiError::bad_request(explain(error)))
    };
    match media.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(Patch::Json(value()?)),
        "application/merge-patch+json" => Ok(Patch::Merge(value()?)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(value()?)),
        _ => {
            let error = ApiError::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type");
            Err(error.about(Subject::default()))
        }
    }
}
