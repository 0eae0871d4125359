//! VolumeAttributesClasses: what a driver is told of volumes, which never changes.
//!
//! Source: `pkg/apis/storage/validation`.

use k8s_openapi::api::storage::v1::VolumeAttributesClass;

use super::names::name_is_dns_subdomain;
use super::shared::{self, meta_update};
use super::storage_class;
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a new VolumeAttributesClass.
pub fn attributes_class(class: &VolumeAttributesClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    storage_class::driver(&class.driver_name, &Path::new("driverName"), &mut errors);
    match class.parameters.as_ref().filter(|given| !given.is_empty()) {
        Some(given) => storage_class::parameters(given, &mut errors),
        None => errors.required(&Path::new("parameters"), "must contain at least one key/value pair"),
    }
    errors
}

/// What is wrong with a changed VolumeAttributesClass.
pub fn attributes_class_update(new: &VolumeAttributesClass, old: &VolumeAttributesClass) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = attributes_class(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    if new.driver_name != old.driver_name {
        errors.forbidden(&Path::new("driverName"), "updates to driverName are forbidden.");
    }
    if new.parameters.clone().unwrap_or_default() != old.parameters.clone().unwrap_or_default() {
        errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
    }
    errors.append(attributes_class(new));
    errors
}
