//! The body of a write request: bytes that must be an object of the kind that is written, or a message says why not.
//!
//! 1. The bytes are read as JSON or YAML.
//! 2. `apiVersion` and `kind` must be those of the request; left out, they are taken for granted.
//! 3. The object is made into its type. Fields that the kind does not have, and keys that stand twice, are refused,
//!    told as warnings or ignored, as the client asked.
//!
//! The messages are upstream's (`k8s.io/apiserver/pkg/endpoints/handlers`), because clients match on them.

mod strict;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::field::GoQuoted;
use super::kind::{Decoded, KindInfo, Kinds};
use super::manifest::{self, Document, FieldValidation, SyntaxError};
use super::validation::go_json;
use super::{custom, decode};
use crate::error::ApiError;

/// How many bytes of a body that cannot be read are shown.
const SHOWN_BYTES_MAX: usize = 30;

/// How many bytes of a JSON text are read once more to say what is wrong: beyond, a plain message must do.
const EXPLAINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

/// A body that could be read.
#[derive(Debug)]
pub struct Body {
    /// The object, if its kind is built in.
    pub decoded: Option<Decoded>,
    /// The content, with `apiVersion` and `kind`.
    pub value: Value,
    /// What to tell the client in `Warning` headers.
    pub warnings: Vec<String>,
}

/// Reads a body as an object of the kind `info`; `kinds` are all that the cluster knows.
///
/// # Errors
/// `BadRequest` when the bytes cannot be read, are of another kind, have a field of the wrong type, or, with strict
/// validation, have fields that the kind does not have or that stand twice.
pub fn read(
    bytes: &[u8],
    format: Format,
    kinds: &Kinds,
    info: &KindInfo,
    validation: FieldValidation,
) -> Result<Body, ApiError> {
    let document = document(bytes, format).map_err(|problem| unrecognized(&problem, bytes, info))?;
    let Document { mut value, duplicate_fields } = document;
    let (api_version, kind) = identity(&value).map_err(|problem| unrecognized(&problem, bytes, info))?;
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    let (api_version, kind) = (or(api_version, || info.api_version()), or(kind, || info.kind.to_string()));
    if api_version != info.api_version() {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            info.api_version()
        )));
    }
    if kind != *info.kind {
        return Err(cannot_be_handled(&kind, info, &another_kind(&kind, info, kinds)));
    }
    if let Value::Object(fields) = &mut value {
        fields.insert("apiVersion".to_owned(), Value::from(api_version));
        fields.insert("kind".to_owned(), Value::from(kind.as_str()));
    }
    let decoded = match info.codec {
        Some(codec) => Some(codec.decode(&value).map_err(|error| cannot_be_handled(&kind, info, &error.to_string()))?),
        None => None,
    };
    let problems = match (validation, &info.defined) {
        (FieldValidation::Ignore, _) => Vec::new(),
        (FieldValidation::Strict | FieldValidation::Warn, None) => {
            strict_problems(bytes, format, &duplicate_fields, decoded.as_ref())
        }
        (FieldValidation::Strict | FieldValidation::Warn, Some(defined)) => {
            let duplicates = strict_problems(bytes, format, &duplicate_fields, None);
            let unknown = unknown_in_metadata(&value).into_iter().chain(custom::unknown_fields(defined, &value));
            duplicates.into_iter().chain(unknown.map(|field| format!("unknown field \"{field}\""))).collect()
        }
    };
    let warnings = match validation {
        FieldValidation::Strict if !problems.is_empty() => {
            let problem = format!("strict decoding error: {}", problems.join(", "));
            return Err(cannot_be_handled(&kind, info, &problem));
        }
        FieldValidation::Warn => problems,
        FieldValidation::Strict | FieldValidation::Ignore => Vec::new(),
    };
    Ok(Body { decoded, value, warnings })
}

/// Reads the body of a server-side apply (`application/apply-patch+yaml`): an object of whatever kind, of which the apply says
/// whether it is the right one.
///
/// # Errors
/// `BadRequest` when the bytes are no YAML or no object.
pub fn applied(bytes: &[u8], format: Format) -> Result<Value, ApiError> {
    let unreadable = |problem: &str| ApiError::bad_request(format!("error decoding YAML: {problem}"));
    let Document { value, .. } = document(bytes, format).map_err(|problem| unreadable(&problem))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        other => {
            let kind = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                Value::Number(_) | Value::Null | Value::Object(_) => "number",
            };
            let problem = format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type \
                 map[string]interface {{}}"
            );
            Err(unreadable(&problem))
        }
    }
}

/// The paths of keys that stand twice in a JSON text, in its order; none when it is no JSON.
pub fn duplicate_fields(json: &[u8]) -> Vec<String> {
    let told = strict::problems(json, &[]).unwrap_or_default();
    let path = |problem: &String| problem.strip_prefix("duplicate field \"")?.strip_suffix('"').map(str::to_owned);
    told.iter().filter_map(path).collect()
}

/// The fields of an object's own metadata that no metadata has.
fn unknown_in_metadata(value: &Value) -> Vec<String> {
    let typed = value.get("metadata").map(decode::from_value::<ObjectMeta>);
    let unknown = typed.and_then(Result::ok).map(|(_, unknown)| unknown).unwrap_or_default();
    unknown.into_iter().map(|field| format!("metadata.{field}")).collect()
}

fn or(given: Option<String>, expected: impl FnOnce() -> String) -> String {
    given.filter(|text| !text.is_empty()).unwrap_or_else(expected)
}

/// JSON is read again for the order of its text, which only a text with problems needs.
fn strict_problems(bytes: &[u8], format: Format, duplicates: &[String], decoded: Option<&Decoded>) -> Vec<String> {
    let unknown = decoded.map(|decoded| decoded.unknown_fields.as_slice()).unwrap_or_default();
    if duplicates.is_empty() && unknown.is_empty() {
        return Vec::new();
    }
    let unknown_of = |field: &String| format!("unknown field \"{field}\"");
    match format {
        Format::Json => strict::problems(bytes, unknown).unwrap_or_else(|| {
            let duplicates = duplicates.iter().map(|field| format!("duplicate field \"{field}\""));
            duplicates.chain(unknown.iter().map(unknown_of)).collect()
        }),
        Format::Yaml => repeated_keys(bytes).into_iter().chain(unknown.iter().map(unknown_of)).collect(),
    }
}

/// All keys that stand twice are one problem, with a line for each.
fn repeated_keys(bytes: &[u8]) -> Option<String> {
    let repeated = manifest::repeated_keys(std::str::from_utf8(bytes).ok()?);
    let lines = repeated.iter().map(|(line, key)| format!("\n  line {line}: key {} already set in map", GoQuoted(key)));
    (!repeated.is_empty()).then(|| lines.fold("yaml: unmarshal errors:".to_owned(), |text, line| text + &line))
}

fn document(bytes: &[u8], format: Format) -> Result<Document, String> {
    let nothing = || Document { value: Value::Null, duplicate_fields: Vec::new() };
    match format {
        Format::Json => Document::from_json(bytes).map_err(|error| json_problem(bytes, &error)),
        Format::Yaml => {
            let text = std::str::from_utf8(bytes).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
            let documents = Document::from_yaml(text).map_err(|error| yaml_problem(&error))?;
            Ok(documents.into_iter().next().unwrap_or_else(nothing))
        }
    }
}

fn json_problem(bytes: &[u8], error: &SyntaxError) -> String {
    format!("couldn't get version/kind; json parse error: {}", explain(bytes, &error.message))
}

/// What is wrong with a text that is no JSON, in the words of Go; `otherwise` when Go finds nothing.
pub fn explain(json: &[u8], otherwise: &str) -> String {
    let explained = if json.len() <= EXPLAINED_BYTES_MAX { go_json::kind(json).err() } else { None };
    explained.unwrap_or_else(|| otherwise.to_owned())
}

/// What upstream's YAML library says, which ours says with more words around.
const YAML_PROBLEMS: &[&str] = &[
    "block sequence entries are not allowed in this context",
    "could not find expected ':'",
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
    "did not find expected '-' indicator",
    "did not find expected alphabetic or numeric character",
    "did not find expected key",
    "did not find expected node content",
    "found character that cannot start any token",
    "found unexpected end of stream",
    "found unknown escape character",
    "mapping values are not allowed in this context",
];

fn yaml_problem(error: &SyntaxError) -> String {
    let message = error.message.as_str();
    let message = if message.starts_with("tabs disallowed") {
        "found character that cannot start any token"
    } else {
        YAML_PROBLEMS.iter().find(|known| message.contains(**known)).unwrap_or(&message)
    };
    match error.line {
        0 => format!("yaml: {message}"),
        line => format!("yaml: line {line}: {message}"),
    }
}

/// The `apiVersion` and `kind` of a body.
fn identity(value: &Value) -> Result<(Option<String>, Option<String>), String> {
    let kind_of = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let problem = |what: String| format!("couldn't get version/kind; json parse error: json: cannot unmarshal {what}");
    let field = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(problem(format!("{} into Go struct field .{name} of type string", kind_of(other)))),
    };
    match value {
        Value::Object(_) | Value::Null => Ok((field("apiVersion")?, field("kind")?)),
        other => Err(problem(format!(
            "{} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
             Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            kind_of(other)
        ))),
    }
}

/// Why an object of one kind is none of another: upstream's names for the two types.
fn another_kind(kind: &str, info: &KindInfo, kinds: &Kinds) -> String {
    let version = &info.version;
    let package = match info.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    };
    let is_known = kinds.by_kind(&info.group, version, kind).is_some();
    if is_known {
        format!("converting ({version}.{kind}) to ({package}.{}): unknown conversion", info.kind)
    } else {
        format!(
            "no kind \"{kind}\" is registered for version \"{}\" in scheme \
             \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
            info.api_version()
        )
    }
}

fn cannot_be_handled(kind: &str, info: &KindInfo, problem: &str) -> ApiError {
    let (version, wanted) = (&info.version, &info.kind);
    ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {wanted}: {problem}"))
}

fn unrecognized(problem: &str, bytes: &[u8], info: &KindInfo) -> ApiError {
    let kind = &info.kind;
    let body = summary(bytes);
    ApiError::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {problem} ({body})"))
}

/// The beginning of a body: as text where it looks like JSON, else in hexadecimal digits.
fn summary(bytes: &[u8]) -> String {
    let (shown, more) = match bytes.get(..SHOWN_BYTES_MAX) {
        Some(first) if bytes.len() > SHOWN_BYTES_MAX => (first, " ..."),
        _ => (bytes, ""),
    };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => {
            let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{digits}{more}")
        }
    }
}
