//! Roles and bindings: rules that say something, and bindings to a role that never changes.
//!
//! Source: `pkg/apis/rbac/validation`.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::checks::json;
use super::fields::{list, one_of, text};
use super::go_type;
use super::names::{self, name_is_dns_subdomain, name_is_path_segment};
use super::shared::{self, meta_update};
use crate::object::field::{FieldErrors, Path};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What is wrong with a new Role.
pub fn role(role: &Role) -> FieldErrors {
    let mut errors = shared::namespaced(&role.metadata, name_is_path_segment);
    rules(list(&role.rules), true, &mut errors);
    errors
}

/// What is wrong with a changed Role.
pub fn role_update(new: &Role, old: &Role) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = role(new);
    errors.append(role(new));
    errors.append(meta_update(&new.metadata, &old.metadata));
    errors
}

/// What is wrong with a new ClusterRole.
pub fn cluster_role(role: &ClusterRole) -> FieldErrors {
    let mut errors = shared::cluster_wide(&role.metadata, name_is_path_segment);
    rules(list(&role.rules), false, &mut errors);
    if let Some(aggregation) = &role.aggregation_rule {
        let rule = Path::new("aggregationRule");
        let path = rule.field("clusterRoleSelectors");
        let selectors = list(&aggregation.cluster_role_selectors);
        if selectors.is_empty() {
            errors.required(&path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, selector) in selectors.iter().enumerate() {
            let path = path.index(index);
            shared::selector(selector, &path, &mut errors);
            if shared::matches(selector, None).is_none() {
                errors.invalid(&path, serde_json::Value::Null, "invalid label selector.");
            }
        }
    }
    errors
}

/// What is wrong with a changed ClusterRole.
pub fn cluster_role_update(new: &ClusterRole, old: &ClusterRole) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = cluster_role(new);
    errors.append(cluster_role(new));
    errors.append(meta_update(&new.metadata, &old.metadata));
    errors
}

/// What is wrong with a new RoleBinding.
pub fn role_binding(binding: &RoleBinding) -> FieldErrors {
    let mut errors = shared::namespaced(&binding.metadata, name_is_path_segment);
    role_ref(&binding.role_ref, &["Role", "ClusterRole"], &mut errors);
    subjects(list(&binding.subjects), true, &mut errors);
    errors
}

/// What is wrong with a changed RoleBinding.
pub fn role_binding_update(new: &RoleBinding, old: &RoleBinding) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = role_binding(new);
    errors.append(role_binding(new));
    errors.append(meta_update(&new.metadata, &old.metadata));
    same_role(&new.role_ref, &old.role_ref, &mut errors);
    errors
}

/// What is wrong with a new ClusterRoleBinding.
pub fn cluster_role_binding(binding: &ClusterRoleBinding) -> FieldErrors {
    let mut errors = shared::cluster_wide(&binding.metadata, name_is_path_segment);
    role_ref(&binding.role_ref, &["ClusterRole"], &mut errors);
    subjects(list(&binding.subjects), false, &mut errors);
    errors
}

/// What is wrong with a changed ClusterRoleBinding.
pub fn cluster_role_binding_update(new: &ClusterRoleBinding, old: &ClusterRoleBinding) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = cluster_role_binding(new);
    errors.append(cluster_role_binding(new));
    errors.append(meta_update(&new.metadata, &old.metadata));
    same_role(&new.role_ref, &old.role_ref, &mut errors);
    errors
}

fn same_role(new: &RoleRef, old: &RoleRef, errors: &mut FieldErrors) {
    if new != old {
        errors.invalid_json(&Path::new("roleRef"), go_type::compact(new, "RoleRef"), "cannot change roleRef");
    }
}

fn rules(rules: &[PolicyRule], namespaced: bool, errors: &mut FieldErrors) {
    let path = Path::new("rules");
    for (index, rule) in rules.iter().enumerate() {
        policy_rule(rule, namespaced, &path.index(index), errors);
    }
}

fn policy_rule(rule: &PolicyRule, namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if rule.verbs.is_empty() {
        errors.required(&path.field("verbs"), "verbs must contain at least one value");
    }
    let (groups, resources) = (list(&rule.api_groups), list(&rule.resources));
    let (names, urls) = (list(&rule.resource_names), list(&rule.non_resource_urls));
    if !urls.is_empty() {
        let path = path.field("nonResourceURLs");
        if namespaced {
            errors.invalid(&path, json(&urls), "namespaced rules cannot apply to non-resource URLs");
        }
        if !groups.is_empty() || !resources.is_empty() || !names.is_empty() {
            errors.invalid(&path, json(&urls), "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if groups.is_empty() {
        errors.required(&path.field("apiGroups"), "resource rules must supply at least one api group");
    }
    if resources.is_empty() {
        errors.required(&path.field("resources"), "resource rules must supply at least one resource");
    }
}

fn role_ref(reference: &RoleRef, kinds: &[&str], errors: &mut FieldErrors) {
    let path = Path::new("roleRef");
    one_of(text(&reference.api_group), &[GROUP], &path.field("apiGroup"), errors);
    one_of(&reference.kind, kinds, &path.field("kind"), errors);
    if reference.name.is_empty() {
        errors.required(&path.field("name"), "");
    } else {
        errors.invalid_each(&path.field("name"), &reference.name, names::path_segment(&reference.name));
    }
}

fn subjects(subjects: &[Subject], namespaced: bool, errors: &mut FieldErrors) {
    let path = Path::new("subjects");
    for (index, one) in subjects.iter().enumerate() {
        subject(one, namespaced, &path.index(index), errors);
    }
}

fn subject(subject: &Subject, namespaced: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = path.field("name");
    if subject.name.is_empty() {
        errors.required(&name, "");
    }
    let group = path.field("apiGroup");
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                errors.invalid_each(&name, &subject.name, name_is_dns_subdomain(&subject.name, false));
            }
            one_of(text(&subject.api_group), &[""], &group, errors);
            if !namespaced && text(&subject.namespace).is_empty() {
                errors.required(&path.field("namespace"), "");
            }
        }
        "User" | "Group" => one_of(text(&subject.api_group), &[GROUP], &group, errors),
        other => errors.not_supported(&path.field("kind"), other, &["ServiceAccount", "User", "Group"]),
    }
}
