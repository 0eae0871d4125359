//! The columns that a definition gives its kind (`additionalPrinterColumns`): the name, and what paths lead to.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as ApiTime;
use serde_json::Value;

use super::{Column, ColumnKind, NAME, age};
use crate::object::definition::Defined;
use crate::object::json_path::JsonPath;
use crate::object::structural::go_number;
use crate::text::Text;
use crate::time::Time;

/// The columns of a kind; none where its definition names none.
pub(super) fn columns(defined: &Defined) -> Option<Vec<Column>> {
    if defined.columns.is_empty() {
        return None;
    }
    let own = defined.columns.iter().map(|given| Column {
        name: Text::from(given.name.clone()),
        priority: given.priority.unwrap_or(0),
        kind: match given.type_.as_str() {
            "integer" => ColumnKind::Integer,
            "number" => ColumnKind::Number,
            "boolean" => ColumnKind::Boolean,
            "date" => ColumnKind::Date,
            _ => ColumnKind::Text,
        },
        format: Text::from(given.format.clone().unwrap_or_default()),
    });
    Some([NAME].into_iter().chain(own).collect())
}

/// The cells of an object.
pub(super) fn cells(defined: &Defined, object: &Value, now: Time) -> Vec<Value> {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    [name].into_iter().chain(defined.columns.iter().map(|column| cell(column, object, now))).collect()
}

fn cell(column: &CustomResourceColumnDefinition, object: &Value, now: Time) -> Value {
    let path = JsonPath::parse(&column.json_path);
    let Some(found) = path.as_ref().and_then(|path| path.first(object)) else { return Value::Null };
    match (column.type_.as_str(), found) {
        ("string", found) => printed(found),
        (_, Value::Null) => Value::Null,
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(Value::Null, |float| Value::from(float as i64)),
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => found.clone(),
        ("date", Value::String(text)) if text.is_empty() || text == "null" => age(None, now),
        ("date", Value::String(_)) => match serde_json::from_value::<ApiTime>(found.clone()) {
            Ok(at) => age(Some(&at), now),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// A value as upstream prints what a path leads to: numbers as Go has them, maps and lists as its JSON.
fn printed(found: &Value) -> Value {
    match found {
        Value::Null => "<no value>".into(),
        Value::String(text) => text.clone().into(),
        Value::Number(number) => go_number(number).into(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Array(_) | Value::Object(_) => {
            let json = found.to_string();
            json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").into()
        }
    }
}
