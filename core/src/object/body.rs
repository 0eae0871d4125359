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
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::field::{FieldErrors, GoQuoted, Path};
use super::kind::{Decoded, KindInfo, Kinds};
use super::manifest::{self, Document, FieldValidation, SyntaxError};
use super::validation::go_json;
use super::{custom, decode};
use crate::error::{ApiError, Subject};

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
    let Identified { value, kind, version, duplicate_fields } = identified(bytes, format, kinds, info)?;
    let unreadable = |problem: &str| cannot_be_handled(&kind, &version, info, problem);
    let decoded = match info.codec {
        Some(codec) => Some(codec.decode(&value).map_err(|error| unreadable(&error.to_string()))?),
        None => None,
    };
    if info.defined.is_some() {
        custom_metadata(&value).map_err(|problem| unreadable(&problem))?;
    }
    let problems = match (validation, &info.defined) {
        (FieldValidation::Ignore, _) => Vec::new(),
        (FieldValidation::Strict | FieldValidation::Warn, None) => {
            let unknown = decoded.as_ref().map(|decoded| decoded.unknown_fields.as_slice()).unwrap_or_default();
            strict_problems(bytes, format, &duplicate_fields, unknown)
        }
        (FieldValidation::Strict | FieldValidation::Warn, Some(defined)) => {
            let duplicates = strict_problems(bytes, format, &duplicate_fields, &[]);
            let unknown = unknown_in_metadata(&value).into_iter().chain(custom::unknown_fields(defined, &value));
            duplicates.into_iter().chain(unknown.map(|field| format!("unknown field \"{field}\""))).collect()
        }
    };
    let warnings = judged(validation, problems).map_err(|problem| unreadable(&problem))?;
    Ok(Body { decoded, value, warnings })
}

/// Reads a body that is no object of a stored kind but has a type of its own, which `info` names: a scale. Its content comes
/// with `apiVersion` and `kind`, and with what to tell the client.
///
/// # Errors
/// As [`read`].
pub fn read_part<T: DeserializeOwned>(
    bytes: &[u8],
    format: Format,
    kinds: &Kinds,
    info: &KindInfo,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), ApiError> {
    let Identified { value, kind, version, duplicate_fields } = identified(bytes, format, kinds, info)?;
    let unreadable = |problem: &str| cannot_be_handled(&kind, &version, info, problem);
    let (_, unknown) = decode::from_value::<T>(&value).map_err(|error| unreadable(&error.to_string()))?;
    let problems = match validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Strict | FieldValidation::Warn => strict_problems(bytes, format, &duplicate_fields, &unknown),
    };
    let warnings = judged(validation, problems).map_err(|problem| unreadable(&problem))?;
    Ok((value, warnings))
}

/// A body that says that it is what is wanted.
struct Identified {
    value: Value,
    kind: String,
    version: String,
    duplicate_fields: Vec<String>,
}

fn identified(bytes: &[u8], format: Format, kinds: &Kinds, info: &KindInfo) -> Result<Identified, ApiError> {
    let document = document(bytes, format).map_err(|problem| unrecognized(&problem, bytes, info))?;
    let Document { mut value, duplicate_fields } = document;
    let (api_version, kind) = identity(&value).map_err(|problem| unrecognized(&problem, bytes, info))?;
    if value.is_null() {
        value = Value::Object(serde_json::Map::new());
    }
    let (api_version, kind) = (or(api_version, || info.api_version()), or(kind, || info.kind.to_string()));
    if api_version.matches('/').count() > 1 {
        let problem = format!("unexpected GroupVersion string: {api_version}");
        return Err(unrecognized(&problem, bytes, info));
    }
    let version = api_version.rsplit('/').next().unwrap_or_default().to_owned();
    if api_version != info.api_version() || kind != *info.kind {
        if info.defined.is_some() {
            if let Some(problem) = custom_version(&api_version, &kind, info, kinds) {
                return Err(cannot_be_handled(&kind, &version, info, &problem));
            }
            if kind != *info.kind {
                return Err(custom_kind(&kind, &value, info));
            }
        }
        // Upstream reads whatever kind of object it knows before it looks whether that is the one.
        if kind == *info.kind && (info.defined.is_some() || is_other_version(&api_version, info)) {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({})",
                info.api_version()
            )));
        }
        let problem = another_kind(&api_version, &kind, info, kinds, &value);
        return Err(cannot_be_handled(&kind, &version, info, &problem));
    }
    if let Value::Object(fields) = &mut value {
        fields.insert("apiVersion".to_owned(), Value::from(api_version));
        fields.insert("kind".to_owned(), Value::from(kind.as_str()));
    }
    Ok(Identified { value, kind, version, duplicate_fields })
}

/// Why an object of a user's own kind cannot be one in a version that its definition does not have.
pub(crate) fn custom_version(api_version: &str, kind: &str, info: &KindInfo, kinds: &Kinds) -> Option<String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if group != &*info.group {
        let slash = if api_version.contains('/') { "" } else { "/" };
        let wanted = info.api_version();
        return Some(format!(
            "{slash}{api_version}, Kind={kind} is unstructured and is not suitable for converting to \"{wanted}\""
        ));
    }
    let is_known = kinds.by_kind(group, version, &info.kind).is_some();
    (!is_known).then(|| format!("request to convert CR from an invalid group/version: {api_version}"))
}

/// That an object of a user's own kind says that it is of another: upstream finds it when it validates what has been read.
pub(crate) fn custom_kind(kind: &str, object: &Value, info: &KindInfo) -> ApiError {
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("kind"), kind, format!("must be {}", info.kind));
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    ApiError::invalid(Subject::new(info.group.to_string(), kind, name), errors)
}

/// Whether upstream knows the kind in this version too: it still reads those of before a kind was stable, and those of the
/// group in which the first kinds were that were not in the core group.
fn is_other_version(api_version: &str, info: &KindInfo) -> bool {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is_early = version.contains("alpha") || version.contains("beta");
    let was_extension = matches!(&*info.kind, "DaemonSet" | "Deployment" | "Ingress" | "NetworkPolicy" | "ReplicaSet");
    let is_autoscaler = matches!(version, "v1" | "v2") && &*info.kind == "HorizontalPodAutoscaler";
    match group {
        "extensions" => version == "v1beta1" && was_extension,
        "" => false,
        group => group == &*info.group && (is_early || is_autoscaler),
    }
}

/// What to warn of, or the error that tells it.
fn judged(validation: FieldValidation, problems: Vec<String>) -> Result<Vec<String>, String> {
    match validation {
        FieldValidation::Strict if !problems.is_empty() => {
            Err(format!("strict decoding error: {}", problems.join(", ")))
        }
        FieldValidation::Warn => Ok(problems.into_iter().flat_map(one_by_one).collect()),
        FieldValidation::Strict | FieldValidation::Ignore => Ok(Vec::new()),
    }
}

/// What is wrong with several lines of a YAML text is one problem, and as many warnings.
fn one_by_one(problem: String) -> Vec<String> {
    match problem.strip_prefix(REPEATED_KEYS) {
        Some(lines) => lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect(),
        None => vec![problem],
    }
}

/// What begins the list of keys that stand twice.
const REPEATED_KEYS: &str = "yaml: unmarshal errors:";

/// Reads the body of a server-side apply (`application/apply-patch+yaml`): an object of whatever kind, of which the apply says
/// whether it is the right one.
///
/// # Errors
/// `BadRequest` when the bytes are no YAML or no object.
pub fn applied(bytes: &[u8], format: Format) -> Result<Value, ApiError> {
    let unreadable = |problem: &str| ApiError::bad_request(format!("error decoding YAML: {problem}"));
    let Document { value, .. } =
        document(bytes, format).map_err(|problem| unreadable(&format!("error converting YAML to JSON: {problem}")))?;
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

/// What to warn of in the body of a server-side apply: keys that stand twice.
///
/// # Errors
/// `BadRequest` where the client wants that to be one.
pub fn applied_twice(bytes: &[u8], validation: FieldValidation) -> Result<Vec<String>, ApiError> {
    match (validation, repeated_keys(bytes)) {
        (FieldValidation::Strict, Some(problem)) => {
            let problem = format!("error strict decoding YAML: error converting YAML to JSON: {problem}");
            Err(ApiError::bad_request(problem))
        }
        (FieldValidation::Warn, Some(problem)) => Ok(one_by_one(problem)),
        (_, None) | (FieldValidation::Ignore, _) => Ok(Vec::new()),
    }
}

/// The paths of keys that stand twice in a JSON text, in its order; none when it is no JSON.
pub fn duplicate_fields(json: &[u8]) -> Vec<String> {
    let told = strict::problems(json, &[]).unwrap_or_default();
    let path = |problem: &String| problem.strip_prefix("duplicate field \"")?.strip_suffix('"').map(str::to_owned);
    told.iter().filter_map(path).collect()
}

/// Whether the metadata of an object of a user's own kind is metadata.
///
/// # Errors
/// What is none, in upstream's words.
pub(crate) fn custom_metadata(value: &Value) -> Result<(), String> {
    let Some(metadata) = value.get("metadata") else { return Ok(()) };
    decode::from_value::<ObjectMeta>(metadata).map(drop).map_err(|error| error.to_string())
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
fn strict_problems(bytes: &[u8], format: Format, duplicates: &[String], unknown: &[String]) -> Vec<String> {
    // What a mapping takes over from another is no duplicate to our reader, and one to upstream's.
    let takes_over = matches!(format, Format::Yaml) && bytes.windows(2).any(|letters| letters == b"<<");
    if duplicates.is_empty() && unknown.is_empty() && !takes_over {
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
    (!repeated.is_empty()).then(|| lines.fold(REPEATED_KEYS.to_owned(), |text, line| text + &line))
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

/// What our YAML library says, and upstream's says otherwise.
const OTHER_YAML_PROBLEMS: &[(&str, &str)] = &[
    ("tabs disallowed", "found character that cannot start any token"),
    ("unclosed bracket '['", "did not find expected ',' or ']'"),
    ("unclosed bracket '{'", "did not find expected ',' or '}'"),
];

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
    let other = OTHER_YAML_PROBLEMS.iter().find(|(ours, _)| message.starts_with(ours)).map(|(_, other)| *other);
    let message = other.or_else(|| YAML_PROBLEMS.iter().copied().find(|known| message.contains(known)));
    let message = message.unwrap_or(error.message.as_str());
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

/// Why an object of another kind or version cannot be read as one of the kind `info`: it does not fit its own type, or there
/// is no way from that to this, in upstream's names for the two.
pub(crate) fn another_kind(api_version: &str, kind: &str, info: &KindInfo, kinds: &Kinds, object: &Value) -> String {
    let package = match info.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match kinds.by_kind(group, version, kind) {
        Some(other) => match other.codec.map(|codec| codec.decode(object)) {
            Some(Err(error)) => error.to_string(),
            Some(Ok(_)) | None => {
                format!("converting ({version}.{kind}) to ({package}.{}): unknown conversion", info.kind)
            }
        },
        None => format!(
            "no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \
             \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\""
        ),
    }
}

fn cannot_be_handled(kind: &str, version: &str, info: &KindInfo, problem: &str) -> ApiError {
    let wanted = &info.kind;
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
