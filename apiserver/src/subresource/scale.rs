//! `scale`: how many replicas there shall be, whatever the kind.

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::Request;
use inboard::object::patch::Patch;
use inboard::object::scale::Scale;
use inboard::store::{ScaleEdit, WriteOptions};
use serde_json::{Value, json};

use crate::apply;
use crate::body::Body;
use crate::respond;
use crate::write::{self, Place, Sent};

/// The kind `Scale`, whose objects are never stored.
fn scale_value(place: &Place<'_>, object: &Value) -> Result<Value, ApiError> {
    let Scale { replicas, actual, selector } = Scale::of(place.info, object)?;
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

pub(super) fn show(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let scale = scale_value(place, &write::shown_whole(place)?)?;
    Ok(respond::value(StatusCode::OK, &scale, sent.wanted.whole()))
}

fn read(place: &Place<'_>, sent: &Sent) -> Result<Value, ApiError> {
    let value = write::value(sent)?;
    let kind = value["kind"].as_str().unwrap_or("Scale");
    if kind != "Scale" {
        let version =
            value["apiVersion"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        return Err(ApiError::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a Scale: converting ({version}.{kind}) to \
             (autoscaling.Scale): unknown conversion"
        )));
    }
    let named = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if named != place.name {
        let name = place.name;
        return Err(ApiError::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    Ok(value)
}

async fn set(place: &Place<'_>, scale: &Value, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let options = write::options(place, sent, "UpdateOptions")?;
    edit(place, ScaleEdit::Replace(scale.clone()), options, sent).await
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
    let object = write::object_of(place.ask(sent, request).await?)?.to_value(&place.moment.kinds);
    Ok(respond::value(StatusCode::OK, &scale_value(place, &object)?, sent.wanted.whole()))
}

/// A patch of the scale is a patch of what its `get` shows.
pub(super) async fn patch(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    if apply::is_apply(sent) {
        return edit(place, apply::scale_edit(sent)?, apply::scale_options(place, sent)?, sent).await;
    }
    let patch = write::read_patch(sent)?;
    let before = scale_value(place, &write::shown_whole(place)?)?;
    let mut after = before.clone();
    // A scale has no lists: a strategic merge patch of it is a merge patch.
    let patch = match patch {
        Patch::Strategic(patch) => Patch::Merge(patch),
        other => other,
    };
    patch.apply(place.info.id, &mut after).map_err(|error| ApiError::bad_request(error.to_string()))?;
    if after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"] {
        // The version was not asked for.
        after["metadata"]["resourceVersion"] = Value::Null;
    }
    set(place, &after, sent).await
}

/// `update`
pub(super) async fn update(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let scale = read(place, sent)?;
    set(place, &scale, sent).await
}
