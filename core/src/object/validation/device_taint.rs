//! DeviceTaintRules: a taint for the devices of a driver, of a pool, or one of them.
//!
//! Source: `ValidateDeviceTaintRule` in upstream's `pkg/apis/resource/validation`.

use k8s_openapi::api::resource::v1::{DeviceTaintRule, DeviceTaintSelector};

use super::conditions;
use super::device_claim::few;
use super::fields::list;
use super::names::{self, name_is_dns_subdomain};
use super::resource_slice::{pool_name, taint};
use super::shared::{self, SPEC, STATUS, meta_update};
use super::volume_plugin::csi_driver_name;
use crate::object::field::{FieldErrors, Path};

const CONDITIONS_MAX: usize = 8;

/// What is wrong with a new DeviceTaintRule.
pub fn device_taint_rule(rule: &DeviceTaintRule) -> FieldErrors {
    let mut errors = shared::cluster_wide(&rule.metadata, name_is_dns_subdomain);
    spec(rule, &mut errors);
    errors
}

/// What is wrong with a changed DeviceTaintRule.
pub fn device_taint_rule_update(new: &DeviceTaintRule, old: &DeviceTaintRule) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    spec(new, &mut errors);
    errors
}

/// What is wrong with a changed status of a DeviceTaintRule.
pub fn device_taint_rule_status_update(new: &DeviceTaintRule, old: &DeviceTaintRule) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (path, status) = (STATUS.field("conditions"), new.status.clone().unwrap_or_default());
    conditions::all(list(&status.conditions), &path, &mut errors);
    few(list(&status.conditions), CONDITIONS_MAX, &path, &mut errors);
    errors
}

fn spec(rule: &DeviceTaintRule, errors: &mut FieldErrors) {
    if let Some(selector) = &rule.spec.device_selector {
        devices(selector, &SPEC.field("deviceSelector"), errors);
    }
    taint(&rule.spec.taint, &SPEC.field("taint"), errors);
}

fn devices(selector: &DeviceTaintSelector, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(driver) = &selector.driver {
        csi_driver_name(driver, &path.field("driver"), errors);
    }
    if let Some(pool) = &selector.pool {
        pool_name(pool, &path.field("pool"), errors);
    }
    if let Some(device) = &selector.device {
        errors.invalid_each(&path.field("device"), device, names::dns1123_label(device));
    }
}
