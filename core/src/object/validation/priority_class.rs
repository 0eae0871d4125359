//! PriorityClasses: a value within the users' range that never changes.
//!
//! Source: `pkg/apis/scheduling/validation`.

use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::checks;
use super::fields::{one_of, text};
use super::names::name_is_dns_subdomain;
use super::shared::{self, METADATA, meta_update};
use crate::object::field::{FieldErrors, Path};

const USER_VALUE_MAX: i32 = 1_000_000_000;
/// The classes that every cluster has.
const SYSTEM: [(&str, i32); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// What is wrong with a new PriorityClass.
pub fn priority_class(class: &PriorityClass) -> FieldErrors {
    let mut errors = shared::cluster_wide(&class.metadata, name_is_dns_subdomain);
    let (name, value) = (text(&class.metadata.name), class.value.unwrap_or(0));
    if name.starts_with("system-") {
        if let Some(problem) = not_known(name, value, class.global_default == Some(true)) {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
            );
            errors.forbidden(&METADATA.field("name"), detail);
        }
    } else if value > USER_VALUE_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {USER_VALUE_MAX}");
        errors.forbidden(&Path::new("value"), detail);
    }
    if let Some(policy) = &class.preemption_policy {
        let path = Path::new("preemptionPolicy");
        if policy.is_empty() {
            errors.required(&path, "");
        } else {
            one_of(policy, &["PreemptLowerPriority", "Never"], &path, &mut errors);
        }
    }
    errors
}

/// What is wrong with a changed PriorityClass.
pub fn priority_class_update(new: &PriorityClass, old: &PriorityClass) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if new.value.unwrap_or(0) != old.value.unwrap_or(0) {
        errors.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    let path = Path::new("preemptionPolicy");
    checks::immutable(&new.preemption_policy, &old.preemption_policy, &path, &mut errors);
    errors
}

fn not_known(name: &str, value: i32, global_default: bool) -> Option<String> {
    let Some((_, known)) = SYSTEM.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value != *known {
        return Some(format!("value of {name} PriorityClass must be {known}"));
    }
    global_default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}
