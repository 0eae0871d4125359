//! Webhooks that may change or refuse what clients ask for (`MutatingAdmissionWebhook`, `ValidatingAdmissionWebhook`
//! upstream).
//!
//! They are asked over HTTP, so the kernel cannot ask them. A write that one of them wants to see goes in steps:
//! ```text
//! try until mutated ─► mutating webhooks ─► try whole ─► validating webhooks ─► commit
//!        ▲                                                                        │
//!        └──────────────── somebody else has written meanwhile ◄──────────────────┘
//! ```
//! What is committed is what they saw, over the version that they saw, or all of it begins anew. What controllers of this
//! process and its typed handle write comes here as well, when the kernel finds that a webhook wants to see it.

mod hooks;
mod mutating;
mod own;
mod review;
mod staged;
mod validating;

use inboard::ApiError;
use inboard::kernel::{Answer, Request};
use inboard::object::admission::{Asked, Objects, Operation};
use serde_json::{Value, json};

use self::hooks::Hooks;
pub(crate) use self::own::OwnWrites;
use self::review::Asking;
use crate::place::Place;

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
    let unsupported = |who: &str| {
        ApiError::internal(format_args!("{who} changed what `{subresource}` asks for, which is not supported"))
    };
    let mut warnings = Vec::new();
    if place.moment.snapshot.changed_by_policies(&asked, objects.clone())?.is_some() {
        return Err(unsupported("a policy"));
    }
    if place.moment.snapshot.has_policy_for(&asked) {
        let verdict = place.moment.snapshot.judge(&asked, &objects);
        place.note(verdict.annotations);
        warnings.extend(verdict.warnings);
        if let Some(denial) = verdict.denial {
            return Err(denial.warn(warnings));
        }
    }
    let hooks = Hooks::of(&place.moment.snapshot);
    let judged = judged(place, &hooks, &asked, objects).await.map_err(|error| error.warn(warnings.clone()))?;
    if judged.changed.is_some() {
        return Err(unsupported("a webhook"));
    }
    warnings.extend(judged.warnings);
    Ok(warnings)
}

/// What webhooks have to say of something that is asked for beside an object.
#[derive(Debug, Default)]
struct Judged {
    /// What they have made of it; nothing where they leave it as it is.
    changed: Option<Value>,
    warnings: Vec<String>,
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

/// The webhooks' part of it.
async fn judged(place: &Place<'_>, hooks: &Hooks, asked: &Asked<'_>, objects: Objects) -> Result<Judged, ApiError> {
    if hooks.are_none() {
        return Ok(Judged::default());
    }
    let mut asking = Asking::new(place, place.moment, asked);
    let mutated = asking.mutate(&hooks.mutating, objects).await?;
    asking.validate(&hooks.validating, &mutated.objects).await?;
    let changed = mutated.objects.object.filter(|_| mutated.is_changed);
    Ok(Judged { changed, warnings: asking.take_warnings() })
}
