//! CustomResourceDefinitions: names, versions, columns, and schemas that are structural.
//!
//! Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`. Upstream looks at an older form of the
//! definition, in which what all versions say alike stands in the spec itself; paths are those of that form.

mod costs;
mod defaults;
mod names;
mod nested;
mod rules;
mod schema;
mod shown;
mod spec;
mod structure;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::checks::json;
use super::meta::{self, Scope};
use super::names::name_is_dns_subdomain;
use super::shared::{METADATA, SPEC, STATUS, meta_update};
use crate::object::definition::is_established;
use crate::object::field::{FieldErrors, Path};

/// The annotation that a definition in one of Kubernetes's own groups must have.
const APPROVED: &str = "api-approved.kubernetes.io";

/// What is wrong with a new definition.
pub fn definition(definition: &CustomResourceDefinition) -> FieldErrors {
    let mut errors = metadata(definition);
    spec::check(&definition.spec, None, &SPEC, &mut errors);
    status(definition, &mut errors);
    stored_versions(definition, &mut errors);
    approval(definition, None, &mut errors);
    preserving(definition, None, &mut errors);
    errors
}

/// What is wrong with a definition that replaces `old`.
pub fn definition_update(definition: &CustomResourceDefinition, old: &CustomResourceDefinition) -> FieldErrors {
    let mut errors = meta_update(&definition.metadata, &old.metadata);
    spec::check(&definition.spec, Some((&old.spec, is_established(old))), &SPEC, &mut errors);
    let (new_spec, old_spec) = (&definition.spec, &old.spec);
    let names = SPEC.field("names");
    let mut immutable = |new: &str, old: &str, path: Path<'_>| {
        if new != old {
            errors.invalid(&path, new, super::names::IMMUTABLE);
        }
    };
    if is_established(old) {
        immutable(&new_spec.scope, &old_spec.scope, SPEC.field("scope"));
        immutable(&new_spec.names.kind, &old_spec.names.kind, names.field("kind"));
    }
    immutable(&new_spec.group, &old_spec.group, SPEC.field("group"));
    immutable(&new_spec.names.plural, &old_spec.names.plural, names.field("plural"));
    status(definition, &mut errors);
    stored_versions(definition, &mut errors);
    approval(definition, Some(old), &mut errors);
    preserving(definition, Some(old), &mut errors);
    errors
}

/// What is wrong with a definition whose status replaces that of `old`.
pub fn definition_status_update(definition: &CustomResourceDefinition, old: &CustomResourceDefinition) -> FieldErrors {
    let mut errors = meta_update(&definition.metadata, &old.metadata);
    status(definition, &mut errors);
    errors
}

/// The name follows from the plural and the group.
fn metadata(definition: &CustomResourceDefinition) -> FieldErrors {
    let wanted = format!("{}.{}", definition.spec.names.plural, definition.spec.group);
    let rule = |name: &str, generated| {
        let mut problems = name_is_dns_subdomain(name, generated);
        if name != wanted {
            problems.push("must be spec.names.plural+\".\"+spec.group".to_owned());
        }
        problems
    };
    let mut errors = FieldErrors::new();
    meta::create(&definition.metadata, Scope::Cluster, rule, &METADATA, &mut errors);
    errors
}

fn status(definition: &CustomResourceDefinition, errors: &mut FieldErrors) {
    if let Some(names) = definition.status.as_ref().and_then(|status| status.accepted_names.as_ref()) {
        names::check(names, &STATUS.field("acceptedNames"), errors);
    }
}

/// A version in which objects may be stored stays.
fn stored_versions(definition: &CustomResourceDefinition, errors: &mut FieldErrors) {
    let path = STATUS.field("storedVersions");
    let stored = definition.status.as_ref().and_then(|status| status.stored_versions.as_ref());
    let Some(stored) = stored.filter(|stored| !stored.is_empty()) else {
        let value = stored.map_or(Value::Null, json);
        errors.invalid(&path, value, "must have at least one stored version");
        return;
    };
    let versions = &definition.spec.versions;
    for version in versions.iter().filter(|version| version.storage && !stored.contains(&version.name)) {
        errors.invalid(&path, json(stored), format!("must have the storage version {}", version.name));
    }
    for (index, name) in stored.iter().enumerate() {
        if versions.iter().all(|version| version.name != *name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errors.invalid(&path.index(index), name.as_str(), detail);
        }
    }
}

/// What the annotation of a definition in a protected group says.
#[derive(Clone, PartialEq, Eq)]
enum Approval {
    Missing,
    Given,
    Invalid,
}

fn approval_of(definition: &CustomResourceDefinition) -> Approval {
    let text = definition.metadata.annotations.as_ref().and_then(|all| all.get(APPROVED)).map_or("", String::as_str);
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/') && !text.contains(' ')
    });
    match text {
        "" => Approval::Missing,
        text if text.starts_with("unapproved") || is_url => Approval::Given,
        _ => Approval::Invalid,
    }
}

fn approval(definition: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>, errors: &mut FieldErrors) {
    let group = &definition.spec.group;
    let is_protected = |suffix: &str| group == suffix || group.ends_with(&format!(".{suffix}"));
    let state = approval_of(definition);
    if !(is_protected("k8s.io") || is_protected("kubernetes.io")) || old.is_some_and(|old| approval_of(old) == state) {
        return;
    }
    let annotations = METADATA.field("annotations");
    let path = annotations.key(APPROVED);
    let must = format!("protected groups must have approval annotation \"{APPROVED}\"");
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state {
        Approval::Given => {}
        Approval::Missing => errors.required(&path, format!("{must}, {see}")),
        Approval::Invalid => {
            let given = definition.metadata.annotations.as_ref().and_then(|all| all.get(APPROVED));
            let detail = format!("{must} with either a URL or a reason starting with \"unapproved\", {see}");
            errors.invalid(&path, given.map_or("", String::as_str), detail);
        }
    }
}

fn preserving(definition: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>, errors: &mut FieldErrors) {
    let preserves = |definition: &CustomResourceDefinition| definition.spec.preserve_unknown_fields == Some(true);
    if preserves(definition) && !old.is_some_and(preserves) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema \
                      instead";
        errors.invalid(&SPEC.field("preserveUnknownFields"), true, detail);
    }
}

/// What a client that writes a definition is warned of: formats that nobody checks, sets of what cannot be compared.
pub fn definition_warnings(
    definition: &CustomResourceDefinition,
    old: Option<&CustomResourceDefinition>,
) -> Vec<String> {
    let known = old.map(schema::warnings).unwrap_or_default();
    let mut found = schema::warnings(definition);
    found.retain(|warning| !known.contains(warning));
    found
}
