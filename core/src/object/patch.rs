//! Patches: JSON patch, JSON merge patch, strategic merge patch, and the three-way apply of `kubectl apply`.
//!
//! All work on JSON values; what comes out is decoded and validated by whoever stores it.
//!
//! ```
//! use inboard::object::kind::DEPLOYMENT;
//! use inboard::object::patch::Patch;
//! use serde_json::json;
//!
//! let mut pod = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b"}]}}}});
//! let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:2"}]}}}});
//! Patch::Strategic(patch).apply(DEPLOYMENT, &mut pod)?;
//! assert_eq!(pod["spec"]["template"]["spec"]["containers"], json!([{"name": "a", "image": "a:2"}, {"name": "b"}]));
//! # Ok::<(), inboard::object::patch::PatchError>(())
//! ```

mod json;
mod merge;
mod schema;
mod sent;
mod strategic;
mod three_way;
pub(crate) mod told;

use serde_json::Value;

use super::field::{FieldErrors, Path};
use super::kind::{KindId, KindInfo};
use crate::error::{ApiError, Reason, Subject};

pub use json::OPERATIONS_MAX;
pub(crate) use json::apply as apply_operations;
pub use merge::merge;
pub use sent::{PatchFormat, read};
pub use three_way::{LAST_APPLIED, apply, with_last_applied};

/// A change to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902: a list of operations (`application/json-patch+json`).
    Json(Value),
    /// RFC 7386: fields replace fields, null removes (`application/merge-patch+json`).
    Merge(Value),
    /// Like a merge patch, but lists whose elements have a key are merged by it
    /// (`application/strategic-merge-patch+json`). Only built-in kinds have it.
    Strategic(Value),
    /// What a client sent and is no patch, for the reason given: it is refused when it is applied.
    Unreadable(String),
}

/// Why a patch cannot be applied. The texts are upstream's where clients see them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The patch itself is malformed: upstream answers 400.
    #[error("{0}")]
    Malformed(String),
    /// A JSON patch has too many operations: upstream answers 413.
    #[error("The allowed maximum operations in a JSON patch is {max}, got {count}", max = OPERATIONS_MAX)]
    TooManyOperations {
        /// How many it has.
        count: usize,
    },
    /// An operation of a JSON patch does not fit the object: upstream answers 422 and does not say which.
    #[error("operation {index} ({operation}) at {path:?}: {problem}")]
    Operation {
        /// The place of the operation in the patch, from 0.
        index: usize,
        /// Its name.
        operation: String,
        /// The path that it names.
        path: String,
        /// What does not fit.
        problem: &'static str,
    },
    /// A directive of a strategic merge patch is not known or stands in the wrong place: upstream answers 500.
    #[error("{0}")]
    Directive(String),
    /// A list that is to be merged has lists in it: upstream answers 422.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The kind has no strategic merge patch: upstream answers 415.
    #[error("the body of the request was in an unknown format - strategic merge patch is not supported by this kind")]
    NotStrategic,
}

impl PatchError {
    /// What an API server answers.
    pub fn refusal(&self) -> ApiError {
        let text = self.to_string();
        match self {
            Self::TooManyOperations { .. } => {
                ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {text}"))
            }
            // Upstream does not say which operation it was: the log does.
            Self::Operation { .. } | Self::ListOfLists => {
                tracing::debug!("{text}");
                ApiError::new(Reason::Invalid, "the server rejected our request due to an error in our request")
                    .about(Subject::default())
            }
            Self::Directive(_) => ApiError::new(Reason::Unknown, text),
            Self::NotStrategic => ApiError::new(Reason::UnsupportedMediaType, text),
            Self::Malformed(_) => ApiError::bad_request(text),
        }
    }
}

impl Patch {
    /// What an API server says when `after`, which this patch has made, is no object of its kind: the error shows what it
    /// made, or the patch itself.
    pub fn invalid(&self, info: &KindInfo, after: &Value, problem: &str) -> ApiError {
        let shown = match self {
            Self::Strategic(patch) => told::go_map(patch),
            Self::Json(_) | Self::Merge(_) | Self::Unreadable(_) => told::go_json(info, after, self),
        };
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("patch"), shown, problem);
        ApiError::invalid(Subject::default(), errors)
    }

    /// Applies the patch to an object of a kind. On an error the object may have been changed in part.
    ///
    /// # Errors
    /// When the patch is malformed or does not fit the object.
    pub fn apply(&self, kind: KindId, object: &mut Value) -> Result<(), PatchError> {
        match self {
            Self::Json(operations) => json::apply(operations, object),
            Self::Merge(patch) if !patch.is_object() => Err(PatchError::Malformed(sent::NO_MERGE.to_owned())),
            Self::Merge(patch) => {
                merge(object, patch);
                Ok(())
            }
            Self::Strategic(patch) => {
                kind.built_in().ok_or(PatchError::NotStrategic)?;
                strategic::apply(object, patch, schema::of(kind))
            }
            Self::Unreadable(problem) => Err(PatchError::Malformed(problem.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
