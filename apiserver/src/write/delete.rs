//! `delete` and `deletecollection`, with options from the body or the query.

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::control::Propagation;
use inboard::kernel::{Answer, Request};
use inboard::object::kind::KindInfo;
use inboard::store::{DeleteOptions, Deleted, Expect, Object};
use serde_json::{Value, json};

use crate::body::Body;
use crate::negotiate::Count;
use crate::place::Place;
use crate::query::Query;
use crate::read;
use crate::represent::Representation;
use crate::respond;
use crate::sent::Sent;

/// `delete`
pub(crate) async fn delete(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (options, cascades) = delete_options(sent)?;
    let request = Request::Delete {
        kind: place.info.stored_as,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        options,
    };
    let answer = place.ask(sent, request).await?;
    let Answer::Deleted(deleted) = answer else { return Err(ApiError::internal("an odd answer to a deletion")) };
    match &deleted {
        Deleted::Gone(object) if !tells_last_state(place.info) => {
            Ok(respond::value(StatusCode::OK, &gone(place.info, object), sent.wanted.whole()))
        }
        Deleted::Gone(object) => place.show(Arc::clone(object), StatusCode::OK, sent.wanted).await,
        Deleted::Held(object) => {
            let code = if cascades { StatusCode::ACCEPTED } else { StatusCode::OK };
            place.show(Arc::clone(object), code, sent.wanted).await
        }
    }
}

/// Kinds whose objects are shown once more when they go (`ReturnDeletedObject` upstream).
fn tells_last_state(info: &KindInfo) -> bool {
    info.group.is_empty()
        && matches!(
            &*info.kind,
            "Pod"
                | "PodTemplate"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ReplicationController"
                | "ResourceQuota"
                | "ServiceAccount"
                | "Service"
        )
        && !matches!(&*info.kind, "ReplicationController" | "Service")
}

/// What is told of an object that is gone.
fn gone(info: &KindInfo, object: &Object) -> Value {
    let mut details = json!({
        "name": &*object.meta.name,
        "kind": info.plural.to_string(),
        "uid": object.meta.uid.to_string(),
    });
    if !info.group.is_empty() {
        details["group"] = info.group.to_string().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}

/// `deletecollection`: what matches, one by one; what is gone meanwhile is no error. The answer is the list of them as they
/// were found.
pub(crate) async fn delete_collection(
    place: &Place<'_>,
    namespace: Option<&str>,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let filter = read::list_options(place, None, &sent.query)?;
    let (options, _) = delete_options(sent)?;
    let (page, meta) = read::page(place, namespace, &filter, &sent.query)?;
    for object in &page {
        let request = Request::Delete {
            kind: place.info.stored_as,
            namespace: object.meta.namespace.to_string(),
            name: object.meta.name.to_string(),
            options: options.clone(),
        };
        match place.ask(sent, request).await {
            Ok(Answer::Deleted(_)) => {}
            Ok(_) => return Err(ApiError::internal("an odd answer to a deletion")),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    sent.wanted.form.check(Count::List, place.info)?;
    let page = read::shown(place, page).await?;
    let representation = Representation::new(place.moment, place.info, sent.wanted.form);
    Ok(respond::shown(StatusCode::OK, &representation.list(&page, &meta, place.moment.now), sent.wanted))
}

/// How to delete: from the body, or from the query when there is none; and whether that dependents go is asked for in the old
/// way.
fn delete_options(sent: &Sent) -> Result<(DeleteOptions, bool), ApiError> {
    if sent.body.is_empty() {
        let query = &sent.query;
        let orphan = query.text("orphanDependents").map(|_| query.flag("orphanDependents"));
        let policy = query.text("propagationPolicy");
        let (expect, misread) = Expect::read(query.text("uid"), query.text("resourceVersion"));
        let options = DeleteOptions {
            grace_seconds: query.number("gracePeriodSeconds")?,
            propagation: Propagation::named(policy, orphan)?,
            expect,
            misread,
            dry_run: query.dry_run("DeleteOptions")?,
        };
        return Ok((options, orphan == Some(false)));
    }
    let options = read_options(sent)?;
    Ok((options_of(&options)?, options["orphanDependents"] == false))
}

fn read_options(sent: &Sent) -> Result<Value, ApiError> {
    let value = sent.value()?;
    match value["kind"].as_str() {
        None | Some("" | "DeleteOptions") => Ok(value),
        Some(kind) => {
            let version = value["apiVersion"].as_str().unwrap_or_default();
            Err(ApiError::bad_request(format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \
                 \"pkg/apis/meta/internalversion/scheme/register.go:27\""
            )))
        }
    }
}

/// The options of a deletion, from their JSON.
pub(crate) fn options_of(options: &Value) -> Result<DeleteOptions, ApiError> {
    let read = DeleteOptions::read(options)?;
    let stages = options["dryRun"].as_array().into_iter().flatten();
    Query::check_dry_run(stages.filter_map(Value::as_str), "DeleteOptions")?;
    Ok(read)
}
