//! Webhooks: whom they are asked about, where they are, and what they must promise.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, RuleWithOperations, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::json;

use super::expressions::Expressions;
use super::rules::{self, MATCH_POLICIES};
use super::{FAILURE_POLICIES, list};
use crate::object::field::{FieldErrors, Path};
use crate::object::validation::fields::one_of;
use crate::object::validation::names::{dns1035_label, dns1123_subdomain, fully_qualified_name};
use crate::object::validation::shared;

const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const REINVOCATIONS: [&str; 2] = ["IfNeeded", "Never"];

/// What both kinds of webhooks say.
pub(super) struct Hook<'h> {
    name: &'h str,
    rules: &'h [RuleWithOperations],
    failure_policy: Option<&'h str>,
    match_policy: Option<&'h str>,
    side_effects: &'h str,
    timeout_seconds: Option<i32>,
    selectors: [(&'static str, &'h Option<LabelSelector>); 2],
    reinvocation_policy: Option<&'h str>,
    client: &'h WebhookClientConfig,
    conditions: &'h [MatchCondition],
    versions: &'h [String],
}

macro_rules! hook {
    ($hook:ident, $reinvocation:expr) => {
        Self {
            name: &$hook.name,
            rules: list(&$hook.rules),
            failure_policy: $hook.failure_policy.as_deref(),
            match_policy: $hook.match_policy.as_deref(),
            side_effects: &$hook.side_effects,
            timeout_seconds: $hook.timeout_seconds,
            selectors: [("namespaceSelector", &$hook.namespace_selector), ("objectSelector", &$hook.object_selector)],
            reinvocation_policy: $reinvocation,
            client: &$hook.client_config,
            conditions: list(&$hook.match_conditions),
            versions: &$hook.admission_review_versions,
        }
    };
}

impl<'h> Hook<'h> {
    pub(super) fn validating(hook: &'h ValidatingWebhook) -> Self {
        hook!(hook, None)
    }

    pub(super) fn mutating(hook: &'h MutatingWebhook) -> Self {
        hook!(hook, hook.reinvocation_policy.as_deref())
    }

    fn check(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        fully_qualified_name(self.name, &path.field("name"), errors);
        let at = path.field("rules");
        for (index, rule) in self.rules.iter().enumerate() {
            let RuleWithOperations { api_groups, api_versions, operations, resources, scope } = rule;
            let lists = [operations, api_groups, api_versions, resources].map(list);
            rules::rule(lists, scope.as_deref(), &at.index(index), errors);
        }
        let listed = [
            ("failurePolicy", self.failure_policy, &FAILURE_POLICIES),
            ("matchPolicy", self.match_policy, &MATCH_POLICIES),
        ];
        for (field, given, supported) in listed {
            if let Some(given) = given {
                one_of(given, supported, &path.field(field), errors);
            }
        }
        match self.side_effects {
            "" => errors.required(&path.field("sideEffects"), "must specify one of None, NoneOnDryRun"),
            given => one_of(given, &SIDE_EFFECTS, &path.field("sideEffects"), errors),
        }
        if let Some(seconds) = self.timeout_seconds.filter(|seconds| !(1..=30).contains(seconds)) {
            let detail = "the timeout value must be between 1 and 30 seconds";
            errors.invalid(&path.field("timeoutSeconds"), seconds, detail);
        }
        for (field, selector) in self.selectors {
            shared::selector_if(selector, &path.field(field), errors);
        }
        if let Some(given) = self.reinvocation_policy {
            one_of(given, &REINVOCATIONS, &path.field("reinvocationPolicy"), errors);
        }
        let url = self.client.url.as_deref();
        let service = self.client.service.as_ref().map(|service| Service {
            name: &service.name,
            namespace: &service.namespace,
            path: service.path.as_deref(),
            port: service.port,
        });
        client(url, service, &path.field("clientConfig"), errors);
        Expressions::new(false, false).conditions(self.conditions, &path.field("matchConditions"), errors);
    }
}

/// All webhooks of a configuration.
pub(super) fn all<'h>(hooks: impl Iterator<Item = Hook<'h>>, errors: &mut FieldErrors) {
    let (root, mut names) = (Path::new("webhooks"), Vec::new());
    for (index, hook) in hooks.enumerate() {
        let path = root.index(index);
        hook.check(&path, errors);
        review_versions(
            hook.versions,
            "must specify one of v1, v1beta1",
            &path.field("admissionReviewVersions"),
            errors,
        );
        if !hook.name.is_empty() && names.contains(&hook.name) {
            errors.duplicate(&path.field("name"), hook.name);
        }
        names.push(hook.name);
    }
}

/// The service that a webhook is behind.
pub(in crate::object::validation) struct Service<'s> {
    pub(in crate::object::validation) name: &'s str,
    pub(in crate::object::validation) namespace: &'s str,
    pub(in crate::object::validation) path: Option<&'s str>,
    pub(in crate::object::validation) port: Option<i32>,
}

/// Where a webhook is.
pub(in crate::object::validation) fn client(
    url: Option<&str>,
    service: Option<Service<'_>>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    match (url, service) {
        (Some(url), None) => self::url(url, &path.field("url"), errors),
        (None, Some(service)) => {
            let path = path.field("service");
            // As upstream, which takes the one for the other.
            for (field, name) in [("name", service.namespace), ("namespace", service.name)] {
                if name.is_empty() {
                    errors.required(&path.field(field), "");
                }
            }
            if let Some(port) = service.port.filter(|port| !(1..=65535).contains(port)) {
                errors.invalid(&path.field("port"), port, "port is not valid: must be between 1 and 65535, inclusive");
            }
            service_path(service.path.unwrap_or_default(), &path.field("path"), errors);
        }
        _ => errors.required(path, "exactly one of url or service is required"),
    }
}

/// Checks where a webhook is at its service: some names with slashes before them.
fn service_path(given: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match given {
        "" | "/" => return,
        "//" => return errors.invalid(path, given, "segment[0] may not be empty"),
        _ => {}
    }
    if !given.starts_with('/') {
        errors.invalid(path, given, "must start with a '/'");
    }
    // Upstream leaves out what stands in the place of the slash.
    let rest = given.char_indices().nth(1).map_or("", |(at, _)| &given[at..]);
    for (index, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(path, given, format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in dns1123_subdomain(step) {
            errors.invalid(path, given, format!("segment[{index}]: {problem}"));
        }
    }
}

fn url(url: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let form = "desired format: https://host[/path]";
    let Some(rest) = url.strip_prefix("https://") else {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        return errors.invalid(path, scheme, format!("'https' is the only allowed URL scheme; {form}"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    let (user, host) = host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, part)| (rest, Some(part)));
    let query = rest.split_once('?').map(|(_, query)| query);
    if host.is_empty() {
        errors.invalid(path, "", format!("host must be specified; {form}"));
    }
    let parts = [
        (user, "user information is not permitted in the URL"),
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ];
    for (part, detail) in parts {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            errors.invalid(path, part, detail);
        }
    }
}

/// The versions of reviews that a webhook understands; `missing` is what is told where it says none.
pub(in crate::object::validation) fn review_versions(
    versions: &[String],
    missing: &str,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if versions.is_empty() {
        errors.required(path, missing);
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        if versions[..index].contains(version) {
            errors.invalid(&path.index(index), version.as_str(), "duplicate version");
            continue;
        }
        errors.invalid_each(&path.index(index), version, dns1035_label(version));
    }
    if !versions.iter().any(|version| matches!(version.as_str(), "v1" | "v1beta1")) {
        errors.invalid(path, json!(versions), "must include at least one of v1, v1beta1");
    }
}
