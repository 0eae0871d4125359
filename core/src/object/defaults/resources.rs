//! Resource lists: rounding, requests from limits, and what all containers of a pod ask for together.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::object::quantity::Quantity;

/// Amounts by the name of the resource, as the API has them.
pub(super) type ResourceList = BTreeMap<String, ApiQuantity>;

/// Nothing finer than a thousandth is kept: amounts are rounded up to it.
pub(super) fn round_list(list: &mut Option<ResourceList>) {
    for amount in list.iter_mut().flat_map(BTreeMap::values_mut) {
        // What is no quantity is for validation to refuse.
        let Ok(exact) = Quantity::from_api(amount) else { continue };
        let rounded = exact.round_up_to_milli();
        if rounded != exact {
            *amount = rounded.to_api();
        }
    }
}

/// A limit without a request is its own request.
pub(super) fn requests_from_limits(resources: &mut ResourceRequirements) {
    let Some(limits) = &resources.limits else { return };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

/// Pod-level requests and huge page limits, when the pod has resources of its own.
///
/// Limits of huge pages come from the containers' limits; requests of CPU and memory from the containers' requests, and
/// what is still missing from the pod's limits.
pub(super) fn pod_level(spec: &mut PodSpec) {
    let Some(resources) = &mut spec.resources else { return };
    let has = |list: &Option<ResourceList>| list.as_ref().is_some_and(|list| !list.is_empty());
    if !has(&resources.limits) && !has(&resources.requests) {
        return;
    }
    let init_containers = spec.init_containers.as_deref().unwrap_or_default();
    let asked = aggregate(&spec.containers, init_containers, |resources| resources.requests.as_ref());
    let limited = aggregate(&spec.containers, init_containers, |resources| resources.limits.as_ref());

    for (name, amount) in limited.iter().filter(|(name, _)| is_huge_page(name)) {
        let requested = resources.requests.as_ref().is_some_and(|requests| requests.contains_key(*name));
        if !requested {
            resources.limits.get_or_insert_default().entry((*name).to_owned()).or_insert_with(|| amount.to_api());
        }
    }
    let Some(limits) = resources.limits.as_ref().filter(|limits| !limits.is_empty()) else { return };
    let mut requests = resources.requests.take().unwrap_or_default();
    for (name, amount) in asked.iter().filter(|(name, _)| matches!(**name, "cpu" | "memory")) {
        requests.entry((*name).to_owned()).or_insert_with(|| amount.to_api());
    }
    let supported = |name: &str| matches!(name, "cpu" | "memory") || is_huge_page(name);
    for (name, limit) in limits.iter().filter(|(name, _)| supported(name)) {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
    resources.requests = (!requests.is_empty()).then_some(requests);
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// What the containers need together: the regular ones and sidecars at once, or at some time before that the init
/// container that runs beside the sidecars already started.
fn aggregate<'s>(
    containers: &'s [Container],
    init_containers: &'s [Container],
    pick: impl Fn(&'s ResourceRequirements) -> Option<&'s ResourceList>,
) -> BTreeMap<&'s str, Quantity> {
    let of = |container: &'s Container| container.resources.as_ref().and_then(&pick);
    let mut running = BTreeMap::new();
    for container in containers {
        add(&mut running, of(container));
    }
    let mut sidecars = BTreeMap::new();
    let mut starting = BTreeMap::new();
    for container in init_containers {
        let mut now = sidecars.clone();
        add(&mut now, of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut running, of(container));
            sidecars.clone_from(&now);
        }
        raise(&mut starting, now);
    }
    raise(&mut running, starting);
    running
}

fn add<'s>(total: &mut BTreeMap<&'s str, Quantity>, list: Option<&'s ResourceList>) {
    for (name, amount) in list.into_iter().flatten() {
        if let Ok(amount) = Quantity::from_api(amount) {
            total.entry(name).and_modify(|total| *total += amount).or_insert(amount);
        }
    }
}

fn raise<'s>(total: &mut BTreeMap<&'s str, Quantity>, other: BTreeMap<&'s str, Quantity>) {
    for (name, amount) in other {
        total.entry(name).and_modify(|total| *total = (*total).max(amount)).or_insert(amount);
    }
}
