//! What is applied and belongs to others: who they are, and upstream's words for it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusCause;

use super::owners::Owner;
use super::path::{self, Path};
use crate::error::{ApiError, Reason};

/// A field that is applied with another value than the one that its owner gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) owner: Owner,
    pub(super) path: Path,
}

/// The answer to who applies what others own.
pub(super) fn error(conflicts: &[Conflict]) -> ApiError {
    let error = ApiError::new(Reason::Conflict, message(conflicts));
    conflicts.iter().fold(error, |error, conflict| {
        error.cause(StatusCause {
            field: Some(path::show(&conflict.path)),
            message: Some(format!("conflict with {}", conflict.owner)),
            reason: Some("FieldManagerConflict".to_owned()),
        })
    })
}

fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, path::show(&one.path));
    }
    let mut by_owner: BTreeMap<&Owner, Vec<&Path>> = BTreeMap::new();
    for conflict in conflicts {
        by_owner.entry(&conflict.owner).or_default().push(&conflict.path);
    }
    let mut lines = Vec::new();
    for (owner, paths) in by_owner {
        lines.push(format!("conflicts with {owner}:"));
        lines.extend(paths.into_iter().map(|path| format!("- {}", path::show(path))));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}
