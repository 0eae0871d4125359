//! Admission policies and their bindings, and the configurations of webhooks.
//!
//! Source: `pkg/apis/admissionregistration/validation`. Expressions are compiled as they will be when they are evaluated.

mod expressions;
mod mutating;
mod rules;
mod webhooks;

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, MatchResources, MutatingWebhookConfiguration, ParamKind, ParamRef, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicySpec, ValidatingWebhookConfiguration, Validation,
};
use serde_json::json;

use self::expressions::Expressions;
use super::fields::{list, one_of, text};
use super::names::{dns1035_label, dns1123_subdomain, name_is_dns_subdomain, path_segment, qualified_name};
use super::shared::{self, SPEC};
use crate::object::cel::Type;
use crate::object::field::{FieldErrors, Path};

pub use mutating::{mutating_binding, mutating_binding_update, mutating_policy, mutating_policy_update};
pub(super) use webhooks::{Service, client, review_versions};

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const ANNOTATIONS_MAX: usize = 20;
/// How long the expression of an annotation may be, in bytes.
const ANNOTATION_BYTES_MAX: usize = 5 * 1024;

/// What is wrong with a new policy.
pub fn validating_policy(policy: &ValidatingAdmissionPolicy) -> FieldErrors {
    let mut errors = shared::cluster_wide(&policy.metadata, name_is_dns_subdomain);
    let nothing = ValidatingAdmissionPolicySpec::default();
    policy_spec(text(&policy.metadata.name), policy.spec.as_ref().unwrap_or(&nothing), &mut errors);
    errors
}

/// What is wrong with a changed policy.
pub fn validating_policy_update(new: &ValidatingAdmissionPolicy, _: &ValidatingAdmissionPolicy) -> FieldErrors {
    validating_policy(new)
}

/// What is wrong with a new binding.
pub fn validating_binding(binding: &ValidatingAdmissionPolicyBinding) -> FieldErrors {
    let mut errors = shared::cluster_wide(&binding.metadata, name_is_dns_subdomain);
    let spec = &binding.spec;
    policy_name(&spec.policy_name, &mut errors);
    param_ref(spec.param_ref.as_ref(), &SPEC.field("paramRef"), &mut errors);
    if let Some(resources) = &spec.match_resources {
        // Upstream spells the path so.
        rules::match_resources(resources, &SPEC.field("matchResouces"), &mut errors);
    }
    actions(&spec.validation_actions, &SPEC.field("validationActions"), &mut errors);
    errors
}

/// What is wrong with a changed binding.
pub fn validating_binding_update(
    new: &ValidatingAdmissionPolicyBinding,
    _: &ValidatingAdmissionPolicyBinding,
) -> FieldErrors {
    validating_binding(new)
}

/// What is wrong with a new configuration.
pub fn validating_webhooks(configuration: &ValidatingWebhookConfiguration) -> FieldErrors {
    let mut errors = shared::cluster_wide(&configuration.metadata, name_is_dns_subdomain);
    webhooks::all(list(&configuration.webhooks).iter().map(webhooks::Hook::validating), &mut errors);
    errors
}

/// What is wrong with a changed configuration.
pub fn validating_webhooks_update(
    new: &ValidatingWebhookConfiguration,
    _: &ValidatingWebhookConfiguration,
) -> FieldErrors {
    validating_webhooks(new)
}

/// What is wrong with a new configuration.
pub fn mutating_webhooks(configuration: &MutatingWebhookConfiguration) -> FieldErrors {
    let mut errors = shared::cluster_wide(&configuration.metadata, name_is_dns_subdomain);
    webhooks::all(list(&configuration.webhooks).iter().map(webhooks::Hook::mutating), &mut errors);
    errors
}

/// What is wrong with a changed configuration.
pub fn mutating_webhooks_update(new: &MutatingWebhookConfiguration, _: &MutatingWebhookConfiguration) -> FieldErrors {
    mutating_webhooks(new)
}

fn policy_spec(name: &str, spec: &ValidatingAdmissionPolicySpec, errors: &mut FieldErrors) {
    frame(text(&spec.failure_policy), spec.param_kind.as_ref(), spec.match_constraints.as_ref(), errors);
    let mut expressions = Expressions::new(spec.param_kind.is_some(), false);
    expressions.conditions(list(&spec.match_conditions), &SPEC.field("matchConditions"), errors);
    expressions.variables(list(&spec.variables), &SPEC.field("variables"), errors);
    let (validations, annotations) = (list(&spec.validations), list(&spec.audit_annotations));
    if validations.is_empty() && annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.required(&SPEC.field("validations"), detail);
        errors.required(&SPEC.field("auditAnnotations"), detail);
        return;
    }
    let path = SPEC.field("validations");
    for (index, one) in validations.iter().enumerate() {
        validation(one, &expressions, &path.index(index), errors);
    }
    audit_annotations(name, annotations, &expressions, errors);
}

/// What both kinds of policies begin with.
fn frame(
    failure_policy: &str,
    kind: Option<&ParamKind>,
    constraints: Option<&MatchResources>,
    errors: &mut FieldErrors,
) {
    match failure_policy {
        "" => errors.required(&SPEC.field("failurePolicy"), ""),
        given => one_of(given, &FAILURE_POLICIES, &SPEC.field("failurePolicy"), errors),
    }
    if let Some(kind) = kind {
        param_kind(kind, &SPEC.field("paramKind"), errors);
    }
    let path = SPEC.field("matchConstraints");
    match constraints {
        None => errors.required(&path, ""),
        Some(resources) => {
            rules::match_resources(resources, &path, errors);
            if list(&resources.resource_rules).is_empty() {
                errors.required(&path.field("resourceRules"), "");
            }
        }
    }
}

fn policy_name(name: &str, errors: &mut FieldErrors) {
    let path = SPEC.field("policyName");
    if name.is_empty() {
        errors.required(&path, "");
    } else {
        errors.invalid_each(&path, name, name_is_dns_subdomain(name, false));
    }
}

fn has_newlines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

fn validation(given: &Validation, expressions: &Expressions, path: &Path<'_>, errors: &mut FieldErrors) {
    if given.expression.trim().is_empty() {
        errors.required(&path.field("expression"), "expression is not specified");
    } else {
        expressions.check(&given.expression, &[Type::Bool], true, &path.field("expression"), errors);
    }
    let (message, expression) = (text(&given.message), text(&given.message_expression));
    if !expression.is_empty() {
        let path = path.field("messageExpression");
        if expression.trim().is_empty() {
            errors.invalid(&path, expression, "must be non-empty if specified");
        } else {
            expressions.check(expression, &[Type::String], false, &path, errors);
        }
    }
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&path.field("message"), message, "message must be non-empty if specified");
    } else if has_newlines(message.trim()) {
        errors.invalid(&path.field("message"), message, "message must not contain line breaks");
    }
    if let Some(reason) = &given.reason {
        one_of(reason, &REASONS, &path.field("reason"), errors);
    }
}

fn audit_annotations(name: &str, given: &[AuditAnnotation], expressions: &Expressions, errors: &mut FieldErrors) {
    let path = SPEC.field("auditAnnotations");
    if given.len() > ANNOTATIONS_MAX {
        let detail = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        errors.invalid(&path, json!(given), detail);
    }
    let mut keys = BTreeSet::new();
    for (index, AuditAnnotation { key, value_expression }) in given.iter().enumerate() {
        let path = path.index(index);
        if name.is_empty() {
            errors.invalid(&path.field("key"), key.as_str(), "requires metadata.name be non-empty");
        } else {
            let whole = format!("{name}/{key}");
            errors.invalid_each(&path.field("key"), &whole, qualified_name(&whole));
        }
        let (source, at) = (value_expression.trim(), path.field("valueExpression"));
        if source.is_empty() {
            errors.required(&at, "valueExpression is not specified");
        } else if source.len() > ANNOTATION_BYTES_MAX {
            errors.required(&at, format!("must not exceed {ANNOTATION_BYTES_MAX} bytes in length"));
        } else {
            expressions.check(source, &[Type::String, Type::Null], true, &at, errors);
        }
        if !keys.insert(key) {
            errors.duplicate(&path.field("key"), key.as_str());
        }
    }
}

fn param_kind(kind: &ParamKind, path: &Path<'_>, errors: &mut FieldErrors) {
    let (api_version, name, at) = (text(&kind.api_version), text(&kind.kind), path.field("apiVersion"));
    match api_version.split('/').collect::<Vec<_>>().as_slice() {
        [""] => errors.required(&at, ""),
        [version] => invalid_joined(&at, version, &dns1035_label(version), errors),
        [group, version] => {
            if !group.is_empty() {
                invalid_joined(&at, group, &dns1123_subdomain(group), errors);
            }
            match *version {
                "" => errors.invalid(&at, api_version, "version must be specified"),
                version => invalid_joined(&at, version, &dns1035_label(version), errors),
            }
        }
        _ => errors.invalid(&at, api_version, format!("unexpected GroupVersion string: {api_version}")),
    }
    let at = path.field("kind");
    if name.is_empty() {
        errors.required(&at, "");
        return;
    }
    let problems = dns1035_label(&name.to_lowercase());
    if !problems.is_empty() {
        let detail = format!("may have mixed case, but should otherwise match: {}", problems.join(","));
        errors.invalid(&at, name, detail);
    }
}

fn invalid_joined(path: &Path<'_>, value: &str, problems: &[String], errors: &mut FieldErrors) {
    if !problems.is_empty() {
        errors.invalid(path, value, problems.join(","));
    }
}

fn param_ref(given: Option<&ParamRef>, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(given) = given else { return };
    let (name, both) = (text(&given.name), "name and selector are mutually exclusive");
    if !name.is_empty() {
        errors.invalid_each(&path.field("name"), name, path_segment(name));
        if given.selector.is_some() {
            errors.forbidden(&path.field("name"), both);
        }
    }
    if let Some(selector) = &given.selector {
        shared::selector(selector, &path.field("selector"), errors);
        if !name.is_empty() {
            errors.forbidden(&path.field("selector"), both);
        }
    }
    if name.is_empty() && given.selector.is_none() {
        errors.required(path, "one of name or selector must be specified");
    }
    match text(&given.parameter_not_found_action) {
        "" => errors.required(&path.field("parameterNotFoundAction"), ""),
        action => one_of(action, &["Deny", "Allow"], &path.field("parameterNotFoundAction"), errors),
    }
}

fn actions(given: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut seen = BTreeSet::new();
    for (index, action) in given.iter().enumerate() {
        one_of(action, &ACTIONS, &path.index(index), errors);
        if !seen.insert(action.as_str()) {
            errors.duplicate(&path.index(index), action.as_str());
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API \
                      response and headers serves no purpose)";
        errors.invalid(path, json!(given), detail);
    }
    if seen.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
}
