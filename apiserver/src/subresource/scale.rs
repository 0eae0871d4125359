//! `scale`: how many replicas there shall be, whatever the kind.

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::error::Subject;
use inboard::k8s_openapi::api::autoscaling::v1::Scale;
use inboard::kernel::Request;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::KindInfo;
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::{self, Patch};
use inboard::object::{body, decode, scale};
use inboard::store::{Draft, Part, ScaleEdit, WriteOptions};
use serde_json::{Value, json};

use crate::apply;
use crate::body::Body;
use crate::conversion::{self, Conversion};
use crate::place::{Place, TRIES_MAX, object_of};
use crate::read;
use crate::represent::Representation;
use crate::respond;
use crate::sent::Sent;
use crate::write;

/// The kind `Scale`, whose objects are never stored.
fn scale_value(place: &Place<'_>, object: &Value) -> Result<Value, ApiError> {
    let scale::Scale { replicas, actual, selector } = scale::Scale::of(place.info, object)?;
    let from = &object["metadata"];
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if !from[field].is_null() {
            metadata[field] = from[field].clone();
        }
    }
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {},
        "status": { "replicas": actual },
    });
    if replicas != 0 {
        scale["spec"]["replicas"] = replicas.into();
    }
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// The object whose scale it is, as the client sees it.
async fn object(place: &Place<'_>) -> Result<Value, ApiError> {
    let object = read::find(place.moment, place.info, place.namespace, place.name)?;
    Ok(place.whole(&*conversion::shown(place, object).await?))
}

/// `get`
pub(super) async fn show(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let scale = scale_value(place, &object(place).await?)?;
    Ok(shown(place, scale, sent))
}

/// A scale in the form that is wanted.
fn shown(place: &Place<'_>, scale: Value, sent: &Sent) -> Response<Body> {
    let shown = Representation::new(place.moment, place.info, sent.wanted.form).scale(scale, place.moment.now);
    respond::value(StatusCode::OK, &shown, sent.wanted)
}

fn sent_scale(place: &Place<'_>, sent: &Sent) -> Result<Value, ApiError> {
    let validation = sent.query.field_validation("UpdateOptions")?;
    let (kinds, format) = (&place.moment.kinds, sent.format()?);
    let (value, warnings) =
        body::read_part::<Scale>(&sent.body, format, kinds, &KindInfo::custom::<Scale>(), validation)?;
    sent.said.add(warnings);
    check_place(place, &value)?;
    Ok(value)
}

/// A scale is that of the object that the path names; it need not say in which namespace that is.
fn check_place(place: &Place<'_>, scale: &Value) -> Result<(), ApiError> {
    let text = |pointer: &str| scale.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let namespace = text("/metadata/namespace");
    if !namespace.is_empty() && namespace != place.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let name = place.name;
    match text("/metadata/name") {
        "" => Err(ApiError::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        named if named != name => Err(ApiError::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        ))),
        _ => Ok(()),
    }
}

async fn set(place: &Place<'_>, scale: &Value, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let options = place.options(sent, "UpdateOptions")?;
    if Conversion::of(place.moment, place.info).is_some() {
        return converted(place, scale, options, sent).await;
    }
    edit(place, ScaleEdit::Replace(scale.clone()), options, sent).await
}

/// The scale of an object in a version that a webhook makes: the whole object takes the place of what was read. Who owns what
/// of it stays as it is.
async fn converted(
    place: &Place<'_>,
    scale: &Value,
    options: WriteOptions,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
    let Ok(replicas @ 0..) = i32::try_from(replicas) else {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("spec").field("replicas"), replicas, "must be greater than or equal to 0");
        return Err(ApiError::invalid(Subject::new("autoscaling", "Scale", place.name), errors));
    };
    let options = WriteOptions { manager: None, ..options };
    let asked = scale.pointer("/metadata/resourceVersion").filter(|version| !version.is_null());
    let mut tries = 0;
    loop {
        let moment = place.cluster.moment().await?;
        let place = Place { moment: &moment, ..*place };
        let mut object = object(&place).await?;
        if let Some(version) = asked {
            object["metadata"]["resourceVersion"] = version.clone();
        }
        scale::Scale::set(place.info, &mut object, replicas);
        let draft = Draft::custom(place.info.stored_as, object).map_err(ApiError::internal)?;
        let draft = conversion::stored(&place, draft, Part::Scale).await?;
        tries += 1;
        match place.ask(sent, Request::Update(draft, Part::Scale, options.clone())).await {
            Err(error) if error.is_conflict() && asked.is_none() && tries < TRIES_MAX => {}
            Err(error) => return Err(error),
            Ok(answer) => {
                let object = conversion::shown(&place, object_of(answer)?).await?;
                let scale = scale_value(&place, &place.whole(&object))?;
                return Ok(shown(&place, scale, sent));
            }
        }
    }
}

async fn edit(
    place: &Place<'_>,
    edit: ScaleEdit,
    options: WriteOptions,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let request = Request::Scale {
        kind: place.info.id,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        edit,
        options,
    };
    let object = object_of(place.ask(sent, request).await?)?.to_value(&place.moment.kinds);
    Ok(shown(place, scale_value(place, &object)?, sent))
}

/// A patch of the scale is a patch of what its `get` shows.
pub(super) async fn patch(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    if apply::is_apply(sent) {
        if let Some(conversion) = Conversion::of(place.moment, place.info) {
            return Err(conversion.refuses("an apply of its scale"));
        }
        return edit(place, apply::scale_edit(sent)?, apply::scale_options(place, sent)?, sent).await;
    }
    let validation = sent.query.field_validation("PatchOptions")?;
    let patch = patch::read(&sent.body, write::format_of(sent)?, validation);
    let before = scale_value(place, &object(place).await?)?;
    let mut after = before.clone();
    // A scale has no lists: a strategic merge patch of it is a merge patch.
    let patch = match patch {
        Patch::Strategic(patch) => Patch::Merge(patch),
        other => other,
    };
    patch.apply(place.info.id, &mut after).map_err(|error| error.refusal())?;
    let info = KindInfo::custom::<Scale>();
    let (_, unknown) =
        decode::from_value::<Scale>(&after).map_err(|error| patch.invalid(&info, &after, &error.to_string()))?;
    let problems: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    match validation {
        FieldValidation::Warn => sent.said.add(problems),
        FieldValidation::Strict if !problems.is_empty() => {
            return Err(patch.invalid(&info, &after, &format!("strict decoding error: {}", problems.join(", "))));
        }
        FieldValidation::Strict | FieldValidation::Ignore => {}
    }
    check_place(place, &after)?;
    if after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"] {
        // The version was not asked for.
        after["metadata"]["resourceVersion"] = Value::Null;
    }
    set(place, &after, sent).await
}

/// `update`
pub(super) async fn update(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let scale = sent_scale(place, sent)?;
    set(place, &scale, sent).await
}
