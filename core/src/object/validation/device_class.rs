//! DeviceClasses: which devices are of a class, by expressions, and what their drivers are told.
//!
//! Source: `pkg/apis/resource/validation`.

use k8s_openapi::api::resource::v1::{DeviceClass, DeviceSelector, OpaqueDeviceConfiguration};
use serde_json::Value;

use super::device_claim::few;
use super::fields::list;
use super::names::name_is_dns_subdomain;
use super::resources::is_extended;
use super::shared::{self, SPEC, meta_update};
use super::volume_plugin::csi_driver_name;
use crate::object::device::selector;
use crate::object::field::{FieldErrors, Path};

/// How many requests, constraints, selectors or configurations there may be.
pub(super) const MANY_MAX: usize = 32;
/// How long an expression may be, and what a driver is told.
const TEXT_MAX: usize = 10 * 1024;

/// What is wrong with a new DeviceClass.
pub fn device_class(class: &DeviceClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    spec(class, &mut errors);
    errors
}

/// What is wrong with a changed DeviceClass.
pub fn device_class_update(new: &DeviceClass, old: &DeviceClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&new.metadata, name_is_dns_subdomain);
    errors.append(meta_update(&new.metadata, &old.metadata));
    spec(new, &mut errors);
    errors
}

fn spec(class: &DeviceClass, errors: &mut FieldErrors) {
    let Some(spec) = &class.spec else { return };
    selectors(list(&spec.selectors), &SPEC.field("selectors"), errors);
    let path = SPEC.field("config");
    if few(list(&spec.config), MANY_MAX, &path, errors) {
        for (index, config) in list(&spec.config).iter().enumerate() {
            configuration(config.opaque.as_ref(), &path.index(index), errors);
        }
    }
    if let Some(name) = spec.extended_resource_name.as_deref().filter(|name| !is_extended(name)) {
        errors.invalid(&SPEC.field("extendedResourceName"), name, "must be a valid extended resource name");
    }
}

/// Expressions of which a device must meet each.
pub(super) fn selectors(selectors: &[DeviceSelector], path: &Path<'_>, errors: &mut FieldErrors) {
    if !few(selectors, MANY_MAX, path, errors) {
        return;
    }
    for (index, selector) in selectors.iter().enumerate() {
        let path = path.index(index);
        let path = path.field("cel");
        let Some(cel) = &selector.cel else {
            errors.required(&path, "");
            continue;
        };
        let (path, source) = (path.field("expression"), cel.expression.as_str());
        if source.len() > TEXT_MAX {
            errors.too_long(&path, TEXT_MAX);
            continue;
        }
        if let Err(detail) = selector::compile(source) {
            errors.invalid(&path, source, detail);
        }
    }
}

/// What a driver is told: some object of its own.
pub(super) fn configuration(opaque: Option<&OpaqueDeviceConfiguration>, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("opaque");
    let Some(opaque) = opaque else { return errors.required(&path, "") };
    csi_driver_name(&opaque.driver, &path.field("driver"), errors);
    told(&opaque.parameters.0, TEXT_MAX, &path.field("parameters"), errors);
}

/// Checks what a driver is told, or tells: an object of this many bytes at most.
pub(super) fn told(given: &Value, max: usize, path: &Path<'_>, errors: &mut FieldErrors) {
    match given {
        Value::Null => errors.required(path, ""),
        given if given.to_string().len() > max => errors.too_long(path, max),
        Value::Object(_) => {}
        _ => errors.invalid(path, "<value omitted>", "must be a valid JSON object"),
    }
}
