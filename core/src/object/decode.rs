//! From JSON to a typed object, as an API server does it: leniently where Kubernetes is lenient, and with its words
//! where it is not.
//!
//! `null` stands for a field that is not given. A quantity may be a number, and is kept in the form that an API server
//! shows. A field that the type does not have is not an error here: its path is handed back, and the caller refuses,
//! warns or ignores, as the client asked. A wrong type is an error that names the field.

mod base64;
mod deserializer;
mod place;
mod probe;

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeOwned, Expected, Unexpected};
use serde_json::Value;

use deserializer::De;
use place::Place;

use super::wire::is_built_in;

/// A field has a value of the wrong type, or one that cannot be read.
///
/// The message is upstream's (`json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type
/// int32`), because clients and tests match on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    field: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    /// What was found, and the type that was wanted, for a place that is not known yet.
    Type { found: String, wanted: String },
    /// A whole message.
    Message(String),
}

impl DecodeError {
    /// The path of the field, as `spec.containers[0].image`; empty for the object itself.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What was expected and found, in plain words without the names of upstream's program.
    pub fn summary(&self) -> String {
        match &self.problem {
            Problem::Message(message) => {
                let plain = message.strip_prefix("json: cannot unmarshal ").and_then(|rest| {
                    let (found, rest) = rest.split_once(" into Go ")?;
                    let (_, wanted) = rest.rsplit_once(" of type ")?;
                    Some(format!("expected {}, found {found}", plain_type(wanted)))
                });
                plain.unwrap_or_else(|| message.clone())
            }
            Problem::Type { found, wanted } => format!("expected {}, found {found}", plain_type(wanted)),
        }
    }

    fn wrong_type(found: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self { field: String::new(), problem: Problem::Type { found: found.into(), wanted: wanted.into() } }
    }

    fn message(message: impl Into<String>) -> Self {
        Self { field: String::new(), problem: Problem::Message(message.into()) }
    }

    /// Says where it happened, unless that is known already.
    fn at(mut self, place: &Place<'_>) -> Self {
        if self.field.is_empty() {
            self.field = place.to_string();
        }
        if let Problem::Type { found, wanted } = &self.problem {
            let target = place.go_field().map_or_else(|| "value".to_owned(), |field| format!("struct field {field}"));
            self.problem =
                Problem::Message(format!("json: cannot unmarshal {found} into Go {target} of type {wanted}"));
        }
        self
    }
}

fn plain_type(go: &str) -> &str {
    match go {
        "int32" | "int64" | "uint8" | "int" => "a whole number",
        "float64" => "a number",
        "string" => "a string",
        "bool" => "true or false",
        _ if go.starts_with("[]") => "a list",
        _ => "a mapping",
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Message(message) => f.write_str(message),
            Problem::Type { found, wanted } => {
                write!(f, "json: cannot unmarshal {found} into Go value of type {wanted}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::message(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = expected.to_string();
        let found = match unexpected {
            Unexpected::Bool(_) => "bool".to_owned(),
            Unexpected::Float(number) => format!("number {number}"),
            Unexpected::Unsigned(number) => format!("number {number}"),
            Unexpected::Signed(number) => format!("number {number}"),
            Unexpected::Str(_) => "string".to_owned(),
            Unexpected::Seq => "array".to_owned(),
            Unexpected::Map => "object".to_owned(),
            other => other.to_string(),
        };
        // Upstream reads whatever is not in quotes as the number of the two.
        Self::wrong_type(found, if wanted == "IntOrString" { "int32".to_owned() } else { wanted })
    }
}

/// Makes a typed value from JSON; the paths of fields that its type does not have come with it, sorted by field name
/// within each object.
///
/// # Errors
/// When a field has the wrong type.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<(T, Vec<String>), DecodeError> {
    let unknown = RefCell::default();
    let root = Place::root();
    let built_in = value.get("apiVersion").and_then(Value::as_str).is_some_and(is_built_in);
    let object =
        T::deserialize(De { value, place: &root, built_in, unknown: &unknown }).map_err(|error| error.at(&root))?;
    Ok((object, unknown.into_inner()))
}

#[cfg(test)]
mod tests;
