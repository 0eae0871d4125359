//! ConfigMaps: keys that can be file names, each once, at most a megabyte, and nothing changes once that is promised.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::ConfigMap;

use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, meta_update};
use crate::object::field::{FieldErrors, Path};

/// How many bytes the values of a ConfigMap or Secret may have together.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
pub(super) const FROZEN: &str = "field is immutable when `immutable` is set";

/// What is wrong with a new ConfigMap.
pub fn config_map(map: &ConfigMap) -> FieldErrors {
    let mut errors = shared::namespaced(&map.metadata, name_is_dns_subdomain);
    let (data, binary) = (Path::new("data"), Path::new("binaryData"));
    let mut size = 0_usize;
    for (key, value) in map.data.iter().flatten() {
        errors.invalid_each(&data.key(key), key, names::config_map_key(key));
        if map.binary_data.as_ref().is_some_and(|binary| binary.contains_key(key)) {
            errors.invalid(&data.key(key), key.as_str(), "duplicate of key present in binaryData");
        }
        size = size.saturating_add(value.len());
    }
    for (key, value) in map.binary_data.iter().flatten() {
        errors.invalid_each(&binary.key(key), key, names::config_map_key(key));
        size = size.saturating_add(value.0.len());
    }
    if size > BYTES_MAX {
        // The object as a whole is too long.
        errors.too_long(&Path::new(""), BYTES_MAX);
    }
    errors
}

/// What is wrong with a changed ConfigMap.
pub fn config_map_update(new: &ConfigMap, old: &ConfigMap) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if old.immutable == Some(true) {
        if new.immutable != Some(true) {
            errors.forbidden(&Path::new("immutable"), FROZEN);
        }
        if new.data.clone().unwrap_or_default() != old.data.clone().unwrap_or_default() {
            errors.forbidden(&Path::new("data"), FROZEN);
        }
        if new.binary_data.clone().unwrap_or_default() != old.binary_data.clone().unwrap_or_default() {
            errors.forbidden(&Path::new("binaryData"), FROZEN);
        }
    }
    errors.append(config_map(new));
    errors
}
