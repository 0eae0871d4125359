//! FlowSchemas and PriorityLevelConfigurations: whose requests are told apart, and how many of them run at once.
//!
//! Inboard does not hold requests back; what would is stored, so that manifests of it are checked.
//!
//! Source: `pkg/apis/flowcontrol/validation`.

use k8s_openapi::api::flowcontrol::v1::{
    FlowSchema, FlowSchemaSpec, NonResourcePolicyRule, PolicyRulesWithSubjects, PriorityLevelConfiguration,
    ResourcePolicyRule, Subject,
};

use super::checks::json;
use super::fields::{list, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, STATUS};
use crate::object::field::{FieldErrors, Path};

mod level;
pub mod mandatory;

const PRECEDENCE_MAX: i32 = 10_000;
/// Told an older version that there are to be no shares.
const ROUND_TRIP: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
const VERBS: [&str; 9] = ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

/// What is wrong with a FlowSchema, new or changed.
pub fn flow_schema(schema: &FlowSchema) -> FieldErrors {
    let mut errors = shared::cluster_wide(&schema.metadata, name_is_dns_subdomain);
    let name = text(&schema.metadata.name);
    spec(&schema.spec, name, &mut errors);
    mandatory::schema(&schema.spec, name, &mut errors);
    errors.append(flow_schema_status(schema));
    errors
}

/// What is wrong with the status of a FlowSchema.
pub fn flow_schema_status(schema: &FlowSchema) -> FieldErrors {
    let conditions = schema.status.iter().flat_map(|status| list(&status.conditions));
    condition_types(&conditions.map(|condition| condition.type_.as_str()).collect::<Vec<_>>())
}

/// What is wrong with a PriorityLevelConfiguration, new or changed.
pub fn priority_level(level: &PriorityLevelConfiguration) -> FieldErrors {
    let mut errors = shared::cluster_wide(&level.metadata, name_is_dns_subdomain);
    if level.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(ROUND_TRIP)) {
        let detail = format!("annotation '{ROUND_TRIP}' is forbidden in flowcontrol.apiserver.k8s.io/v1");
        errors.forbidden(&METADATA.field("annotations"), detail);
    }
    let name = text(&level.metadata.name);
    level::spec(&level.spec, name, &mut errors);
    mandatory::level(&level.spec, name, &mut errors);
    errors.append(priority_level_status(level));
    errors
}

/// What is wrong with the status of a PriorityLevelConfiguration.
pub fn priority_level_status(level: &PriorityLevelConfiguration) -> FieldErrors {
    let conditions = level.status.iter().flat_map(|status| list(&status.conditions));
    condition_types(&conditions.map(|condition| condition.type_.as_str()).collect::<Vec<_>>())
}

fn condition_types(types: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = STATUS.field("conditions");
    let repeated = shared::repeated(types.iter());
    for (index, kind) in types.iter().enumerate() {
        let path = path.index(index);
        if repeated[index] {
            errors.duplicate(&path.field("type"), *kind);
        }
        if kind.is_empty() {
            errors.required(&path.field("type"), "must not be empty");
        }
    }
    errors
}

fn spec(spec: &FlowSchemaSpec, name: &str, errors: &mut FieldErrors) {
    let (precedence, path) = (spec.matching_precedence.unwrap_or(0), SPEC.field("matchingPrecedence"));
    if precedence <= 0 {
        errors.invalid(&path, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        errors.invalid(&path, precedence, format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid(&path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if let Some(method) = &spec.distinguisher_method
        && !matches!(method.type_.as_str(), "ByNamespace" | "ByUser")
    {
        let shown = format!("{{\"Type\":{}}}", json(&method.type_));
        let path = SPEC.field("distinguisherMethod");
        errors.not_supported_json(&path.field("type"), shown, &["ByNamespace", "ByUser"]);
    }
    let level = spec.priority_level_configuration.name.as_str();
    let path = SPEC.field("priorityLevelConfiguration");
    if level.is_empty() {
        errors.required(&path.field("name"), "must reference a priority level");
    } else {
        errors.invalid_each(&path.field("name"), level, names::dns1123_subdomain(level));
    }
    let path = SPEC.field("rules");
    for (index, one) in list(&spec.rules).iter().enumerate() {
        rule(one, &path.index(index), errors);
    }
}

fn rule(rule: &PolicyRulesWithSubjects, path: &Path<'_>, errors: &mut FieldErrors) {
    let subjects = path.field("subjects");
    if rule.subjects.is_empty() {
        errors.required(&subjects, "subjects must contain at least one value");
    }
    for (index, one) in rule.subjects.iter().enumerate() {
        subject(one, &subjects.index(index), errors);
    }
    let (resources, others) = (list(&rule.resource_rules), list(&rule.non_resource_rules));
    if resources.is_empty() && others.is_empty() {
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    let rules = path.field("resourceRules");
    for (index, one) in resources.iter().enumerate() {
        resource_rule(one, &rules.index(index), errors);
    }
    let rules = path.field("nonResourceRules");
    for (index, one) in others.iter().enumerate() {
        non_resource_rule(one, &rules.index(index), errors);
    }
}

/// A subject has what its kind names, and nothing else.
fn subject(subject: &Subject, path: &Path<'_>, errors: &mut FieldErrors) {
    let parts = [
        ("ServiceAccount", "serviceAccount", subject.service_account.is_some()),
        ("User", "user", subject.user.is_some()),
        ("Group", "group", subject.group.is_some()),
    ];
    let Some((kind, field, is_given)) = parts.into_iter().find(|(kind, ..)| *kind == subject.kind) else {
        let kinds = ["Group", "ServiceAccount", "User"];
        return errors.not_supported(&path.field("kind"), subject.kind.as_str(), &kinds);
    };
    let own = path.field(field);
    if !is_given {
        errors.required(&own, format!("{field} is required when subject kind is '{kind}'"));
    } else if let Some(account) = subject.service_account.as_ref().filter(|_| kind == "ServiceAccount") {
        service_account(&account.name, &account.namespace, &own, errors);
    } else {
        let named = if kind == "User" {
            subject.user.as_ref().map(|user| user.name.as_str())
        } else {
            subject.group.as_ref().map(|group| group.name.as_str())
        };
        if named.is_some_and(str::is_empty) {
            errors.required(&own.field("name"), "");
        }
    }
    for (other, field, _) in parts.into_iter().filter(|(other, _, is_given)| *other != kind && *is_given) {
        errors.forbidden(&path.field(field), format!("{field} is forbidden when subject kind is not '{other}'"));
    }
}

fn service_account(name: &str, namespace: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match name {
        "" => errors.required(&path.field("name"), ""),
        "*" => {}
        name => errors.invalid_each(&path.field("name"), name, names::dns1123_subdomain(name)),
    }
    if namespace.is_empty() {
        errors.required(&path.field("namespace"), "must specify namespace for service account");
    } else {
        errors.invalid_each(&path.field("namespace"), namespace, names::dns1123_label(namespace));
    }
}

/// `*` stands for all, and alone.
fn alone(values: &[String], what: &str, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    let has_all = values.iter().any(|value| value == "*");
    if has_all && values.len() > 1 {
        errors.invalid(path, json(&values), format!("if '*' is present, must not specify other {what}"));
    }
    has_all
}

fn verbs(verbs: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if verbs.is_empty() {
        errors.required(path, "verbs must contain at least one value");
    } else if !alone(verbs, "verbs", path, errors) && !verbs.iter().all(|verb| VERBS.contains(&verb.as_str())) {
        errors.not_supported(path, json(&verbs), &VERBS);
    }
}

fn resource_rule(rule: &ResourcePolicyRule, path: &Path<'_>, errors: &mut FieldErrors) {
    verbs(&rule.verbs, &path.field("verbs"), errors);
    for (field, values, one, more) in [
        ("apiGroups", &rule.api_groups, "api group", "api groups"),
        ("resources", &rule.resources, "resource", "resources"),
    ] {
        let path = path.field(field);
        if values.is_empty() {
            errors.required(&path, format!("resource rules must supply at least one {one}"));
        } else {
            alone(values, more, &path, errors);
        }
    }
    let (namespaces, path) = (list(&rule.namespaces), path.field("namespaces"));
    if namespaces.is_empty() && rule.cluster_scope != Some(true) {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.required(&path, detail);
    } else if !alone(namespaces, "namespaces", &path, errors) {
        for (index, namespace) in namespaces.iter().enumerate() {
            for problem in names::dns1123_label(namespace) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {problem}");
                errors.invalid(&path.index(index), namespace.as_str(), detail);
            }
        }
    }
}

fn non_resource_rule(rule: &NonResourcePolicyRule, path: &Path<'_>, errors: &mut FieldErrors) {
    verbs(&rule.verbs, &path.field("verbs"), errors);
    let (urls, path) = (&rule.non_resource_urls, path.field("nonResourceURLs"));
    if urls.is_empty() {
        errors.required(&path, "nonResourceURLs must contain at least one value");
    } else if !alone(urls, "non-resource URLs", &path, errors) {
        for (index, url) in urls.iter().enumerate() {
            if let Some(problem) = url_problem(url) {
                errors.invalid(&path.index(index), url.as_str(), problem);
            }
        }
    }
}

fn url_problem(url: &str) -> Option<&'static str> {
    let stars = url.matches('*').count();
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        url if !url.starts_with('/') => Some("must start with slash"),
        url if url.contains(' ') => Some("must not contain white-space"),
        url if url.contains("//") => Some("must not contain double slash"),
        url if stars > 1 || (stars == 1 && !url.ends_with("/*")) => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}
