//! Where in an object something is wrong, and what: the paths and errors of validation.
//!
//! The texts are those of upstream's `k8s.io/apimachinery/pkg/util/validation/field`: clients match on them.

use std::fmt;

use serde_json::Value;

/// A path to a field, written as `spec.containers[0].env[2].name` or `metadata.labels[app]`.
///
/// A path is made on the stack, link by link, and written out only when an error needs it.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The path of a top-level field.
    pub const fn new(field: &'a str) -> Self {
        Self { parent: None, step: Step::Field(field) }
    }

    /// The path of a field below this one.
    pub const fn field(&'a self, field: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(field) }
    }

    /// The path of a list element.
    pub const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// The path of a map entry.
    pub const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            // Upstream writes a nameless field (the whole object) as an empty subscript.
            Step::Field("") => f.write_str("[]"),
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// What is wrong with a field: the `reason` of a status cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// A value that something else must hold is not there.
    NotFound,
    /// A value must be given.
    Required,
    /// A value stands twice where it may stand once.
    Duplicate,
    /// A value breaks a rule.
    Invalid,
    /// A value is none of those allowed.
    NotSupported,
    /// A value may not be given here.
    Forbidden,
    /// A text is too long.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// A value has the wrong type.
    TypeInvalid,
    /// The server failed.
    Internal,
}

impl FieldProblem {
    /// The `reason` that a status cause carries.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field.
    pub field: String,
    /// What kind of problem it is.
    pub problem: FieldProblem,
    /// The problem with the value, without the path: what a status cause calls its message.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// How many errors are told of one object: whoever sends more than that does not read them.
const ERRORS_MAX: usize = 10_000;

/// All that is wrong with an object, in the order in which it was found; of very much, the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Nothing wrong so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The errors in order.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// Adds an error made elsewhere.
    pub fn push(&mut self, error: FieldError) {
        if !self.is_full() {
            self.0.push(error);
        }
    }

    /// Takes back those of the errors from this one on that `keeps` is false for.
    pub(crate) fn retain_from(&mut self, start: usize, keeps: impl Fn(&FieldError) -> bool) {
        let mut index = 0;
        self.0.retain(|error| {
            index += 1;
            index <= start || keeps(error)
        });
    }

    /// Whether no more errors are told, however many there are.
    pub const fn is_full(&self) -> bool {
        self.0.len() >= ERRORS_MAX
    }

    /// Adds all of another's errors.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
        self.0.truncate(ERRORS_MAX);
    }

    /// A value breaks a rule; `value` is shown as JSON (a text in quotes).
    pub fn invalid(&mut self, path: &Path<'_>, value: impl Into<Value>, detail: impl AsRef<str>) {
        self.with_value(path, FieldProblem::Invalid, &value.into(), detail.as_ref());
    }

    /// A text breaks each of the rules that `problems` names: one error a rule.
    pub fn invalid_each(&mut self, path: &Path<'_>, value: &str, problems: impl IntoIterator<Item = String>) {
        for problem in problems {
            self.invalid(path, value, problem);
        }
    }

    /// A value breaks a rule; `json` is the value as upstream shows it, where that is not our own JSON of it.
    pub fn invalid_json(&mut self, path: &Path<'_>, json: impl fmt::Display, detail: impl AsRef<str>) {
        self.shown(path, FieldProblem::Invalid, json, detail.as_ref());
    }

    /// A value breaks a rule, and showing it would not help.
    pub fn invalid_omitted(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.plain(path, FieldProblem::Invalid, detail.as_ref());
    }

    /// As [`FieldErrors::duplicate`], with a value as upstream shows it and what makes it the same as another.
    pub fn duplicate_json(&mut self, path: &Path<'_>, json: impl fmt::Display, detail: impl AsRef<str>) {
        self.shown(path, FieldProblem::Duplicate, json, detail.as_ref());
    }

    /// As [`FieldErrors::not_supported`], with a value as upstream shows it.
    pub fn not_supported_json(&mut self, path: &Path<'_>, json: impl fmt::Display, supported: &[&str]) {
        self.shown(path, FieldProblem::NotSupported, json, &supported_values(supported));
    }

    /// The server failed at a field.
    pub fn internal(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.plain(path, FieldProblem::Internal, detail.as_ref());
    }

    /// A value that something else must hold is not there; `detail` says where it was looked for.
    pub fn not_found_detail(&mut self, path: &Path<'_>, value: impl Into<Value>, detail: impl AsRef<str>) {
        self.with_value(path, FieldProblem::NotFound, &value.into(), detail.as_ref());
    }

    /// A value has the wrong type.
    pub fn type_invalid(&mut self, path: &Path<'_>, value: impl Into<Value>, detail: impl AsRef<str>) {
        self.with_value(path, FieldProblem::TypeInvalid, &value.into(), detail.as_ref());
    }

    /// A value must be given.
    pub fn required(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.plain(path, FieldProblem::Required, detail.as_ref());
    }

    /// A value may not be given here.
    pub fn forbidden(&mut self, path: &Path<'_>, detail: impl AsRef<str>) {
        self.plain(path, FieldProblem::Forbidden, detail.as_ref());
    }

    /// A value stands twice where it may stand once.
    pub fn duplicate(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.with_value(path, FieldProblem::Duplicate, &value.into(), "");
    }

    /// A value that something else must hold is not there.
    pub fn not_found(&mut self, path: &Path<'_>, value: impl Into<Value>) {
        self.with_value(path, FieldProblem::NotFound, &value.into(), "");
    }

    /// A value is none of those allowed, which are listed in the order given (upstream sorts enumerations by name).
    pub fn not_supported(&mut self, path: &Path<'_>, value: impl Into<Value>, supported: &[&str]) {
        self.with_value(path, FieldProblem::NotSupported, &value.into(), &supported_values(supported));
    }

    /// A text may have `max` bytes at most.
    pub fn too_long(&mut self, path: &Path<'_>, max: usize) {
        self.plain(path, FieldProblem::TooLong, &format!("may not be more than {max} bytes"));
    }

    /// A list or map has `actual` entries, and may have `max`.
    pub fn too_many(&mut self, path: &Path<'_>, actual: usize, max: usize) {
        let detail = format!("must have at most {max} item{}", if max == 1 { "" } else { "s" });
        self.with_value(path, FieldProblem::TooMany, &Value::from(actual), &detail);
    }

    fn with_value(&mut self, path: &Path<'_>, problem: FieldProblem, value: &Value, detail: &str) {
        match value {
            Value::String(text) => self.shown(path, problem, GoQuoted(text), detail),
            _ => self.shown(path, problem, value, detail),
        }
    }

    fn shown(&mut self, path: &Path<'_>, problem: FieldProblem, value: impl fmt::Display, detail: &str) {
        if self.is_full() {
            return;
        }
        let title = problem.title();
        let message =
            if detail.is_empty() { format!("{title}: {value}") } else { format!("{title}: {value}: {detail}") };
        self.0.push(FieldError { field: path.to_string(), problem, message });
    }

    fn plain(&mut self, path: &Path<'_>, problem: FieldProblem, detail: &str) {
        let title = problem.title();
        let message = if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") };
        self.0.push(FieldError { field: path.to_string(), problem, message });
    }
}

fn supported_values(supported: &[&str]) -> String {
    let quoted: Vec<String> = supported.iter().map(|text| Value::from(*text).to_string()).collect();
    if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<FieldError> for FieldErrors {
    fn extend<I: IntoIterator<Item = FieldError>>(&mut self, errors: I) {
        self.0.extend(errors);
    }
}

impl fmt::Display for FieldErrors {
    /// As in a status message: one error as it is, several in brackets, each text once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut different: Vec<&FieldError> = Vec::with_capacity(self.0.len());
        for error in &self.0 {
            if !different.contains(&error) {
                different.push(error);
            }
        }
        match different.as_slice() {
            [] => Ok(()),
            [one] => one.fmt(f),
            many => {
                f.write_str("[")?;
                for (index, error) in many.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    error.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// A text in quotes as Go writes it (`%q`).
#[derive(Clone, Copy, Debug)]
pub struct GoQuoted<'a>(pub &'a str);

impl fmt::Display for GoQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\x07' => f.write_str("\\a")?,
                '\x08' => f.write_str("\\b")?,
                '\x0b' => f.write_str("\\v")?,
                '\x0c' => f.write_str("\\f")?,
                '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", u32::from(character))?,
                _ if is_printable(character) => write!(f, "{character}")?,
                _ if u32::from(character) < 0x10000 => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => write!(f, "\\U{:08x}", u32::from(character))?,
            }
        }
        f.write_str("\"")
    }
}

/// Whether a character is one that Go prints as it is: a letter, mark, number, punctuation, symbol, or a space.
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // Behind another character marks are not escaped.
    let mut text = [0; 5];
    text[0] = b'a';
    let length = character.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..=length]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        for (text, expected) in [
            ("a \"b\" \\", r#""a \"b\" \\""#),
            ("\u{e9} e\u{301} \u{4e16} \u{1f600}", "\"\u{e9} e\u{301} \u{4e16} \u{1f600}\""),
            ("\0\t\u{7f}\u{85}\u{a0}", r#""\x00\t\x7f\u0085\u00a0""#),
            ("\u{200b}\u{ad}\u{feff}\u{e000}\u{e0001}", r#""\u200b\u00ad\ufeff\ue000\U000e0001""#),
        ] {
            assert_eq!(GoQuoted(text).to_string(), expected);
        }
    }

    #[test]
    fn errors_read_as_upstream_writes_them() {
        let spec = Path::new("spec");
        let containers = spec.field("containers");
        let mut errors = FieldErrors::new();
        errors.required(&containers.index(0).field("image"), "");
        errors.invalid(&spec.field("replicas"), -1, "must be greater than or equal to 0");
        errors.not_supported(&spec.field("restartPolicy"), "always", &["Always", "Never", "OnFailure"]);
        assert_eq!(
            errors.to_string(),
            "[spec.containers[0].image: Required value, \
             spec.replicas: Invalid value: -1: must be greater than or equal to 0, \
             spec.restartPolicy: Unsupported value: \"always\": supported values: \"Always\", \"Never\", \"OnFailure\"]"
        );
    }
}
