//! Secrets: keys that can be file names, at most a megabyte, and what each well-known type must hold.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::Secret;

use super::config_map::{BYTES_MAX, FROZEN};
use super::fields::text;
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, meta_update};
use super::{checks, go_json};
use crate::object::field::{FieldErrors, Path};
use crate::object::secret::ACCOUNT_NAME;

/// What is wrong with a new Secret.
pub fn secret(secret: &Secret) -> FieldErrors {
    let mut errors = shared::namespaced(&secret.metadata, name_is_dns_subdomain);
    let path = Path::new("data");
    let mut size = 0_usize;
    for (key, value) in secret.data.iter().flatten() {
        errors.invalid_each(&path.key(key), key, names::config_map_key(key));
        size = size.saturating_add(value.0.len());
    }
    if size > BYTES_MAX {
        errors.too_long(&path, BYTES_MAX);
    }
    of_type(secret, &path, &mut errors);
    errors
}

/// What is wrong with a changed Secret.
pub fn secret_update(new: &Secret, old: &Secret) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if text(&new.type_) != text(&old.type_) {
        errors.invalid(&Path::new("type"), checks::json(&new.type_), names::IMMUTABLE);
    }
    if old.immutable == Some(true) {
        if new.immutable != Some(true) {
            errors.forbidden(&Path::new("immutable"), FROZEN);
        }
        if new.data.clone().unwrap_or_default() != old.data.clone().unwrap_or_default() {
            errors.forbidden(&Path::new("data"), FROZEN);
        }
    }
    errors.append(secret(new));
    errors
}

fn of_type(secret: &Secret, path: &Path<'_>, errors: &mut FieldErrors) {
    let value = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    match text(&secret.type_) {
        "kubernetes.io/service-account-token" => {
            let annotations = secret.metadata.annotations.as_ref();
            if annotations.and_then(|all| all.get(ACCOUNT_NAME)).is_none_or(String::is_empty) {
                let annotations = METADATA.field("annotations");
                errors.required(&annotations.key(ACCOUNT_NAME), "");
            }
        }
        "kubernetes.io/dockercfg" => json_object(value(".dockercfg"), &path.key(".dockercfg"), errors),
        "kubernetes.io/dockerconfigjson" => {
            json_object(value(".dockerconfigjson"), &path.key(".dockerconfigjson"), errors);
        }
        "kubernetes.io/basic-auth" if value("username").is_none() && value("password").is_none() => {
            errors.required(&path.key("username"), "");
            errors.required(&path.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if value("ssh-privatekey").is_none_or(<[u8]>::is_empty) => {
            errors.required(&path.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if value(key).is_none() {
                    errors.required(&path.key(key), "");
                }
            }
        }
        _ => {}
    }
}

fn json_object(value: Option<&[u8]>, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        None => errors.required(path, ""),
        Some(bytes) => {
            if let Err(problem) = go_json::object(bytes) {
                errors.invalid(path, "<secret contents redacted>", problem);
            }
        }
    }
}
