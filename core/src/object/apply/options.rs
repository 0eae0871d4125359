//! What a request must say of its manager.

use crate::error::{ApiError, Subject};
use crate::object::field::{FieldErrors, Path};

/// How long a manager's name may be, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Checks the manager of a patch, and `force`, which only an apply may have.
///
/// # Errors
/// `Invalid` with all that is wrong, in upstream's words.
pub fn patch_options(manager: &str, force: Option<bool>, is_apply: bool) -> Result<(), ApiError> {
    let mut errors = FieldErrors::new();
    if is_apply && manager.is_empty() {
        errors.required(&Path::new("fieldManager"), "is required for apply patch");
    }
    if !is_apply && force.is_some() {
        errors.forbidden(&Path::new("force"), "may not be specified for non-apply patch");
    }
    check(manager, &mut errors);
    judged("PatchOptions", errors)
}

/// Checks the manager of a create (`CreateOptions`) or an update (`UpdateOptions`).
///
/// # Errors
/// `Invalid` with all that is wrong, in upstream's words.
pub fn write_options(kind: &str, manager: &str) -> Result<(), ApiError> {
    let mut errors = FieldErrors::new();
    check(manager, &mut errors);
    judged(kind, errors)
}

fn check(manager: &str, errors: &mut FieldErrors) {
    let path = Path::new("fieldManager");
    if manager.len() > NAME_BYTES_MAX {
        errors.too_long(&path, NAME_BYTES_MAX);
    }
    for (position, character) in manager.char_indices().filter(|(_, character)| character.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
        errors.invalid(&path, manager, detail);
    }
}

fn judged(kind: &str, errors: FieldErrors) -> Result<(), ApiError> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(Subject::new("meta.k8s.io", kind, ""), errors)) }
}
