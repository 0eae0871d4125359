//! Manifests: texts of YAML or JSON documents, each of which is an object or a list of objects.
//!
//! A text is cut into documents, a document into objects, and each object of a built-in kind is made into its type.
//! An error names the document, the line and column, the object and the field. Fields that a kind does not have are
//! refused, unless the caller would rather have them as warnings or ignored; they are never dropped in silence.

mod document;
mod error;
mod locate;
mod yaml;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode;
use super::kind::{BuiltInKind, KindInfo, Kinds, TypedObject};

pub(crate) use document::whole_numbers;
pub use document::{Document, SyntaxError};
pub use error::{ManifestError, ManifestProblem};
pub(crate) use locate::repeated as repeated_keys;
pub use yaml::to_yaml;

/// What to do with fields that a kind does not have, and keys that stand twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are an error.
    #[default]
    Strict,
    /// They are dropped, and each leaves a warning.
    Warn,
    /// They are dropped.
    Ignore,
}

/// One object of a manifest.
///
/// ```
/// use inboard::k8s_openapi::api::apps::v1::Deployment;
/// use inboard::object::manifest::Manifest;
///
/// let text = "
/// apiVersion: apps/v1
/// kind: Deployment
/// metadata: {name: web}
/// spec:
///   replicas: 3
///   selector: {matchLabels: {app: web}}
///   template:
///     metadata: {labels: {app: web}}
///     spec: {containers: [{name: nginx, image: nginx}]}
/// ";
/// let objects = Manifest::parse(text)?;
/// let deployment: &Deployment = objects[0].typed().expect("the first object is a Deployment");
/// assert_eq!(deployment.spec.replicas, Some(3));
///
/// let error = Manifest::parse(&text.replace("replicas: 3", "replica: 3")).expect_err("no such field");
/// assert_eq!(error.to_string(), "document 1, line 6, column 12: Deployment \"web\": unknown field \"spec.replica\"");
/// # Ok::<(), inboard::object::manifest::ManifestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Manifest {
    value: Value,
    object: Option<Arc<dyn TypedObject>>,
    warnings: Vec<String>,
}

impl Manifest {
    /// Reads all objects of a text, strictly; kinds that are not built in are refused.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Vec<Self>, ManifestError> {
        Self::parse_with(text, &Kinds::built_in(), FieldValidation::Strict)
    }

    /// Reads all objects of a text; users' kinds are those that `kinds` knows, and stay JSON.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse_with(text: &str, kinds: &Kinds, validation: FieldValidation) -> Result<Vec<Self>, ManifestError> {
        let mut objects = Vec::new();
        for (index, document) in Document::read_all(text).map_err(ManifestError::syntax)?.into_iter().enumerate() {
            let source = Source { text, document: index, validation };
            let duplicates = source.duplicates(&document)?;
            let first = objects.len();
            for (prefix, value) in items(document.value) {
                let object = source.object(prefix.as_deref(), value, kinds);
                objects.push(object.map_err(|error| source.located(error, prefix.as_deref()))?);
            }
            if let Some(object) = objects.get_mut(first) {
                object.warnings.splice(0..0, duplicates);
            }
        }
        Ok(objects)
    }

    /// The object as JSON: that of its type where it has one, else as it was written.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object as JSON, taken out.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The object, where its kind is built in.
    pub fn object(&self) -> Option<&Arc<dyn TypedObject>> {
        self.object.as_ref()
    }

    /// The object as its type, where that is `K`.
    pub fn typed<K: BuiltInKind>(&self) -> Option<&K> {
        self.object.as_ref()?.as_any().downcast_ref()
    }

    /// What was dropped from it, in upstream's words (`unknown field "spec.replica"`).
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its `apiVersion`.
    pub fn api_version(&self) -> &str {
        text(&self.value, "/apiVersion")
    }

    /// Its `kind`.
    pub fn kind(&self) -> &str {
        text(&self.value, "/kind")
    }

    /// Its name; empty if it is to be generated.
    pub fn name(&self) -> &str {
        text(&self.value, "/metadata/name")
    }

    /// Its namespace; empty if it names none.
    pub fn namespace(&self) -> &str {
        text(&self.value, "/metadata/namespace")
    }
}

/// Reads one object of a known type from a text, strictly: the type may be a user's own.
///
/// # Errors
/// When the text has not exactly one object, or that object is not of the type.
pub fn parse_one<K: DeserializeOwned>(yaml: &str) -> Result<K, ManifestError> {
    let mut documents = Document::read_all(yaml).map_err(ManifestError::syntax)?;
    let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
        return Err(ManifestError::new(ManifestProblem::NotOne));
    };
    let source = Source { text: yaml, document: 0, validation: FieldValidation::Strict };
    source.duplicates(&document)?;
    let located = |error: ManifestError| source.located(error.about(&document.value), None);
    let (object, unknown) =
        decode::from_value(&document.value).map_err(|error| located(ManifestError::new(error.into())))?;
    match ManifestProblem::unknown_fields(unknown) {
        Some(problem) => Err(located(ManifestError::new(problem))),
        None => Ok(object),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The objects of a document, each with its path in it: the document itself, or the items if it is a list.
fn items(document: Value) -> Vec<(Option<String>, Value)> {
    let item_kind = text(&document, "/kind").strip_suffix("List").map(str::to_owned);
    let api_version = text(&document, "/apiVersion").to_owned();
    let Value::Object(mut fields) = document else { return vec![(None, document)] };
    let (Some(item_kind), Some(Value::Array(items))) = (item_kind, fields.get_mut("items").map(Value::take)) else {
        return vec![(None, Value::Object(fields))];
    };
    let mut objects = Vec::new();
    for (index, mut item) in items.into_iter().enumerate() {
        // The items of a `PodList` need not repeat that they are pods.
        if let (false, Value::Object(item)) = (item_kind.is_empty(), &mut item) {
            item.entry("apiVersion").or_insert_with(|| api_version.as_str().into());
            item.entry("kind").or_insert_with(|| item_kind.as_str().into());
        }
        objects.push((Some(format!("items[{index}]")), item));
    }
    objects
}

/// Where objects are read from.
struct Source<'a> {
    text: &'a str,
    document: usize,
    validation: FieldValidation,
}

impl Source<'_> {
    /// Keys that stand twice: an error, warnings or nothing, as the caller wants.
    fn duplicates(&self, document: &Document) -> Result<Vec<String>, ManifestError> {
        match (self.validation, document.duplicate_fields.first()) {
            (FieldValidation::Strict, Some(path)) => {
                let error = ManifestError::new(ManifestProblem::DuplicateField(path.clone()));
                Err(self.located(error.about(&document.value), None))
            }
            (FieldValidation::Warn, Some(_)) => {
                Ok(document.duplicate_fields.iter().map(|path| format!("duplicate field {path:?}")).collect())
            }
            (FieldValidation::Strict | FieldValidation::Ignore, None)
            | (FieldValidation::Warn, None)
            | (FieldValidation::Ignore, Some(_)) => Ok(Vec::new()),
        }
    }

    fn object(&self, prefix: Option<&str>, value: Value, kinds: &Kinds) -> Result<Manifest, ManifestError> {
        let fail = |problem: ManifestProblem| ManifestError::new(problem).about(&value);
        if !value.is_object() {
            return Err(fail(ManifestProblem::NotAnObject));
        }
        let (api_version, kind) = (text(&value, "/apiVersion"), text(&value, "/kind"));
        if api_version.is_empty() {
            return Err(fail(ManifestProblem::MissingApiVersion));
        }
        if kind.is_empty() {
            return Err(fail(ManifestProblem::MissingKind));
        }
        let info =
            kinds.by_api_version(api_version, kind).ok_or_else(|| fail(unknown_kind(api_version, kind, kinds)))?;
        let Some(codec) = info.codec else {
            return Ok(Manifest { value, object: None, warnings: Vec::new() });
        };
        let decoded = codec.decode(&value).map_err(|error| fail(error.into()))?;
        let prefixed = |path: &String| prefix.map_or_else(|| path.clone(), |prefix| format!("{prefix}.{path}"));
        let unknown: Vec<String> = decoded.unknown_fields.iter().map(prefixed).collect();
        let warnings = match (self.validation, ManifestProblem::unknown_fields(decoded.unknown_fields)) {
            (FieldValidation::Strict, Some(problem)) => return Err(fail(problem)),
            (FieldValidation::Warn, _) => unknown.iter().map(|path| format!("unknown field {path:?}")).collect(),
            (FieldValidation::Strict | FieldValidation::Ignore, _) => Vec::new(),
        };
        Ok(Manifest { value: decoded.object.to_value(), object: Some(decoded.object), warnings })
    }

    /// Says where an error is: the text is read again, which only a mistake costs.
    fn located(&self, error: ManifestError, prefix: Option<&str>) -> ManifestError {
        let path = match (prefix, error.field()) {
            (Some(prefix), Some(field)) => format!("{prefix}.{field}"),
            (Some(prefix), None) => prefix.to_owned(),
            (None, field) => field.unwrap_or_default().to_owned(),
        };
        let (line, column) = locate::find(self.text, self.document, &path).unwrap_or((0, 0));
        error.at(self.document + 1, line, column)
    }
}

/// A kind that is not known, with one that may have been meant.
fn unknown_kind(api_version: &str, kind: &str, kinds: &Kinds) -> ManifestProblem {
    let same = |info: &&KindInfo| info.kind.eq_ignore_ascii_case(kind);
    let meant = kinds.iter().find(same).map(|info| format!("{} of {}", info.kind, info.api_version()));
    ManifestProblem::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned(), meant }
}

#[cfg(test)]
mod tests;
