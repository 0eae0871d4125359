//! Ingresses and their classes: hosts by name, paths that cannot be misread, and one backend a path.
//!
//! Source: `pkg/apis/networking/validation`.

use k8s_openapi::api::core::v1::TypedLocalObjectReference;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressClassParametersReference, IngressClassSpec,
    IngressRule, IngressSpec, IngressTLS,
};

use super::checks::{self, json, port_number};
use super::fields::{list, one_of, text};
use super::names::{self, name_is_dns_label, name_is_dns_subdomain};
use super::service::host_name;
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, Path};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const CONTROLLER_BYTES_MAX: usize = 250;
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: [&str; 2] = ["/..", "/."];

/// What is wrong with a new Ingress.
pub fn ingress(ingress: &Ingress) -> FieldErrors {
    let mut errors = always(ingress, Lenient::default());
    let annotation = ingress.metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
    let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_ref());
    if let (Some(annotation), Some(class)) = (annotation, class)
        && annotation != class
    {
        let path = Path::new("annotations");
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&path.field(CLASS_ANNOTATION), annotation.as_str(), detail);
    }
    errors
}

/// What is wrong with a changed Ingress.
pub fn ingress_update(new: &Ingress, old: &Ingress) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    errors.append(always(new, Lenient::of(old)));
    errors
}

/// What is wrong with a changed status of an Ingress.
pub fn ingress_status_update(new: &Ingress, old: &Ingress) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let points = |ingress: &Ingress| {
        let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        status.and_then(|status| status.ingress.clone()).unwrap_or_default()
    };
    let known: Vec<String> = points(old).into_iter().filter_map(|point| point.ip).collect();
    let load_balancer = STATUS.field("loadBalancer");
    let path = load_balancer.field("ingress");
    for (index, point) in points(new).iter().enumerate() {
        let path = path.index(index);
        let ip = text(&point.ip);
        if !ip.is_empty() {
            names::ip_address(ip, &known, &path.field("ip"), &mut errors);
        }
        host_name(text(&point.hostname), &path.field("hostname"), &mut errors);
    }
    errors
}

/// What a client is warned of when it creates an Ingress.
pub fn ingress_warnings(ingress: &Ingress) -> Vec<String> {
    let annotations = ingress.metadata.annotations.as_ref();
    let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_ref());
    if class.is_none() && annotations.is_some_and(|all| all.contains_key(CLASS_ANNOTATION)) {
        let warning =
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
        return vec![warning.to_owned()];
    }
    Vec::new()
}

/// What an old Ingress has that a new one may not.
#[derive(Clone, Copy, Default)]
struct Lenient {
    secret_names: bool,
    wildcard_rules: bool,
}

impl Lenient {
    fn of(old: &Ingress) -> Self {
        let default = IngressSpec::default();
        let spec = old.spec.as_ref().unwrap_or(&default);
        let bad_secret = |tls: &IngressTLS| {
            let name = text(&tls.secret_name);
            !name.is_empty() && !names::dns1123_subdomain(name).is_empty()
        };
        let bad_wildcard = |rule: &IngressRule| {
            let mut problems = FieldErrors::new();
            rule_value(rule, &SPEC, &mut problems);
            text(&rule.host).contains('*') && !problems.is_empty()
        };
        Self {
            secret_names: list(&spec.tls).iter().any(bad_secret),
            wildcard_rules: list(&spec.rules).iter().any(bad_wildcard),
        }
    }
}

fn always(ingress: &Ingress, lenient: Lenient) -> FieldErrors {
    let mut errors = shared::namespaced(&ingress.metadata, name_is_dns_subdomain);
    let default = IngressSpec::default();
    let spec = ingress.spec.as_ref().unwrap_or(&default);
    if list(&spec.rules).is_empty() && spec.default_backend.is_none() {
        errors.invalid(&SPEC, json(&spec.rules), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(given) = &spec.default_backend {
        backend(given, &SPEC.field("defaultBackend"), &mut errors);
    }
    let path = SPEC.field("rules");
    for (index, one) in list(&spec.rules).iter().enumerate() {
        rule(one, lenient, &path.index(index), &mut errors);
    }
    let path = SPEC.field("tls");
    for (index, one) in list(&spec.tls).iter().enumerate() {
        tls(one, lenient, &path.index(index), &mut errors);
    }
    if let Some(class) = &spec.ingress_class_name {
        errors.invalid_each(&SPEC.field("ingressClassName"), class, names::dns1123_subdomain(class));
    }
    errors
}

fn host_problems(host: &str) -> Vec<String> {
    if host.contains('*') { names::wildcard_dns1123_subdomain(host) } else { names::dns1123_subdomain(host) }
}

fn tls(tls: &IngressTLS, lenient: Lenient, path: &Path<'_>, errors: &mut FieldErrors) {
    let hosts = path.field("hosts");
    for (index, host) in list(&tls.hosts).iter().enumerate() {
        errors.invalid_each(&hosts.index(index), host, host_problems(host));
    }
    let secret = text(&tls.secret_name);
    if !lenient.secret_names && !secret.is_empty() {
        errors.invalid_each(&path.field("secretName"), secret, names::dns1123_subdomain(secret));
    }
}

fn rule(rule: &IngressRule, lenient: Lenient, path: &Path<'_>, errors: &mut FieldErrors) {
    let host = text(&rule.host);
    if !host.is_empty() {
        if names::ip_sloppy(host).is_some() {
            errors.invalid(&path.field("host"), host, "must be a DNS name, not an IP address");
        }
        errors.invalid_each(&path.field("host"), host, host_problems(host));
    }
    if !host.contains('*') || !lenient.wildcard_rules {
        rule_value(rule, path, errors);
    }
}

fn rule_value(rule: &IngressRule, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(http) = &rule.http else { return };
    let http_path = path.field("http");
    let paths = http_path.field("paths");
    if http.paths.is_empty() {
        errors.required(&paths, "");
    }
    for (index, one) in http.paths.iter().enumerate() {
        http_path_rule(one, &paths.index(index), errors);
    }
}

fn http_path_rule(given: &HTTPIngressPath, path: &Path<'_>, errors: &mut FieldErrors) {
    let (value, value_path) = (text(&given.path), path.field("path"));
    let absolute = value.starts_with('/');
    match given.path_type.as_str() {
        "" => return errors.required(&path.field("pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !absolute {
                errors.invalid(&value_path, value, "must be an absolute path");
            }
            for bad in BAD_SEQUENCES.iter().filter(|bad| value.contains(**bad)) {
                errors.invalid(&value_path, value, format!("must not contain '{bad}'"));
            }
            for bad in BAD_ENDS.iter().filter(|bad| value.ends_with(**bad)) {
                errors.invalid(&value_path, value, format!("cannot end with '{bad}'"));
            }
        }
        "ImplementationSpecific" if !value.is_empty() && !absolute => {
            errors.invalid(&value_path, value, "must be an absolute path");
        }
        "ImplementationSpecific" => {}
        other => {
            let allowed = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&path.field("pathType"), other, &allowed);
        }
    }
    backend(&given.backend, &path.field("backend"), errors);
}

fn backend(backend: &IngressBackend, path: &Path<'_>, errors: &mut FieldErrors) {
    let service = match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => return errors.invalid(path, "", "cannot set both resource and service backends"),
        (Some(resource), None) => return reference(resource, &path.field("resource"), errors),
        (None, None) => return errors.invalid(path, "", "resource or service backend is required"),
        (None, Some(service)) => service,
    };
    let service_path = path.field("service");
    if service.name.is_empty() {
        errors.required(&service_path.field("name"), "");
    } else {
        // RelaxedServiceNameValidation is on: the name may begin with a digit.
        let problems = name_is_dns_label(&service.name, false);
        errors.invalid_each(&service_path.field("name"), &service.name, problems);
    }
    let port = service.port.clone().unwrap_or_default();
    let port_path = service_path.field("port");
    match (text(&port.name), port.number.unwrap_or(0)) {
        ("", 0) => errors.required(path, "port name or number is required"),
        ("", number) => port_number(number, &port_path.field("number"), errors),
        (name, 0) => errors.invalid_each(&port_path.field("name"), name, names::port_name(name)),
        _ => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

fn reference(reference: &TypedLocalObjectReference, path: &Path<'_>, errors: &mut FieldErrors) {
    named(reference.api_group.as_deref(), &reference.kind, &reference.name, path, errors);
}

fn named(group: Option<&str>, kind: &str, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(group) = group {
        errors.invalid_each(&path.field("apiGroup"), group, names::dns1123_subdomain(group));
    }
    for (field, value) in [("kind", kind), ("name", name)] {
        if value.is_empty() {
            errors.required(&path.field(field), "");
        } else {
            errors.invalid_each(&path.field(field), value, names::path_segment(value));
        }
    }
}

/// What is wrong with a new IngressClass.
pub fn ingress_class(class: &IngressClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    let default = IngressClassSpec::default();
    let spec = class.spec.as_ref().unwrap_or(&default);
    let (controller, path) = (text(&spec.controller), SPEC.field("controller"));
    if controller.len() > CONTROLLER_BYTES_MAX {
        errors.too_long(&path, CONTROLLER_BYTES_MAX);
    }
    names::domain_prefixed_path(controller, &path, &mut errors);
    if let Some(given) = &spec.parameters {
        parameters(given, &SPEC.field("parameters"), &mut errors);
    }
    errors
}

/// What is wrong with a changed IngressClass.
pub fn ingress_class_update(new: &IngressClass, old: &IngressClass) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let controller = |class: &IngressClass| class.spec.as_ref().and_then(|spec| spec.controller.clone());
    checks::immutable(&controller(new), &controller(old), &SPEC.field("controller"), &mut errors);
    errors.append(ingress_class(new));
    errors
}

fn parameters(given: &IngressClassParametersReference, path: &Path<'_>, errors: &mut FieldErrors) {
    named(given.api_group.as_deref(), &given.kind, &given.name, path, errors);
    let (scope_path, namespace) = (path.field("scope"), path.field("namespace"));
    match (given.scope.as_deref(), &given.namespace) {
        (None, _) => errors.required(&scope_path, ""),
        (Some("Namespace"), None) => errors.required(&namespace, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(name)) => errors.invalid_each(&namespace, name, names::dns1123_label(name)),
        (Some("Cluster"), Some(_)) => errors.forbidden(&namespace, "`parameters.scope` is set to 'Cluster'"),
        (Some(scope), _) => one_of(scope, &["Cluster", "Namespace"], &scope_path, errors),
    }
}
