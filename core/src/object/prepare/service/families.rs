//! The IP families of a service: those it asks for, those its addresses are of, or the cluster's.
//!
//! The cluster speaks IPv4 alone. A headless service without a selector may name families that the cluster does not
//! have: its addresses come from whoever keeps its endpoints.

use k8s_openapi::api::core::v1::ServiceSpec;

use super::kind;
use crate::object::field::{FieldErrors, Path};
use crate::object::validation;

/// The families of `--service-cluster-ip-range`.
const OF_CLUSTER: [&str; 1] = ["IPv4"];
const SINGLE: &str = "SingleStack";
const REQUIRE_BOTH: &str = "RequireDualStack";
const PREFER_BOTH: &str = "PreferDualStack";

/// Fills in policy and families of a service, which may replace another one, and says what the cluster cannot give.
pub fn families(spec: &mut ServiceSpec, old: Option<&ServiceSpec>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if kind(spec) == "ExternalName" || old.is_some_and(|old| prefers_both_as_before(spec, old)) {
        return errors;
    }
    let loose = is_loose(spec);
    if spec.ip_family_policy.is_none() {
        let before = old.and_then(|old| old.ip_family_policy.clone());
        let policy = before.unwrap_or_else(|| if loose { REQUIRE_BOTH } else { SINGLE }.to_owned());
        spec.ip_family_policy = Some(policy);
    }
    errors.append(validation::service::service_addresses(spec, old));
    if !errors.is_empty() {
        return errors;
    }
    if let Some(old) = old {
        fewer(spec, old, &mut errors);
    }
    single_means_one(spec, &mut errors);
    of_addresses(spec, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    if loose {
        both_of_loose(spec);
        return errors;
    }
    of_cluster(spec, &mut errors);
    if errors.is_empty() && spec.ip_families.as_ref().is_none_or(|families| families.is_empty()) {
        spec.ip_families = Some(OF_CLUSTER.map(str::to_owned).to_vec());
    }
    errors
}

/// Headless and without a selector.
fn is_loose(spec: &ServiceSpec) -> bool {
    spec.cluster_ip.as_deref() == Some("None") && spec.selector.as_ref().is_none_or(|selector| selector.is_empty())
}

fn single(spec: &ServiceSpec) -> bool {
    spec.ip_family_policy.as_deref() == Some(SINGLE)
}

fn count(list: &Option<Vec<String>>) -> usize {
    list.as_ref().map_or(0, Vec::len)
}

/// A service that takes both families where there are two is left as it is until it asks for something else.
fn prefers_both_as_before(spec: &ServiceSpec, old: &ServiceSpec) -> bool {
    let prefers = |spec: &ServiceSpec| spec.ip_family_policy.as_deref().is_none_or(|policy| policy == PREFER_BOTH);
    spec.type_ == old.type_
        && prefers(spec)
        && prefers(old)
        && spec.cluster_ips == old.cluster_ips
        && spec.ip_families == old.ip_families
}

/// To become single is to give up the second family; nobody else may lose one.
fn fewer(spec: &mut ServiceSpec, old: &ServiceSpec, errors: &mut FieldErrors) {
    if single(spec) {
        if spec.cluster_ips == old.cluster_ips {
            spec.cluster_ips.iter_mut().for_each(|ips| ips.truncate(1));
        }
        if spec.ip_families == old.ip_families {
            spec.ip_families.iter_mut().for_each(|families| families.truncate(1));
        }
        return;
    }
    let policy = spec.ip_family_policy.clone().unwrap_or_default();
    let fewer = |new: &Option<Vec<String>>, old: &Option<Vec<String>>| (1..count(old)).contains(&count(new));
    let mut told = |what: &str| {
        let detail = format!("must be 'SingleStack' to release the secondary {what}");
        errors.invalid(&Path::new("spec").field("ipFamilyPolicy"), policy.as_str(), detail);
    };
    if fewer(&spec.cluster_ips, &old.cluster_ips) {
        told("cluster IP");
    }
    if fewer(&spec.ip_families, &old.ip_families) {
        told("IP family");
    }
}

fn single_means_one(spec: &ServiceSpec, errors: &mut FieldErrors) {
    if !single(spec) {
        return;
    }
    for (list, what) in [(&spec.cluster_ips, "cluster IPs"), (&spec.ip_families, "IP families")] {
        if count(list) == 2 {
            let detail = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.invalid(&Path::new("spec").field("ipFamilyPolicy"), SINGLE, detail);
        }
    }
}

/// An address whose family is not named names it.
fn of_addresses(spec: &mut ServiceSpec, errors: &mut FieldErrors) {
    let ips = spec.cluster_ips.clone().unwrap_or_default();
    if ips.first().is_some_and(|ip| ip == "None") {
        return;
    }
    for (index, ip) in ips.iter().enumerate().skip(count(&spec.ip_families)) {
        let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
        if OF_CLUSTER.contains(&family) {
            spec.ip_families.get_or_insert_default().push(family.to_owned());
        } else {
            let path = Path::new("spec");
            let path = path.field("clusterIPs");
            errors.invalid(&path.index(index), ips.clone(), format!("{family} is not configured on this cluster"));
        }
    }
}

fn both_of_loose(spec: &mut ServiceSpec) {
    let is_single = single(spec);
    let families = spec.ip_families.get_or_insert_default();
    if families.is_empty() {
        families.extend(OF_CLUSTER.map(str::to_owned));
    }
    if let ([only], false) = (families.as_slice(), is_single) {
        let other = if only == "IPv4" { "IPv6" } else { "IPv4" };
        families.push(other.to_owned());
    }
}

fn of_cluster(spec: &ServiceSpec, errors: &mut FieldErrors) {
    let path = Path::new("spec");
    if spec.ip_family_policy.as_deref() == Some(REQUIRE_BOTH) && OF_CLUSTER.len() < 2 {
        let detail = "this cluster is not configured for dual-stack services";
        errors.invalid(&path.field("ipFamilyPolicy"), REQUIRE_BOTH, detail);
    }
    let path = path.field("ipFamilies");
    for (index, family) in spec.ip_families.iter().flatten().enumerate() {
        if !OF_CLUSTER.contains(&family.as_str()) {
            errors.invalid(&path.index(index), family.as_str(), "not configured on this cluster");
        }
    }
}
