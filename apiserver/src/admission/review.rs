//! A question to one webhook, and what its answer means (`AdmissionReview`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inboard::cluster::Moment;
use inboard::error::Subject;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use inboard::object::admission::{Asked, Authorizer, Conditions, Objects};
use inboard::object::kind::KindId;
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use super::hooks::Hook;
use crate::place::Place;

const GROUP: &str = "admission.k8s.io";

/// Numbers questions, so that answers can be told apart.
static QUESTIONS: AtomicU64 = AtomicU64::new(0);

/// What is asked of the webhooks, and what they have said so far.
pub(super) struct Asking<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) moment: &'a Moment,
    pub(super) asked: &'a Asked<'a>,
    namespace: Option<Value>,
    authorizer: Arc<dyn Authorizer>,
    warnings: Vec<String>,
}

/// Why a webhook does not let a request pass.
pub(super) enum Problem {
    /// It says no.
    Refused(ApiError),
    /// It cannot be asked, or what it says makes no sense: its failure policy says what that means.
    Failed(String),
}

/// What a webhook that says yes brings with it.
#[derive(Debug, Default)]
pub(super) struct Granted {
    pub(super) patch: Option<Value>,
    warnings: Vec<String>,
    annotations: Vec<(String, String)>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(place: &'a Place<'a>, moment: &'a Moment, asked: &'a Asked<'a>) -> Self {
        let namespace = moment.snapshot.namespace_of(asked);
        Self { place, moment, asked, namespace, authorizer: Arc::new(moment.snapshot.clone()), warnings: Vec::new() }
    }

    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether a webhook wants to see the request, and in which version.
    pub(super) fn concerns(&self, hook: &Hook, objects: &Objects) -> Result<Option<KindId>, ApiError> {
        let Self { moment, asked, .. } = self;
        let Some(version) = hook.concern.names(asked, &moment.kinds) else { return Ok(None) };
        if !hook.concern.selects(asked, objects, self.namespace.as_ref()) {
            return Ok(None);
        }
        let conditions = Conditions::of_webhook(Some(&hook.conditions));
        match conditions.hold_for(asked, objects, &moment.kinds, version, &self.authorizer) {
            Ok(holds) => Ok(holds.then_some(version)),
            Err(_) if hook.fails_open => Ok(None),
            Err(why) => {
                let info = asked.info;
                let subject = Subject::new(info.group.to_string(), info.plural.to_string(), asked.name);
                Err(ApiError::forbidden(subject, why))
            }
        }
    }

    /// Asks a webhook about objects in the version that it wants.
    pub(super) async fn ask(
        &self,
        hook: &Hook,
        version: KindId,
        objects: &Objects,
        is_mutating: bool,
    ) -> Result<Granted, Problem> {
        if self.asked.dry_run && !hook.takes_dry_runs {
            let message = format!("admission webhook \"{}\" does not support dry run", hook.name);
            return Err(Problem::Refused(ApiError::bad_request(message)));
        }
        let uid = format!("00000000-0000-4000-8000-{:012x}", QUESTIONS.fetch_add(1, Ordering::Relaxed));
        let mut request = self.asked.request(&self.moment.kinds, version);
        request["uid"] = uid.as_str().into();
        request["object"] = objects.object.clone().unwrap_or_default();
        request["oldObject"] = objects.old.clone().unwrap_or_default();
        let api_version = format!("{GROUP}/{}", hook.review_version);
        let review = json!({ "kind": "AdmissionReview", "apiVersion": api_version, "request": request });
        let snapshot = &self.moment.snapshot;
        let answer = self.place.webhooks.ask(snapshot, &hook.target, &review, hook.timeout).await;
        let answer = answer.map_err(|why| Problem::Failed(format!("failed to call webhook: {why}")))?;
        let granted = verified(&answer, &uid, &hook.review_version, is_mutating)
            .map_err(|why| Problem::Failed(format!("received invalid webhook response: {why}")))?;
        match granted {
            Ok(granted) => Ok(granted),
            Err((warnings, status)) => Err(Problem::Refused(denied(self.asked, &hook.name, status).warn(warnings))),
        }
    }

    /// Keeps what a webhook wants to be told, to the client and to the audit.
    pub(super) fn keep(&mut self, hook: &Hook, granted: &mut Granted) {
        self.warnings.append(&mut granted.warnings);
        let key = |key: String| format!("{}/{key}", hook.name);
        self.place.note(std::mem::take(&mut granted.annotations).into_iter().map(|(name, value)| (key(name), value)));
    }

    /// What a webhook that could not be asked means for the request; nothing where it goes on.
    pub(super) fn failed(&mut self, hook: &Hook, why: &str) -> Result<(), ApiError> {
        let message = format!("failed calling webhook \"{}\": {why}", hook.name);
        if hook.fails_open {
            tracing::warn!(webhook = hook.name, "{message}; the request goes on");
            return Ok(());
        }
        Err(ApiError::failed(message).warn(self.take_warnings()))
    }
}

/// An answer that makes sense: what it brings, or the warnings and the status of a refusal.
type Verified = Result<Granted, (Vec<String>, Value)>;

/// What an answer says.
///
/// # Errors
/// Why it makes no sense.
fn verified(answer: &Value, uid: &str, version: &str, is_mutating: bool) -> Result<Verified, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let response = &answer["response"];
    if !response.is_object() {
        return Err("webhook response was absent".to_owned());
    }
    let patch = response["patch"].as_str().filter(|patch| !patch.is_empty());
    let patch_type = response["patchType"].as_str();
    if version == "v1" {
        let given = text(&response["uid"]);
        if given != uid {
            return Err(format!("expected response.uid=\"{uid}\", got \"{given}\""));
        }
        let (api_version, kind) = (text(&answer["apiVersion"]), text(&answer["kind"]));
        if api_version != format!("{GROUP}/v1") || kind != "AdmissionReview" {
            let expected = format!("{GROUP}/v1, Kind=AdmissionReview");
            return Err(format!("expected webhook response of {expected}, got {api_version}, Kind={kind}"));
        }
        let problem = match (is_mutating, patch, patch_type) {
            (true, Some(_), None) => Some("webhook returned response.patch but not response.patchType".to_owned()),
            (true, None, Some(_)) => Some("webhook returned response.patchType but not response.patch".to_owned()),
            (true, Some(_), Some("")) => Some("webhook returned invalid response.patchType of \"\"".to_owned()),
            (false, Some(_), _) => Some("validating webhook may not return response.patch".to_owned()),
            (false, _, Some(_)) => Some("validating webhook may not return response.patchType".to_owned()),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(problem);
        }
    }
    let warnings = response["warnings"].as_array().into_iter().flatten().map(text).collect();
    if response["allowed"] != true {
        return Ok(Err((warnings, response["status"].clone())));
    }
    let patch = match patch.filter(|_| is_mutating) {
        None => None,
        Some(_) if patch_type.is_some_and(|given| given != "JSONPatch") => {
            return Err(format!("unsupported patch type \"{}\"", patch_type.unwrap_or_default()));
        }
        Some(patch) => Some(decoded(patch)?),
    };
    let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
    let annotations = annotations.map(|(key, value)| (key.clone(), text(value))).collect();
    Ok(Ok(Granted { patch, warnings, annotations }))
}

fn decoded(patch: &str) -> Result<Value, String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(patch).map_err(|error| error.to_string())?;
    let undecodable = |error: serde_json::Error| format!("received undecodable patch in webhook response: {error}");
    serde_json::from_slice(&bytes).map_err(undecodable)
}

/// That a webhook refuses a request, in its words and upstream's.
fn denied(asked: &Asked<'_>, hook: &str, status: Value) -> ApiError {
    let mut status: Status = serde_json::from_value(status).unwrap_or_default();
    let code = *status.code.get_or_insert(i32::from(Reason::Forbidden.code()));
    let is_internal = code == i32::from(Reason::InternalError.code());
    status.status.get_or_insert_with(|| "Failure".to_owned());
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let by = format!("admission webhook \"{hook}\" denied the request");
    let why = match given(&status.message).or_else(|| given(&status.reason)) {
        Some(why) => format!("{by}: {why}"),
        None => format!("{by} without explanation"),
    };
    let name = if asked.name.is_empty() { "Unknown" } else { asked.name };
    status.details.get_or_insert_with(|| match is_internal {
        true => StatusDetails {
            causes: Some(vec![StatusCause { message: Some(why.clone()), ..StatusCause::default() }]),
            ..StatusDetails::default()
        },
        false => StatusDetails {
            group: Some(asked.info.group.to_string()).filter(|group| !group.is_empty()),
            kind: Some(asked.info.plural.to_string()),
            name: Some(name.to_owned()),
            ..StatusDetails::default()
        },
    });
    status.message = Some(match is_internal {
        true => format!("Internal error occurred: {why}"),
        false => format!("{} \"{name}\" is forbidden: {why}", asked.info.group_resource()),
    });
    let usual = if is_internal { Reason::InternalError } else { Reason::Forbidden };
    status.reason = given(&status.reason).or_else(|| Some(usual.as_str().to_owned()));
    ApiError::of_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &Value, is_mutating: bool) -> String {
        match verified(answer, "u1", "v1", is_mutating) {
            Err(why) => why,
            Ok(Err((_, status))) => format!("refused: {}", status["message"].as_str().unwrap_or_default()),
            Ok(Ok(granted)) => granted.patch.map_or_else(|| "granted".to_owned(), |patch| patch.to_string()),
        }
    }

    #[test]
    fn an_answer_must_make_sense() {
        let review = |response: Value| json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        let cases = [
            (review(json!({ "uid": "u1", "allowed": true })), true, "granted"),
            (review(json!({ "uid": "u2", "allowed": true })), true, "expected response.uid=\"u1\", got \"u2\""),
            (json!({}), true, "webhook response was absent"),
            (
                json!({ "apiVersion": "v1", "kind": "Pod", "response": { "uid": "u1" } }),
                false,
                "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got v1, Kind=Pod",
            ),
            (review(json!({ "uid": "u1", "status": { "message": "no" } })), true, "refused: no"),
            (review(json!({ "uid": "u1", "allowed": true, "patch": "W10=", "patchType": "JSONPatch" })), true, "[]"),
            (
                review(json!({ "uid": "u1", "allowed": true, "patch": "W10=" })),
                true,
                "webhook returned response.patch but not response.patchType",
            ),
            (
                review(json!({ "uid": "u1", "allowed": true, "patch": "W10=", "patchType": "JSONPatch" })),
                false,
                "validating webhook may not return response.patch",
            ),
            (
                review(json!({ "uid": "u1", "allowed": true, "patch": "W10=", "patchType": "Merge" })),
                true,
                "unsupported patch type \"Merge\"",
            ),
        ];
        for (answer, is_mutating, expected) in cases {
            assert_eq!(told(&answer, is_mutating), expected, "{answer}");
        }
    }
}
