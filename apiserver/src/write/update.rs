//! `update`: a whole object takes the place of the one that is there.

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::Request;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindInfo};
use inboard::store::{Draft, Part};

use super::{check_namespace, draft};
use crate::apply::may_create;
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
        // Which version was there before does not matter then; whose identity it has does.
        draft.expect.revision = None;
        no_such_identity(place, &draft)?;
        may_create(place)?;
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

/// An object that is not there is not the one that a uid is of.
fn no_such_identity(place: &Place<'_>, draft: &Draft) -> Result<(), ApiError> {
    let given = draft.expect.uid.map(|uid| uid.to_string()).or_else(|| draft.misread.uid.clone());
    let Some(given) = given else { return Ok(()) };
    let Place { info, namespace, name, .. } = *place;
    let slash = if namespace.is_empty() { "" } else { "/" };
    let detail = format_args!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}/{namespace}{slash}{name}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: ",
        info.storage_place()
    );
    Err(ApiError::conflict(read::subject(info, name), detail))
}

fn no_revision(place: &Place<'_>) -> ApiError {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("metadata").field("resourceVersion"), 0, "must be specified for an update");
    ApiError::invalid(read::subject(place.info, place.name), errors)
}
