//! A set of fields as `fieldsV1` holds it: a map for each step, `.` in it where the step itself is a member too.
//!
//! ```text
//! {"f:data": {".": {}, "f:a": {}}, "f:ports": {"k:{\"port\":80}": {".": {}}, "v:1": {}, "i:0": {}}}
//! ```

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::FieldSet;

/// Why a text is no set of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A step's value must be a map.
    #[error("the fields below `{0}` are not a map")]
    NotAMap(String),
    /// A step cannot be read.
    #[error("`{0}` is no path element")]
    Element(String),
}

impl FieldSet {
    /// Reads a set from the JSON of `fieldsV1`. Steps of a kind that is not known are left out, as upstream does it.
    ///
    /// # Errors
    /// When a step has no map below it, or cannot be read.
    pub fn from_fields(fields: &Value) -> Result<Self, FieldsError> {
        Ok(read("", fields)?.0)
    }

    /// The JSON of `fieldsV1`.
    pub fn to_fields(&self) -> Value {
        Value::Object(print(self, false))
    }
}

/// What is below a step, and whether the step is a member.
fn read(key: &str, fields: &Value) -> Result<(FieldSet, bool), FieldsError> {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null => return Ok((FieldSet::new(), true)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(FieldsError::NotAMap(key.to_owned()));
        }
    };
    let mut below = FieldSet::new();
    let mut is_member = false;
    for (key, fields) in fields {
        if key == "." {
            is_member = true;
            continue;
        }
        if let Some(element) = element(key)? {
            let (further, is_member) = read(key, fields)?;
            below.insert_below(element, is_member, further);
        }
    }
    is_member |= below.is_empty();
    Ok((below, is_member))
}

fn element(key: &str) -> Result<Option<PathElement>, FieldsError> {
    let unreadable = || FieldsError::Element(key.to_owned());
    let (kind, content) = key.split_at_checked(2).ok_or_else(unreadable)?;
    Ok(Some(match kind {
        "f:" => PathElement::field(content),
        "k:" => {
            let fields: Map<String, Value> = serde_json::from_str(content).map_err(|_| unreadable())?;
            PathElement::key(fields.into_iter().collect())
        }
        "v:" => PathElement::Value(serde_json::from_str(content).map_err(|_| unreadable())?),
        "i:" => PathElement::Index(content.parse().map_err(|_| unreadable())?),
        kind if kind.ends_with(':') => return Ok(None),
        _ => return Err(unreadable()),
    }))
}

fn print(set: &FieldSet, is_member: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    if is_member && !set.is_empty() {
        fields.insert(".".to_owned(), Value::Object(Map::new()));
    }
    for (element, is_member, below) in set.steps() {
        fields.insert(key(element), Value::Object(print(below, is_member)));
    }
    fields
}

fn key(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => format!("f:{name}"),
        PathElement::Key(fields) => format!("k:{}", escaped(&Value::Object(fields.iter().cloned().collect()))),
        PathElement::Value(value) => format!("v:{}", escaped(value)),
        PathElement::Index(place) => format!("i:{place}"),
    }
}

/// JSON as Go prints it: what could be HTML is escaped.
fn escaped(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(['<', '>', '&']) {
        return text;
    }
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
