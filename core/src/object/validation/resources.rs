//! Resources of containers and pods: known names, whole numbers where halves make no sense, requests within limits.
//!
//! Source: `validateResourceRequirements` and its helpers in upstream's `pkg/apis/core/validation` and `.../helper`.

use k8s_openapi::api::core::v1::{ResourceClaim, ResourceRequirements};

use super::super::field::{FieldErrors, Path};
use super::super::quantity::Quantity;
use super::fields::{Names, amount, list};
use super::names;

/// For whom resources are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A container, or the overhead of a pod.
    Container,
    /// A pod as a whole.
    Pod,
}

/// Checks requests, limits and claims; `claims` are the names of the pod's resource claims.
pub(super) fn requirements(
    resources: &ResourceRequirements,
    holder: Holder,
    claims: &Names<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (mut has_compute, mut has_huge_pages) = (false, false);
    let limits_path = path.field("limits");
    for (name, quantity) in resources.limits.iter().flatten() {
        let quantity = amount(quantity);
        one(name, quantity, holder, &limits_path.key(name), errors);
        has_compute |= is_compute(name);
        has_huge_pages |= is_huge_pages(name);
    }
    let requests_path = path.field("requests");
    for (name, quantity) in resources.requests.iter().flatten() {
        let quantity = amount(quantity);
        let path = requests_path.key(name);
        resource_name(name, holder, &path, errors);
        quantity_value(name, quantity, &path, errors);
        match resources.limits.as_ref().and_then(|limits| limits.get(name)).map(amount) {
            Some(limit) if quantity != limit && !may_overcommit(name) => {
                let detail = format!("must be equal to {name} limit of {limit}");
                errors.invalid(&requests_path, quantity.to_string(), detail);
            }
            Some(limit) if quantity > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.invalid(&requests_path, quantity.to_string(), detail);
            }
            None if !may_overcommit(name) => {
                errors.required(&limits_path, "Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
        huge_pages_value(name, quantity, &path, errors);
        has_compute |= is_compute(name);
        has_huge_pages |= is_huge_pages(name);
    }
    if has_huge_pages && !has_compute {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    resource_claims(list(&resources.claims), claims, &path.field("claims"), errors);
}

fn one(name: &str, quantity: Quantity, holder: Holder, path: &Path<'_>, errors: &mut FieldErrors) {
    resource_name(name, holder, path, errors);
    quantity_value(name, quantity, path, errors);
    huge_pages_value(name, quantity, path, errors);
}

/// Checks an amount of a resource: not negative, and whole where the resource is counted.
pub fn quantity_value(name: &str, quantity: Quantity, path: &Path<'_>, errors: &mut FieldErrors) {
    if quantity.is_negative() {
        errors.invalid(path, quantity.to_string(), names::NEGATIVE);
    }
    if is_counted(name) && !is_whole(quantity) {
        errors.invalid(path, quantity.to_string(), "must be an integer");
    }
}

/// Whether an amount has no fraction of a unit (to a thousandth). One of too many thousandths is not looked at closely.
pub(super) fn is_whole(quantity: Quantity) -> bool {
    matches!(quantity.as_milli(), i64::MIN | i64::MAX) || quantity.as_milli() % 1000 == 0
}

fn huge_pages_value(name: &str, quantity: Quantity, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(size) = name.strip_prefix("hugepages-") else { return };
    let size = size.parse::<Quantity>().ok().filter(|size| !size.is_zero() && !size.is_negative() && is_whole(*size));
    if size.is_none_or(|size| quantity.value() % size.value() != 0) {
        let detail = format!("{quantity} is not positive integer multiple of {name}");
        errors.invalid(path, quantity.to_string(), detail);
    }
}

/// Checks the name of a resource that a container or pod asks for.
fn resource_name(name: &str, holder: Holder, path: &Path<'_>, errors: &mut FieldErrors) {
    let before = errors.len();
    any_resource_name(name, path, errors);
    match holder {
        Holder::Container => container_resource_name(name, path, errors),
        Holder::Pod if errors.len() == before => {
            if !is_compute(name) && !is_huge_pages(name) {
                errors.not_supported(path, name, &["cpu", "hugepages-", "memory"]);
            }
        }
        Holder::Pod => {}
    }
}

/// Checks that the name of a resource is qualified, or one of the standard ones.
pub fn any_resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = names::qualified_name(name);
    if !problems.is_empty() {
        errors.invalid_each(path, name, problems);
    } else if !name.contains('/') && !is_standard(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
}

/// Checks the further rules for a resource that a container may ask for.
pub fn container_resource_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let slashes = name.bytes().filter(|byte| *byte == b'/').count();
    if slashes == 0 {
        if !is_compute(name) && name != "ephemeral-storage" && !is_huge_pages(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

fn resource_claims(claims: &[ResourceClaim], pod: &Names<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    // (claim, request): a claim without a request takes all of them.
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        let name = claim.name.as_str();
        if name.is_empty() {
            errors.required(&path, "");
            continue;
        }
        let request = claim.request.as_deref().unwrap_or_default();
        if taken.contains(&(name, "")) {
            errors.duplicate(&path, name);
        } else {
            if !request.is_empty() {
                errors.invalid_each(&path.field("request"), request, names::dns1123_label(request));
            }
            if taken.contains(&(name, request)) {
                errors.duplicate(&path, format!("{name}/{request}"));
            } else if request.is_empty() {
                for _ in taken.iter().filter(|(other, _)| *other == name) {
                    errors.duplicate(&path, name);
                }
            }
            taken.push((name, request));
        }
        if !pod.contains(name) {
            let known = pod.sorted();
            let place = if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", known.join(", ")) };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{place}");
            errors.not_found_detail(&path, name, detail);
        }
    }
}

fn is_compute(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
}

/// Whether a resource is memory in pages of one size.
pub(super) fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether a resource is Kubernetes's own: no domain, or one of `kubernetes.io`.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a resource is one that devices and operators bring.
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether requests for a resource may be below its limit.
pub fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// Whether a resource comes in whole numbers only.
pub fn is_counted(name: &str) -> bool {
    matches!(
        name,
        "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_extended(name)
}

/// Whether a resource without a domain is known to Kubernetes.
pub fn is_standard(name: &str) -> bool {
    matches!(
        name,
        "cpu"
            | "memory"
            | "ephemeral-storage"
            | "requests.cpu"
            | "requests.memory"
            | "requests.ephemeral-storage"
            | "limits.cpu"
            | "limits.memory"
            | "limits.ephemeral-storage"
            | "pods"
            | "resourcequotas"
            | "services"
            | "replicationcontrollers"
            | "secrets"
            | "configmaps"
            | "persistentvolumeclaims"
            | "storage"
            | "requests.storage"
            | "services.nodeports"
            | "services.loadbalancers"
    ) || is_huge_pages(name)
        || name.starts_with("requests.hugepages-")
}
