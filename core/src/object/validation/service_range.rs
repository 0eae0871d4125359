//! ServiceCIDRs and IPAddresses: from which ranges services get addresses, and who has which.
//!
//! Source: `pkg/apis/networking/validation`.

use k8s_openapi::api::networking::v1::{IPAddress, ParentReference, ServiceCIDR};

use super::checks::{self, json};
use super::fields::{list, text};
use super::names::{self, Problems, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new ServiceCIDR.
pub fn service_range(range: &ServiceCIDR) -> FieldErrors {
    let mut errors = shared::cluster_wide(&range.metadata, name_is_dns_subdomain);
    all(ranges_of(range), &SPEC.field("cidrs"), &mut errors);
    errors
}

fn all(ranges: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if ranges.is_empty() {
        return errors.required(path, "at least one CIDR required");
    }
    if ranges.len() > 2 {
        let shown = format!("{{\"CIDRs\":{}}}", json(&ranges));
        return errors.invalid_json(path, shown, "may only hold up to 2 values");
    }
    for (index, range) in ranges.iter().enumerate() {
        names::canonical_cidr(range, &path.index(index), errors);
    }
    if let [one, other] = ranges
        && of_one_family(one, other)
    {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(path, json(&ranges), detail);
    }
}

/// What is wrong with a changed ServiceCIDR: a second range may be added, of the other family.
pub fn service_range_update(new: &ServiceCIDR, old: &ServiceCIDR) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (after, before) = (ranges_of(new), ranges_of(old));
    let path = SPEC.field("cidrs");
    match (after, before) {
        ([first, _], [only]) => {
            if first != only {
                errors.invalid(&path.index(0), first.as_str(), names::IMMUTABLE);
            }
            all(after, &path, &mut errors);
        }
        _ if after.len() == before.len() => {
            for (index, (new, old)) in after.iter().zip(before).enumerate() {
                checks::immutable(new, old, &path.index(index), &mut errors);
            }
        }
        _ => errors.invalid(&path, json(&after), names::IMMUTABLE),
    }
    errors
}

fn ranges_of(range: &ServiceCIDR) -> &[String] {
    range.spec.as_ref().map(|spec| list(&spec.cidrs)).unwrap_or_default()
}

fn of_one_family(one: &str, other: &str) -> bool {
    let is_v6 = |range: &str| names::cidr_sloppy(range).map(|(address, _)| address.is_ipv6());
    is_v6(one).is_some() && is_v6(one) == is_v6(other)
}

/// What is wrong with a new IPAddress.
pub fn ip_address(address: &IPAddress) -> FieldErrors {
    let mut errors = shared::cluster_wide(&address.metadata, canonical);
    parent(&address.spec.parent_ref, &SPEC.field("parentRef"), &mut errors);
    errors
}

/// What is wrong with a changed IPAddress: it stays with who has it.
pub fn ip_address_update(new: &IPAddress, old: &IPAddress) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if new.spec.parent_ref != old.spec.parent_ref {
        let parent = &new.spec.parent_ref;
        let shown = format!(
            "{{\"Group\":{},\"Resource\":{},\"Namespace\":{},\"Name\":{}}}",
            json(&text(&parent.group)),
            json(&parent.resource),
            json(&text(&parent.namespace)),
            json(&parent.name)
        );
        errors.invalid_json(&SPEC.field("parentRef"), shown, names::IMMUTABLE);
    }
    errors
}

/// An address is named as it is written.
fn canonical(name: &str, _generated: bool) -> Problems {
    names::ip_problem(name)
        .or_else(|| names::not_canonical(name, names::ip_sloppy(name)?.to_string()))
        .into_iter()
        .collect()
}

fn parent(parent: &ParentReference, path: &Path<'_>, errors: &mut FieldErrors) {
    if *parent == ParentReference::default() {
        return errors.required(path, "");
    }
    let group = text(&parent.group);
    if !group.is_empty() {
        errors.invalid_each(&path.field("group"), group, names::dns1123_subdomain(group));
    }
    for (field, value) in [("resource", parent.resource.as_str()), ("name", parent.name.as_str())] {
        if value.is_empty() {
            errors.required(&path.field(field), "");
        } else {
            errors.invalid_each(&path.field(field), value, names::path_segment(value));
        }
    }
    let namespace = text(&parent.namespace);
    errors.invalid_each(&path.field("namespace"), namespace, names::path_segment(namespace));
}
