//! ResourceClaims and their templates: devices that are asked for, by class and by expressions, and what their drivers are told.
//!
//! Source: `pkg/apis/resource/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{
    DeviceClaim, DeviceConstraint, DeviceRequest, DeviceSelector, DeviceToleration, ResourceClaim, ResourceClaimSpec,
    ResourceClaimTemplate,
};
use serde::Serialize;

use super::checks::{json, same};
use super::device_class::{MANY_MAX, configuration, selectors};
use super::fields::{list, one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{device_allocation, go_type, meta};
use crate::object::field::{FieldErrors, Path};

/// How many choices a request may have.
const CHOICES_MAX: usize = 8;
/// How many may use a claim at once.
const CONSUMERS_MAX: usize = 256;

/// What taints of devices lead to.
pub(super) const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

/// What is wrong with a new ResourceClaim.
pub fn resource_claim(claim: &ResourceClaim) -> FieldErrors {
    let mut errors = shared::namespaced(&claim.metadata, name_is_dns_subdomain);
    spec(claim.spec.as_ref(), &SPEC, &mut errors);
    errors
}

/// What is wrong with a changed ResourceClaim: it asks for the same.
pub fn resource_claim_update(new: &ResourceClaim, old: &ResourceClaim) -> FieldErrors {
    let mut errors = shared::namespaced(&new.metadata, name_is_dns_subdomain);
    errors.append(meta_update(&new.metadata, &old.metadata));
    unchanged(&new.spec, &old.spec, "ResourceClaimSpec", &mut errors);
    errors
}

/// What is wrong with a changed status of a ResourceClaim: what was allocated stays until it is given back.
pub fn resource_claim_status_update(new: &ResourceClaim, old: &ResourceClaim) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (after, before) = (new.status.clone().unwrap_or_default(), old.status.clone().unwrap_or_default());
    let path = STATUS.field("reservedFor");
    let consumers = list(&after.reserved_for);
    if consumers.len() > CONSUMERS_MAX {
        errors.too_many(&path, consumers.len(), CONSUMERS_MAX);
    } else {
        for (index, consumer) in consumers.iter().enumerate() {
            let path = path.index(index);
            for (field, text) in [("resource", &consumer.resource), ("name", &consumer.name), ("uid", &consumer.uid)] {
                if text.is_empty() {
                    errors.required(&path.field(field), "");
                }
            }
        }
        for (index, _) in shared::repeated(consumers.iter().map(|consumer| &consumer.uid))
            .iter()
            .enumerate()
            .filter(|(_, known)| **known)
        {
            errors.duplicate(&path.index(index), consumers[index].uid.as_str());
        }
    }
    let devices = list(&after.devices);
    device_allocation::devices(devices, after.allocation.as_ref(), &STATUS.field("devices"), &mut errors);
    if !consumers.is_empty() {
        let is_new = |consumer| !list(&before.reserved_for).contains(consumer);
        if after.allocation.is_none() {
            errors.forbidden(&path, "may not be specified when `allocated` is not set");
        } else if new.metadata.deletion_timestamp.is_some() && consumers.iter().any(is_new) {
            let detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            errors.forbidden(&path, detail);
        }
    }
    let path = STATUS.field("allocation");
    match (&after.allocation, &before.allocation) {
        (Some(after), Some(before)) if !same(after, before) => errors.invalid(&path, json(after), names::IMMUTABLE),
        (Some(after), None) => {
            let no_devices = DeviceClaim::default();
            let asked = new.spec.as_ref().and_then(|spec| spec.devices.as_ref()).unwrap_or(&no_devices);
            device_allocation::allocation(after, &Requested::of(asked), &path, &mut errors);
        }
        _ => {}
    }
    errors
}

/// What is wrong with a new ResourceClaimTemplate.
pub fn resource_claim_template(template: &ResourceClaimTemplate) -> FieldErrors {
    let mut errors = shared::namespaced(&template.metadata, name_is_dns_subdomain);
    let Some(template) = &template.spec else { return errors };
    if let Some(metadata) = &template.metadata {
        let path = SPEC.field("metadata");
        meta::annotations(
            metadata.annotations.as_ref().unwrap_or(&BTreeMap::new()),
            &path.field("annotations"),
            &mut errors,
        );
        meta::labels(metadata.labels.as_ref().unwrap_or(&BTreeMap::new()), &path.field("labels"), &mut errors);
    }
    spec(template.spec.as_ref(), &SPEC.field("spec"), &mut errors);
    errors
}

/// What is wrong with a changed ResourceClaimTemplate: it never changes.
pub fn resource_claim_template_update(new: &ResourceClaimTemplate, old: &ResourceClaimTemplate) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    unchanged(&new.spec, &old.spec, "ResourceClaimTemplateSpec", &mut errors);
    errors
}

fn unchanged<T: PartialEq + Serialize>(new: &T, old: &T, of: &str, errors: &mut FieldErrors) {
    if !same(new, old) {
        errors.invalid_json(&SPEC, go_type::compact(new, of), names::IMMUTABLE);
    }
}

fn spec(spec: Option<&ResourceClaimSpec>, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(claim) = spec.and_then(|spec| spec.devices.as_ref()) else { return };
    let path = path.field("devices");
    let named = Requested::of(claim);
    let requests = list(&claim.requests);
    if few(requests, MANY_MAX, &path.field("requests"), errors) {
        for (index, each) in requests.iter().enumerate() {
            request(each, &path.field("requests").index(index), errors);
        }
        distinct(requests.iter().map(|request| request.name.as_str()), &path.field("requests"), errors);
    }
    if few(list(&claim.constraints), MANY_MAX, &path.field("constraints"), errors) {
        for (index, each) in list(&claim.constraints).iter().enumerate() {
            constraint(each, &named, &path.field("constraints").index(index), errors);
        }
    }
    if few(list(&claim.config), MANY_MAX, &path.field("config"), errors) {
        for (index, each) in list(&claim.config).iter().enumerate() {
            let config = path.field("config");
            let path = config.index(index);
            named.each(list(&each.requests), &path.field("requests"), errors);
            configuration(each.opaque.as_ref(), &path, errors);
        }
    }
}

/// Whether there are not too many of them to look at each.
pub(super) fn few<T>(all: &[T], max: usize, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    if all.len() > max {
        errors.too_many(path, all.len(), max);
    }
    all.len() <= max
}

/// Each stands once.
pub(super) fn distinct<'n>(names: impl Iterator<Item = &'n str>, path: &Path<'_>, errors: &mut FieldErrors) {
    let names: Vec<&str> = names.collect();
    let repeated = shared::repeated(names.iter());
    for (index, name) in names.iter().enumerate().filter(|(index, _)| repeated[*index]) {
        errors.duplicate(&path.index(index), *name);
    }
}

fn request(request: &DeviceRequest, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(&path.field("name"), &request.name, names::dns1123_label(&request.name));
    let choices = list(&request.first_available);
    match (&request.exactly, choices) {
        (None, []) => errors.required(path, "exactly one of `exactly` or `firstAvailable` is required"),
        (Some(_), [_, ..]) => errors.invalid(
            path,
            serde_json::Value::Null,
            "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set",
        ),
        (Some(one), []) => {
            let wanted = Wanted {
                class: &one.device_class_name,
                selectors: list(&one.selectors),
                mode: text(&one.allocation_mode),
                count: one.count.unwrap_or(0),
                tolerations: list(&one.tolerations),
            };
            wanted.check(&path.field("exactly"), errors);
        }
        (None, choices) => {
            let path = path.field("firstAvailable");
            if !few(choices, CHOICES_MAX, &path, errors) {
                return;
            }
            for (index, one) in choices.iter().enumerate() {
                let path = path.index(index);
                errors.invalid_each(&path.field("name"), &one.name, names::dns1123_label(&one.name));
                let wanted = Wanted {
                    class: &one.device_class_name,
                    selectors: list(&one.selectors),
                    mode: text(&one.allocation_mode),
                    count: one.count.unwrap_or(0),
                    tolerations: list(&one.tolerations),
                };
                wanted.check(&path, errors);
            }
            distinct(choices.iter().map(|choice| choice.name.as_str()), &path, errors);
        }
    }
}

/// The devices of one request, or of one choice that it has.
struct Wanted<'r> {
    class: &'r str,
    selectors: &'r [DeviceSelector],
    mode: &'r str,
    count: i64,
    tolerations: &'r [DeviceToleration],
}

impl Wanted<'_> {
    fn check(&self, path: &Path<'_>, errors: &mut FieldErrors) {
        let class = path.field("deviceClassName");
        if self.class.is_empty() {
            errors.required(&class, "");
        } else {
            errors.invalid_each(&class, self.class, names::dns1123_subdomain(self.class));
        }
        selectors(self.selectors, &path.field("selectors"), errors);
        match self.mode {
            "All" if self.count != 0 => {
                let detail = "must not be specified when allocationMode is 'All'";
                errors.invalid(&path.field("count"), self.count, detail);
            }
            "All" => {}
            "ExactCount" if self.count <= 0 => {
                errors.invalid(&path.field("count"), self.count, "must be greater than zero");
            }
            "ExactCount" => {}
            other => errors.not_supported(&path.field("allocationMode"), other, &["All", "ExactCount"]),
        }
        for (index, each) in self.tolerations.iter().enumerate() {
            toleration(each, &path.field("tolerations").index(index), errors);
        }
    }
}

/// Checks which taints of devices are tolerated.
pub(super) fn toleration(toleration: &DeviceToleration, path: &Path<'_>, errors: &mut FieldErrors) {
    if !text(&toleration.key).is_empty() {
        meta::label_name(text(&toleration.key), &path.field("key"), errors);
    }
    let value = text(&toleration.value);
    match text(&toleration.operator) {
        "Exists" if !value.is_empty() => {
            errors.invalid(&path.field("value"), value, "must be empty for operator `Exists`");
        }
        "Exists" => {}
        "Equal" => errors.invalid_each(&path.field("value"), value, names::label_value(value)),
        "" => errors.required(&path.field("operator"), ""),
        other => errors.not_supported(&path.field("operator"), other, &["Equal", "Exists"]),
    }
    if !text(&toleration.effect).is_empty() {
        one_of(text(&toleration.effect), &EFFECTS, &path.field("effect"), errors);
    }
}

fn constraint(constraint: &DeviceConstraint, named: &Requested<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    named.each(list(&constraint.requests), &path.field("requests"), errors);
    match (&constraint.match_attribute, &constraint.distinct_attribute) {
        (Some(attribute), _) => fully_qualified(attribute, &path.field("matchAttribute"), errors),
        (None, Some(attribute)) => fully_qualified(attribute, &path.field("distinctAttribute"), errors),
        (None, None) => errors.required(
            path,
            "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set",
        ),
    }
}

fn fully_qualified(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    super::resource_slice::qualified_name(name, path, errors);
    if !name.contains('/') {
        errors.invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash");
    }
}

/// The names of the requests of a claim, and of the choices that each has.
pub(super) struct Requested<'c>(BTreeMap<&'c str, Vec<&'c str>>);

impl<'c> Requested<'c> {
    pub(super) fn of(claim: &'c DeviceClaim) -> Self {
        let choices =
            |request: &'c DeviceRequest| list(&request.first_available).iter().map(|choice| choice.name.as_str());
        let requests = list(&claim.requests).iter();
        Self(requests.map(|request| (request.name.as_str(), choices(request).collect())).collect())
    }

    fn has(&self, name: &str) -> bool {
        match name.split_once('/') {
            None => self.0.contains_key(name),
            Some((request, choice)) => self.0.get(request).is_some_and(|choices| choices.contains(&choice)),
        }
    }

    /// References to requests: each to one that there is.
    pub(super) fn each(&self, references: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
        if !few(references, MANY_MAX, path, errors) {
            return;
        }
        for (index, name) in references.iter().enumerate() {
            self.one(name, &path.index(index), errors);
        }
        distinct(references.iter().map(String::as_str), path, errors);
    }

    /// A reference to a request, or to one of its choices.
    pub(super) fn one(&self, name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
        let detail =
            "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        if name.matches('/').count() > 1 {
            return errors.invalid(path, name, detail);
        }
        for part in name.split('/') {
            errors.invalid_each(path, part, names::dns1123_label(part));
        }
        if !self.has(name) {
            errors.invalid(path, name, detail);
        }
    }
}
