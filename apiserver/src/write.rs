//! Writing: create, update, patch, delete. Each becomes one request to the kernel, which judges and does it in one step.

mod create;
mod delete;
mod patch;
mod update;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use inboard::cluster::{Cluster, Moment};
use inboard::error::Subject;
use inboard::kernel::{Answer, Request};
use inboard::object::body::{self, Format};
use inboard::object::kind::{KindInfo, convert};
use inboard::object::manifest::Document;
use inboard::store::{Draft, FieldManager, Object, WriteOptions};
use inboard::{ApiError, Reason};
use serde_json::Value;

use crate::admission;
use crate::body::Body;
use crate::conversion;
use crate::identity::User;
use crate::negotiate::{Form, Wanted};
use crate::query::Query;
use crate::rbac::escalation;
use crate::represent::Representation;
use crate::respond;
use crate::stream::Connection;
use crate::webhook::Webhooks;

pub(crate) use create::create;
pub(crate) use delete::{delete, delete_collection, options_of};
pub(crate) use patch::{format_of, patch};
pub(crate) use update::update;

/// How often a write is tried whose object others change between what was read of it, or judged, and what is written.
pub(crate) const TRIES_MAX: usize = 5;

/// What a request brings besides its path.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    pub(crate) wanted: Wanted,
    pub(crate) connection: Connection,
    pub(crate) said: Said,
}

/// What a request's author is to be told in `Warning` headers, whatever becomes of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub(crate) fn add(&self, warnings: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
    }

    /// All of it, in order.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
    pub(crate) webhooks: &'a Webhooks,
    /// Whether this process writes by itself, and not for somebody who sent a request: then nobody's rights are in question.
    pub(crate) is_own: bool,
    /// What the audit shall know of the request.
    pub(crate) notes: &'a Notes,
}

/// What the audit shall know of a request: keys and values.
pub(crate) type Notes = Mutex<Vec<(String, String)>>;

impl Place<'_> {
    /// The answer of the kernel, by way of the webhooks that want to see the request; what all of them warn of is said.
    pub(crate) async fn ask(&self, sent: &Sent, request: Request) -> Result<Answer, ApiError> {
        let (answer, warnings) = admission::ask(self, request).await?;
        sent.said.add(warnings);
        Ok(answer)
    }

    /// Keeps something for the audit.
    pub(crate) fn note(&self, notes: impl IntoIterator<Item = (String, String)>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(notes);
    }

    /// The answer of the kernel alone.
    pub(crate) async fn tell(&self, request: Request) -> Result<(Answer, Vec<String>), ApiError> {
        let request = Request::By(Arc::new(self.user.clone()), Box::new(request));
        let answered = self.cluster.request(request).await?;
        self.note(answered.annotations);
        let warnings: Vec<String> = answered.warnings.into_iter().map(|warning| warning.text).collect();
        match answered.result {
            Ok(answer) => Ok((answer, warnings)),
            Err(error) => Err(error.warn(warnings)),
        }
    }

    pub(crate) async fn show(
        &self,
        object: Arc<Object>,
        code: StatusCode,
        wanted: Wanted,
    ) -> Result<Response<Body>, ApiError> {
        let object = conversion::shown(self, object).await?;
        let shown = Representation::new(self.moment, self.info, wanted.form).object(&object, self.moment.now);
        Ok(respond::value(code, &shown, wanted))
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

/// What a request brings that is no object of a stored kind: a review, an eviction, options.
pub(crate) fn value(sent: &Sent) -> Result<Value, ApiError> {
    match format(&sent.headers)? {
        Format::Json => serde_json::from_slice(&sent.body)
            .map_err(|error| ApiError::bad_request(body::explain(&sent.body, &error.to_string()))),
        Format::Yaml => {
            let text = std::str::from_utf8(&sent.body).map_err(|error| ApiError::bad_request(error.to_string()))?;
            let documents = Document::from_yaml(text).map_err(|error| ApiError::bad_request(error.message))?;
            Ok(documents.into_iter().next().map(|document| document.value).unwrap_or_default())
        }
    }
}

/// The object that a request brings, as a draft of the kind that is stored.
fn draft(place: &Place<'_>, sent: &Sent, options: &str) -> Result<Draft, ApiError> {
    let Place { moment, info, .. } = place;
    let validation = sent.query.field_validation(options)?;
    sent.query.field_manager(options, &sent.headers)?;
    let read = body::read(&sent.body, format(&sent.headers)?, &moment.kinds, info, validation)?;
    sent.said.add(read.warnings);
    let name = read.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    escalation::check(&moment.snapshot, place.user, info, (place.namespace, &name), &read.value)?;
    Ok(match (info.stored_as == info.id, read.decoded) {
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
    })
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
    Ok(WriteOptions { dry_run: sent.query.dry_run(options)?, manager: Some(manager), ..WriteOptions::default() })
}

/// The object of an answer.
pub(crate) fn object_of(answer: Answer) -> Result<Arc<Object>, ApiError> {
    match answer {
        Answer::Object(object) | Answer::Created(object) => Ok(object),
        other => Err(ApiError::internal(format_args!("an answer without an object: {other:?}"))),
    }
}

/// An object as JSON, in the version that the request named.
pub(crate) fn whole(place: &Place<'_>, object: &Object) -> Value {
    Representation::new(place.moment, place.info, Form::Whole).whole(object)
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
