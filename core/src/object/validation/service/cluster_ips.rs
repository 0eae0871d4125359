//! The cluster's addresses of a Service: at most one of each family, and they stay while the Service has them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServiceSpec;

use super::super::checks::json;
use super::super::fields::{list, one_of, text};
use super::super::names;
use super::super::shared::SPEC;
use super::{is_headless, kind_of};
use crate::object::field::FieldErrors;

/// The rules among `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`.
pub(super) fn related_fields(spec: &ServiceSpec, old: &[String], errors: &mut FieldErrors) {
    if kind_of(spec) == "ExternalName" {
        return;
    }
    let (ips, path) = (list(&spec.cluster_ips), SPEC.field("clusterIPs"));
    match (text(&spec.cluster_ip), ips.first()) {
        ("", Some(_)) => errors.invalid(&path, json(&ips), "must be empty when `clusterIP` is not specified"),
        ("", None) => {}
        (_, None) => errors.required(&path, ""),
        (ip, Some(first)) if first != ip => errors.invalid(&path, json(&ips), "first value must match `clusterIP`"),
        _ => {}
    }
    families(spec, errors);
    let before = errors.len();
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && ip == "None" {
            if ips.len() > 1 {
                errors.invalid(&path, json(&ips), "'None' must be the first and only value");
            }
            continue;
        }
        names::ip_address(ip, old, &path.index(index), errors);
    }
    let unreadable = errors.len() > before;
    if ips.len() > 2 {
        errors.invalid(&path, json(&ips), "may only hold up to 2 values");
    }
    if unreadable {
        return;
    }
    if ips.len() > 1 && !is_dual_stack(ips) {
        errors.invalid(&path, json(&ips), "may specify no more than one IP for each IP family");
    }
    if is_headless(spec) {
        return;
    }
    for (index, (ip, family)) in ips.iter().zip(list(&spec.ip_families)).enumerate() {
        let is_v6 = matches!(names::ip_sloppy(ip), Some(IpAddr::V6(_)));
        if (family == "IPv4" && is_v6) || (family == "IPv6" && !is_v6) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&path.index(index), ip.as_str(), detail);
        }
    }
}

fn families(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let (families, path) = (list(&spec.ip_families), SPEC.field("ipFamilies"));
    for (index, family) in families.iter().enumerate() {
        let path = path.index(index);
        one_of(family, &["IPv4", "IPv6"], &path, errors);
        if families.iter().take(index).any(|other| other == family) {
            errors.duplicate(&path, family.as_str());
        }
    }
    if let Some(policy) = &spec.ip_family_policy {
        let allowed = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        one_of(policy, &allowed, &SPEC.field("ipFamilyPolicy"), errors);
    }
}

/// Whether addresses of both families are there.
fn is_dual_stack(ips: &[String]) -> bool {
    let count =
        |v6: bool| ips.iter().filter_map(|ip| names::ip_sloppy(ip)).filter(|address| address.is_ipv6() == v6).count();
    count(true) > 0 && count(false) > 0
}

/// Addresses and families may be added and taken away at the end, but not exchanged.
pub(super) fn update(new: &ServiceSpec, old: &ServiceSpec, errors: &mut FieldErrors) {
    if kind_of(new) == "ExternalName" || kind_of(old) == "ExternalName" {
        return;
    }
    let (headless, was_headless) = (is_headless(new), is_headless(old));
    if !(headless && was_headless) {
        addresses(new, old, errors);
    }
    if !headless && !was_headless {
        families_update(new, old, errors);
    }
}

fn addresses(new: &ServiceSpec, old: &ServiceSpec, errors: &mut FieldErrors) {
    let (after, before) = (list(&new.cluster_ips), list(&old.cluster_ips));
    let path = SPEC.field("clusterIPs");
    let fixed = "may not change once set";
    if after.len() == before.len() {
        for (index, _) in after.iter().zip(before).enumerate().filter(|(_, (new, old))| new != old) {
            errors.invalid(&path.index(index), json(&after), fixed);
        }
        return;
    }
    if after.is_empty() {
        let shown = json(&new.cluster_ips);
        errors.invalid(&path.index(0), shown, "primary clusterIP can not be unset");
    }
    if let (Some(new), Some(old)) = (after.first(), before.first())
        && new != old
    {
        errors.invalid(&path.index(0), json(&after), fixed);
    }
    let single = new.ip_family_policy.as_deref() == Some("SingleStack");
    if after.len() < before.len() && after.len() == 1 && !single {
        let detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid(&SPEC.field("ipFamilyPolicy"), json(&new.ip_family_policy), detail);
    }
}

fn families_update(new: &ServiceSpec, old: &ServiceSpec, errors: &mut FieldErrors) {
    let (after, before) = (list(&new.ip_families), list(&old.ip_families));
    let path = SPEC.field("ipFamilies");
    let first = path.index(0);
    let fixed = "may not change once set";
    if after.len() == before.len() {
        for _ in after.iter().zip(before).filter(|(new, old)| new != old) {
            errors.invalid(&first, json(&after), fixed);
        }
        return;
    }
    if after.len() < before.len() && list(&new.cluster_ips).is_empty() {
        errors.invalid(&first, json(&new.ip_families), "primary ipFamily can not be unset");
    }
    if let (Some(new_first), Some(old_first)) = (after.first(), before.first())
        && new_first != old_first
    {
        errors.invalid(&first, json(&new.cluster_ips), fixed);
    }
    let single = new.ip_family_policy.as_deref() == Some("SingleStack");
    if after.len() < before.len() && after.len() == 1 && !single {
        let detail = "must be set to 'SingleStack' when releasing the secondary ipFamily";
        errors.invalid(&SPEC.field("ipFamilyPolicy"), json(&new.ip_family_policy), detail);
    }
}
