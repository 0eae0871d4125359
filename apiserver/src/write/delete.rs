//! `delete` and `deletecollection`, with options from the body or the query.

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::control::Propagation;
use inboard::kernel::{Answer, Request};
use inboard::object::kind::KindInfo;
use inboard::store::{DeleteOptions, Deleted, Object};
use serde_json::{Value, json};

use crate::body::Body;
use crate::place::Place;
use crate::query::Query;
use crate::represent::{ListMeta, Representation};
use crate::respond;
use crate::sent::Sent;

/// `delete`
pub(crate) async fn delete(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let options = delete_options(sent)?;
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
        deleted => place.show(Arc::clone(deleted.object()), StatusCode::OK, sent.wanted).await,
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

/// `deletecollection`: what matches, one by one; what is gone meanwhile is no error.
pub(crate) async fn delete_collection(
    place: &Place<'_>,
    namespace: Option<&str>,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let options = delete_options(sent)?;
    let filter = sent.query.filter(place.info, None)?;
    let listing =
        inboard::cluster::Listing { kind: place.info.stored_as, namespace, filter: &filter, limit: None, token: None };
    let page = place.cluster.page(place.moment, &listing)?;
    let mut shown = Vec::new();
    for object in &page.objects {
        let request = Request::Delete {
            kind: place.info.stored_as,
            namespace: object.meta.namespace.to_string(),
            name: object.meta.name.to_string(),
            options: options.clone(),
        };
        match place.ask(sent, request).await {
            Ok(Answer::Deleted(deleted)) => shown.push(Arc::clone(deleted.object())),
            Ok(_) => return Err(ApiError::internal("an odd answer to a deletion")),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    let meta = ListMeta { resource_version: page.revision.to_string(), ..Default::default() };
    let representation = Representation::new(place.moment, place.info, sent.wanted.form);
    Ok(respond::shown(StatusCode::OK, &representation.list(&shown, &meta, place.moment.now), sent.wanted))
}

/// How to delete: from the body, or from the query when there is none.
fn delete_options(sent: &Sent) -> Result<DeleteOptions, ApiError> {
    if sent.body.is_empty() {
        let query = &sent.query;
        let orphan = query.text("orphanDependents").map(|_| query.flag("orphanDependents"));
        let policy = query.text("propagationPolicy");
        return Ok(DeleteOptions {
            grace_seconds: query.number("gracePeriodSeconds")?,
            propagation: Propagation::named(policy, orphan)?,
            dry_run: query.dry_run("DeleteOptions")?,
            ..DeleteOptions::default()
        });
    }
    options_of(&read_options(sent)?)
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
