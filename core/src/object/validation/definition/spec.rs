//! The spec of a definition: its group, scope, versions, names and conversion.

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceConversion, CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion, CustomResourceSubresources, JSONSchemaProps, SelectableField, WebhookClientConfig,
};
use serde_json::json;

use super::{names, rules, schema, shown, structure};
use crate::object::field::{FieldErrors, Path, is_printable};
use crate::object::pem;
use crate::object::structural::Schema;
use crate::object::subject::is_authority;
use crate::object::validation::admission::{self, Service};
use crate::object::validation::names::{dns1035_label, dns1123_subdomain};

/// How many fields a version may make selectable.
const SELECTABLE_MAX: usize = 8;
/// How long the warning of a deprecated version may be.
const WARNING_BYTES_MAX: usize = 256;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What the versions of a definition say alike, which upstream then looks at once, as if the spec said it.
pub(super) struct Alike {
    pub(super) schema: bool,
    pub(super) subresources: bool,
    pub(super) columns: bool,
    pub(super) selectable: bool,
}

impl Alike {
    fn of(versions: &[CustomResourceDefinitionVersion]) -> Self {
        fn same<'v, T: PartialEq + 'v>(mut of: impl Iterator<Item = &'v T>) -> bool {
            let first = of.next();
            first.is_some_and(|first| of.all(|other| other == first))
        }
        Self {
            schema: same(versions.iter().map(|version| &version.schema)),
            subresources: same(versions.iter().map(|version| &version.subresources)),
            columns: same(versions.iter().map(|version| &version.additional_printer_columns)),
            selectable: same(versions.iter().map(|version| &version.selectable_fields)),
        }
    }
}

/// Checks a spec; `old` is the one that it replaces, and whether its names are established.
pub(super) fn check(
    spec: &CustomResourceDefinitionSpec,
    old: Option<(&CustomResourceDefinitionSpec, bool)>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    group(&spec.group, &path.field("group"), errors);
    match spec.scope.as_str() {
        "" => errors.required(&path.field("scope"), ""),
        "Cluster" | "Namespaced" => {}
        other => errors.not_supported(&path.field("scope"), other, &["Cluster", "Namespaced"]),
    }
    let alike = Alike::of(&spec.versions);
    let versions = path.field("versions");
    for (index, version) in spec.versions.iter().enumerate() {
        if schema_of(version).is_none() {
            errors.required(&versions.index(index).field("schema").field("openAPIV3Schema"), "");
        }
    }
    if spec.preserve_unknown_fields == Some(true) && spec.versions.iter().any(has_defaults) {
        let detail = "must be false in order to use defaults in the schema";
        errors.invalid(&path.field("preserveUnknownFields"), true, detail);
    }
    for (index, version) in spec.versions.iter().enumerate() {
        let path = versions.index(index);
        names::strict(&version.name, &path.field("name"), errors);
        own(version, &alike, &path, errors);
    }
    numbers(spec, &alike, &versions, errors);
    if let Some(first) = spec.versions.first() {
        let problems = dns1035_label(&first.name);
        if !first.name.is_empty() && !problems.is_empty() {
            errors.invalid(&path.field("version"), first.name.as_str(), problems.join(","));
        }
    }
    names::required(&spec.names, &path.field("names"), errors);
    names::check(&spec.names, &path.field("names"), errors);
    if let Some(first) = spec.versions.first() {
        common(spec, first, &alike, path, errors);
    }
    if let Some(given) = &spec.conversion {
        let path = path.field("conversion");
        if given.strategy != "None" && spec.preserve_unknown_fields == Some(true) {
            let detail = "must be None if spec.preserveUnknownFields is true";
            errors.invalid(&path.field("strategy"), given.strategy.as_str(), detail);
        }
        let old = old.map(|(old, is_established)| (old.conversion.as_ref(), is_established));
        conversion(given, old, &path, errors);
    }
}

fn has_defaults(version: &CustomResourceDefinitionVersion) -> bool {
    fn has(schema: &JSONSchemaProps) -> bool {
        let mut below = false;
        structure::each_below(schema, &mut |schema| below = below || has(schema));
        below || schema.default.is_some()
    }
    schema_of(version).is_some_and(has)
}

fn schema_of(version: &CustomResourceDefinitionVersion) -> Option<&JSONSchemaProps> {
    version.schema.as_ref()?.open_api_v3_schema.as_ref()
}

fn has_status(version: &CustomResourceDefinitionVersion) -> bool {
    version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some())
}

fn group(group: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = dns1123_subdomain(group);
    if group.is_empty() {
        errors.required(path, "");
    } else if !problems.is_empty() {
        errors.invalid(path, group, problems.join(","));
    } else if !group.contains('.') {
        errors.invalid(path, group, "should be a domain with at least one dot");
    }
}

/// One version is the one that is stored, and no two have one name.
fn numbers(spec: &CustomResourceDefinitionSpec, alike: &Alike, path: &Path<'_>, errors: &mut FieldErrors) {
    let names: std::collections::BTreeSet<&str> = spec.versions.iter().map(|version| version.name.as_str()).collect();
    if names.len() != spec.versions.len() {
        errors.invalid_json(path, shown::versions(&spec.versions, alike), "must contain unique version names");
    }
    if spec.versions.iter().filter(|version| version.storage).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid_json(path, shown::versions(&spec.versions, alike), detail);
    }
}

/// What a version says for itself.
fn own(version: &CustomResourceDefinitionVersion, alike: &Alike, path: &Path<'_>, errors: &mut FieldErrors) {
    for problem in deprecation(version) {
        let warning = version.deprecation_warning.as_deref().unwrap_or_default();
        errors.invalid(&path.field("deprecationWarning"), warning, problem);
    }
    if let Some(given) = schema_of(version).filter(|_| !alike.schema) {
        schema::check(given, has_status(version), &path.field("schema"), errors);
    }
    if let Some(given) = version.subresources.as_ref().filter(|_| !alike.subresources) {
        subresources(given, &path.field("subresources"), errors);
    }
    if !alike.columns {
        columns(version.additional_printer_columns.as_deref(), &path.field("additionalPrinterColumns"), errors);
    }
    if !alike.selectable {
        let detail = "may only be set when `version.schema.openAPIV3Schema` is not included";
        selectable(version, detail, &path.field("selectableFields"), errors);
    }
}

/// What all versions say.
fn common(
    spec: &CustomResourceDefinitionSpec,
    first: &CustomResourceDefinitionVersion,
    alike: &Alike,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(given) = schema_of(first).filter(|_| alike.schema) {
        schema::check(given, spec.versions.iter().any(has_status), &path.field("validation"), errors);
    }
    if let Some(given) = first.subresources.as_ref().filter(|_| alike.subresources) {
        subresources(given, &path.field("subresources"), errors);
    }
    if alike.columns {
        columns(first.additional_printer_columns.as_deref(), &path.field("additionalPrinterColumns"), errors);
    }
    if alike.selectable {
        let (path, detail) = (path.field("selectableFields"), "may only be set when validations.schema is included");
        // As upstream: alike fields do not look into schemas that differ.
        if !alike.schema && first.selectable_fields.as_ref().is_some_and(|given| !given.is_empty()) {
            errors.invalid(&path, "", detail);
        } else {
            selectable(first, detail, &path, errors);
        }
    }
}

fn deprecation(version: &CustomResourceDefinitionVersion) -> Vec<String> {
    let Some(warning) = &version.deprecation_warning else { return Vec::new() };
    if version.deprecated != Some(true) {
        return vec!["can only be set for deprecated versions".to_owned()];
    }
    let mut problems = Vec::new();
    if warning.len() > WARNING_BYTES_MAX {
        problems.push(format!("must be <= {WARNING_BYTES_MAX} characters long"));
    }
    if warning.is_empty() {
        problems.push("must not be an empty string".to_owned());
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, one)| !is_printable(*one)) {
        let detail = "must only contain printable UTF-8 characters; non-printable character found at index";
        problems.push(format!("{detail} {index}"));
    }
    problems
}

fn subresources(given: &CustomResourceSubresources, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(scale) = &given.scale else { return };
    let fields = [
        ("scale.specReplicasPath", &scale.spec_replicas_path, ".spec."),
        ("scale.statusReplicasPath", &scale.status_replicas_path, ".status."),
    ];
    for (field, given, start) in fields {
        let path = path.field(field);
        if given.is_empty() {
            errors.required(&path, "");
        } else if !given.starts_with('.') {
            errors.invalid(&path, given.as_str(), "must be a simple json path starting with .");
        } else if !given.starts_with(start) {
            let detail = format!("should be a json path under {}", start.trim_end_matches('.'));
            errors.invalid(&path, given.as_str(), detail);
        }
    }
    if let Some(given) = scale.label_selector_path.as_ref().filter(|given| !given.is_empty()) {
        let path = path.field("scale.labelSelectorPath");
        if !given.starts_with('.') {
            errors.invalid(&path, given.as_str(), "must be a simple json path starting with .");
        } else if !given.starts_with(".spec.") && !given.starts_with(".status.") {
            errors.invalid(&path, given.as_str(), "should be a json path under either .spec or .status");
        }
    }
}

fn columns(given: Option<&[CustomResourceColumnDefinition]>, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, column) in given.unwrap_or_default().iter().enumerate() {
        let path = path.index(index);
        if column.name.is_empty() {
            errors.required(&path.field("name"), "");
        }
        let one_of = format!("must be one of {}", COLUMN_TYPES.join(","));
        if column.type_.is_empty() {
            errors.required(&path.field("type"), one_of);
        } else if !COLUMN_TYPES.contains(&column.type_.as_str()) {
            errors.invalid(&path.field("type"), column.type_.as_str(), one_of);
        }
        let format = column.format.as_deref().unwrap_or_default();
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let one_of = format!("must be one of {}", COLUMN_FORMATS.join(","));
            errors.invalid(&path.field("format"), format, one_of);
        }
        if column.json_path.is_empty() {
            errors.required(&path.field("JSONPath"), "");
        } else if !column.json_path.starts_with('.') {
            let detail = "must be a simple json path starting with .";
            errors.invalid(&path.field("JSONPath"), column.json_path.as_str(), detail);
        }
    }
}

/// `detail` is what is wrong without a schema.
fn selectable(version: &CustomResourceDefinitionVersion, detail: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(given) = version.selectable_fields.as_ref().filter(|given| !given.is_empty()) else { return };
    let Some(schema) = schema_of(version).map(Schema::read) else {
        errors.invalid(path, "", detail);
        return;
    };
    let mut seen: Vec<Vec<String>> = Vec::new();
    for (index, SelectableField { json_path }) in given.iter().enumerate() {
        let item = path.index(index);
        let path = item.field("jsonPath");
        if json_path.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let (steps, found) = match rules::field_path(json_path, &schema, false) {
            Ok(found) => found,
            Err(why) => {
                errors.invalid(&path, json_path.as_str(), format!("is an invalid path: {why}"));
                continue;
            }
        };
        if steps.first().is_some_and(|first| first == "metadata") {
            errors.invalid(&path, json_path.as_str(), "must not point to fields in metadata");
        }
        let is_scalar = matches!(
            found.value_type.map(crate::object::structural::ValueType::name),
            Some("string" | "boolean" | "integer")
        );
        if !is_scalar {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with \
                          formats are allowed.";
            errors.invalid(&path, json_path.as_str(), detail);
        }
        if seen.contains(&steps) {
            errors.duplicate(&path, json_path.as_str());
        } else {
            seen.push(steps);
        }
    }
    if seen.len() > SELECTABLE_MAX {
        errors.too_many(path, seen.len(), SELECTABLE_MAX);
    }
}

fn conversion(
    given: &CustomResourceConversion,
    old: Option<(Option<&CustomResourceConversion>, bool)>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let client = given.webhook.as_ref().and_then(|webhook| webhook.client_config.as_ref());
    let versions = given.webhook.as_ref().map(|webhook| webhook.conversion_review_versions.as_slice());
    let (client_path, versions_path) = (path.field("webhookClientConfig"), path.field("conversionReviewVersions"));
    match given.strategy.as_str() {
        "" => errors.required(&path.field("strategy"), ""),
        "None" | "Webhook" => {}
        other => errors.not_supported(&path.field("strategy"), other, &["None", "Webhook"]),
    }
    if given.strategy == "Webhook" {
        match client {
            None => errors.required(&client_path, "required when strategy is set to Webhook"),
            Some(client) => {
                webhook(client, &client_path, errors);
                // Nobody believes a bundle that was wrong before, or asks the webhook before the names are established.
                let had_wrong = |old: Option<&CustomResourceConversion>| bundle(old).and_then(wrong_bundle).is_some();
                if old.is_some_and(|(old, is_established)| is_established && !had_wrong(old))
                    && let Some(given) = bundle(Some(given))
                    && let Some(why) = wrong_bundle(given)
                {
                    let detail = format!("unable to load root certificates: {why}");
                    errors.invalid_json(&client_path.field("caBundle"), json!(given), detail);
                }
            }
        }
        let old_versions = old.and_then(|(old, _)| old?.webhook.as_ref());
        let old_versions =
            old_versions.map(|webhook| webhook.conversion_review_versions.as_slice()).unwrap_or_default();
        let was_unknown = !old_versions.is_empty() && !old_versions.iter().any(|known| is_review_version(known));
        let before = errors.len();
        admission::review_versions(versions.unwrap_or_default(), "", &versions_path, errors);
        if was_unknown {
            errors.retain_from(before, |error| !error.message.contains("must include at least one of"));
        }
        return;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if client.is_some() {
        errors.forbidden(&client_path, detail);
    }
    if versions.is_some_and(|versions| !versions.is_empty()) {
        errors.forbidden(&versions_path, detail);
    }
}

fn is_review_version(version: &str) -> bool {
    matches!(version, "v1" | "v1beta1")
}

/// The certificates by which the webhook is known.
fn bundle(conversion: Option<&CustomResourceConversion>) -> Option<&ByteString> {
    conversion?.webhook.as_ref()?.client_config.as_ref()?.ca_bundle.as_ref().filter(|bundle| !bundle.0.is_empty())
}

/// Why none of the certificates can be believed.
fn wrong_bundle(bundle: &ByteString) -> Option<&'static str> {
    let text = std::str::from_utf8(&bundle.0).unwrap_or_default();
    let blocks: Vec<_> = pem::blocks(text).collect();
    let certificates = || blocks.iter().filter(|block| block.kind == "CERTIFICATE" && !block.has_headers);
    if certificates().any(|block| is_authority(&block.bytes).is_some()) {
        return None;
    }
    Some(match (blocks.is_empty(), certificates().next()) {
        (true, _) => "unable to parse bytes as PEM block",
        (false, Some(_)) => "failed to parse certificate: x509: malformed certificate",
        (false, None) => "no valid certificate authority data seen",
    })
}

fn webhook(client: &WebhookClientConfig, path: &Path<'_>, errors: &mut FieldErrors) {
    let service = client.service.as_ref().map(|service| Service {
        name: &service.name,
        namespace: &service.namespace,
        path: service.path.as_deref(),
        port: service.port,
    });
    admission::client(client.url.as_deref(), service, path, errors);
}
