//! StorageVersionMigrations: the resource whose objects are to be written anew stays the same, and a migration ends once.
//!
//! Source: `pkg/apis/storagemigration/validation`.

use k8s_openapi::api::storagemigration::v1::{StorageVersionMigration, StorageVersionMigrationStatus};

use super::fields::{list, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{conditions, go_type};
use crate::object::field::{FieldErrors, GoQuoted, Path};

/// What is wrong with a new StorageVersionMigration.
pub fn version_migration(migration: &StorageVersionMigration) -> FieldErrors {
    let mut errors = shared::cluster_wide(&migration.metadata, name_is_dns_subdomain);
    let resource = migration.spec.as_ref().map(|spec| spec.resource.resource.as_str()).unwrap_or_default();
    if resource.is_empty() {
        errors.required(&SPEC.field("resource").field("resource"), "resource is required");
    }
    errors
}

/// What is wrong with a changed StorageVersionMigration.
pub fn version_migration_update(new: &StorageVersionMigration, old: &StorageVersionMigration) -> FieldErrors {
    let mut errors = version_migration(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let [new, old] = [new, old].map(|migration| migration.spec.clone().unwrap_or_default().resource);
    // The paths are those of upstream: without what they are below.
    for (field, new, old) in [("group", &new.group, &old.group), ("resource", &new.resource, &old.resource)] {
        if new != old {
            errors.invalid(&Path::new(field), new.as_str(), names::IMMUTABLE);
        }
    }
    errors
}

/// What is wrong with a changed status of a StorageVersionMigration.
pub fn version_migration_status_update(new: &StorageVersionMigration, old: &StorageVersionMigration) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (new, old) = (new.status.clone().unwrap_or_default(), old.status.clone().unwrap_or_default());
    let version = text(&new.resource_version);
    let path = STATUS.field("resourceVersion");
    if !version.is_empty() {
        match version.parse::<i64>() {
            Ok(number) if number < 0 => errors.invalid(&path, number, names::NEGATIVE),
            Ok(_) => {}
            Err(_) => {
                let quoted = GoQuoted(version);
                let reason = if is_number(version) { "value out of range" } else { "invalid syntax" };
                let detail =
                    format!("failed to parse resource version {quoted}: strconv.ParseInt: parsing {quoted}: {reason}");
                errors.invalid(&path, version, detail);
            }
        }
    }
    let conditions_path = STATUS.field("conditions");
    conditions::all(list(&new.conditions), &conditions_path, &mut errors);
    if !text(&old.resource_version).is_empty() && text(&old.resource_version) != version {
        errors.invalid(&path, version, "cannot be updated");
    }
    let (succeeded, failed, running) = (is(&new, "Succeeded"), is(&new, "Failed"), is(&new, "Running"));
    for (wrong, detail) in [
        (succeeded && failed, "Both success and failed conditions cannot be true at the same time"),
        (succeeded && running, "Running condition cannot be true when success condition is true"),
        (failed && running, "Running condition cannot be true when failed condition is true"),
        (is(&old, "Succeeded") && !succeeded, "Success condition cannot be set to false once it is true"),
        (is(&old, "Failed") && !failed, "Failed condition cannot be set to false once it is true"),
    ] {
        if wrong {
            errors.invalid_json(&conditions_path, go_type::compact(&new.conditions, "Condition"), detail);
        }
    }
    errors
}

fn is(status: &StorageVersionMigrationStatus, what: &str) -> bool {
    list(&status.conditions).iter().any(|condition| condition.type_ == what && condition.status == "True")
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
