//! Resources of a pod as a whole: its containers together may not ask for more, nor any of them have a higher limit.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

use super::super::field::{FieldErrors, Path};
use super::super::quantity::Quantity;
use super::fields::{Names, amount, list};
use super::resources::{self, Holder};

/// Checks the pod's own requests and limits against those of its containers.
pub(super) fn pod_resources(
    asked: &ResourceRequirements,
    spec: &PodSpec,
    claims: &Names<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if asked.claims.is_some() {
        errors.forbidden(&path.field("claims"), "claims cannot be set for Resources at pod-level");
    }
    resources::requirements(asked, Holder::Pod, claims, path, errors);
    let requests = path.field("requests");
    for (name, together) in aggregate_requests(spec) {
        let own = asked.requests.as_ref().and_then(|requests| requests.get(name)).map_or(Quantity::ZERO, amount);
        if together > own {
            let detail = format!("must be greater than or equal to aggregate container requests of {together}");
            errors.invalid(&requests.key(name), own.to_string(), detail);
        }
    }
    let containers = path.field("containers");
    for (index, container) in spec.containers.iter().enumerate() {
        for (name, limit) in container.resources.iter().flat_map(|asked| asked.limits.iter().flatten()) {
            let Some(own) = asked.limits.as_ref().and_then(|limits| limits.get(name)) else { continue };
            let (limit, own) = (amount(limit), amount(own));
            if limit > own {
                let entry = containers.index(index);
                let detail = format!("must be less than or equal to pod limits of {own}");
                errors.invalid(&entry.key(name).field("limits"), limit.to_string(), detail);
            }
        }
    }
}

/// What the containers need together: the app containers and sidecars that run at once, or the init container that
/// needs most beside the sidecars before it.
fn aggregate_requests(spec: &PodSpec) -> BTreeMap<&str, Quantity> {
    let mut running = BTreeMap::new();
    for container in &spec.containers {
        add(&mut running, container);
    }
    let mut sidecars = BTreeMap::new();
    let mut starting: BTreeMap<&str, Quantity> = BTreeMap::new();
    for container in list(&spec.init_containers) {
        let mut now = sidecars.clone();
        add(&mut now, container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut running, container);
            sidecars = now.clone();
        }
        for (name, quantity) in now {
            let most = starting.entry(name).or_insert(quantity);
            *most = (*most).max(quantity);
        }
    }
    for (name, quantity) in starting {
        let most = running.entry(name).or_insert(quantity);
        *most = (*most).max(quantity);
    }
    running
}

fn add<'a>(sum: &mut BTreeMap<&'a str, Quantity>, container: &'a Container) {
    for (name, quantity) in container.resources.iter().flat_map(|asked| asked.requests.iter().flatten()) {
        *sum.entry(name).or_insert(Quantity::ZERO) += amount(quantity);
    }
}
