//! APIServices: a group and version, and the service that serves it.
//!
//! Source: `pkg/apis/apiregistration/validation` of upstream's aggregator.

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceSpec, ServiceReference};

use super::fields::{list, one_of, text};
use super::names;
use super::shared::{self, METADATA, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, GoQuoted};

const GROUP_PRIORITY_MAX: i32 = 20_000;
const VERSION_PRIORITY_MAX: i32 = 1000;

/// What is wrong with a new APIService.
pub fn api_service(service: &APIService) -> FieldErrors {
    let mut errors = shared::cluster_wide(&service.metadata, names::name_is_path_segment);
    let none = APIServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&none);
    let (group, version) = (text(&spec.group), text(&spec.version));
    let (name, expected) = (text(&service.metadata.name), format!("{version}.{group}"));
    if errors.is_empty() && name != expected {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {}", GoQuoted(&expected));
        errors.invalid(&METADATA.field("name"), name, detail);
    }
    if !group.is_empty() {
        errors.invalid_each(&SPEC.field("group"), group, names::dns1123_subdomain(group));
    } else if version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&SPEC.field("group"), detail);
    }
    errors.invalid_each(&SPEC.field("version"), version, names::dns1035_label(version));
    for (field, priority, max) in [
        ("groupPriorityMinimum", spec.group_priority_minimum, GROUP_PRIORITY_MAX),
        ("versionPriority", spec.version_priority, VERSION_PRIORITY_MAX),
    ] {
        if !(1..=max).contains(&priority) {
            errors.invalid(&SPEC.field(field), priority, format!("must be positive and less than {max}"));
        }
    }
    match &spec.service {
        Some(reference) => remote(spec, reference, &mut errors),
        None => local(spec, &mut errors),
    }
    errors
}

/// What is wrong with a changed APIService.
pub fn api_service_update(new: &APIService, old: &APIService) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    errors.append(api_service(new));
    errors
}

/// What is wrong with a changed status of an APIService.
pub fn api_service_status_update(new: &APIService, old: &APIService) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let path = STATUS.field("conditions");
    let conditions = new.status.iter().flat_map(|status| list(&status.conditions));
    for (index, condition) in conditions.enumerate() {
        one_of(&condition.status, &["True", "False", "Unknown"], &path.index(index).field("status"), &mut errors);
    }
    errors
}

fn ca_bytes(spec: &APIServiceSpec) -> usize {
    spec.ca_bundle.as_ref().map_or(0, |bundle| bundle.0.len())
}

fn local(spec: &APIServiceSpec, errors: &mut FieldErrors) {
    if ca_bytes(spec) > 0 {
        let shown = format!("{} bytes", ca_bytes(spec));
        errors.invalid(&SPEC.field("caBundle"), shown, "local APIServices may not have a caBundle");
    }
    if spec.insecure_skip_tls_verify == Some(true) {
        let detail = "local APIServices may not have insecureSkipTLSVerify";
        errors.invalid(&SPEC.field("insecureSkipTLSVerify"), true, detail);
    }
}

fn remote(spec: &APIServiceSpec, reference: &ServiceReference, errors: &mut FieldErrors) {
    let path = SPEC.field("service");
    for (field, value) in [("namespace", &reference.namespace), ("name", &reference.name)] {
        if text(value).is_empty() {
            errors.required(&path.field(field), "");
        }
    }
    let port = reference.port.unwrap_or(0);
    let problems = names::port_number(i64::from(port));
    if !problems.is_empty() {
        errors.invalid(&path.field("port"), port, format!("port is not valid: {}", problems.join(", ")));
    }
    if spec.insecure_skip_tls_verify == Some(true) && ca_bytes(spec) > 0 {
        let detail = "may not be true if caBundle is present";
        errors.invalid(&SPEC.field("insecureSkipTLSVerify"), true, detail);
    }
}
