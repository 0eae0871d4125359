//! Rules about resources, and what selects them.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use serde_json::json;

use crate::object::field::{FieldErrors, Path};
use crate::object::validation::fields::{list, one_of, text};
use crate::object::validation::names::path_segment;
use crate::object::validation::shared;

pub(super) const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];

pub(super) fn match_resources(given: &MatchResources, path: &Path<'_>, errors: &mut FieldErrors) {
    match text(&given.match_policy) {
        "" => errors.required(&path.field("matchPolicy"), ""),
        policy => one_of(policy, &MATCH_POLICIES, &path.field("matchPolicy"), errors),
    }
    for (field, selector) in
        [("namespaceSelector", &given.namespace_selector), ("objectSelector", &given.object_selector)]
    {
        match selector {
            None => errors.required(&path.field(field), ""),
            Some(selector) => shared::selector(selector, &path.field(field), errors),
        }
    }
    for (field, rules) in
        [("resourceRules", &given.resource_rules), ("excludeResourceRules", &given.exclude_resource_rules)]
    {
        let path = path.field(field);
        for (index, rule) in list(rules).iter().enumerate() {
            named(rule, &path.index(index), errors);
        }
    }
}

fn named(given: &NamedRuleWithOperations, path: &Path<'_>, errors: &mut FieldErrors) {
    let (names, at) = (list(&given.resource_names), path.field("resourceNames"));
    for (index, name) in names.iter().enumerate() {
        errors.invalid_each(&at.index(index), name, path_segment(name));
        if names[..index].contains(name) {
            errors.duplicate(&at.index(index), name.as_str());
        }
    }
    let NamedRuleWithOperations { api_groups, api_versions, operations, resources, scope, .. } = given;
    rule([operations, api_groups, api_versions, resources].map(list), scope.as_deref(), path, errors);
}

/// Operations, groups, versions and resources.
pub(super) fn rule(
    [operations, groups, versions, resources]: [&[String]; 4],
    scope: Option<&str>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    alone(operations, "operations", &path.field("operations"), errors);
    for (index, operation) in operations.iter().enumerate() {
        one_of(operation, &OPERATIONS, &path.field("operations").index(index), errors);
    }
    alone(groups, "API groups", &path.field("apiGroups"), errors);
    let at = path.field("apiVersions");
    alone(versions, "API versions", &at, errors);
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.required(&at.index(index), "");
    }
    self::resources(resources, &path.field("resources"), errors);
    if let Some(scope) = scope {
        one_of(scope, &SCOPES, &path.field("scope"), errors);
    }
}

/// A list that is not empty, and in which `*` stands alone.
fn alone(given: &[String], what: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if given.is_empty() {
        errors.required(path, "");
    }
    if given.len() > 1 && given.iter().any(|one| one == "*") {
        errors.invalid(path, json!(given), format!("if '*' is present, must not specify other {what}"));
    }
}

fn resources(given: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if given.is_empty() {
        errors.required(path, "");
    }
    let (mut of_all, mut all_of, mut has_plain) = (Vec::new(), Vec::new(), false);
    for (index, one) in given.iter().enumerate() {
        let path = path.index(index);
        let Some((resource, subresource)) = one.split_once('/') else {
            match one.as_str() {
                "" => errors.required(&path, ""),
                one => has_plain = one != "*",
            }
            continue;
        };
        if of_all.contains(&resource) {
            errors.invalid(&path, one.as_str(), format!("if '{resource}/*' is present, must not specify {one}"));
        }
        if all_of.contains(&subresource) {
            errors.invalid(&path, one.as_str(), format!("if '*/{subresource}' is present, must not specify {one}"));
        }
        if subresource == "*" {
            of_all.push(resource);
        }
        if resource == "*" {
            all_of.push(subresource);
        }
    }
    if given.len() > 1 && given.iter().any(|one| one == "*/*") {
        errors.invalid(path, json!(given), "if '*/*' is present, must not specify other resources");
    }
    if has_plain && given.iter().any(|one| one == "*") {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, json!(given), detail);
    }
}
