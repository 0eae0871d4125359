//! Resources of a pod as a whole: its containers together may not ask for more, nor any of them have a higher limit.

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};

use super::super::field::{FieldErrors, Path};
use super::super::pod_total::{self, List};
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
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return errors.forbidden(path, "may not be set for a windows pod");
    }
    if asked.claims.is_some() {
        errors.forbidden(&path.field("claims"), "claims may not be set for Resources at pod-level");
    }
    resources::requirements(asked, Holder::Pod, claims, path, errors);
    together(asked, spec, List::Requests, &path.field("requests"), errors);
    together(asked, spec, List::Limits, &path.field("limits"), errors);
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

/// What all containers ask for together. Of limits only those of huge pages count: they are what is asked for, too.
fn together(asked: &ResourceRequirements, spec: &PodSpec, list: List, path: &Path<'_>, errors: &mut FieldErrors) {
    let (own, what) = match list {
        List::Requests => (&asked.requests, "requests"),
        List::Limits => (&asked.limits, "limits"),
    };
    for (name, together) in pod_total::of_containers(spec, list) {
        let counts = list == List::Requests || resources::is_huge_pages(&name);
        let own = own.as_ref().and_then(|own| own.get(&name)).map(amount).filter(|_| counts);
        if let Some(own) = own.filter(|own| together > *own) {
            let detail = format!("must be greater than or equal to aggregate container {what} of {together}");
            errors.invalid(&path.key(&name), own.to_string(), detail);
        }
    }
}
