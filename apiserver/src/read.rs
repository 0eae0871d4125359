//! Reading: one object, or a list.

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::cluster::{Cluster, Listing, Moment};
use inboard::error::Subject;
use inboard::object::kind::{self, KindInfo};
use inboard::store::Object;
use inboard::{ApiError, Reason};

use crate::body::Body;
use crate::negotiate::Wanted;
use crate::query::Query;
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
    if let Some(name) = name {
        filter = filter.named(name);
    }
    let token = query.text("continue");
    check_match(moment, query, token.is_some())?;
    let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let listing = Listing { kind: info.stored_as, namespace, filter: &filter, limit, token };
    let page = cluster.page(moment, &listing)?;
    let meta = ListMeta { resource_version: page.revision.to_string(), next: page.next, remaining: page.remaining };
    let shown = Representation::new(moment, info, wanted.form).list(&page.objects, &meta, moment.now);
    Ok(respond::value(StatusCode::OK, &shown, wanted))
}

/// A version that is asked for must be one that there was.
pub(crate) fn check_version(moment: &Moment, query: &Query) -> Result<(), ApiError> {
    let Some(text) = query.text("resourceVersion") else { return Ok(()) };
    let current: u64 = moment.snapshot.revision().to_string().parse().unwrap_or(0);
    let asked: u64 = text.parse().map_err(|_| bad_version(text))?;
    if asked > current {
        let message = format!("Too large resource version: {asked}, current: {current}");
        return Err(ApiError::new(Reason::Timeout, message).retry_after(1));
    }
    Ok(())
}

pub(crate) fn bad_version(text: &str) -> ApiError {
    ApiError::bad_request(format!(
        "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
    ))
}

fn check_match(moment: &Moment, query: &Query, continues: bool) -> Result<(), ApiError> {
    let version = query.text("resourceVersion");
    let invalid = |detail: &str| {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {detail}");
        ApiError::new(Reason::Invalid, message).about(Subject::new("meta.k8s.io", "ListOptions", ""))
    };
    let Some(how) = query.text("resourceVersionMatch") else {
        if continues && version.is_some_and(|version| version != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        return check_version(moment, query);
    };
    if version.is_none() {
        return Err(invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ));
    }
    if continues {
        return Err(invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided",
        ));
    }
    match (how, version) {
        ("NotOlderThan", _) => check_version(moment, query),
        ("Exact", Some("0")) => Err(invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"",
        )),
        ("Exact", Some(version)) => {
            check_version(moment, query)?;
            if *version == moment.snapshot.revision().to_string() {
                return Ok(());
            }
            let message = "The resourceVersion for the provided list is too old.";
            Err(ApiError::new(Reason::Expired, message))
        }
        (other, _) => Err(invalid(&format!(
            "resourceVersionMatch: Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\", \"\""
        ))),
    }
}
