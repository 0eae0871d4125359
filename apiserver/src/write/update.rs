//! `update`: a whole object takes the place of the one that is there.

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::Request;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindInfo};
use inboard::store::Part;

use super::{check_namespace, draft};
use crate::body::Body;
use crate::conversion;
use crate::place::{Place, object_of};
use crate::rbac::escalation;
use crate::read;
use crate::sent::Sent;

/// `update`
pub(crate) async fn update(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let mut draft = draft(place, sent, "UpdateOptions")?;
    let name = place.name;
    check_namespace(&mut draft, place)?;
    if draft.meta.name.is_empty() {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if *draft.meta.name != *name {
        let named = &draft.meta.name;
        return Err(ApiError::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    let mut draft = conversion::stored(place, draft, part).await?;
    let options = place.options(sent, "UpdateOptions")?;
    let is_there = read::find(place.moment, place.info, place.namespace, name).is_ok();
    let creates = !is_there && part == Part::Main && update_creates(place.info);
    if is_there && draft.expect.revision.is_none() && needs_revision(place.info) {
        return Err(no_revision(place));
    }
    let code = if creates { StatusCode::CREATED } else { StatusCode::OK };
    if creates {
        // Which version was there before does not matter then.
        draft.expect.revision = None;
    }
    let request = |options| match creates {
        true => Request::Create(draft.clone(), options),
        false => Request::Update(draft.clone(), part, options),
    };
    let answer = escalation::guarded(place, sent, options, request).await?;
    place.show(object_of(answer)?, code, sent.wanted).await
}

/// Kinds of which an update makes the object that is not there (`AllowCreateOnUpdate` upstream).
fn update_creates(info: &KindInfo) -> bool {
    matches!(
        info.stored_as,
        kind::ENDPOINTS
            | kind::EVENT
            | kind::LIMIT_RANGE
            | kind::LEASE
            | kind::POD_TEMPLATE
            | kind::SERVICE
            | kind::ROLE
            | kind::ROLE_BINDING
            | kind::CLUSTER_ROLE
            | kind::CLUSTER_ROLE_BINDING
    )
}

/// Kinds of which an update must say which version it replaces (`AllowUnconditionalUpdate` is false upstream).
fn needs_revision(info: &KindInfo) -> bool {
    info.id.built_in().is_none()
        || matches!(
            info.stored_as,
            kind::LEASE
                | kind::POD_DISRUPTION_BUDGET
                | kind::CSI_DRIVER
                | kind::CSI_NODE
                | kind::CSI_STORAGE_CAPACITY
                | kind::RUNTIME_CLASS
                | kind::VOLUME_ATTACHMENT
                | kind::CUSTOM_RESOURCE_DEFINITION
                | kind::API_SERVICE
                | kind::STORAGE_VERSION_MIGRATION
                | kind::CLUSTER_TRUST_BUNDLE
                | kind::MUTATING_WEBHOOK_CONFIGURATION
                | kind::VALIDATING_WEBHOOK_CONFIGURATION
                | kind::VALIDATING_ADMISSION_POLICY
                | kind::VALIDATING_ADMISSION_POLICY_BINDING
                | kind::MUTATING_ADMISSION_POLICY
                | kind::MUTATING_ADMISSION_POLICY_BINDING
        )
}

fn no_revision(place: &Place<'_>) -> ApiError {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("metadata").field("resourceVersion"), 0, "must be specified for an update");
    ApiError::invalid(read::subject(place.info, place.name), errors)
}
