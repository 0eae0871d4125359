//! Whom a request concerns: rules about resources, and selectors of namespaces and objects.
//!
//! A rule names the resource as the client does, or, unless it is to be taken to the letter (`matchPolicy: Exact`), in any
//! version in which the same objects are served: then the request is shown in that version.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingWebhook, NamedRuleWithOperations, RuleWithOperations, ValidatingWebhook,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::asked::{Asked, Objects, Operation};
use crate::object::kind::{self, KindId, KindInfo, Kinds};
use crate::object::selector::Selector;

/// A rule: operations, and resources by group, version and name.
#[derive(Clone, Debug)]
struct Rule {
    names: Vec<String>,
    given: RuleWithOperations,
}

impl Rule {
    fn named(given: &NamedRuleWithOperations) -> Self {
        let NamedRuleWithOperations { api_groups, api_versions, operations, resource_names, resources, scope } = given;
        Self {
            names: resource_names.clone().unwrap_or_default(),
            given: RuleWithOperations {
                api_groups: api_groups.clone(),
                api_versions: api_versions.clone(),
                operations: operations.clone(),
                resources: resources.clone(),
                scope: scope.clone(),
            },
        }
    }

    /// Whether it names this request, made to this version of the resource.
    fn names(&self, asked: &Asked<'_>, info: &KindInfo) -> bool {
        let any =
            |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|one| one == "*" || one == wanted);
        let resource = |one: &String| {
            let (resource, subresource) = one.split_once('/').unwrap_or((one, ""));
            (resource == "*" || info.plural == *resource) && (subresource == "*" || subresource == asked.subresource)
        };
        let is_placed = info.stored_as != kind::NAMESPACE && !asked.namespace.is_empty();
        let scope = match self.given.scope.as_deref() {
            Some("Namespaced") => is_placed,
            Some("Cluster") => !is_placed,
            _ => true,
        };
        scope
            && any(&self.given.operations, asked.operation.as_str())
            && any(&self.given.api_groups, &info.group)
            && any(&self.given.api_versions, &info.version)
            && self.given.resources.iter().flatten().any(resource)
            && (self.names.is_empty() || self.names.iter().any(|name| name == asked.name))
    }
}

/// Whom somebody wants to be asked about.
#[derive(Clone, Debug)]
pub struct Concern {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    /// Whether a concern without rules is everything.
    is_open: bool,
    is_exact: bool,
    namespaces: Selector,
    objects: Selector,
}

impl Concern {
    fn new(
        rules: Vec<Rule>,
        policy: Option<&str>,
        namespaces: Option<&LabelSelector>,
        objects: Option<&LabelSelector>,
    ) -> Self {
        // Validation has seen to it that selectors can be read; none is the same as an empty one.
        let selector = |given: Option<&LabelSelector>| match given {
            Some(given) => Selector::compile(Some(given)).unwrap_or_else(|_| Selector::nothing()),
            None => Selector::everything(),
        };
        Self {
            rules,
            excluded: Vec::new(),
            is_open: false,
            is_exact: policy == Some("Exact"),
            namespaces: selector(namespaces),
            objects: selector(objects),
        }
    }

    /// That of a policy, or of a binding of one.
    pub(crate) fn of_resources(given: &MatchResources) -> Self {
        let rules = |list: &Option<Vec<NamedRuleWithOperations>>| list.iter().flatten().map(Rule::named).collect();
        let concern = Self::new(
            rules(&given.resource_rules),
            given.match_policy.as_deref(),
            given.namespace_selector.as_ref(),
            given.object_selector.as_ref(),
        );
        Self { excluded: rules(&given.exclude_resource_rules), is_open: true, ..concern }
    }

    /// That of a webhook.
    pub fn of_validating(hook: &ValidatingWebhook) -> Self {
        let rules = hook.rules.iter().flatten();
        Self::new(
            rules.map(|given| Rule { names: Vec::new(), given: given.clone() }).collect(),
            hook.match_policy.as_deref(),
            hook.namespace_selector.as_ref(),
            hook.object_selector.as_ref(),
        )
    }

    /// That of a webhook.
    pub fn of_mutating(hook: &MutatingWebhook) -> Self {
        let rules = hook.rules.iter().flatten();
        Self::new(
            rules.map(|given| Rule { names: Vec::new(), given: given.clone() }).collect(),
            hook.match_policy.as_deref(),
            hook.namespace_selector.as_ref(),
            hook.object_selector.as_ref(),
        )
    }

    /// Whether its rules name a request, and in which version of the kind it is wanted then.
    pub fn names(&self, asked: &Asked<'_>, kinds: &Kinds) -> Option<KindId> {
        if self.is_among(&self.excluded, asked, kinds).is_some() {
            return None;
        }
        if self.is_open && self.rules.is_empty() {
            return Some(asked.info.id);
        }
        self.is_among(&self.rules, asked, kinds)
    }

    fn is_among(&self, rules: &[Rule], asked: &Asked<'_>, kinds: &Kinds) -> Option<KindId> {
        if rules.iter().any(|rule| rule.names(asked, asked.info)) {
            return Some(asked.info.id);
        }
        if self.is_exact || rules.is_empty() {
            return None;
        }
        let mut others = kinds.iter().filter(|info| info.stored_as == asked.info.stored_as && info.id != asked.info.id);
        others.find(|info| rules.iter().any(|rule| rule.names(asked, info))).map(|info| info.id)
    }

    /// Whether its selector of namespaces leaves it open that it selects a request; `namespace` is the object of the namespace
    /// that it is made in.
    pub(crate) fn may_select(&self, asked: &Asked<'_>, namespace: Option<&Value>) -> bool {
        let labels = |namespace: &Value| namespace["metadata"]["labels"].clone();
        self.namespaces.is_everything()
            || asked.info.stored_as == kind::NAMESPACE
            || asked.namespace.is_empty()
            || namespace
                .map(labels)
                .is_some_and(|labels| self.namespaces.matches_by(|key| labels.get(key).and_then(Value::as_str)))
    }

    /// Whether its selectors select a request; `namespace` is the object of the namespace that it is made in, if there is
    /// one.
    pub fn selects(&self, asked: &Asked<'_>, objects: &Objects, namespace: Option<&Value>) -> bool {
        let is_namespace = asked.info.stored_as == kind::NAMESPACE;
        let is_own = is_namespace
            && asked.subresource.is_empty()
            && matches!(asked.operation, Operation::Create | Operation::Update);
        let namespace = if is_own { objects.object.as_ref() } else { namespace };
        let is_placed = is_namespace || !asked.namespace.is_empty();
        let by =
            |selector: &Selector, labels: &Value| selector.matches_by(|key| labels.get(key).and_then(Value::as_str));
        let in_namespace = !is_placed
            || self.namespaces.is_everything()
            || namespace.is_some_and(|namespace| by(&self.namespaces, &namespace["metadata"]["labels"]));
        let of_object = || self.objects.is_everything() || objects.labels().any(|labels| by(&self.objects, labels));
        in_namespace && of_object()
    }
}

/// Kinds about which nobody is asked, or nobody could mend what was configured wrong.
pub fn is_exempt(info: &KindInfo) -> bool {
    matches!(
        info.stored_as,
        kind::MUTATING_WEBHOOK_CONFIGURATION
            | kind::VALIDATING_WEBHOOK_CONFIGURATION
            | kind::VALIDATING_ADMISSION_POLICY
            | kind::VALIDATING_ADMISSION_POLICY_BINDING
            | kind::MUTATING_ADMISSION_POLICY
            | kind::MUTATING_ADMISSION_POLICY_BINDING
    )
}
