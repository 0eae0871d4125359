//! A Job's policies: which failures count, when it has succeeded, and when a pod is replaced.

use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

use super::super::checks::{json, nonnegative, same};
use super::super::fields::{list, one_of, text};
use super::super::names;
use super::super::{checks, go, go_type, shared::SPEC};
use super::{indexes, is_indexed};
use crate::object::field::{FieldErrors, Path};

const FAILURE_RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const SUCCESS_RULES_MAX: usize = 20;
const INDEXES_BYTES_MAX: usize = 64 * 1024;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];

pub(super) fn all(spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(policy) = &spec.pod_failure_policy {
        failure_policy(policy, spec, &path.field("podFailurePolicy"), errors);
    }
    if let Some(policy) = &spec.success_policy {
        let path = path.field("successPolicy");
        if is_indexed(spec) {
            success_policy(policy, spec.completions.unwrap_or(0), &path, errors);
        } else {
            errors.invalid_json(&path, go_type::compact(policy, "SuccessPolicy"), "requires indexed completion mode");
        }
    }
    let path = path.field("podReplacementPolicy");
    match spec.pod_replacement_policy.as_deref() {
        None => {}
        Some(policy) if spec.pod_failure_policy.is_some() => {
            one_of(policy, &["Failed"], &path, errors);
        }
        Some(policy) => one_of(policy, &["Failed", "TerminatingOrFailed"], &path, errors),
    }
}

fn null() -> String {
    "null".to_owned()
}

/// The fields of a Job beside its template that never change.
pub(super) fn immutable(new: &JobSpec, old: &JobSpec, errors: &mut FieldErrors) {
    if !same(&new.pod_failure_policy, &old.pod_failure_policy) {
        let shown =
            new.pod_failure_policy.as_ref().map_or_else(null, |policy| go_type::compact(policy, "PodFailurePolicy"));
        errors.invalid_json(&SPEC.field("podFailurePolicy"), shown, names::IMMUTABLE);
    }
    let path = SPEC.field("backoffLimitPerIndex");
    checks::immutable(&new.backoff_limit_per_index, &old.backoff_limit_per_index, &path, errors);
    checks::immutable(&new.managed_by, &old.managed_by, &SPEC.field("managedBy"), errors);
    if !same(&new.success_policy, &old.success_policy) {
        let shown = new.success_policy.as_ref().map_or_else(null, |policy| go_type::compact(policy, "SuccessPolicy"));
        errors.invalid_json(&SPEC.field("successPolicy"), shown, names::IMMUTABLE);
    }
}

fn failure_policy(policy: &PodFailurePolicy, spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("rules");
    if policy.rules.len() > FAILURE_RULES_MAX {
        errors.too_many(&path, policy.rules.len(), FAILURE_RULES_MAX);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        failure_rule(rule, spec, &path.index(index), errors);
    }
}

fn failure_rule(rule: &PodFailurePolicyRule, spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let action = path.field("action");
    match rule.action.as_str() {
        "" => errors.required(&action, format!("valid values: {}", go::quoted_list(&ACTIONS))),
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            errors.invalid(&action, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        other => one_of(other, &ACTIONS, &action, errors),
    }
    let conditions = list(&rule.on_pod_conditions);
    if let Some(codes) = &rule.on_exit_codes {
        exit_codes(codes, spec, &path.field("onExitCodes"), errors);
    }
    if !conditions.is_empty() {
        pod_conditions(conditions, &path.field("onPodConditions"), errors);
    }
    match (rule.on_exit_codes.is_some(), conditions.is_empty()) {
        (true, false) => {
            errors.invalid_omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported");
        }
        (false, true) => {
            errors.invalid_omitted(path, "specifying one of OnExitCodes and OnPodConditions is required");
        }
        _ => {}
    }
}

fn pod_conditions(patterns: &[PodFailurePolicyOnPodConditionsPattern], path: &Path<'_>, errors: &mut FieldErrors) {
    const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
    if patterns.len() > CONDITIONS_MAX {
        errors.too_many(path, patterns.len(), CONDITIONS_MAX);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = path.index(index);
        errors.invalid_each(&path.field("type"), &pattern.type_, names::qualified_name(&pattern.type_));
        match text(&pattern.status) {
            "" => {
                errors.required(&path.field("status"), format!("valid values: {}", go::quoted_list(&STATUSES)));
            }
            status => one_of(status, &STATUSES, &path.field("status"), errors),
        }
    }
}

fn exit_codes(
    codes: &PodFailurePolicyOnExitCodesRequirement,
    spec: &JobSpec,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    const OPERATORS: [&str; 2] = ["In", "NotIn"];
    match codes.operator.as_str() {
        "" => {
            errors.required(&path.field("operator"), format!("valid values: {}", go::quoted_list(&OPERATORS)));
        }
        operator => one_of(operator, &OPERATORS, &path.field("operator"), errors),
    }
    if let Some(name) = codes.container_name.as_ref().filter(|name| !has_container(spec, name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&path.field("containerName"), name.as_str(), detail);
    }
    let path = path.field("values");
    match codes.values.len() {
        0 => errors.invalid(&path, json(&codes.values), "at least one value is required"),
        count if count > EXIT_CODES_MAX => errors.too_many(&path, count, EXIT_CODES_MAX),
        _ => {}
    }
    for (index, code) in codes.values.iter().enumerate() {
        let path = path.index(index);
        if codes.operator == "In" && *code == 0 {
            errors.invalid(&path, 0, "must not be 0 for the In operator");
        }
        if codes.values.iter().take(index).any(|other| other == code) {
            errors.duplicate(&path, *code);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(&path, json(&codes.values), "must be ordered");
    }
}

fn has_container(spec: &JobSpec, name: &str) -> bool {
    let Some(pod) = &spec.template.spec else { return false };
    pod.containers.iter().chain(list(&pod.init_containers)).any(|container| container.name == name)
}

fn success_policy(policy: &SuccessPolicy, completions: i32, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("rules");
    if policy.rules.is_empty() {
        errors.required(&path, "at least one rules must be specified when the successPolicy is specified");
    }
    if policy.rules.len() > SUCCESS_RULES_MAX {
        errors.too_many(&path, policy.rules.len(), SUCCESS_RULES_MAX);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        success_rule(rule, completions, &path.index(index), errors);
    }
}

fn success_rule(rule: &SuccessPolicyRule, completions: i32, path: &Path<'_>, errors: &mut FieldErrors) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(list) = &rule.succeeded_indexes {
        let path = path.field("succeededIndexes");
        if list.len() > INDEXES_BYTES_MAX {
            errors.too_long(&path, INDEXES_BYTES_MAX);
        }
        match indexes::count(list, completions) {
            Ok(count) => total = count,
            Err(problem) => {
                errors.invalid(&path, list.as_str(), format!("error parsing succeededIndexes: {problem}"));
            }
        }
    }
    let Some(count) = rule.succeeded_count else { return };
    let path = path.field("succeededCount");
    nonnegative(count, &path, errors);
    if count > completions {
        let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
        errors.invalid(&path, count, detail);
    }
    if rule.succeeded_indexes.is_some() && count > total {
        let detail = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        errors.invalid(&path, count, detail);
    }
}
