//! Environment variables of containers, and the fields of the pod that they and volumes may show.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector, ResourceFieldSelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::super::field::{FieldErrors, Path};
use super::fields::{amount, no_backsteps, text};
use super::names;

/// The fields of the pod that a variable can show.
const FIELDS_OF_ENV: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// The fields of the pod that a file of a volume can show.
pub(super) const FIELDS_OF_VOLUME: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// The fields of the pod that can be asked for at all.
const FIELDS_KNOWN: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

/// The resources of a container that can be shown, beside huge pages.
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// The units in which amounts of bytes can be shown.
const BYTE_UNITS: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks a container's variables.
pub(super) fn variables(variables: &[EnvVar], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, variable) in variables.iter().enumerate() {
        let path = path.index(index);
        if variable.name.is_empty() {
            errors.required(&path.field("name"), "");
        } else {
            errors.invalid_each(&path.field("name"), &variable.name, names::env_var_name(&variable.name));
        }
        if let Some(source) = &variable.value_from {
            value_from(source, text(&variable.value), &path.field("valueFrom"), errors);
        }
    }
}

fn value_from(source: &EnvVarSource, value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut sources = 0;
    if let Some(selector) = &source.field_ref {
        sources += 1;
        field_selector(selector, FIELDS_OF_ENV, &path.field("fieldRef"), errors);
    }
    if let Some(selector) = &source.resource_field_ref {
        sources += 1;
        resource_selector(selector, false, &path.field("resourceFieldRef"), errors);
    }
    if let Some(selector) = &source.config_map_key_ref {
        sources += 1;
        key_selector(&selector.name, &selector.key, &path.field("configMapKeyRef"), errors);
    }
    if let Some(selector) = &source.secret_key_ref {
        sources += 1;
        key_selector(&selector.name, &selector.key, &path.field("secretKeyRef"), errors);
    }
    if let Some(selector) = &source.file_key_ref {
        sources += 1;
        file_key_selector(selector, &path.field("fileKeyRef"), errors);
    }
    let detail = match sources {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.invalid(path, "", detail);
}

fn key_selector(name: &str, key: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(&path.field("name"), name, names::dns1123_subdomain(name));
    if key.is_empty() {
        errors.required(&path.field("key"), "");
    } else {
        errors.invalid_each(&path.field("key"), key, names::config_map_key(key));
    }
}

fn file_key_selector(selector: &FileKeySelector, path: &Path<'_>, errors: &mut FieldErrors) {
    if selector.key.is_empty() {
        errors.required(&path.field("key"), "");
    } else {
        errors.invalid_each(&path.field("key"), &selector.key, names::env_var_name(&selector.key));
    }
    if selector.volume_name.is_empty() {
        errors.required(&path.field("volumeName"), "");
    } else {
        let problems = names::dns1123_label(&selector.volume_name);
        errors.invalid_each(&path.field("volumeName"), &selector.volume_name, problems);
    }
    if selector.path.is_empty() {
        errors.required(&path.field("path"), "");
    } else {
        no_backsteps(&selector.path, &path.field("path"), errors);
    }
}

/// Checks a reference to a field of the pod itself.
pub(super) fn field_selector(
    selector: &ObjectFieldSelector,
    supported: &[&str],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let version = text(&selector.api_version);
    if version.is_empty() {
        return errors.required(&path.field("apiVersion"), "");
    }
    let asked = selector.field_path.as_str();
    let field_path = path.field("fieldPath");
    if asked.is_empty() {
        return errors.required(&field_path, "");
    }
    let problem = |what: String| format!("error converting fieldPath: {what}");
    if version != "v1" {
        return errors.invalid(&field_path, asked, problem(format!("unsupported pod version: {version}")));
    }
    match subscript(asked) {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            errors.invalid_each(path, &key, names::qualified_name(&key));
        }
        Some(("metadata.labels", key)) => errors.invalid_each(path, key, names::qualified_name(key)),
        Some(_) => {
            errors.invalid(&field_path, asked, problem(format!("field label does not support subscript: {asked}")));
        }
        None if !FIELDS_KNOWN.contains(&asked) => {
            errors.invalid(&field_path, asked, problem(format!("field label not supported: {asked}")));
        }
        None => {
            // An old name of the field, which old clients send.
            let known = if asked == "spec.host" { "spec.nodeName" } else { asked };
            if !supported.contains(&known) {
                errors.not_supported(&field_path, known, supported);
            }
        }
    }
}

/// `metadata.labels['app']` as `metadata.labels` and `app`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['").filter(|(field, _)| !field.is_empty())
}

/// Checks a reference to a container's resources; a volume must name the container.
pub(super) fn resource_selector(
    selector: &ResourceFieldSelector,
    in_volume: bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let resource = selector.resource.as_str();
    let huge_pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && text(&selector.container_name).is_empty() {
        errors.required(&path.field("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.field("resource"), "");
    } else if !huge_pages && !RESOURCES.contains(&resource) {
        errors.not_supported(&path.field("resource"), resource, RESOURCES);
    }
    if let Some(divisor) = &selector.divisor {
        divisor_of(resource, divisor, huge_pages, &path.field("divisor"), errors);
    }
}

fn divisor_of(resource: &str, divisor: &ApiQuantity, huge_pages: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let divisor = amount(divisor);
    if divisor.is_zero() {
        return;
    }
    let shown = divisor.to_string();
    let kind = match resource {
        "limits.cpu" | "requests.cpu" => {
            if !matches!(shown.as_str(), "1m" | "1") {
                errors.invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource");
            }
            return;
        }
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        _ if huge_pages => "hugepages",
        _ => return,
    };
    if !BYTE_UNITS.contains(&shown.as_str()) {
        let units = BYTE_UNITS.join(", ");
        errors.invalid(path, resource, format!("only divisor's values {units} are supported with the {kind} resource"));
    }
}

/// Checks the ConfigMaps and Secrets whose entries all become variables.
pub(super) fn sources(sources: &[EnvFromSource], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, source) in sources.iter().enumerate() {
        let entry = path.index(index);
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            errors.invalid_each(&entry.field("prefix"), prefix, names::env_var_name(prefix));
        }
        let config_map = source.config_map_ref.as_ref().map(|source| ("configMapRef", source.name.as_str()));
        let secret = source.secret_ref.as_ref().map(|source| ("secretRef", source.name.as_str()));
        for (field, name) in config_map.into_iter().chain(secret) {
            let field = entry.field(field);
            if name.is_empty() {
                errors.required(&field.field("name"), "");
            } else {
                errors.invalid_each(&field.field("name"), name, names::name_is_dns_subdomain(name, true));
            }
        }
        if config_map.is_none() && secret.is_none() {
            errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
        } else if config_map.is_some() && secret.is_some() {
            errors.invalid(path, "", "may not have more than one field specified at a time");
        }
    }
}

/// Whether any variable takes its value from a file, and from which volume: (index of the variable, volume).
pub(super) fn file_volumes(variables: &[EnvVar]) -> impl Iterator<Item = (usize, &str)> {
    variables.iter().enumerate().filter_map(|(index, variable)| {
        let selector = variable.value_from.as_ref()?.file_key_ref.as_ref()?;
        Some((index, selector.volume_name.as_str()))
    })
}
