//! Writing: create, update, patch, delete. Each becomes one request to the kernel, which judges and does it in one step.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use inboard::cluster::{Cluster, Moment};
use inboard::control::Propagation;
use inboard::error::Subject;
use inboard::kernel::{Answer, Request};
use inboard::object::apply::patch_options;
use inboard::object::body::{self, Format};
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindInfo, convert};
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Deleted, Draft, Expect, FieldManager, Object, Part, WriteOptions};
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use crate::apply;
use crate::body::Body;
use crate::identity::User;
use crate::negotiate::{Form, Wanted};
use crate::query::{Query, options_are};
use crate::rbac::escalation;
use crate::read;
use crate::represent::Representation;
use crate::respond;
use crate::stream::Connection;

/// What a request brings besides its path.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    pub(crate) wanted: Wanted,
    pub(crate) connection: Connection,
}

/// A collection, or an object in it.
pub(crate) struct Place<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) moment: &'a Moment,
    pub(crate) user: &'a User,
    pub(crate) info: &'a KindInfo,
    /// Empty for a kind without namespaces.
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// The answer of the kernel, and what it warns of.
    pub(crate) async fn ask(&self, request: Request) -> Result<(Answer, Vec<String>), ApiError> {
        let answered = self.cluster.request(request).await?;
        let warnings = answered.warnings.into_iter().map(|warning| warning.text).collect();
        Ok((answered.result?, warnings))
    }

    pub(crate) fn show(&self, object: &Arc<Object>, code: StatusCode, wanted: Wanted) -> Response<Body> {
        let shown = Representation::new(self.moment, self.info, wanted.form).object(object, self.moment.now);
        respond::value(code, &shown, wanted)
    }
}

/// How the body of a write is written.
pub(crate) fn format(headers: &HeaderMap) -> Result<Format, ApiError> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => Ok(Format::Json),
        "application/yaml" => Ok(Format::Yaml),
        _ => Err(ApiError::new(
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// The object that a request brings, as a draft of the kind that is stored, and what is to be said about it.
fn draft(place: &Place<'_>, sent: &Sent, options: &str) -> Result<(Draft, Vec<String>), ApiError> {
    let Place { moment, info, .. } = place;
    let validation = sent.query.field_validation(options)?;
    sent.query.field_manager(options, &sent.headers)?;
    let read = body::read(&sent.body, format(&sent.headers)?, &moment.kinds, info, validation)?;
    let name = read.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    escalation::check(&moment.snapshot, place.user, info, (place.namespace, &name), &read.value)?;
    let draft = match (info.stored_as == info.id, read.decoded) {
        (true, Some(decoded)) => Draft::typed(decoded.object),
        // A user's object says itself which version it is in.
        (_, None) => {
            Draft::custom(info.stored_as, read.value).map_err(|error| ApiError::bad_request(error.to_string()))?
        }
        (false, Some(_)) => {
            let value = convert(info.id, info.stored_as, read.value);
            let codec = moment.kinds.info(info.stored_as).and_then(|stored| stored.codec);
            let (Some(value), Some(codec)) = (value, codec) else {
                return Err(ApiError::internal("a version that cannot be converted"));
            };
            let decoded = codec.decode(&value).map_err(|error| ApiError::bad_request(error.to_string()))?;
            Draft { written_as: Some(info.id), ..Draft::typed(decoded.object) }
        }
    };
    Ok((draft, read.warnings))
}

fn check_namespace(draft: &mut Draft, place: &Place<'_>) -> Result<(), ApiError> {
    if draft.meta.namespace.is_empty() || !place.info.is_namespaced() {
        draft.place(place.namespace);
    }
    if *draft.meta.namespace != *place.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// How a write is made, and in whose name.
pub(crate) fn options(place: &Place<'_>, sent: &Sent, options: &str) -> Result<WriteOptions, ApiError> {
    let manager = FieldManager::new(sent.query.field_manager(options, &sent.headers)?).seen_as(place.info.id);
    Ok(WriteOptions { dry_run: sent.query.dry_run(options)?, manager: Some(manager) })
}

/// `create`
pub(crate) async fn create(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (mut draft, mut warnings) = draft(place, sent, "CreateOptions")?;
    check_namespace(&mut draft, place)?;
    let options = options(place, sent, "CreateOptions")?;
    let (answer, more) = place.ask(Request::Create(draft, options)).await?;
    warnings.extend(more);
    let response = place.show(&object_of(answer)?, StatusCode::CREATED, sent.wanted);
    Ok(respond::with_warnings(response, &warnings))
}

/// `update`
pub(crate) async fn update(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (mut draft, mut warnings) = draft(place, sent, "UpdateOptions")?;
    let name = place.name;
    if draft.meta.name.is_empty() {
        return Err(ApiError::bad_request(
            "the name of the object (\"\" based on URL) was undeterminable: name must be provided",
        ));
    }
    if *draft.meta.name != *name {
        let named = &draft.meta.name;
        return Err(ApiError::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    check_namespace(&mut draft, place)?;
    let options = options(place, sent, "UpdateOptions")?;
    let is_there = read::find(place.moment, place.info, place.namespace, name).is_ok();
    let creates = !is_there && part == Part::Main && update_creates(place.info) && draft.expect.revision.is_none();
    if is_there && draft.expect.revision.is_none() && needs_revision(place.info) {
        return Err(no_revision(place));
    }
    let (request, code) = if creates {
        (Request::Create(draft, options), StatusCode::CREATED)
    } else {
        (Request::Update(draft, part, options), StatusCode::OK)
    };
    let (answer, more) = place.ask(request).await?;
    warnings.extend(more);
    let response = place.show(&object_of(answer)?, code, sent.wanted);
    Ok(respond::with_warnings(response, &warnings))
}

/// Kinds of which an update makes the object that is not there (`AllowCreateOnUpdate` upstream).
fn update_creates(info: &KindInfo) -> bool {
    matches!(
        info.stored_as,
        kind::ENDPOINTS
            | kind::EVENT
            | kind::LIMIT_RANGE
            | kind::LEASE
            | kind::POD_TEMPLATE
            | kind::SERVICE
            | kind::ROLE
            | kind::ROLE_BINDING
            | kind::CLUSTER_ROLE
            | kind::CLUSTER_ROLE_BINDING
    )
}

/// Kinds of which an update must say which version it replaces (`AllowUnconditionalUpdate` is false upstream).
fn needs_revision(info: &KindInfo) -> bool {
    info.id.built_in().is_none()
        || matches!(
            info.stored_as,
            kind::LEASE
                | kind::POD_DISRUPTION_BUDGET
                | kind::CSI_DRIVER
                | kind::CSI_NODE
                | kind::CSI_STORAGE_CAPACITY
                | kind::RUNTIME_CLASS
                | kind::VOLUME_ATTACHMENT
                | kind::CUSTOM_RESOURCE_DEFINITION
                | kind::API_SERVICE
                | kind::STORAGE_VERSION_MIGRATION
                | kind::CLUSTER_TRUST_BUNDLE
                | kind::MUTATING_WEBHOOK_CONFIGURATION
                | kind::VALIDATING_WEBHOOK_CONFIGURATION
                | kind::VALIDATING_ADMISSION_POLICY
                | kind::VALIDATING_ADMISSION_POLICY_BINDING
                | kind::MUTATING_ADMISSION_POLICY
                | kind::MUTATING_ADMISSION_POLICY_BINDING
        )
}

fn no_revision(place: &Place<'_>) -> ApiError {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("metadata").field("resourceVersion"), 0, "must be specified for an update");
    ApiError::invalid(read::subject(place.info, place.name), errors)
}

/// `patch`
pub(crate) async fn patch(place: &Place<'_>, part: Part, sent: &Sent) -> Result<Response<Body>, ApiError> {
    if apply::is_apply(sent) {
        return apply::apply(place, part, sent).await;
    }
    let patch = read_patch(sent)?;
    let manager = sent.query.field_manager("PatchOptions", &sent.headers)?;
    patch_options(&manager, sent.query.text("force").map(|_| true), false)?;
    escalation::check_patch(place, &patch)?;
    let request = Request::Patch {
        kind: place.info.id,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        part,
        patch,
        validation: sent.query.field_validation("PatchOptions")?,
        options: options(place, sent, "PatchOptions")?,
    };
    let (answer, warnings) = place.ask(request).await?;
    let response = place.show(&object_of(answer)?, StatusCode::OK, sent.wanted);
    Ok(respond::with_warnings(response, &warnings))
}

/// The patch that a request brings.
pub(crate) fn read_patch(sent: &Sent) -> Result<Patch, ApiError> {
    let media = sent.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = || -> Result<Value, ApiError> {
        let explain = |error: serde_json::Error| body::explain(&sent.body, &error.to_string());
        serde_json::from_slice(&sent.body).map_err(|error| ApiError::bad_request(explain(error)))
    };
    match media.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(Patch::Json(value()?)),
        "application/merge-patch+json" => Ok(Patch::Merge(value()?)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(value()?)),
        _ => {
            let error = ApiError::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type");
            Err(error.about(Subject::default()))
        }
    }
}

/// `delete`
pub(crate) async fn delete(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let options = delete_options(sent)?;
    let request = Request::Delete {
        kind: place.info.stored_as,
        namespace: place.namespace.to_owned(),
        name: place.name.to_owned(),
        options,
    };
    let (answer, warnings) = place.ask(request).await?;
    let Answer::Deleted(deleted) = answer else { return Err(ApiError::internal("an odd answer to a deletion")) };
    let response = match &deleted {
        Deleted::Gone(object) if !tells_last_state(place.info) => {
            respond::value(StatusCode::OK, &gone(place.info, object), sent.wanted.whole())
        }
        deleted => place.show(deleted.object(), StatusCode::OK, sent.wanted),
    };
    Ok(respond::with_warnings(response, &warnings))
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
    let filter = sent.query.filter()?;
    filter.check(place.info)?;
    let listing =
        inboard::cluster::Listing { kind: place.info.stored_as, namespace, filter: &filter, limit: None, token: None };
    let page = place.cluster.page(place.moment, &listing)?;
    let mut shown = Vec::new();
    for object in &page.objects {
        let request = Request::Delete {
            kind: place.info.stored_as,
            namespace: object.meta.namespace.to_string(),
            name: object.meta.name.to_string(),
            options,
        };
        match place.ask(request).await {
            Ok((Answer::Deleted(deleted), _)) => shown.push(Arc::clone(deleted.object())),
            Ok(_) => return Err(ApiError::internal("an odd answer to a deletion")),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    let meta = crate::represent::ListMeta { resource_version: page.revision.to_string(), ..Default::default() };
    let representation = Representation::new(place.moment, place.info, sent.wanted.form);
    Ok(respond::shown(StatusCode::OK, &representation.list(&shown, &meta, place.moment.now), sent.wanted))
}

/// How to delete: from the body, or from the query when there is none.
pub(crate) fn delete_options(sent: &Sent) -> Result<DeleteOptions, ApiError> {
    if sent.body.is_empty() {
        let query = &sent.query;
        let orphan = query.text("orphanDependents").map(|_| query.flag("orphanDependents"));
        let policy = query.text("propagationPolicy");
        return Ok(DeleteOptions {
            grace_seconds: query.number("gracePeriodSeconds")?,
            propagation: propagation(policy, orphan)?,
            expect: Expect::default(),
            dry_run: query.dry_run("DeleteOptions")?,
        });
    }
    let options = read_options(&sent.body, format(&sent.headers)?)?;
    options_of(&options)
}

fn read_options(bytes: &[u8], format: Format) -> Result<Value, ApiError> {
    let bad = |error: &dyn std::fmt::Display| ApiError::bad_request(error.to_string());
    let value: Value = match format {
        Format::Json => serde_json::from_slice(bytes).map_err(|error| bad(&error))?,
        Format::Yaml => {
            let text = std::str::from_utf8(bytes).map_err(|error| bad(&error))?;
            let documents =
                inboard::object::manifest::Document::from_yaml(text).map_err(|error| bad(&error.message))?;
            documents.into_iter().next().map(|document| document.value).unwrap_or_default()
        }
    };
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
    let conditions = &options["preconditions"];
    let uid = conditions["uid"].as_str();
    let revision = conditions["resourceVersion"].as_str();
    let bad = |what: &str, text: &str| ApiError::bad_request(format!("preconditions.{what}: `{text}` is not valid"));
    Ok(DeleteOptions {
        grace_seconds: options["gracePeriodSeconds"].as_i64(),
        propagation: propagation(options["propagationPolicy"].as_str(), options["orphanDependents"].as_bool())?,
        expect: Expect {
            uid: uid.map(|uid| uid.parse().map_err(|_| bad("uid", uid))).transpose()?,
            revision: revision.map(|text| text.parse().map_err(|_| bad("resourceVersion", text))).transpose()?,
        },
        dry_run: Query::check_dry_run(
            options["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str),
            "DeleteOptions",
        )?,
    })
}

fn propagation(policy: Option<&str>, orphan: Option<bool>) -> Result<Option<Propagation>, ApiError> {
    let mut errors = FieldErrors::new();
    let path = Path::new("propagationPolicy");
    if let (Some(policy), Some(_)) = (policy, orphan) {
        errors.invalid(&path, policy, "orphanDependents and deletionPropagation cannot be both set");
    }
    let known = match policy {
        None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
        Some("Orphan") => Some(Propagation::Orphan),
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some(other) => {
            errors.not_supported(&path, other, &["Foreground", "Background", "Orphan", "nil"]);
            None
        }
    };
    options_are("DeleteOptions", errors)?;
    Ok(known)
}

/// The object of an answer.
pub(crate) fn object_of(answer: Answer) -> Result<Arc<Object>, ApiError> {
    match answer {
        Answer::Object(object) | Answer::Created(object) => Ok(object),
        other => Err(ApiError::internal(format_args!("an answer without an object: {other:?}"))),
    }
}

/// An object that was read, shown whole, as JSON.
pub(crate) fn shown_whole(place: &Place<'_>) -> Result<Value, ApiError> {
    let object = read::find(place.moment, place.info, place.namespace, place.name)?;
    Ok(Representation::new(place.moment, place.info, Form::Whole).whole(&object))
}

/// That a kind does not have what was asked for.
pub(crate) fn no_such_resource() -> ApiError {
    ApiError::new(Reason::NotFound, "the server could not find the requested resource").about(Subject::default())
}

/// That a kind does not do what was asked for.
pub(crate) fn not_allowed() -> ApiError {
    ApiError::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
        .about(Subject::default())
}
