//! Conditions as newer kinds have them: each type once, with a status, a time and a reason in one word.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{names, shared};
use crate::object::field::{FieldErrors, Path};

const REASON_BYTES_MAX: usize = 1024;
const MESSAGE_BYTES_MAX: usize = 32 * 1024;
const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of \
                      alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";

/// Checks a list of conditions.
pub(super) fn all(conditions: &[Condition], path: &Path<'_>, errors: &mut FieldErrors) {
    let repeated = shared::repeated(conditions.iter().map(|condition| &condition.type_));
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        if repeated[index] {
            errors.duplicate(&path.field("type"), condition.type_.as_str());
        }
        one(condition, &path, errors);
    }
}

fn one(condition: &Condition, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(&path.field("type"), &condition.type_, names::qualified_name(&condition.type_));
    if !matches!(condition.status.as_str(), "True" | "False" | "Unknown") {
        errors.not_supported(&path.field("status"), condition.status.as_str(), &["False", "True", "Unknown"]);
    }
    if let Some(generation) = condition.observed_generation.filter(|generation| *generation < 0) {
        errors.invalid(&path.field("observedGeneration"), generation, "must be greater than or equal to zero");
    }
    if condition.last_transition_time.0 == Timestamp::UNIX_EPOCH {
        // What was not given.
        errors.required(&path.field("lastTransitionTime"), "");
    }
    let reason = path.field("reason");
    if condition.reason.is_empty() {
        errors.required(&reason, "");
    } else {
        if !is_reason(&condition.reason) {
            let pattern = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?";
            let detail = names::regex_text(
                REASON,
                pattern,
                &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
            );
            errors.invalid(&reason, condition.reason.as_str(), detail);
        }
        if condition.reason.len() > REASON_BYTES_MAX {
            errors.too_long(&reason, REASON_BYTES_MAX);
        }
    }
    if condition.message.len() > MESSAGE_BYTES_MAX {
        errors.too_long(&path.field("message"), MESSAGE_BYTES_MAX);
    }
}

fn is_reason(reason: &str) -> bool {
    let bytes = reason.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_,:".contains(byte);
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(inside)
        && bytes.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
