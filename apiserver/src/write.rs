//! Writing: create, update, patch, delete. Each becomes one request to the kernel, which judges and does it in one step.

mod create;
mod delete;
mod patch;
mod update;

use std::sync::Arc;

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::{Answer, Request};
use inboard::object::kind::{Decoded, convert};
use inboard::object::{body, owner};
use inboard::store::{Draft, Object};
use serde_json::Value;

use crate::admission;
use crate::body::Body;
use crate::conversion;
use crate::negotiate::{Count, Wanted};
use crate::place::Place;
use crate::rbac::escalation;
use crate::represent::Representation;
use crate::respond;
use crate::sent::Sent;

pub(crate) use create::create;
pub(crate) use delete::{delete, delete_collection, options_of};
pub(crate) use patch::{format_of, patch};
pub(crate) use update::update;

impl Place<'_> {
    /// The answer of the kernel, by way of the webhooks that want to see the request; what all of them warn of is said.
    pub(crate) async fn ask(&self, sent: &Sent, request: Request) -> Result<Answer, ApiError> {
        let (answer, warnings) = admission::ask(self, request).await?;
        sent.said.add(warnings);
        Ok(answer)
    }

    pub(crate) async fn show(
        &self,
        object: Arc<Object>,
        code: StatusCode,
        wanted: Wanted,
    ) -> Result<Response<Body>, ApiError> {
        wanted.form.check(Count::One, self.info)?;
        let object = conversion::shown(self, object).await?;
        let shown = Representation::new(self.moment, self.info, wanted.form).object(&object, self.moment.now);
        Ok(respond::value(code, &shown, wanted))
    }
}

/// The object that a request brings, as a draft of the kind that is stored.
fn draft(place: &Place<'_>, sent: &Sent, options: &str) -> Result<Draft, ApiError> {
    let Place { moment, info, .. } = place;
    let validation = sent.query.field_validation(options)?;
    sent.query.field_manager(options, &sent.headers)?;
    let mut read = body::read(&sent.body, sent.format()?, &moment.kinds, info, validation)?;
    sent.said.add(read.warnings);
    sent.said.add(once_each_owner(&mut read.value, read.decoded.as_mut()));
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

/// Owners that are named twice are kept once; the answer is what the client is told of it.
fn once_each_owner(value: &mut Value, decoded: Option<&mut Decoded>) -> Option<String> {
    let twins = owner::drop_twins(value);
    let note = owner::twins_note(&twins, false)?;
    if let Some(object) = decoded.and_then(|decoded| Arc::get_mut(&mut decoded.object)) {
        let mut kept = Vec::new();
        let owners = object.metadata_mut().owner_references.take();
        for owner in owners.into_iter().flatten() {
            if !kept.contains(&owner) {
                kept.push(owner);
            }
        }
        object.metadata_mut().owner_references = Some(kept);
    }
    Some(note)
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
