//! Ingresses with what is behind each path, their classes, and the ranges and addresses of services.

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::read::{NONE, at, filled, items, joined, optional, text, text_or};
use super::service::{endpoints, slices_of};
use super::{Around, Events};
use crate::object::kind;

pub(super) fn tell(lines: &mut Lines, kind: &str, object: &Value, around: &dyn Around) -> Option<Events> {
    match kind {
        "Ingress" => ingress(lines, object, around),
        "IngressClass" => class(lines, object),
        "ServiceCIDR" => range(lines, object),
        "IPAddress" => address(lines, object),
        _ => return None,
    }
    Some(Events::Shown)
}

fn ingress(lines: &mut Lines, ingress: &Value, around: &dyn Around) {
    metadata::name(lines, ingress);
    metadata::labels(lines, 0, "Labels", ingress, "/metadata/labels");
    lines.put(0, "Namespace", text(ingress, "/metadata/namespace"));
    let served = items(ingress, "/status/loadBalancer/ingress");
    let mut addresses: Vec<_> =
        served.iter().filter_map(|at| filled(at, "/ip").or_else(|| filled(at, "/hostname"))).collect();
    addresses.sort();
    addresses.dedup();
    lines.put(0, "Address", addresses.join(","));
    lines.put(0, "Ingress Class", text_or(ingress, "/spec/ingressClassName", NONE));
    let default = ingress.pointer("/spec/defaultBackend").map(|default| backend(ingress, default, around));
    let default = default.unwrap_or_else(|| "<default>".to_owned());
    lines.put(0, "Default backend", &default);
    let secured = items(ingress, "/spec/tls");
    if !secured.is_empty() {
        lines.title(0, "TLS");
    }
    for tls in secured {
        let hosts = joined(tls, "/hosts", ",");
        match filled(tls, "/secretName") {
            Some(secret) => lines.line(1, format_args!("{secret} terminates {hosts}")),
            None => lines.line(1, format_args!("SNI routes {hosts}")),
        }
    }
    lines.title(0, "Rules");
    lines.titles(1, &["Host", "Path", "Backends"]);
    let rules = items(ingress, "/spec/rules").iter().filter(|rule| !at(rule, "/http").is_null());
    if rules.clone().next().is_none() {
        lines.row(1, &[&"*", &"*", &default]);
    }
    for rule in rules {
        lines.line(1, format_args!("{}\t", text_or(rule, "/host", "*")));
        for path in items(rule, "/http/paths") {
            let backend = backend(ingress, at(path, "/backend"), around);
            lines.line(2, format_args!("\t{} \t{backend}", text(path, "/path")));
        }
    }
    metadata::annotations(lines, "Annotations", ingress, "/metadata/annotations");
}

/// A service with its port and its endpoints, or another object.
fn backend(ingress: &Value, backend: &Value, around: &dyn Around) -> String {
    if let Some(resource) = backend.get("resource") {
        let group = text_or(resource, "/apiGroup", NONE);
        return format!("APIGroup: {group}, Kind: {}, Name: {}", text(resource, "/kind"), text(resource, "/name"));
    }
    let Some(wanted) = backend.get("service") else { return String::new() };
    let (name, number) = (text(wanted, "/name"), filled(wanted, "/port/number"));
    let port = number.clone().unwrap_or_else(|| text(wanted, "/port/name"));
    let Some(service) = around.find(kind::SERVICE, &text(ingress, "/metadata/namespace"), &name) else {
        return format!("{name}:{port} (<error: services {:?} not found>)", &*name);
    };
    let is_meant = |known: &&Value| match &number {
        Some(number) => text(known, "/port") == *number,
        None => !port.is_empty() && text(known, "/name") == port,
    };
    let known = items(&service, "/spec/ports").iter().rfind(is_meant);
    let of_port = known.map(|known| text(known, "/name")).unwrap_or_default();
    format!("{name}:{port} ({})", endpoints(&slices_of(&service, around), &of_port))
}

fn class(lines: &mut Lines, class: &Value) {
    metadata::name(lines, class);
    metadata::notes(lines, class);
    lines.put(0, "Controller", text(class, "/spec/controller"));
    if let Some(parameters) = class.pointer("/spec/parameters") {
        lines.title(0, "Parameters");
        lines.put_if(1, "APIGroup", optional(parameters, "/apiGroup"));
        lines.put(1, "Kind", text(parameters, "/kind"));
        lines.put(1, "Name", text(parameters, "/name"));
    }
}

fn range(lines: &mut Lines, range: &Value) {
    metadata::name(lines, range);
    metadata::notes(lines, range);
    lines.put(0, "CIDRs", joined(range, "/spec/cidrs", ", "));
    if items(range, "/status/conditions").is_empty() {
        return;
    }
    lines.title(0, "Status");
    metadata::timed_conditions(lines, range);
}

fn address(lines: &mut Lines, address: &Value) {
    metadata::name(lines, address);
    metadata::notes(lines, address);
    if let Some(parent) = address.pointer("/spec/parentRef") {
        lines.title(0, "Parent Reference");
        for (title, part) in
            [("Group", "/group"), ("Resource", "/resource"), ("Namespace", "/namespace"), ("Name", "/name")]
        {
            lines.put(1, title, text(parent, part));
        }
    }
}
