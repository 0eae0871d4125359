//! Webhooks that may change or refuse what clients ask for (`MutatingAdmissionWebhook`, `ValidatingAdmissionWebhook`
//! upstream).
//!
//! They are asked over HTTP, so the kernel cannot ask them. A write that one of them wants to see goes in steps:
//! ```text
//! try until mutated ─► mutating webhooks ─► try whole ─► validating webhooks ─► commit
//!        ▲                                                                        │
//!        └──────────────── somebody else has written meanwhile ◄──────────────────┘
//! ```
//! What is committed is what they saw, over the version that they saw, or all of it begins anew. Controllers of this process
//! write without HTTP, and meet no webhooks.

mod hooks;
mod mutating;
mod review;
mod staged;
mod validating;

use inboard::ApiError;
use inboard::kernel::{Answer, Request};
use inboard::object::admission::{Asked, Objects, Operation};
use serde_json::{Value, json};

use self::hooks::Hooks;
use self::review::Asking;
use crate::write::Place;

/// Hands a request to the kernel, by way of the webhooks that want to see it.
pub(crate) async fn ask(place: &Place<'_>, request: Request) -> Result<(Answer, Vec<String>), ApiError> {
    let hooks = Hooks::of(&place.moment.snapshot);
    if hooks.are_none() || inboard::object::admission::is_exempt(place.info) {
        return place.tell(request).await;
    }
    staged::write(place, &hooks, request).await
}

/// Lets webhooks, and policies, judge something that is no write of an object: a connection, or an object that is only
/// asked for.
pub(crate) async fn pass(
    place: &Place<'_>,
    operation: Operation,
    subresource: &str,
    object: Value,
) -> Result<Vec<String>, ApiError> {
    let options = match operation {
        Operation::Create => json!({ "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" }),
        Operation::Update | Operation::Delete | Operation::Connect => Value::Null,
    };
    let asked = beside(place, operation, subresource, options);
    let objects = Objects { object: Some(object), old: None };
    let mut warnings = Vec::new();
    if place.moment.snapshot.has_policy_for(&asked) {
        let verdict = place.moment.snapshot.judge(&asked, &objects);
        place.note(verdict.annotations);
        warnings.extend(verdict.warnings);
        if let Some(denial) = verdict.denial {
            return Err(denial.warn(warnings));
        }
    }
    let hooks = Hooks::of(&place.moment.snapshot);
    let more = judged(place, &hooks, &asked, objects).await.map_err(|error| error.warn(warnings.clone()))?;
    warnings.extend(more);
    Ok(warnings)
}

/// Something that is asked of an object beside itself.
fn beside<'a>(place: &'a Place<'_>, operation: Operation, subresource: &'a str, options: Value) -> Asked<'a> {
    Asked {
        operation,
        info: place.info,
        subresource,
        namespace: place.namespace,
        name: place.name,
        user: place.user,
        dry_run: options["dryRun"].is_array(),
        options,
    }
}

/// The webhooks' part of it. None of them can change what is asked for.
async fn judged(
    place: &Place<'_>,
    hooks: &Hooks,
    asked: &Asked<'_>,
    objects: Objects,
) -> Result<Vec<String>, ApiError> {
    if hooks.are_none() {
        return Ok(Vec::new());
    }
    let mut asking = Asking::new(place, place.moment, asked);
    if asking.mutate(&hooks.mutating, objects.clone()).await?.is_changed {
        let subresource = asked.subresource;
        return Err(ApiError::internal(format_args!(
            "a webhook changed what `{subresource}` asks for, which is not supported"
        )));
    }
    asking.validate(&hooks.validating, &objects).await?;
    Ok(asking.take_warnings())
}
