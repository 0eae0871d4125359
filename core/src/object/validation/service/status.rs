//! The status of a Service: where its load balancer is.

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};

use super::super::fields::{one_of, text};
use super::super::names;
use super::super::shared::{STATUS, meta_update};
use super::kind_of;
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a changed status of a Service.
pub fn service_status_update(new: &Service, old: &Service) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let ingress = |service: &Service| -> Vec<LoadBalancerIngress> {
        let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        status.and_then(|status| status.ingress.clone()).unwrap_or_default()
    };
    let load_balancer = STATUS.field("loadBalancer");
    let path = load_balancer.field("ingress");
    let (after, before) = (ingress(new), ingress(old));
    if new.spec.as_ref().map(kind_of) != Some("LoadBalancer") && !after.is_empty() {
        errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
        return errors;
    }
    let known: Vec<String> = before.iter().filter_map(|ingress| ingress.ip.clone()).collect();
    for (index, ingress) in after.iter().enumerate() {
        one(ingress, &known, &path.index(index), &mut errors);
    }
    errors
}

fn one(ingress: &LoadBalancerIngress, known: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let ip = text(&ingress.ip);
    if !ip.is_empty() {
        names::ip_address(ip, known, &path.field("ip"), errors);
    }
    let mode = path.field("ipMode");
    match &ingress.ip_mode {
        None if !ip.is_empty() => errors.required(&mode, "must be specified when `ip` is set"),
        None => {}
        Some(_) if ip.is_empty() => errors.forbidden(&mode, "may not be specified when `ip` is not set"),
        Some(given) => one_of(given, &["Proxy", "VIP"], &mode, errors),
    }
    host_name(text(&ingress.hostname), &path.field("hostname"), errors);
}

/// The name of a load balancer: a name, not an address.
pub(in super::super) fn host_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        return;
    }
    errors.invalid_each(path, name, names::dns1123_subdomain(name));
    if names::ip_sloppy(name).is_some() {
        errors.invalid(path, name, "must be a DNS name, not an IP address");
    }
}
