//! Server-side apply: the content type `application/apply-patch+yaml`.

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::{Answer, Request};
use inboard::object::apply::patch_options;
use inboard::object::body::{self, Format};
use inboard::store::{Application, FieldManager, Part, ScaleEdit, WriteOptions};

use crate::access::{Access, What};
use crate::body::Body;
use crate::conversion;
use crate::rbac::{self, escalation};
use crate::read;
use crate::write::{Place, Sent, object_of};

/// Whether a patch is an apply.
pub(crate) fn is_apply(sent: &Sent) -> bool {
    let media = sent.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim() == "application/apply-patch+yaml"
}

/// Whoever applies must say its name: the program's does not do.
fn options(place: &Place<'_>, sent: &Sent) -> Result<WriteOptions, ApiError> {
    let name = sent.query.text("fieldManager").unwrap_or_default();
    patch_options(name, None, true)?;
    let manager = FieldManager::new(name.to_owned()).seen_as(place.info.id);
    Ok(WriteOptions { dry_run: sent.query.dry_run("PatchOptions")?, manager: Some(manager), ..WriteOptions::default() })
}

/// Applies an object, or its status; 201 when it was not there.
pub(crate) async fn apply(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    conversion::not_in_this_version(place, "server-side apply")?;
    let options = options(place, sent)?;
    let validation = sent.query.field_validation("PatchOptions")?;
    let object = body::applied(&sent.body, Format::Yaml)?;
    let twice = body::applied_twice(&sent.body, validation)?;
    may_create(place)?;
    let application = Application {
        kind: place.info.id,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        part,
        object,
        force: sent.query.flag("force"),
    };
    let request = |options| Request::Apply(Box::new(application.clone()), options);
    let answer = escalation::guarded(place, sent, options, request).await?;
    sent.said.add(twice);
    let code = if matches!(answer, Answer::Created(_)) { StatusCode::CREATED } else { StatusCode::OK };
    place.show(object_of(answer)?, code, sent.wanted).await
}

/// An apply that will create the object needs the right to create it, too.
fn may_create(place: &Place<'_>) -> Result<(), ApiError> {
    let Place { moment, user, info, namespace, name, .. } = *place;
    if read::find(moment, info, namespace, name).is_ok() {
        return Ok(());
    }
    let what = What::Resource {
        group: info.group.to_string(),
        version: info.version.to_string(),
        plural: info.plural.to_string(),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let access = Access { verb: "create".to_owned(), what };
    if rbac::is_allowed(&moment.snapshot, user, &access) { Ok(()) } else { Err(access.forbidden(user)) }
}

/// Applies the scale of an object.
pub(crate) fn scale_edit(sent: &Sent) -> Result<ScaleEdit, ApiError> {
    Ok(ScaleEdit::Apply(body::applied(&sent.body, Format::Yaml)?, sent.query.flag("force")))
}

/// How the scale of an object is applied.
pub(crate) fn scale_options(place: &Place<'_>, sent: &Sent) -> Result<WriteOptions, ApiError> {
    options(place, sent)
}
