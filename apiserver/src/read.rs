//! Reading: one object, or a list.

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::cluster::{Filter, Listing, Moment};
use inboard::error::Subject;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindInfo};
use inboard::store::Object;
use inboard::{ApiError, Reason};

use crate::body::Body;
use crate::conversion::{self, Conversion};
use crate::negotiate::{Count, Wanted};
use crate::place::Place;
use crate::query::{Query, options_are};
use crate::represent::{ListMeta, Representation};
use crate::respond;

/// What an error about an object of a kind is about.
pub(crate) fn subject(info: &KindInfo, name: &str) -> Subject {
    Subject::new(info.group.to_string(), info.plural.to_string(), name)
}

/// Finds an object.
pub(crate) fn find(moment: &Moment, info: &KindInfo, namespace: &str, name: &str) -> Result<Arc<Object>, ApiError> {
    let found = moment.snapshot.find(info.stored_as, namespace, name).or_else(|| {
        let is_it = |event: &&Arc<Object>| *event.meta.name == *name && *event.meta.namespace == *namespace;
        (info.stored_as == kind::EVENT).then(|| moment.snapshot.events().find(is_it)).flatten()
    });
    found.cloned().ok_or_else(|| ApiError::not_found(subject(info, name)))
}

/// `get`
pub(crate) async fn get(place: &Place<'_>, query: &Query, wanted: Wanted) -> Result<Response<Body>, ApiError> {
    let Place { moment, info, .. } = *place;
    if query.flag("export") {
        let message = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(ApiError::bad_request(message));
    }
    check_version(moment, query)?;
    wanted.form.check(Count::One, info)?;
    let object = conversion::shown(place, find(moment, info, place.namespace, place.name)?).await?;
    let shown = Representation::new(moment, info, wanted.form).object(&object, moment.now);
    Ok(respond::value(StatusCode::OK, &shown, wanted))
}

/// `list`
pub(crate) async fn list(
    place: &Place<'_>,
    (namespace, name): (Option<&str>, Option<&str>),
    query: &Query,
    wanted: Wanted,
) -> Result<Response<Body>, ApiError> {
    let filter = list_options(place, name, query)?;
    let (objects, meta) = page(place, namespace, &filter, query)?;
    wanted.form.check(Count::List, place.info)?;
    let objects = shown(place, objects).await?;
    let representation = Representation::new(place.moment, place.info, wanted.form);
    Ok(respond::shown(StatusCode::OK, &representation.list(&objects, &meta, place.moment.now), wanted))
}

/// What a list lets through, if its options are ones that a list may have.
pub(crate) fn list_options(place: &Place<'_>, name: Option<&str>, query: &Query) -> Result<Filter, ApiError> {
    query.number("limit")?;
    check_options(query)?;
    query.filter(place.info, name)
}

/// The objects that a list asks for, and what stands in its metadata.
pub(crate) fn page(
    place: &Place<'_>,
    namespace: Option<&str>,
    filter: &Filter,
    query: &Query,
) -> Result<(Vec<Arc<Object>>, ListMeta), ApiError> {
    let Place { cluster, moment, info, .. } = *place;
    let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let token = query.text("continue");
    if token.is_none() {
        check_moment(moment, query)?;
    }
    let listing = Listing { kind: info.stored_as, namespace, filter, limit, token };
    let page = cluster.page(moment, &listing)?;
    if token.is_some() && query.text("resourceVersion").is_some_and(|version| version != "0") {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    let meta = ListMeta { resource_version: page.revision.to_string(), next: page.next, remaining: page.remaining };
    Ok((page.objects, meta))
}

/// Objects as a webhook makes them for the version that the request names, where one does.
pub(crate) async fn shown(place: &Place<'_>, objects: Vec<Arc<Object>>) -> Result<Vec<Arc<Object>>, ApiError> {
    match Conversion::of(place.moment, place.info) {
        Some(conversion) => conversion.show(place.webhooks, place.moment, objects).await,
        None => Ok(objects),
    }
}

/// A version that is asked for must be one that there was.
pub(crate) fn check_version(moment: &Moment, query: &Query) -> Result<(), ApiError> {
    let Some(text) = query.text("resourceVersion") else { return Ok(()) };
    let current: u64 = moment.snapshot.revision().to_string().parse().unwrap_or(0);
    let asked: u64 = text.parse().map_err(|_| bad_version(text))?;
    if asked > current {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let cause = StatusCause {
            field: None,
            message: Some("Too large resource version".to_owned()),
            reason: Some("ResourceVersionTooLarge".to_owned()),
        };
        return Err(ApiError::new(Reason::Timeout, message).cause(cause).retry_after(1));
    }
    Ok(())
}

pub(crate) fn bad_version(text: &str) -> ApiError {
    // Without a reason, and so 500: upstream wraps the error as it comes.
    ApiError::new(
        Reason::Unknown,
        format!("resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"),
    )
}

/// What a list says of the moment that it wants.
fn check_moment(moment: &Moment, query: &Query) -> Result<(), ApiError> {
    let Some(version) = query.text("resourceVersion") else { return Ok(()) };
    if version.parse::<u64>().is_err() {
        return Err(ApiError::bad_request(format!("invalid resource version: {}", bad_version(version))));
    }
    check_version(moment, query)?;
    let exact = query.text("resourceVersionMatch") == Some("Exact");
    if exact && *version != moment.snapshot.revision().to_string() {
        return Err(ApiError::new(Reason::Expired, "The resourceVersion for the provided list is too old."));
    }
    Ok(())
}

/// Options that a list must not have, or not together.
fn check_options(query: &Query) -> Result<(), ApiError> {
    query.number("timeoutSeconds")?;
    let mut errors = FieldErrors::new();
    let path = Path::new("resourceVersionMatch");
    if let Some(how) = query.text("resourceVersionMatch") {
        let version = query.text("resourceVersion");
        if version.is_none() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if query.text("continue").is_some() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(how, "Exact" | "NotOlderThan") {
            errors.not_supported(&path, how, &["Exact", "NotOlderThan", ""]);
        }
        if (how, version) == ("Exact", Some("0")) {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.forbidden(&path, detail);
        }
    }
    if query.text("sendInitialEvents").is_some() {
        errors.forbidden(&Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    }
    options_are("ListOptions", errors)
}
