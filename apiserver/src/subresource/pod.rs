//! What pods have: their log, an eviction, a binding.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Response, StatusCode};
use inboard::cluster::LogRequest;
use inboard::error::Subject;
use inboard::ids::NodeName;
use inboard::k8s_openapi::api::core::v1::{Binding, Pod};
use inboard::k8s_openapi::api::policy::v1::Eviction;
use inboard::kernel::Request;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::KindInfo;
use inboard::object::validation::pod_binding;
use inboard::object::{body, decode};
use inboard::store::{self, Expect};
use inboard::{Api, ApiError, Reason};
use serde_json::{Value, json};

use crate::body::Body;
use crate::place::Place;
use crate::query::Query;
use crate::respond;
use crate::sent::Sent;
use crate::write;

/// `pods/eviction`
pub(super) async fn evict(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let eviction = read_eviction(place, sent)?;
    check_namespace(place, &eviction)?;
    let named = eviction.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if named != place.name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = write::options_of(&eviction["deleteOptions"])?;
    options.dry_run |= sent.query.dry_run("CreateOptions")?;
    let request = Request::Evict { namespace: place.namespace.to_owned(), name: place.name.to_owned(), options };
    place.ask(sent, request).await?;
    Ok(respond::value(StatusCode::CREATED, &success(), sent.wanted.whole()))
}

/// An eviction in either of the versions that upstream takes.
fn read_eviction(place: &Place<'_>, sent: &Sent) -> Result<Value, ApiError> {
    let (kinds, format) = (&place.moment.kinds, sent.format()?);
    let validation = sent.query.field_validation("CreateOptions")?;
    let info = KindInfo::custom::<Eviction>();
    let given = sent.value().unwrap_or_default();
    let (eviction, warnings) = if given["apiVersion"] == "policy/v1beta1" {
        let info = KindInfo { version: "v1beta1".into(), ..info };
        body::read_part::<Value>(&sent.body, format, kinds, &info, validation)?
    } else {
        body::read_part::<Eviction>(&sent.body, format, kinds, &info, validation)?
    };
    sent.said.add(warnings);
    Ok(eviction)
}

/// What is written beside a pod is in its namespace, or does not say.
fn check_namespace(place: &Place<'_>, value: &Value) -> Result<(), ApiError> {
    let given = value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    if given.is_empty() || given == place.namespace {
        return Ok(());
    }
    let text = "the namespace of the provided object does not match the namespace sent on the request";
    Err(ApiError::bad_request(text))
}

/// `pods/binding`, and `bindings`, where the body alone says which pod it is.
pub(crate) async fn bind(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (kinds, format) = (&place.moment.kinds, sent.format()?);
    let validation = sent.query.field_validation("CreateOptions")?;
    let info = KindInfo::custom::<Binding>();
    let (value, warnings) = body::read_part::<Binding>(&sent.body, format, kinds, &info, validation)?;
    sent.said.add(warnings);
    check_namespace(place, &value)?;
    let (binding, _) =
        decode::from_value::<Binding>(&value).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let named = binding.metadata.name.clone().unwrap_or_default();
    if !place.name.is_empty() && named != place.name {
        return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
    }
    let errors = pod_binding(&binding);
    if !errors.is_empty() {
        return Err(ApiError::new(Reason::Unknown, errors.to_string()));
    }
    let metadata = binding.metadata;
    let (expect, misread) = Expect::read(metadata.uid.as_deref(), metadata.resource_version.as_deref());
    let binding = store::Binding {
        node: NodeName::from(binding.target.name.unwrap_or_default()),
        expect,
        misread,
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
    };
    let request = Request::Bind { namespace: place.namespace.to_owned(), name: named, binding: Box::new(binding) };
    place.ask(sent, request).await?;
    Ok(respond::value(StatusCode::CREATED, &success(), sent.wanted.whole()))
}

fn success() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}

/// `pods/log`
pub(super) async fn log(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let query = &sent.query;
    check_log_options(place.name, query)?;
    let count = |name: &str| query.number(name).map(|number| number.and_then(|number| u64::try_from(number).ok()));
    let request = LogRequest {
        container: query.text("container").map(str::to_owned),
        previous: query.flag("previous"),
        follow: query.flag("follow"),
        tail: count("tailLines")?.and_then(|lines| usize::try_from(lines).ok()),
        since: count("sinceSeconds")?.map(Duration::from_secs),
        since_time: query.time("sinceTime")?,
        limit_bytes: count("limitBytes")?,
        timestamps: query.flag("timestamps"),
    };
    let pods: Api<Pod> = Api::namespaced(place.cluster, place.namespace);
    let Some(text) = pods.log_text(place.name, &request).await? else {
        return Ok(respond::bytes(StatusCode::NO_CONTENT, "text/plain", Vec::new()));
    };
    let text = text.map(|piece| piece.unwrap_or_else(|error| Bytes::from(format!("{error}\n"))));
    Ok(respond::whole(StatusCode::OK, "text/plain", Body::stream(text)))
}

fn check_log_options(pod: &str, query: &Query) -> Result<(), ApiError> {
    let mut errors = FieldErrors::new();
    if let Some(lines @ ..=-1) = query.number("tailLines")? {
        errors.invalid(&Path::new("tailLines"), lines, "must be greater than or equal to 0");
    }
    if let Some(bytes @ ..=0) = query.number("limitBytes")? {
        errors.invalid(&Path::new("limitBytes"), bytes, "must be greater than 0");
    }
    match (query.number("sinceSeconds")?, query.time("sinceTime")?) {
        (Some(_), Some(_)) => {
            let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.forbidden(&Path::new(""), detail);
        }
        (Some(seconds @ ..=0), None) => {
            errors.invalid(&Path::new("sinceSeconds"), seconds, "must be greater than 0");
        }
        _ => {}
    }
    if query.get("stream").is_some() {
        // Behind a closed gate.
        errors.forbidden(&Path::new("stream"), "may not be specified");
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(Subject::new("", "PodLogOptions", pod), errors)) }
}
