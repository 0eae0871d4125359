//! ResourceQuotas: known resources in amounts not below zero, and scopes that those resources can have.
//!
//! Source: `pkg/apis/core/validation`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::checks::json;
use super::fields::{amount, list, text};
use super::names::{self, name_is_dns_subdomain};
use super::resources;
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, Path};

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
const OPPOSITES: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

/// What is wrong with a new ResourceQuota.
pub fn resource_quota(quota: &ResourceQuota) -> FieldErrors {
    let mut errors = shared::namespaced(&quota.metadata, name_is_dns_subdomain);
    spec(quota.spec.as_ref().unwrap_or(&ResourceQuotaSpec::default()), &mut errors);
    status(quota, &mut errors);
    errors
}

/// What is wrong with a changed ResourceQuota.
pub fn resource_quota_update(new: &ResourceQuota, old: &ResourceQuota) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let default = ResourceQuotaSpec::default();
    let (after, before) = (new.spec.as_ref().unwrap_or(&default), old.spec.as_ref().unwrap_or(&default));
    spec(after, &mut errors);
    let set = |spec: &ResourceQuotaSpec| list(&spec.scopes).iter().cloned().collect::<BTreeSet<String>>();
    if set(after) != set(before) {
        errors.invalid(&SPEC.field("scopes"), json(&after.scopes), names::IMMUTABLE);
    }
    errors
}

/// What is wrong with a changed status of a ResourceQuota.
pub fn resource_quota_status_update(new: &ResourceQuota, old: &ResourceQuota) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if text(&new.metadata.resource_version).is_empty() {
        errors.required(&Path::new("resourceVersion"), "");
    }
    status(new, &mut errors);
    errors
}

fn status(quota: &ResourceQuota, errors: &mut FieldErrors) {
    let Some(status) = &quota.status else { return };
    amounts(&status.hard, &STATUS.field("hard"), errors);
    amounts(&status.used, &STATUS.field("used"), errors);
}

fn spec(spec: &ResourceQuotaSpec, errors: &mut FieldErrors) {
    amounts(&spec.hard, &SPEC.field("hard"), errors);
    scopes(spec, errors);
    scope_selector(spec, errors);
}

fn amounts(given: &Option<BTreeMap<String, Quantity>>, path: &Path<'_>, errors: &mut FieldErrors) {
    for (name, quantity) in given.iter().flatten() {
        let path = path.key(name);
        resource_name(name, &path, errors);
        resources::quantity_value(name, amount(quantity), &path, errors);
    }
}

fn resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    resources::any_resource_name(name, path, errors);
    if !name.contains('/') && !is_standard(name) {
        errors.invalid(path, name, "must be a standard resource for quota");
    }
}

/// What a quota can limit, beside objects counted by their type.
fn is_standard(name: &str) -> bool {
    is_of_pods(name)
        || matches!(
            name,
            "requests.storage"
                | "resourcequotas"
                | "services"
                | "replicationcontrollers"
                | "secrets"
                | "persistentvolumeclaims"
                | "configmaps"
                | "services.nodeports"
                | "services.loadbalancers"
        )
}

/// Whether a scope can narrow what a resource counts.
fn fits(scope: &str, name: &str) -> bool {
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            is_pods_or_compute(name)
        }
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

/// What most scopes of pods can limit: how many there are, and their compute resources, without their disks.
fn is_pods_or_compute(name: &str) -> bool {
    matches!(name, "pods" | "cpu" | "memory" | "requests.cpu" | "requests.memory" | "limits.cpu" | "limits.memory")
}

fn is_of_pods(name: &str) -> bool {
    is_pods_or_compute(name)
        || matches!(name, "ephemeral-storage" | "requests.ephemeral-storage" | "limits.ephemeral-storage")
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
}

fn misfits<'a>(scope: &'a str, spec: &'a ResourceQuotaSpec) -> usize {
    let limited = spec.hard.iter().flatten().map(|(name, _)| name);
    limited.filter(|name| is_standard(name) && !fits(scope, name)).count()
}

fn scopes(spec: &ResourceQuotaSpec, errors: &mut FieldErrors) {
    let (given, path) = (list(&spec.scopes), SPEC.field("scopes"));
    for scope in given {
        if !SCOPES.contains(&scope.as_str()) {
            errors.invalid(&path, json(&given), "unsupported scope");
        }
        for _ in 0..misfits(scope, spec) {
            errors.invalid(&path, json(&given), "unsupported scope applied to resource");
        }
    }
    conflicts(given.iter().map(String::as_str), spec, &path, errors);
}

fn conflicts<'a>(
    given: impl Iterator<Item = &'a str>,
    spec: &ResourceQuotaSpec,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let given: Vec<&str> = given.collect();
    for _ in OPPOSITES.iter().filter(|(one, other)| given.contains(one) && given.contains(other)) {
        errors.invalid(path, json(&spec.scopes), "conflicting scopes");
    }
}

fn scope_selector(spec: &ResourceQuotaSpec, errors: &mut FieldErrors) {
    let Some(selector) = &spec.scope_selector else { return };
    let given = list(&selector.match_expressions);
    let selector_path = SPEC.field("scopeSelector");
    let path = selector_path.field("matchExpressions");
    for requirement in given {
        if !SCOPES.contains(&requirement.scope_name.as_str()) {
            errors.invalid(&path.field("scopeName"), requirement.scope_name.as_str(), "unsupported scope");
        }
        for _ in 0..misfits(&requirement.scope_name, spec) {
            errors.invalid_json(&path, shown(given), "unsupported scope applied to resource");
        }
        operator(requirement, &path, errors);
    }
    conflicts(given.iter().map(|requirement| requirement.scope_name.as_str()), spec, &path, errors);
}

fn shown(requirements: &[ScopedResourceSelectorRequirement]) -> String {
    let all: Vec<String> = requirements
        .iter()
        .map(|requirement| {
            let (name, operator) = (json(&requirement.scope_name), json(&requirement.operator));
            format!("{{\"ScopeName\":{name},\"Operator\":{operator},\"Values\":{}}}", json(&requirement.values))
        })
        .collect();
    format!("{{\"MatchExpressions\":[{}]}}", all.join(","))
}

fn operator(requirement: &ScopedResourceSelectorRequirement, path: &Path<'_>, errors: &mut FieldErrors) {
    let operator = requirement.operator.as_str();
    let yes_or_no = !matches!(requirement.scope_name.as_str(), "PriorityClass" | "VolumeAttributesClass")
        && SCOPES.contains(&requirement.scope_name.as_str());
    if yes_or_no && operator != "Exists" {
        errors.invalid(
            &path.field("operator"),
            operator,
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
             ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
             ResourceQuotaScopeCrossNamespacePodAffinity",
        );
    }
    let values = list(&requirement.values);
    match operator {
        "In" | "NotIn" if values.is_empty() => errors.required(
            &path.field("values"),
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.invalid(
            &path.field("values"),
            json(&values),
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(&path.field("operator"), other, "not a valid selector operator"),
    }
}
