//! Server-side apply: the content type `application/apply-patch+yaml`.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use inboard::kernel::{Answer, Request};
use inboard::object::apply::{Applied, Apply, Converted, patch_options};
use inboard::object::body::{self, Format};
use inboard::store::{Application, Draft, Expect, FieldManager, Object, Part, ScaleEdit, WriteOptions, place_applied};
use serde_json::Value;

use crate::access::{Access, What};
use crate::body::Body;
use crate::conversion::{self, Conversion};
use crate::place::{Place, TRIES_MAX, object_of};
use crate::rbac::{self, escalation};
use crate::read;
use crate::sent::Sent;

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
    let options = options(place, sent)?;
    let validation = sent.query.field_validation("PatchOptions")?;
    let object = body::applied(&sent.body, Format::Yaml)?;
    let twice = body::applied_twice(&sent.body, validation)?;
    may_create(place)?;
    if Conversion::concerns_apply(place) {
        return converted(place, part, &object, &options, sent).await;
    }
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

/// An apply in a version that a webhook makes: what becomes of the object is worked out here, and takes the place of what was
/// read.
async fn converted(
    place: &Place<'_>,
    part: Part,
    applied: &Value,
    options: &WriteOptions,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let mut tries = 0;
    let manager = options.manager.as_ref().map(|manager| manager.name.to_string()).unwrap_or_default();
    loop {
        let moment = place.cluster.moment().await?;
        let place = Place { moment: &moment, ..*place };
        let current = read::find(&moment, place.info, place.namespace, place.name).ok();
        if current.is_none() && part == Part::Status {
            return Err(ApiError::not_found(read::subject(place.info, place.name)));
        }
        let (object, entries) = outcome(&place, part, applied, current.as_ref(), &manager, sent).await?;
        let mut draft = Draft::custom(place.info.stored_as, object).map_err(ApiError::internal)?;
        draft.meta.managed_fields = Some(Arc::new(entries));
        place_applied(&mut draft, place.namespace, place.name)?;
        let names_version = applied["metadata"]["resourceVersion"].is_string();
        let options = WriteOptions { manager: None, ..options.clone() };
        let request = match &current {
            None => {
                draft.expect = Expect::default();
                Request::Create(conversion::stored(&place, draft, part).await?, options)
            }
            Some(_) => Request::Update(conversion::stored(&place, draft, part).await?, part, options),
        };
        tries += 1;
        match place.ask(sent, request).await {
            Err(error) if error.is_conflict() && !names_version && tries < TRIES_MAX => {}
            Err(error) => return Err(error),
            Ok(answer) => {
                let code = if current.is_none() { StatusCode::CREATED } else { StatusCode::OK };
                return place.show(object_of(answer)?, code, sent.wanted).await;
            }
        }
    }
}

/// The object as it shall be, and who owns what of it then; the webhook is asked for what it takes to know that.
async fn outcome(
    place: &Place<'_>,
    part: Part,
    applied: &Value,
    current: Option<&Arc<Object>>,
    manager: &str,
    sent: &Sent,
) -> Result<(Value, Vec<ManagedFieldsEntry>), ApiError> {
    let live = match current {
        Some(object) => Some(place.whole(&*conversion::shown(place, Arc::clone(object)).await?)),
        None => None,
    };
    let entries = current.and_then(|object| object.meta.managed_fields.clone()).unwrap_or_default();
    let apply = Apply {
        info: place.info,
        manager,
        subresource: part.subresource(),
        applied,
        live: live.as_ref(),
        entries: &entries,
        force: sent.query.flag("force"),
        now: place.moment.now,
    };
    let mut converted = Converted::default();
    loop {
        match apply.run(&place.moment.kinds, &mut converted)? {
            Applied::Done(object, entries) => return Ok((object, entries)),
            Applied::Wants(wanted) => conversion::make(place, wanted, &mut converted).await?,
        }
    }
}

/// A write that will create the object needs the right to create it, too.
pub(crate) fn may_create(place: &Place<'_>) -> Result<(), ApiError> {
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
