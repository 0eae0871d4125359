//! The type of a user's own kind, from the schema that its definition has.
//!
//! Version 3 shows the schema as it was written. Version 2 cannot say all of it: what it has no words for is left out, and
//! what could be several things has no type, as upstream publishes it.

use serde_json::{Map, Value, json};

use super::Edition;

/// What version 2 does not know, or means otherwise.
const ONLY_IN_V3: [&str; 6] = ["default", "nullable", "oneOf", "anyOf", "allOf", "not"];

/// The type of objects whose definition has this schema; without one they may have any field. The header of objects is
/// added, and `metadata` is the reference to what it is.
pub(super) fn object(given: Option<&Value>, metadata: Value, group_version_kind: Value, edition: Edition) -> Value {
    let mut made = match given {
        Some(Value::Object(given)) => schema(given, edition),
        _ => Map::from_iter([(PRESERVES.to_owned(), true.into())]),
    };
    made.insert("type".to_owned(), "object".into());
    let mut properties = match made.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    for name in ["apiVersion", "kind"] {
        properties.insert(name.to_owned(), json!({ "type": "string" }));
    }
    properties.insert("metadata".to_owned(), metadata);
    made.insert("properties".to_owned(), properties.into());
    made.insert("x-kubernetes-group-version-kind".to_owned(), json!([group_version_kind]));
    Value::Object(made)
}

const PRESERVES: &str = "x-kubernetes-preserve-unknown-fields";

fn schema(given: &Map<String, Value>, edition: Edition) -> Map<String, Value> {
    if edition == Edition::V3 {
        return given.clone();
    }
    let says = |name: &str| given.get(name) == Some(&Value::Bool(true));
    let is_anything = says(PRESERVES) || says("nullable");
    let mut made = Map::new();
    for (name, value) in given {
        let is_shape = matches!(name.as_str(), "type" | "properties" | "items");
        let is_open = (is_anything && is_shape) || (says("x-kubernetes-int-or-string") && name == "type");
        if ONLY_IN_V3.contains(&name.as_str()) || is_open {
            continue;
        }
        let value = match (name.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                fields.iter().map(|(name, field)| (name.clone(), nested(field, edition))).collect()
            }
            ("items" | "additionalProperties", Value::Object(_)) => nested(value, edition),
            // In version 2 only a schema stands there.
            ("additionalProperties", _) => continue,
            _ => value.clone(),
        };
        made.insert(name.clone(), value);
    }
    made
}

fn nested(given: &Value, edition: Edition) -> Value {
    match given {
        Value::Object(given) => Value::Object(schema(given, edition)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_leaves_out_what_it_cannot_say() {
        let given = json!({
            "type": "object",
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "default": {},
                    "properties": {
                        "size": { "type": "integer", "minimum": 1, "default": 3 },
                        "port": { "type": "integer", "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }] },
                        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {} },
                        "maybe": { "type": "string", "nullable": true },
                        "map": { "type": "object", "additionalProperties": { "type": "string", "default": "a" } },
                    },
                },
            },
        });
        let of = |edition| object(Some(&given), json!({ "$ref": "#/meta" }), json!({ "kind": "Widget" }), edition);
        let shown = of(Edition::V3);
        assert_eq!(shown["properties"]["spec"], given["properties"]["spec"]);
        assert_eq!(shown["properties"]["metadata"], json!({ "$ref": "#/meta" }));
        assert_eq!(shown["x-kubernetes-group-version-kind"], json!([{ "kind": "Widget" }]));
        let shown = of(Edition::V2);
        assert_eq!(shown["required"], json!(["spec"]));
        assert_eq!(
            shown["properties"]["spec"],
            json!({
                "type": "object",
                "properties": {
                    "size": { "type": "integer", "minimum": 1 },
                    "port": { "x-kubernetes-int-or-string": true },
                    "free": { "x-kubernetes-preserve-unknown-fields": true },
                    "maybe": {},
                    "map": { "type": "object", "additionalProperties": { "type": "string" } },
                },
            })
        );
    }
}
