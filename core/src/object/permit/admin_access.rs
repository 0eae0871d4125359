//! Access to devices that others have is asked for in namespaces only that say so (`adminAccess`).
//!
//! Source: `pkg/registry/resource`, where it is a part of validation.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::resource::v1::{DeviceClaim, ResourceClaim, ResourceClaimTemplate};

use crate::object::field::{FieldErrors, Path};
use crate::object::kind::{self, TypedObject};
use crate::object::mutate::Surroundings;

/// The label of a namespace in which administrators work.
const ADMINISTRATORS: &str = "resource.kubernetes.io/admin-access";

/// What is wrong with a new claim, or a template of some, in its namespace.
pub(crate) fn new(object: &dyn TypedObject, around: &(impl Surroundings + ?Sized)) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let any = object.as_any();
    let claim = any.downcast_ref::<ResourceClaim>().and_then(|claim| claim.spec.as_ref());
    let template =
        any.downcast_ref::<ResourceClaimTemplate>().and_then(|template| template.spec.as_ref()?.spec.as_ref());
    let devices = claim.or(template).and_then(|spec| spec.devices.as_ref());
    if !devices.is_some_and(asks_for_access) {
        return errors;
    }
    let namespace = object.metadata().namespace.as_deref().unwrap_or_default();
    let found = around.get(kind::NAMESPACE, "", namespace);
    let labels = found.as_ref().and_then(|found| found.as_any().downcast_ref::<Namespace>()?.metadata.labels.as_ref());
    if labels.and_then(|labels| labels.get(ADMINISTRATORS)).map(String::as_str) != Some("true") {
        let label = format!("`{ADMINISTRATORS}: true` label on the containing namespace");
        errors.forbidden(&Path::new(""), format!("admin access to devices requires the {label}"));
    }
    errors
}

fn asks_for_access(claim: &DeviceClaim) -> bool {
    let mut requests = claim.requests.iter().flatten().filter_map(|request| request.exactly.as_ref());
    requests.any(|exactly| exactly.admin_access == Some(true))
}
