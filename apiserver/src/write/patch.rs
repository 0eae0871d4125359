//! `patch`: a change to the object that is there. An apply is one by its verb, and is in `apply`.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use inboard::error::Subject;
use inboard::kernel::Request;
use inboard::object::apply::patch_options;
use inboard::object::body::{self, Format};
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::{self, Patch, PatchFormat};
use inboard::store::{Draft, Part};
use inboard::{ApiError, Reason};

use crate::body::Body;
use crate::place::TRIES_MAX;
use crate::place::{Place, object_of};
use crate::rbac::escalation;
use crate::sent::Sent;
use crate::{apply, conversion, read};

/// `patch`
pub(crate) async fn patch(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    if apply::is_apply(sent) {
        return apply::apply(place, part, sent).await;
    }
    let format = format_of(sent)?;
    let manager = sent.query.field_manager("PatchOptions", &sent.headers)?;
    patch_options(&manager, sent.query.text("force").map(|_| true), false)?;
    let validation = sent.query.field_validation("PatchOptions")?;
    let patch = patch::read(&sent.body, format, validation);
    let duplicates = match validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Warn | FieldValidation::Strict => body::duplicate_fields(&sent.body),
    };
    if conversion::Conversion::of(place.moment, place.info).is_some() {
        return converted(place, part, sent, &patch, validation).await;
    }
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
    let answer = escalation::guarded(place, sent, place.options(sent, "PatchOptions")?, request).await?;
    place.show(object_of(answer)?, StatusCode::OK, sent.wanted).await
}

/// A patch of an object in a version that a webhook makes: the outcome takes the place of what was read.
async fn converted(
    place: &Place<'_>,
    part: Part,
    sent: &Sent,
    patch: &Patch,
    validation: FieldValidation,
) -> Result<Response<Body>, ApiError> {
    let mut tries = 0;
    loop {
        let moment = place.cluster.moment().await?;
        let place = Place { moment: &moment, ..*place };
        let object = read::find(&moment, place.info, place.namespace, place.name)?;
        let before = place.whole(&*conversion::shown(&place, object).await?);
        let mut after = before.clone();
        patch.apply(place.info.id, &mut after).map_err(|error| error.refusal())?;
        let read = body::read(after.to_string().as_bytes(), Format::Json, &moment.kinds, place.info, validation)?;
        let names_version = after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"];
        let draft = Draft::custom(place.info.stored_as, read.value).map_err(ApiError::internal)?;
        let draft = conversion::stored(&place, draft, part).await?;
        let options = place.options(sent, "PatchOptions")?;
        tries += 1;
        match place.ask(sent, Request::Update(draft, part, options)).await {
            Err(error) if error.is_conflict() && !names_version && tries < TRIES_MAX => {}
            Err(error) => return Err(error),
            Ok(answer) => {
                sent.said.add(read.warnings);
                return place.show(object_of(answer)?, StatusCode::OK, sent.wanted).await;
            }
        }
    }
}

/// How the patch that a request brings is written.
pub(crate) fn format_of(sent: &Sent) -> Result<PatchFormat, ApiError> {
    let media = sent.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(PatchFormat::Json),
        "application/merge-patch+json" => Ok(PatchFormat::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchFormat::Strategic),
        _ => {
            let error = ApiError::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type");
            Err(error.about(Subject::default()))
        }
    }
}
