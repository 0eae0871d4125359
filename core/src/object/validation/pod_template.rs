//! PodTemplates: what pods are made from, kept by itself.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::PodTemplate;

use super::names::name_is_dns_subdomain;
use super::shared::{self, meta_update};
use super::warnings::pod_template_warnings;
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new PodTemplate.
pub fn pod_template(template: &PodTemplate) -> FieldErrors {
    let mut errors = shared::namespaced(&template.metadata, name_is_dns_subdomain);
    of_pods(template, &mut errors);
    errors
}

/// What is wrong with a changed PodTemplate.
pub fn pod_template_update(new: &PodTemplate, old: &PodTemplate) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    of_pods(new, &mut errors);
    errors
}

fn of_pods(template: &PodTemplate, errors: &mut FieldErrors) {
    let none = Default::default();
    shared::pod_template(template.template.as_ref().unwrap_or(&none), &Path::new("template"), errors);
}

/// What a client is warned of when it writes a PodTemplate.
pub(super) fn warnings(template: &PodTemplate) -> Vec<String> {
    let path = Path::new("template");
    template.template.iter().flat_map(|template| pod_template_warnings(template, &path)).collect()
}
