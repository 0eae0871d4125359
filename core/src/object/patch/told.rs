//! How errors show a patch and what it made: in the texts of Go, because clients match on them.

use serde_json::{Map, Value};

use super::Patch;
use crate::object::decode::DecodeError;
use crate::object::kind::KindInfo;
use crate::object::schema::{Schema, Shape, Type};

/// A value as Go prints it with `%v`: `map[data:map[k1:5]]`.
pub(crate) fn go_map(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{}", go_map(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_map).collect();
            format!("[{}]", items.join(" "))
        }
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A wrong type in the words of upstream's converter, which reads patched objects; `decode`'s are those of its JSON
/// reader.
pub(crate) fn conversion(error: &DecodeError) -> String {
    let text = error.to_string();
    if text.starts_with("illegal base64") {
        return format!("error decoding from json: {text}");
    }
    let types = text.strip_prefix("json: cannot unmarshal ").and_then(|rest| rest.split_once(" into Go "));
    let Some((found, rest)) = types else { return text };
    let Some((_, wanted)) = rest.rsplit_once(" of type ") else { return text };
    let found = match found.split(' ').next().unwrap_or_default() {
        "object" => "map",
        "array" => "slice",
        "number" if found.contains('.') => "float64",
        "number" => "int64",
        other => other,
    };
    let is_scalar = matches!(wanted, "string" | "bool" | "int" | "int32" | "int64" | "uint8" | "float64");
    match wanted {
        _ if wanted.starts_with("[]") => format!("cannot restore slice from {found}"),
        _ if wanted.starts_with("map[") => format!("cannot restore map from {found}"),
        _ if is_scalar => {
            let found = match found {
                "map" => "map[string]interface {}",
                "slice" => "[]interface {}",
                other => other,
            };
            format!("cannot convert {found} to {wanted}")
        }
        _ => format!("cannot restore struct from: {found}"),
    }
}

/// Fields that operations of a JSON patch do not have, as `[0].zzz`.
pub(crate) fn unknown_operation_fields(patch: &Patch) -> Vec<String> {
    let Patch::Json(Value::Array(operations)) = patch else { return Vec::new() };
    let of = |(at, operation): (usize, &Value)| {
        let fields = operation.as_object().into_iter().flat_map(Map::keys);
        let unknown = fields.filter(|field| !matches!(field.as_str(), "op" | "path" | "from" | "value"));
        unknown.map(|field| format!("[{at}].{field}")).collect::<Vec<_>>()
    };
    operations.iter().enumerate().flat_map(of).collect()
}

/// A patched object as JSON text. What the patch has touched has its fields sorted; the rest has them in the order of
/// upstream's types, as it was printed before the patch.
pub(crate) fn go_json(info: &KindInfo, object: &Value, patch: &Patch) -> String {
    let touched = match patch {
        Patch::Merge(patch) | Patch::Strategic(patch) => patch.clone(),
        Patch::Json(operations) => touched_by(operations),
        Patch::Unreadable(_) => Value::Null,
    };
    let schema = Schema::built_in();
    let mut text = String::new();
    print(schema, schema.kind(info), object, Some(&touched), &mut text);
    text
}

/// The places that a JSON patch names, as a tree of mappings.
fn touched_by(operations: &Value) -> Value {
    let mut touched = Value::Object(Map::new());
    for operation in operations.as_array().into_iter().flatten() {
        for path in ["path", "from"].iter().filter_map(|name| operation[*name].as_str()) {
            let mut place = &mut touched;
            for part in path.split('/').skip(1) {
                let part = part.replace("~1", "/").replace("~0", "~");
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place = &mut place[part];
            }
        }
    }
    touched
}

fn print(schema: &Schema, known: Option<&Type>, value: &Value, touched: Option<&Value>, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let is_touched = touched.is_some_and(Value::is_object);
            let mut names: Vec<&String> = fields.keys().collect();
            if let Some(known) = known.filter(|_| !is_touched) {
                names.sort_by_key(|name| known.field(name).map_or(u16::MAX, |field| field.place));
            }
            text.push('{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                let field = known.and_then(|known| known.field(name));
                let inner = field.and_then(|field| type_of(schema, &field.shape));
                let touched = touched.and_then(|touched| touched.get(name));
                let value = fields.get(name).unwrap_or(&Value::Null);
                print(schema, inner, value, touched.filter(|_| is_touched), text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                let touched = touched.and_then(|touched| touched.get(at.to_string()));
                print(schema, known, item, touched, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// The type of what a shape holds: of the structure, or of each in a list.
fn type_of<'s>(schema: &'s Schema, shape: &Shape) -> Option<&'s Type> {
    match shape {
        Shape::Struct { of, .. } => Some(schema.get(*of)),
        Shape::List { element, .. } => type_of(schema, element),
        Shape::Map { .. } | Shape::Scalar(_) | Shape::Raw(_) => None,
    }
}
