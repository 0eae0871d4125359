//! The admission policies of a cluster, ready to be evaluated: an index over their objects.
//!
//! A policy says something only where a binding binds it. All that match are asked, in the order of their names. What mutating
//! ones make of an object is in `policies/mutating.rs`, what validating ones say of a request in `policies/validating.rs`.

mod mutating;
mod validating;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ParamRef,
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use serde_json::Value;

pub(super) use self::mutating::Turn;
pub use self::validating::Verdict;
use super::object::Object;
use super::permission;
use super::snapshot::Snapshot;
use crate::access::{Access, User};
use crate::ids::Revision;
use crate::object::admission::{Asked, Authorizer, Concern, Frame, MutatingPolicy, Objects, Policy, is_exempt};
use crate::object::cel;
use crate::object::kind::{self, KindId};
use crate::object::selector::Selector;

/// Policies and bindings by their names, each with the version that it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    validating: Family<Policy>,
    mutating: Family<MutatingPolicy>,
    webhooks: BTreeMap<(KindId, Arc<str>), Versioned<Vec<Concern>>>,
}

/// Something with the version of the object that it was read from.
type Versioned<T> = (Revision, Arc<T>);

/// The policies of one kind, and their bindings.
#[derive(Debug)]
struct Family<P> {
    policies: BTreeMap<Arc<str>, Versioned<P>>,
    bindings: BTreeMap<Arc<str>, Versioned<Binding>>,
}

impl<P> Clone for Family<P> {
    fn clone(&self) -> Self {
        Self { policies: self.policies.clone(), bindings: self.bindings.clone() }
    }
}

impl<P> Default for Family<P> {
    fn default() -> Self {
        Self { policies: BTreeMap::new(), bindings: BTreeMap::new() }
    }
}

/// A policy is in force where a binding says so.
#[derive(Debug)]
struct Binding {
    name: Arc<str>,
    policy: String,
    concern: Option<Concern>,
    params: Option<ParamRef>,
    /// What is to be done with denials.
    actions: Vec<String>,
}

impl Binding {
    fn new(name: &Arc<str>, policy: &str, resources: Option<&MatchResources>, params: Option<&ParamRef>) -> Self {
        Self {
            name: Arc::clone(name),
            policy: policy.to_owned(),
            concern: resources.map(Concern::of_resources),
            params: params.cloned(),
            actions: Vec::new(),
        }
    }
}

impl<P> Family<P> {
    fn is_empty(&self) -> bool {
        self.policies.is_empty() || self.bindings.is_empty()
    }

    /// Each policy with the bindings that put it in force.
    fn in_force(&self) -> impl Iterator<Item = (&P, Vec<&Binding>)> {
        self.policies.iter().filter_map(|(name, (_, policy))| {
            let own = self.bindings.values().map(|(_, binding)| &**binding);
            let own: Vec<&Binding> = own.filter(|binding| *binding.policy == **name).collect();
            (!own.is_empty()).then_some((&**policy, own))
        })
    }

    fn versions(&self) -> impl Iterator<Item = (&Arc<str>, Revision)> {
        let policies = self.policies.iter().map(|(name, (revision, _))| (name, *revision));
        policies.chain(self.bindings.iter().map(|(name, (revision, _))| (name, *revision)))
    }
}

impl PartialEq for Policies {
    fn eq(&self, other: &Self) -> bool {
        self.validating.versions().eq(other.validating.versions())
            && self.mutating.versions().eq(other.mutating.versions())
            && self.webhook_versions().eq(other.webhook_versions())
    }
}

/// Whether the index speaks of objects of this kind.
pub(super) const fn concerns(object: &Object) -> bool {
    matches!(
        object.meta.kind,
        kind::VALIDATING_ADMISSION_POLICY
            | kind::VALIDATING_ADMISSION_POLICY_BINDING
            | kind::MUTATING_ADMISSION_POLICY
            | kind::MUTATING_ADMISSION_POLICY_BINDING
            | kind::MUTATING_WEBHOOK_CONFIGURATION
            | kind::VALIDATING_WEBHOOK_CONFIGURATION
    )
}

impl Policies {
    pub(super) fn note(&mut self, object: &Object) {
        let (name, revision) = (Arc::clone(&object.meta.name), object.meta.revision);
        if let Some(policy) = object.typed::<ValidatingAdmissionPolicy>() {
            self.validating.policies.insert(name, (revision, Arc::new(Policy::read(policy))));
        } else if let Some(policy) = object.typed::<MutatingAdmissionPolicy>() {
            self.mutating.policies.insert(name, (revision, Arc::new(MutatingPolicy::read(policy))));
        } else if let Some(binding) = object.typed::<ValidatingAdmissionPolicyBinding>() {
            let spec = &binding.spec;
            let (resources, params) = (spec.match_resources.as_ref(), spec.param_ref.as_ref());
            let mut read = Binding::new(&name, &spec.policy_name, resources, params);
            read.actions.clone_from(&spec.validation_actions);
            self.validating.bindings.insert(name, (revision, Arc::new(read)));
        } else if let Some(binding) = object.typed::<MutatingAdmissionPolicyBinding>() {
            let spec = binding.spec.clone().unwrap_or_default();
            let (resources, params) = (spec.match_resources.as_ref(), spec.param_ref.as_ref());
            let read = Binding::new(&name, spec.policy_name.as_deref().unwrap_or_default(), resources, params);
            self.mutating.bindings.insert(name, (revision, Arc::new(read)));
        } else if let Some(given) = object.typed::<MutatingWebhookConfiguration>() {
            let concerns = given.webhooks.iter().flatten().map(Concern::of_mutating).collect();
            self.webhooks.insert((object.meta.kind, name), (revision, Arc::new(concerns)));
        } else if let Some(given) = object.typed::<ValidatingWebhookConfiguration>() {
            let concerns = given.webhooks.iter().flatten().map(Concern::of_validating).collect();
            self.webhooks.insert((object.meta.kind, name), (revision, Arc::new(concerns)));
        }
    }

    pub(super) fn forget(&mut self, object: &Object) {
        let name = &object.meta.name;
        match object.meta.kind {
            kind::VALIDATING_ADMISSION_POLICY => drop(self.validating.policies.remove(name)),
            kind::VALIDATING_ADMISSION_POLICY_BINDING => drop(self.validating.bindings.remove(name)),
            kind::MUTATING_ADMISSION_POLICY => drop(self.mutating.policies.remove(name)),
            kind::MUTATING_WEBHOOK_CONFIGURATION | kind::VALIDATING_WEBHOOK_CONFIGURATION => {
                self.webhooks.remove(&(object.meta.kind, Arc::clone(name)));
            }
            _ => drop(self.mutating.bindings.remove(name)),
        }
    }

    /// Whether nothing is judged or changed by policies.
    pub(super) fn are_none(&self) -> bool {
        self.judge_nothing() && self.change_nothing()
    }

    /// Whether nothing is judged by policies.
    pub(super) fn judge_nothing(&self) -> bool {
        self.validating.is_empty()
    }

    /// Whether there is no webhook.
    pub(super) fn ask_nobody(&self) -> bool {
        self.webhooks.is_empty()
    }

    fn webhook_versions(&self) -> impl Iterator<Item = (&(KindId, Arc<str>), Revision)> {
        self.webhooks.iter().map(|(name, (revision, _))| (name, *revision))
    }

    /// Whether nothing is changed by policies.
    pub(super) fn change_nothing(&self) -> bool {
        self.mutating.is_empty()
    }
}

impl Binding {
    /// Whether a request is one that it is about.
    fn applies(&self, asked: &Asked<'_>, objects: &Objects, namespace: Option<&Value>, snapshot: &Snapshot) -> bool {
        self.concern.as_ref().is_none_or(|concern| {
            concern.names(asked, &snapshot.kinds).is_some() && concern.selects(asked, objects, namespace)
        })
    }
}

/// Roles say what users may do.
impl Authorizer for Snapshot {
    fn allows(&self, user: &User, access: &Access) -> bool {
        permission::is_allowed(self, user, access)
    }
}

impl Snapshot {
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

    /// Whether a webhook may want to see a request, by its rules and by the namespaces that it selects.
    pub(super) fn has_webhook_for(&self, asked: &Asked<'_>) -> bool {
        let concerns = || self.policies.webhooks.values().flat_map(|(_, concerns)| concerns.iter());
        let names = |concern: &&Concern| concern.names(asked, &self.kinds).is_some();
        if is_exempt(asked.info) || !concerns().any(|concern| names(&concern)) {
            return false;
        }
        let namespace = self.namespace_of(asked);
        concerns().filter(names).any(|concern| concern.may_select(asked, namespace.as_ref()))
    }

    /// Why a policy cannot be evaluated at all.
    fn misconfigured(&self, policy: &Frame) -> Option<String> {
        if let Some(problem) = &policy.problem {
            return Some(problem.clone());
        }
        let (api_version, kind) = policy.param_kind.as_ref()?;
        let is_known = self.kinds.by_api_version(api_version, kind).is_some();
        (!is_known).then(|| format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"))
    }

    /// The parameters that a binding gives to a policy, each of which is evaluated by itself; one that is none where it
    /// gives none and the policy is evaluated all the same.
    fn params(&self, policy: &Frame, binding: &Binding, namespace: &str) -> Result<Vec<Option<cel::Value>>, String> {
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

#[cfg(test)]
mod tests;
