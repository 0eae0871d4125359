//! Resources of a pod as a whole: its containers together may not ask for more, nor any of them have a higher limit.

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};

use super::super::field::{FieldErrors, Path};
use super::super::pod_total::{self, List};
use super::super::quantity::Quantity;
use super::fields::{Names, amount};
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
    for (name, together) in pod_total::of_containers(spec, List::Requests) {
        let own = asked.requests.as_ref().and_then(|requests| requests.get(&name)).map_or(Quantity::ZERO, amount);
        if together > own {
            let detail = format!("must be greater than or equal to aggregate container requests of {together}");
            errors.invalid(&requests.key(&name), own.to_string(), detail);
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
