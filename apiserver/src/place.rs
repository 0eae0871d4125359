//! Where a request goes: a collection or an object of one kind, as somebody sees it at one moment.

use std::sync::{Arc, Mutex, PoisonError};

use inboard::cluster::{Cluster, Moment};
use inboard::error::Subject;
use inboard::kernel::{Answer, Request};
use inboard::object::kind::KindInfo;
use inboard::store::{FieldManager, Object, WriteOptions};
use inboard::{ApiError, Reason};
use serde_json::Value;

use crate::identity::User;
use crate::negotiate::Form;
use crate::represent::Representation;
use crate::sent::Sent;
use crate::webhook::Webhooks;

/// How often a write is tried whose object others change between what was read of it, or judged, and what is written.
pub(crate) const TRIES_MAX: usize = 5;

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

    /// How a write is made, and in whose name.
    pub(crate) fn options(&self, sent: &Sent, options: &str) -> Result<WriteOptions, ApiError> {
        let manager = FieldManager::new(sent.query.field_manager(options, &sent.headers)?).seen_as(self.info.id);
        Ok(WriteOptions { dry_run: sent.query.dry_run(options)?, manager: Some(manager), ..WriteOptions::default() })
    }

    /// An object as JSON, in the version that the request named.
    pub(crate) fn whole(&self, object: &Object) -> Value {
        Representation::new(self.moment, self.info, Form::Whole).whole(object)
    }
}

/// The object of an answer.
pub(crate) fn object_of(answer: Answer) -> Result<Arc<Object>, ApiError> {
    match answer {
        Answer::Object(object) | Answer::Created(object) => Ok(object),
        other => Err(ApiError::internal(format_args!("an answer without an object: {other:?}"))),
    }
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
