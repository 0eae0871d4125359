//! MutatingAdmissionPolicies and their bindings.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingAdmissionPolicySpec, Mutation,
};

use super::expressions::Expressions;
use super::{frame, param_ref, policy_name, rules};
use crate::object::admission::{object_type, patch_type};
use crate::object::field::{FieldErrors, Path};
use crate::object::validation::fields::{list, one_of, text};
use crate::object::validation::names::name_is_dns_subdomain;
use crate::object::validation::shared::{self, SPEC};

/// What is deleted cannot be changed.
const OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const REINVOCATIONS: [&str; 2] = ["Never", "IfNeeded"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];

/// What is wrong with a new policy.
pub fn mutating_policy(policy: &MutatingAdmissionPolicy) -> FieldErrors {
    let mut errors = shared::cluster_wide(&policy.metadata, name_is_dns_subdomain);
    let nothing = MutatingAdmissionPolicySpec::default();
    let spec = policy.spec.as_ref().unwrap_or(&nothing);
    frame(text(&spec.failure_policy), spec.param_kind.as_ref(), spec.match_constraints.as_ref(), &mut errors);
    operations(spec.match_constraints.as_ref(), &SPEC.field("matchConstraints"), &mut errors);
    let mut expressions = Expressions::new(spec.param_kind.is_some(), true);
    expressions.conditions(list(&spec.match_conditions), &SPEC.field("matchConditions"), &mut errors);
    expressions.variables(list(&spec.variables), &SPEC.field("variables"), &mut errors);
    let path = SPEC.field("mutations");
    if list(&spec.mutations).is_empty() {
        errors.required(&path, "mutations must contain at least one item");
    }
    for (index, one) in list(&spec.mutations).iter().enumerate() {
        mutation(one, &expressions, &path.index(index), &mut errors);
    }
    match text(&spec.reinvocation_policy) {
        "" => errors.required(&SPEC.field("reinvocationPolicy"), ""),
        given => one_of(given, &REINVOCATIONS, &SPEC.field("reinvocationPolicy"), &mut errors),
    }
    errors
}

/// What is wrong with a changed policy.
pub fn mutating_policy_update(new: &MutatingAdmissionPolicy, _: &MutatingAdmissionPolicy) -> FieldErrors {
    mutating_policy(new)
}

/// What is wrong with a new binding.
pub fn mutating_binding(binding: &MutatingAdmissionPolicyBinding) -> FieldErrors {
    let mut errors = shared::cluster_wide(&binding.metadata, name_is_dns_subdomain);
    let spec = binding.spec.clone().unwrap_or_default();
    policy_name(text(&spec.policy_name), &mut errors);
    param_ref(spec.param_ref.as_ref(), &SPEC.field("paramRef"), &mut errors);
    if let Some(resources) = &spec.match_resources {
        rules::match_resources(resources, &SPEC.field("matchResources"), &mut errors);
        operations(Some(resources), &SPEC.field("matchResources"), &mut errors);
    }
    errors
}

/// What is wrong with a changed binding.
pub fn mutating_binding_update(
    new: &MutatingAdmissionPolicyBinding,
    _: &MutatingAdmissionPolicyBinding,
) -> FieldErrors {
    mutating_binding(new)
}

fn operations(resources: Option<&MatchResources>, path: &Path<'_>, errors: &mut FieldErrors) {
    // Upstream's path has no index.
    let (rules, path) = (path.field("resourceRules"), "operations");
    for rule in resources.iter().flat_map(|resources| list(&resources.resource_rules)) {
        for operation in list(&rule.operations) {
            one_of(operation, &OPERATIONS, &rules.field(path), errors);
        }
    }
}

fn mutation(given: &Mutation, expressions: &Expressions, path: &Path<'_>, errors: &mut FieldErrors) {
    let apply = given.apply_configuration.as_ref().map(|apply| text(&apply.expression));
    let patch = given.json_patch.as_ref().map(|patch| text(&patch.expression));
    let (apply, patch) = (("applyConfiguration", apply, object_type()), ("jsonPatch", patch, patch_type()));
    let ((name, source, wanted), (other, surplus, _)) = match &*given.patch_type {
        "" => return errors.required(&path.field("patchType"), ""),
        "ApplyConfiguration" => (apply, patch),
        "JSONPatch" => (patch, apply),
        unknown => return one_of(unknown, &PATCH_TYPES, &path.field("patchType"), errors),
    };
    match source.map(str::trim) {
        None => errors.required(&path.field(name), format!("must be specified when patchType is {}", given.patch_type)),
        Some("") => errors.required(&path.field(name).field("expression"), ""),
        Some(source) => expressions.check(source, &[wanted], true, &path.field(name).field("expression"), errors),
    }
    if surplus.is_some() {
        let detail = format!("must not be specified when patchType is {}", given.patch_type);
        errors.invalid(&path.field(other), format!("{{{other}}}"), detail);
    }
}
