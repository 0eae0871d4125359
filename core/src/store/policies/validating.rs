//! What validating policies say of a request: the first that denies gives the reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use serde_json::json;

use super::Binding;
use crate::error::{ApiError, Reason, Subject};
use crate::object::admission::{Annotation, Asked, Authorizer, Case, Denial, Evaluated, Objects, Policy, is_exempt};
use crate::object::kind;
use crate::store::snapshot::Snapshot;

/// The annotation that tells the audit what was not as it should be.
const FAILURE_ANNOTATION: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What the policies of a cluster say of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Why it is refused, if it is.
    pub denial: Option<ApiError>,
    /// What its author shall be warned of.
    pub warnings: Vec<String>,
    /// What the audit shall know: keys and values.
    pub annotations: Vec<(String, String)>,
}

impl Snapshot {
    /// Whether a policy wants to judge a request at all: most clusters have none, and most policies are about few kinds.
    pub fn has_policy_for(&self, asked: &Asked<'_>) -> bool {
        !is_exempt(asked.info)
            && self
                .policies
                .validating
                .in_force()
                .any(|(policy, _)| policy.frame.concern.names(asked, &self.kinds).is_some())
    }

    /// What the policies say of a request.
    pub fn judge(&self, asked: &Asked<'_>, objects: &Objects) -> Verdict {
        if is_exempt(asked.info) {
            return Verdict::default();
        }
        let namespace = self.namespace_of(asked);
        let authorizer: Arc<dyn Authorizer> = Arc::new(self.clone());
        let given = objects.object.as_ref().and_then(|object| object["metadata"]["name"].as_str());
        let name = Some(asked.name).filter(|name| !name.is_empty()).or(given).unwrap_or("Unknown");
        let mut judging = Judging { asked, name, verdict: Verdict::default() };
        for (policy, bindings) in self.policies.validating.in_force() {
            let Some(version) = policy.frame.concern.names(asked, &self.kinds) else { continue };
            if !policy.frame.concern.selects(asked, objects, namespace.as_ref()) {
                continue;
            }
            if let Some(problem) = self.misconfigured(&policy.frame) {
                judging.misconfigured(policy, None, &problem);
                continue;
            }
            let shown = namespace.as_ref().filter(|_| asked.info.stored_as != kind::NAMESPACE);
            let case = Case::new(asked, objects, &self.kinds, version, shown, &authorizer);
            let mut notes = Notes::default();
            for binding in bindings {
                if !binding.applies(asked, objects, namespace.as_ref(), self) {
                    continue;
                }
                match self.params(&policy.frame, binding, asked.namespace) {
                    Err(problem) => judging.misconfigured(policy, Some(binding), &problem),
                    Ok(all) => {
                        for params in all {
                            judging.take(policy, binding, policy.evaluate(&case, params.as_ref()), &mut notes);
                        }
                    }
                }
            }
            judging.publish(policy, notes);
        }
        judging.verdict
    }
}

/// The annotations of one policy: values under keys, each once.
type Notes = BTreeMap<String, Vec<String>>;

struct Judging<'a> {
    asked: &'a Asked<'a>,
    /// Of the object, where the request names none: it may have been given one.
    name: &'a str,
    verdict: Verdict,
}

impl Judging<'_> {
    /// What cannot be evaluated is refused, unless the policy says otherwise, whatever its bindings do with its denials.
    fn misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, problem: &str) {
        if policy.frame.fails_closed {
            let what = if binding.is_some() { "binding" } else { "policy" };
            let message = format!("failed to configure {what}: {problem}");
            self.deny(policy, binding, &Denial { message, reason: Reason::Invalid, index: 0 });
        }
    }

    fn take(&mut self, policy: &Policy, binding: &Binding, evaluated: Evaluated, notes: &mut Notes) {
        for denial in &evaluated.denials {
            for action in &binding.actions {
                match action.as_str() {
                    "Deny" => self.deny(policy, Some(binding), denial),
                    "Warn" => self.verdict.warnings.push(format!(
                        "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                        policy.frame.name, binding.name, denial.message
                    )),
                    // Validation lets in nothing but these and Audit.
                    _ => {
                        self.verdict.annotations.push((FAILURE_ANNOTATION.to_owned(), failure(policy, binding, denial)))
                    }
                }
            }
        }
        for Annotation { key, value } in evaluated.annotations {
            let values = notes.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        for message in evaluated.failed_annotations {
            self.deny(policy, Some(binding), &Denial { message, reason: Reason::Invalid, index: 0 });
        }
    }

    /// The first denial is the one that is told.
    fn deny(&mut self, policy: &Policy, binding: Option<&Binding>, denial: &Denial) {
        let Denial { message, reason, .. } = denial;
        let with = binding.map_or_else(String::new, |binding| format!(" with binding '{}'", binding.name));
        let why = format!("ValidatingAdmissionPolicy '{}'{with} denied request: {message}", policy.frame.name);
        self.verdict.denial.get_or_insert_with(|| forbidden(self.asked, self.name, *reason, &why));
    }

    fn publish(&mut self, policy: &Policy, notes: Notes) {
        let key = |key: String| format!("{}/{key}", policy.frame.name);
        self.verdict.annotations.extend(notes.into_iter().map(|(name, values)| (key(name), values.join(", "))));
    }
}

/// A failed validation, as the audit sees it.
fn failure(policy: &Policy, binding: &Binding, denial: &Denial) -> String {
    let failure = json!([{
        "message": denial.message,
        "policy": &*policy.frame.name,
        "binding": &*binding.name,
        "expressionIndex": denial.index,
        "validationActions": binding.actions,
    }]);
    failure.to_string()
}

/// That admission refuses a request.
fn forbidden(asked: &Asked<'_>, name: &str, reason: Reason, why: &str) -> ApiError {
    let message = format!("{} \"{name}\" is forbidden: {why}", asked.info.group_resource());
    let subject = Subject::new(asked.info.group.to_string(), asked.info.plural.to_string(), name);
    let cause = StatusCause { message: Some(why.to_owned()), ..StatusCause::default() };
    ApiError::new(reason, message).about(subject).cause(cause)
}
