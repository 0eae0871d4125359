//! The admission policies of a cluster, ready to be evaluated: an index over their objects, and what it says of a request.
//!
//! A policy says something only where a binding binds it. All that match are asked, in the order of their names; the first
//! that denies gives the reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    ParamRef, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;
use serde_json::{Value, json};

use super::object::Object;
use super::permission;
use super::snapshot::Snapshot;
use crate::access::{Access, User};
use crate::error::{ApiError, Reason, Subject};
use crate::ids::Revision;
use crate::object::admission::{
    Annotation, Asked, Authorizer, Case, Concern, Denial, Evaluated, Objects, Policy, is_exempt,
};
use crate::object::cel;
use crate::object::kind;
use crate::object::selector::Selector;

/// The annotation that tells the audit what was not as it should be.
const FAILURE_ANNOTATION: &str = "validation.policy.admission.k8s.io/validation_failure";

/// Policies and bindings by their names, each with the version that it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    policies: BTreeMap<Arc<str>, (Revision, Arc<Policy>)>,
    bindings: BTreeMap<Arc<str>, (Revision, Arc<Binding>)>,
}

/// A policy is in force where a binding says so.
#[derive(Debug)]
struct Binding {
    name: Arc<str>,
    policy: String,
    concern: Option<Concern>,
    params: Option<ParamRef>,
    actions: Vec<String>,
}

impl PartialEq for Policies {
    fn eq(&self, other: &Self) -> bool {
        let read = |policies: &Self| -> Vec<(Arc<str>, Revision)> {
            let own = policies.policies.iter().map(|(name, (revision, _))| (Arc::clone(name), *revision));
            own.chain(policies.bindings.iter().map(|(name, (revision, _))| (Arc::clone(name), *revision))).collect()
        };
        read(self) == read(other)
    }
}

/// Whether the index speaks of objects of this kind.
pub(super) const fn concerns(object: &Object) -> bool {
    matches!(object.meta.kind, kind::VALIDATING_ADMISSION_POLICY | kind::VALIDATING_ADMISSION_POLICY_BINDING)
}

impl Policies {
    pub(super) fn note(&mut self, object: &Object) {
        let (name, revision) = (Arc::clone(&object.meta.name), object.meta.revision);
        if let Some(policy) = object.typed::<ValidatingAdmissionPolicy>() {
            self.policies.insert(name, (revision, Arc::new(Policy::read(policy))));
        } else if let Some(binding) = object.typed::<ValidatingAdmissionPolicyBinding>() {
            let spec = &binding.spec;
            let binding = Binding {
                name: Arc::clone(&name),
                policy: spec.policy_name.clone(),
                concern: spec.match_resources.as_ref().map(Concern::of_resources),
                params: spec.param_ref.clone(),
                actions: spec.validation_actions.clone(),
            };
            self.bindings.insert(name, (revision, Arc::new(binding)));
        }
    }

    pub(super) fn forget(&mut self, object: &Object) {
        match object.meta.kind {
            kind::VALIDATING_ADMISSION_POLICY => drop(self.policies.remove(&object.meta.name)),
            _ => drop(self.bindings.remove(&object.meta.name)),
        }
    }

    /// Each policy with the bindings that put it in force.
    fn in_force(&self) -> impl Iterator<Item = (&Policy, Vec<&Binding>)> {
        self.policies.iter().filter_map(|(name, (_, policy))| {
            let own = self.bindings.values().map(|(_, binding)| &**binding);
            let own: Vec<&Binding> = own.filter(|binding| *binding.policy == **name).collect();
            (!own.is_empty()).then_some((&**policy, own))
        })
    }
}

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

/// Roles say what users may do.
impl Authorizer for Snapshot {
    fn allows(&self, user: &User, access: &Access) -> bool {
        permission::is_allowed(self, user, access)
    }
}

impl Snapshot {
    /// Whether a policy wants to see a request at all: most clusters have none, and most policies are about few kinds.
    pub fn has_policy_for(&self, asked: &Asked<'_>) -> bool {
        !is_exempt(asked.info)
            && self.policies.in_force().any(|(policy, _)| policy.concern.names(asked, &self.kinds).is_some())
    }

    /// The namespace that a request is made in, as expressions and selectors see it.
    pub fn namespace_of(&self, asked: &Asked<'_>) -> Option<Value> {
        let namespace = self.find(kind::NAMESPACE, "", asked.namespace)?;
        let mut value = namespace.to_wire(&self.kinds);
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("ownerReferences");
        }
        Some(value)
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
        for (policy, bindings) in self.policies.in_force() {
            let Some(version) = policy.concern.names(asked, &self.kinds) else { continue };
            if !policy.concern.selects(asked, objects, namespace.as_ref()) {
                continue;
            }
            if let Some(problem) = self.misconfigured(policy) {
                judging.misconfigured(policy, None, &problem);
                continue;
            }
            let shown = namespace.as_ref().filter(|_| asked.info.stored_as != kind::NAMESPACE);
            let case = Case::new(asked, objects, &self.kinds, version, shown, &authorizer);
            let mut notes = Notes::default();
            for binding in bindings {
                let applies = binding.concern.as_ref().is_none_or(|concern| {
                    concern.names(asked, &self.kinds).is_some() && concern.selects(asked, objects, namespace.as_ref())
                });
                if !applies {
                    continue;
                }
                match self.params(policy, binding, asked.namespace) {
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

    fn misconfigured(&self, policy: &Policy) -> Option<String> {
        if let Some(problem) = &policy.problem {
            return Some(problem.clone());
        }
        let (api_version, kind) = policy.param_kind.as_ref()?;
        let is_known = self.kinds.by_api_version(api_version, kind).is_some();
        (!is_known).then(|| format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"))
    }

    /// The parameters that a binding gives to a policy, each of which is evaluated by itself; one that is none where it
    /// gives none and the policy is evaluated all the same.
    fn params(&self, policy: &Policy, binding: &Binding, namespace: &str) -> Result<Vec<Option<cel::Value>>, String> {
        let (Some((api_version, name)), Some(wanted)) = (&policy.param_kind, &binding.params) else {
            return Ok(vec![None]);
        };
        let info = self.kinds.by_api_version(api_version, name).ok_or("the kind of its parameters is not known")?;
        let own = wanted.namespace.as_deref().unwrap_or_default();
        let namespace = match (info.is_namespaced(), own) {
            (false, "") => "",
            (false, _) => {
                return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
            }
            (true, "") if namespace.is_empty() => {
                let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
                return Err(why.to_owned());
            }
            (true, "") => namespace,
            (true, own) => own,
        };
        let found: Vec<&Arc<Object>> = match (wanted.name.as_deref().unwrap_or_default(), &wanted.selector) {
            ("", Some(selector)) => {
                let selector = Selector::compile(Some(selector)).map_err(|error| error.to_string())?;
                let all = self.list_in(info.stored_as, namespace);
                all.filter(|object| selector.matches(&object.meta.labels)).collect()
            }
            ("", None) => return Err("one of name or selector must be provided".to_owned()),
            (name, _) => self.find(info.stored_as, namespace, name).into_iter().collect(),
        };
        if found.is_empty() && wanted.parameter_not_found_action.as_deref() == Some("Deny") {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
        }
        let value = |object: &&Arc<Object>| {
            let stored = object.to_wire(&self.kinds);
            let shown = self.kinds.convert(info.stored_as, info.id, stored).unwrap_or_default();
            Some(cel::Value::of_json(&shown))
        };
        Ok(found.iter().map(value).collect())
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
        if policy.fails_closed {
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
                        policy.name, binding.name, denial.message
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
        let why = format!("ValidatingAdmissionPolicy '{}'{with} denied request: {message}", policy.name);
        self.verdict.denial.get_or_insert_with(|| forbidden(self.asked, self.name, *reason, &why));
    }

    fn publish(&mut self, policy: &Policy, notes: Notes) {
        let key = |key: String| format!("{}/{key}", policy.name);
        self.verdict.annotations.extend(notes.into_iter().map(|(name, values)| (key(name), values.join(", "))));
    }
}

/// A failed validation, as the audit sees it.
fn failure(policy: &Policy, binding: &Binding, denial: &Denial) -> String {
    let failure = json!([{
        "message": denial.message,
        "policy": &*policy.name,
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

impl Policies {
    /// Whether there is nothing in force.
    pub(super) fn is_empty(&self) -> bool {
        self.policies.is_empty() || self.bindings.is_empty()
    }
}

#[cfg(test)]
mod tests;
