//! Reading: one object, or a list.

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::cluster::{Cluster, Listing, Moment};
use inboard::error::Subject;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use inboard::object::kind::{self, KindInfo};
use inboard::store::Object;
use inboard::{ApiError, Reason};

use crate::body::Body;
use crate::negotiate::Wanted;
use crate::query::{Query, invalid_options};
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
pub(crate) fn get(
    moment: &Moment,
    info: &KindInfo,
    (namespace, name): (&str, &str),
    query: &Query,
    wanted: Wanted,
) -> Result<Response<Body>, ApiError> {
    check_version(moment, query)?;
    let object = find(moment, info, namespace, name)?;
    let shown = Representation::new(moment, info, wanted.form).object(&object, moment.now);
    Ok(respond::value(StatusCode::OK, &shown, wanted))
}

/// `list`
pub(crate) fn list(
    cluster: &Cluster,
    moment: &Moment,
    info: &KindInfo,
    (namespace, name): (Option<&str>, Option<&str>),
    query: &Query,
    wanted: Wanted,
) -> Result<Response<Body>, ApiError> {
    let mut filter = query.filter()?;
    filter.check(info)?;
    if let Some(name) = name {
        filter = filter.named(name);
    }
    let token = query.text("continue");
    check_moment(moment, query, token.is_some())?;
    let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let listing = Listing { kind: info.stored_as, namespace, filter: &filter, limit, token };
    let page = cluster.page(moment, &listing)?;
    let meta = ListMeta { resource_version: page.revision.to_string(), next: page.next, remaining: page.remaining };
    let representation = Representation::new(moment, info, wanted.form);
    Ok(respond::shown(StatusCode::OK, &representation.list(&page.objects, &meta, moment.now), wanted))
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
fn check_moment(moment: &Moment, query: &Query, continues: bool) -> Result<(), ApiError> {
    let version = query.text("resourceVersion");
    let invalid = |problem: &str| Err(invalid_options("ListOptions", problem));
    if query.text("sendInitialEvents").is_some() {
        return invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list");
    }
    let Some(how) = query.text("resourceVersionMatch") else {
        if continues && version.is_some_and(|version| version != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        return check_version(moment, query);
    };
    if version.is_none() {
        return invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        );
    }
    if continues {
        return invalid("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided");
    }
    match (how, version) {
        ("NotOlderThan", _) => check_version(moment, query),
        ("Exact", Some("0")) => invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        ("Exact", Some(version)) => {
            check_version(moment, query)?;
            if *version == moment.snapshot.revision().to_string() {
                return Ok(());
            }
            Err(ApiError::new(Reason::Expired, "The resourceVersion for the provided list is too old."))
        }
        (other, _) => invalid(&format!(
            "resourceVersionMatch: Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\", \"\""
        )),
    }
}
