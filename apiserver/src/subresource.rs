//! What objects have besides themselves: their scale, their log, an eviction, a binding.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Response, StatusCode};
use inboard::authority::{BoundTo, TokenRequest};
use inboard::cluster::LogRequest;
use inboard::error::Subject;
use inboard::ids::NodeName;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::kernel::Request;
use inboard::object::body;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind;
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::object::scale::Scale;
use inboard::store::{Part, WriteOptions};
use inboard::{Api, ApiError, Reason};
use serde_json::{Value, json};

use crate::body::Body;
use crate::write::{self, Place, Sent, no_such_resource, not_allowed};
use crate::{proxy, respond, stream};

/// Hands a request for a subresource to the one who does it.
pub(crate) async fn serve(place: &Place<'_>, name: &str, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let own = name.split('/').next().unwrap_or_default();
    if !place.info.has_subresource(own) {
        return Err(no_such_resource());
    }
    match (own, sent.method.as_str()) {
        ("status", "GET") => {
            crate::read::get(place.moment, place.info, (place.namespace, place.name), &sent.query, sent.wanted)
        }
        ("status", "PUT") => write::update(place, Part::Status, sent).await,
        ("status", "PATCH") => write::patch(place, Part::Status, sent).await,
        ("scale", "GET") => show_scale(place, sent),
        ("scale", "PUT") => {
            let scale = read_scale(place, sent)?;
            set_scale(place, &scale, sent).await
        }
        ("scale", "PATCH") => patch_scale(place, sent).await,
        ("eviction", "POST") => evict(place, sent).await,
        ("binding", "POST") => bind(place, sent).await,
        // Older clients post.
        ("exec", "GET" | "POST") => {
            let command = sent.query.all("command").map(str::to_owned).collect();
            stream::exec::serve(place, stream::exec::Task::Exec(command), sent).await
        }
        ("attach", "GET" | "POST") => stream::exec::serve(place, stream::exec::Task::Attach, sent).await,
        ("portforward", "GET" | "POST") => stream::forward::serve(place, sent).await,
        ("proxy", _) => proxy::serve(place, sent).await,
        ("log", "GET") => log(place, sent).await,
        ("token", "POST") => token(place, sent),
        // Whoever approves may set the conditions, and they are all that an approval is.
        ("approval", "PUT") => write::update(place, Part::Status, sent).await,
        ("approval", "PATCH") => write::patch(place, Part::Status, sent).await,
        ("approval", "GET") => {
            crate::read::get(place.moment, place.info, (place.namespace, place.name), &sent.query, sent.wanted)
        }
        _ => Err(not_allowed()),
    }
}

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

fn show_scale(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let scale = scale_value(place, &write::shown_whole(place)?)?;
    Ok(respond::value(StatusCode::OK, &scale, sent.wanted.whole()))
}

fn read_scale(place: &Place<'_>, sent: &Sent) -> Result<Value, ApiError> {
    let value = match write::format(&sent.headers)? {
        body::Format::Json => {
            serde_json::from_slice(&sent.body).map_err(|error| ApiError::bad_request(error.to_string()))
        }
        body::Format::Yaml => {
            let text = String::from_utf8_lossy(&sent.body);
            let documents = inboard::object::manifest::Document::from_yaml(&text)
                .map_err(|error| ApiError::bad_request(error.message))?;
            Ok(documents.into_iter().next().map(|document| document.value).unwrap_or_default())
        }
    }?;
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

async fn set_scale(place: &Place<'_>, scale: &Value, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
    if replicas < 0 {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("spec").field("replicas"), replicas, "must be greater than or equal to 0");
        let subject = Subject::new("autoscaling", "Scale", place.name);
        return Err(ApiError::invalid(subject, errors));
    }
    let mut patch = Scale::patch(place.info, replicas);
    for field in ["resourceVersion", "uid"] {
        if let Some(value) = scale.pointer(&format!("/metadata/{field}")).filter(|value| value.is_string()) {
            patch["metadata"][field] = value.clone();
        }
    }
    let request = Request::Patch {
        kind: place.info.id,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        part: Part::Main,
        patch: Patch::Merge(patch),
        validation: FieldValidation::Ignore,
        options: WriteOptions { dry_run: sent.query.dry_run("UpdateOptions")? },
    };
    let (answer, warnings) = place.ask(request).await?;
    let object = write::object_of(answer)?.to_value(&place.moment.kinds);
    let response = respond::value(StatusCode::OK, &scale_value(place, &object)?, sent.wanted.whole());
    Ok(respond::with_warnings(response, &warnings))
}

/// A patch of the scale is a patch of what its `get` shows.
async fn patch_scale(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
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
    set_scale(place, &after, sent).await
}

/// `pods/eviction`
async fn evict(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let eviction: Value =
        serde_json::from_slice(&sent.body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let named = eviction.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if named != place.name {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = write::options_of(&eviction["deleteOptions"])?;
    options.dry_run |= sent.query.dry_run("CreateOptions")?;
    let request = Request::Evict { namespace: place.namespace.to_owned(), name: place.name.to_owned(), options };
    place.ask(request).await?;
    Ok(respond::value(StatusCode::CREATED, &success(), sent.wanted.whole()))
}

/// `pods/binding`
async fn bind(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let binding: Value =
        serde_json::from_slice(&sent.body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let text = |pointer: &str| binding.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let node = text("/target/name");
    if node.is_empty() {
        return Err(ApiError::new(Reason::Unknown, "target.name: Required value"));
    }
    let request = Request::Bind {
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        node: NodeName::from(node),
        uid: text("/metadata/uid").parse().ok(),
    };
    place.ask(request).await?;
    Ok(respond::value(StatusCode::CREATED, &success(), sent.wanted.whole()))
}

pub(crate) fn success() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}

/// `pods/log`
async fn log(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let query = &sent.query;
    let count = |name: &str| query.number(name).map(|number| number.and_then(|number| u64::try_from(number).ok()));
    let request = LogRequest {
        container: query.text("container").map(str::to_owned),
        previous: query.flag("previous"),
        follow: query.flag("follow"),
        tail: count("tailLines")?.and_then(|lines| usize::try_from(lines).ok()),
        since: count("sinceSeconds")?.map(Duration::from_secs),
        since_time: query.text("sinceTime").and_then(|text| text.parse().ok()).map(inboard::time::Time::from_timestamp),
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

/// How long a token is valid when nobody says, and at least.
const TOKEN_LASTS: Duration = Duration::from_secs(3600);
const TOKEN_LASTS_MIN: i64 = 600;

/// `serviceaccounts/token`
fn token(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let account = crate::read::find(place.moment, place.info, place.namespace, place.name)?;
    let mut request: Value = serde_json::from_slice(&sent.body)
        .map_err(|error| ApiError::bad_request(body::explain(&sent.body, &error.to_string())))?;
    let authority = place.moment.snapshot.authority().ok_or_else(|| {
        ApiError::new(
            Reason::ServiceUnavailable,
            "this cluster has nobody who makes tokens (ClusterBuilder::authority)",
        )
    })?;
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    if seconds.is_some_and(|seconds| seconds < TOKEN_LASTS_MIN) {
        let mut errors = FieldErrors::new();
        let path = Path::new("spec");
        errors.invalid(
            &path.field("expirationSeconds"),
            seconds.unwrap_or(0),
            "may not specify a duration less than 10 minutes",
        );
        return Err(ApiError::invalid(Subject::new("authentication.k8s.io", "TokenRequest", place.name), errors));
    }
    let lasts = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(TOKEN_LASTS, Duration::from_secs);
    let bound = request.pointer("/spec/boundObjectRef").cloned().unwrap_or_default();
    let text = |field: &str| bound[field].as_str().unwrap_or_default().to_owned();
    let (bound_kind, bound_name) = (text("kind"), text("name"));
    let held = |kind: inboard::object::kind::KindId| {
        let found = place.moment.snapshot.find(kind, place.namespace, &bound_name).map(|object| object.meta.uid);
        found.ok_or_else(|| {
            ApiError::not_found(Subject::new("", format!("{}s", bound_kind.to_lowercase()), &bound_name))
        })
    };
    let bound_to = match bound_kind.as_str() {
        "" => BoundTo::ServiceAccount { uid: account.meta.uid },
        "Pod" => BoundTo::Pod { name: &bound_name, uid: held(kind::POD)? },
        "Secret" => BoundTo::Secret { name: &bound_name, uid: held(kind::SECRET)? },
        other => {
            let message = format!("cannot bind token for serviceaccount \"{}\" to a {other}", place.name);
            return Err(ApiError::bad_request(message));
        }
    };
    let audience = request.pointer("/spec/audiences/0").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = TokenRequest {
        namespace: place.namespace,
        service_account: place.name,
        bound_to,
        audience: &audience,
        expires_in: Some(lasts),
        now: place.moment.now,
    };
    let token = authority.token(&wanted).map_err(ApiError::internal)?;
    let ends = (place.moment.now.whole_second() + lasts).to_api();
    request["kind"] = "TokenRequest".into();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["metadata"]["name"] = place.name.into();
    request["metadata"]["namespace"] = place.namespace.into();
    request["spec"]["expirationSeconds"] = lasts.as_secs().into();
    request["status"] = json!({ "token": token, "expirationTimestamp": ends });
    Ok(respond::value(StatusCode::CREATED, &request, sent.wanted.whole()))
}
