//! What is wrong with a manifest, and where.

use std::fmt;

use serde_json::Value;

use super::{SyntaxError, text};
use crate::object::decode::DecodeError;

/// A manifest that cannot be read: the first thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The number of the document in the text, from 1; 0 if it is not known.
    pub document: usize,
    /// The line, from 1; 0 if it is not known.
    pub line: u64,
    /// The column, from 1; 0 if it is not known.
    pub column: u64,
    /// The object as far as it is known: `Deployment "web"`.
    pub object: Option<String>,
    /// What is wrong.
    pub problem: ManifestProblem,
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// The text is neither JSON nor YAML.
    #[error("{0}")]
    Syntax(String),
    /// A document is not a mapping.
    #[error("a document must be a mapping with apiVersion and kind")]
    NotAnObject,
    /// One object was wanted, and the text has none or several.
    #[error("exactly one document is wanted here")]
    NotOne,
    /// There is no `apiVersion`.
    #[error("apiVersion is missing")]
    MissingApiVersion,
    /// There is no `kind`.
    #[error("kind is missing")]
    MissingKind,
    /// No such kind is known.
    #[error("no kind {kind:?} in version {api_version:?}{}", did_you_mean(.meant.as_deref()))]
    UnknownKind {
        /// The `apiVersion` that was given.
        api_version: String,
        /// The `kind` that was given.
        kind: String,
        /// A kind of that name in another version.
        meant: Option<String>,
    },
    /// A field has a value of the wrong type, or one that cannot be read.
    #[error("{field}{}{message}", if .field.is_empty() { "" } else { ": " })]
    Field {
        /// The path of the field; empty for the object itself.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// There are fields that the kind does not have; never empty.
    #[error("{}", list("unknown field", .0))]
    UnknownFields(Vec<String>),
    /// A key stands twice in one mapping.
    #[error("duplicate field {0:?}")]
    DuplicateField(String),
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}

fn list(what: &str, paths: &[String]) -> String {
    paths.iter().map(|path| format!("{what} {path:?}")).collect::<Vec<_>>().join(", ")
}

impl From<DecodeError> for ManifestProblem {
    fn from(error: DecodeError) -> Self {
        Self::Field { field: error.field().to_owned(), message: error.summary() }
    }
}

impl ManifestProblem {
    pub(super) fn unknown_fields(paths: Vec<String>) -> Option<Self> {
        (!paths.is_empty()).then_some(Self::UnknownFields(paths))
    }
}

impl ManifestError {
    pub(super) const fn new(problem: ManifestProblem) -> Self {
        Self { document: 0, line: 0, column: 0, object: None, problem }
    }

    pub(super) fn syntax(error: SyntaxError) -> Self {
        Self { line: error.line, column: error.column, ..Self::new(ManifestProblem::Syntax(error.message)) }
    }

    /// Names the object that it is about.
    pub(super) fn about(mut self, value: &Value) -> Self {
        let (kind, name) = (text(value, "/kind"), text(value, "/metadata/name"));
        self.object = match (kind, name) {
            ("", _) => None,
            (kind, "") => Some(kind.to_owned()),
            (kind, name) => Some(format!("{kind} {name:?}")),
        };
        self
    }

    pub(super) fn at(self, document: usize, line: u64, column: u64) -> Self {
        Self { document, line, column, ..self }
    }

    /// The path of the field that is wrong, where one is.
    pub fn field(&self) -> Option<&str> {
        match &self.problem {
            ManifestProblem::Field { field, .. } | ManifestProblem::DuplicateField(field) => Some(field),
            ManifestProblem::UnknownFields(fields) => fields.first().map(String::as_str),
            ManifestProblem::UnknownKind { .. } => Some("kind"),
            ManifestProblem::Syntax(_)
            | ManifestProblem::NotAnObject
            | ManifestProblem::NotOne
            | ManifestProblem::MissingApiVersion
            | ManifestProblem::MissingKind => None,
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut place = Vec::new();
        if self.document > 0 {
            place.push(format!("document {}", self.document));
        }
        if self.line > 0 {
            place.push(format!("line {}, column {}", self.line, self.column));
        }
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for ManifestError {}
