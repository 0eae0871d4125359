//! Field selectors: `metadata.name=web,spec.nodeName!=n1`.

use std::fmt;
use std::str::FromStr;

/// A field selector, ready to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// One demand on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// The path of the field, as `spec.nodeName`.
    pub field: String,
    /// Whether it must have the value, or must not.
    pub equal: bool,
    /// The value; a field that is not given counts as empty.
    pub value: String,
}

/// Why a field selector cannot be read; the texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldSelectorError {
    /// A part of it is no comparison.
    #[error("invalid selector: '{selector}'; can't understand '{part}'")]
    NotUnderstood {
        /// The whole selector.
        selector: String,
        /// The part.
        part: String,
    },
    /// A backslash stands before something that needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// The kind cannot be selected by this field.
    #[error("field label not supported: {0}")]
    NotSupported(String),
}

impl FieldSelector {
    /// Selects every object.
    pub const fn everything() -> Self {
        Self { terms: Vec::new() }
    }

    /// Selects objects whose field has this value.
    pub fn equal(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self { terms: vec![FieldTerm { field: field.into(), equal: true, value: value.into() }] }
    }

    /// What it demands, in the order given.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether it selects every object.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that it demands of a field, where it does: what an index can be asked for.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }

    /// Whether an object is selected whose fields a function looks up.
    pub fn matches<T: AsRef<str>>(&self, field: impl Fn(&str) -> Option<T>) -> bool {
        self.terms.iter().all(|term| {
            let value = field(&term.field);
            (value.as_ref().map_or("", AsRef::as_ref) == term.value) == term.equal
        })
    }

    /// Refuses fields that a kind cannot be selected by.
    ///
    /// # Errors
    /// With the first field that `supported` does not know.
    pub fn check(&self, supported: impl Fn(&str) -> bool) -> Result<(), FieldSelectorError> {
        match self.terms.iter().find(|term| !supported(&term.field)) {
            Some(term) => Err(FieldSelectorError::NotSupported(term.field.clone())),
            None => Ok(()),
        }
    }
}

impl FromStr for FieldSelector {
    type Err = FieldSelectorError;

    /// Reads a text; in values `\`, `,` and `=` have a backslash before them.
    fn from_str(text: &str) -> Result<Self, FieldSelectorError> {
        let parts = split(text).filter(|part| !part.is_empty());
        let terms = parts.map(|part| {
            let not_understood =
                || FieldSelectorError::NotUnderstood { selector: text.to_owned(), part: part.to_owned() };
            let (at, operator) = find_operator(part).ok_or_else(not_understood)?;
            let value = unescape(&part[at + operator.len()..])?;
            Ok(FieldTerm { field: part[..at].to_owned(), equal: operator != "!=", value })
        });
        Ok(Self { terms: terms.collect::<Result<_, _>>()? })
    }
}

/// The parts between commas that have no backslash before them.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |character| {
        let plain = !escaped;
        escaped = plain && character == '\\';
        plain && character == ','
    })
}

fn find_operator(part: &str) -> Option<(usize, &'static str)> {
    let mut escaped = false;
    for (at, character) in part.char_indices() {
        let plain = !escaped;
        escaped = plain && character == '\\';
        let rest = &part[at..];
        if let Some(operator) = ["!=", "==", "="].into_iter().find(|operator| plain && rest.starts_with(operator)) {
            return Some((at, operator));
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, FieldSelectorError> {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => text.push(escaped),
                _ => return Err(FieldSelectorError::Escape(value.to_owned())),
            },
            ',' | '=' => return Err(FieldSelectorError::Escape(value.to_owned())),
            plain => text.push(plain),
        }
    }
    Ok(text)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term.value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=");
            write!(f, "{comma}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}
