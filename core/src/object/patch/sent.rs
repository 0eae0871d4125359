//! What a client sends as a patch. What is none becomes a patch that is refused when it is applied: upstream looks for
//! the object first, so that who patches nothing is told that, whatever the patch is.
//!
//! The texts are upstream's: those of Go's JSON, with the types that it reads patches into.

use serde_json::{Map, Value};

use super::Patch;
use crate::object::body;
use crate::object::manifest::{FieldValidation, whole_numbers};

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFormat {
    /// `application/json-patch+json`
    Json,
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// Reads a patch. Where unknown fields are looked for, upstream reads it once more for them, with other words for what is
/// wrong.
pub fn read(bytes: &[u8], format: PatchFormat, validation: FieldValidation) -> Patch {
    let is_judged = !matches!(validation, FieldValidation::Ignore);
    let read = serde_json::from_slice(bytes).map_err(|error| body::explain(bytes, &error.to_string()));
    let read = read.and_then(|value| match format {
        PatchFormat::Json => operations(value, is_judged).map(Patch::Json),
        PatchFormat::Merge => merge(value).map(Patch::Merge),
        PatchFormat::Strategic => mapping(value).map(|mut value| {
            // It is read without types.
            whole_numbers(&mut value);
            Patch::Strategic(value)
        }),
    });
    read.unwrap_or_else(|problem| {
        Patch::Unreadable(match format {
            PatchFormat::Strategic => problem,
            PatchFormat::Merge if problem == NO_MERGE || !is_judged => NO_MERGE.to_owned(),
            PatchFormat::Json if !is_judged => problem,
            PatchFormat::Json | PatchFormat::Merge => format!("error decoding patch: {problem}"),
        })
    })
}

pub(super) const NO_MERGE: &str = "Invalid JSON Patch";

fn mismatch(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go {wanted}")
}

/// A list of operations; null is an empty one, and each that is null has no field.
fn operations(value: Value, is_judged: bool) -> Result<Value, String> {
    let [list, each] = if is_judged {
        ["value of type []handlers.jsonPatchOp", "value of type handlers.jsonPatchOp"]
    } else {
        ["value of type jsonpatch.Patch", "value of type jsonpatch.Operation"]
    };
    let found = match value {
        Value::Null => Vec::new(),
        Value::Array(found) => found,
        other => return Err(mismatch(&other, list)),
    };
    for operation in &found {
        if !operation.is_object() && !operation.is_null() {
            return Err(mismatch(operation, each));
        }
        let texts = ["op", "path", "from"].into_iter().filter_map(|name| Some((name, operation.get(name)?)));
        let mut others = texts.filter(|(_, value)| is_judged && !value.is_string() && !value.is_null());
        if let Some((name, value)) = others.next() {
            return Err(mismatch(value, &format!("struct field jsonPatchOp.{name} of type string")));
        }
    }
    Ok(Value::Array(found))
}

fn merge(value: Value) -> Result<Value, String> {
    if value.is_null() { Err(NO_MERGE.to_owned()) } else { mapping(value) }
}

fn mapping(value: Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(_) => Ok(value),
        other => Err(mismatch(&other, "value of type map[string]interface {}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldValidation, Patch, PatchFormat, read};
    use serde_json::json;

    #[test]
    fn what_is_no_patch_is_told_as_upstream_tells_it() {
        use FieldValidation::{Ignore, Warn};
        use PatchFormat::{Json, Merge, Strategic};
        for (text, format, validation, problem) in [
            (
                "{}",
                Json,
                Warn,
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            ),
            ("{}", Json, Ignore, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
            (
                "[1]",
                Json,
                Warn,
                "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
            ),
            ("[1]", Json, Ignore, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
            (
                r#"[{"op": "remove", "path": ["a"]}]"#,
                Json,
                Warn,
                "error decoding patch: json: cannot unmarshal array into Go struct field jsonPatchOp.path of type string",
            ),
            ("[", Json, Warn, "error decoding patch: unexpected end of JSON input"),
            ("[", Json, Ignore, "unexpected end of JSON input"),
            (
                "[]",
                Merge,
                Warn,
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            ("null", Merge, Warn, "Invalid JSON Patch"),
            ("{", Merge, Warn, "error decoding patch: unexpected end of JSON input"),
            ("{", Merge, Ignore, "Invalid JSON Patch"),
            ("true", Strategic, Warn, "json: cannot unmarshal bool into Go value of type map[string]interface {}"),
            ("{", Strategic, Ignore, "unexpected end of JSON input"),
        ] {
            assert_eq!(read(text.as_bytes(), format, validation), Patch::Unreadable(problem.to_owned()), "{text}");
        }
        // Only what is read without types does not tell 3.0 from 3.
        let text = br#"{"a": [3.0, 1.5]}"#;
        assert_eq!(read(text, Strategic, Warn), Patch::Strategic(json!({"a": [3, 1.5]})));
        assert_eq!(read(text, Merge, Warn), Patch::Merge(json!({"a": [3.0, 1.5]})));
        assert_eq!(read(b"null", Json, Warn), Patch::Json(json!([])));
        assert_eq!(read(b"[null]", Json, Warn), Patch::Json(json!([null])));
        assert_eq!(read(b"null", Strategic, Warn), Patch::Strategic(json!({})));
        assert_eq!(read(br#"[{"op": 5}]"#, Json, Ignore), Patch::Json(json!([{"op": 5}])));
    }
}
