//! A document of version 2 as the protobuf message `openapi.v2.Document`, which is all that some clients ask for.
//!
//! The message says the same as the JSON. Each function below writes one message; what is written is what documents of
//! ours have. Values of any kind are texts in YAML, of which JSON is a part.

use serde_json::{Map, Value};

use crate::protobuf::Writer;

/// The media types by which clients ask for it, older ones by the second.
pub(super) const MEDIA_TYPES: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

/// The bytes of a document.
pub(super) fn to_protobuf(document: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    text(&mut out, 1, &document["swagger"]);
    out.bytes(2, &info(&document["info"]));
    out.bytes(8, &paths(&document["paths"]));
    out.bytes(9, &named(&document["definitions"], 1, schema));
    for requirement in list(&document["security"]) {
        out.bytes(12, &named(requirement, 1, texts));
    }
    out.bytes(13, &named(&document["securityDefinitions"], 1, security));
    out.finish()
}

fn info(info: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    text(&mut out, 1, &info["title"]);
    text(&mut out, 2, &info["version"]);
    out.finish()
}

fn paths(paths: &Value) -> Vec<u8> {
    named(paths, 2, path_item)
}

fn path_item(item: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if item[method].is_object() {
            out.bytes(number, &operation(&item[method]));
        }
    }
    for parameter in list(&item["parameters"]) {
        out.bytes(9, &parameters_item(parameter));
    }
    out.finish()
}

fn operation(operation: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    all(&mut out, 1, &operation["tags"]);
    text(&mut out, 5, &operation["operationId"]);
    all(&mut out, 6, &operation["produces"]);
    all(&mut out, 7, &operation["consumes"]);
    for parameter in list(&operation["parameters"]) {
        out.bytes(8, &parameters_item(parameter));
    }
    out.bytes(9, &named(&operation["responses"], 1, |response| boxed(1, &response_of(response))));
    all(&mut out, 10, &operation["schemes"]);
    extensions(&mut out, 13, operation);
    out.finish()
}

fn response_of(response: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    text(&mut out, 1, &response["description"]);
    if response["schema"].is_object() {
        out.bytes(2, &boxed(1, &schema(&response["schema"])));
    }
    out.finish()
}

fn parameters_item(parameter: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    let which = match parameter["in"].as_str() {
        Some("body") => {
            text(&mut out, 2, &parameter["name"]);
            text(&mut out, 3, &parameter["in"]);
            flag(&mut out, 4, &parameter["required"]);
            out.bytes(5, &schema(&parameter["schema"]));
            boxed(1, &out.finish())
        }
        place => {
            // The two differ in where the fields behind the name are.
            let (number, of, unique) = if place == Some("query") { (3, 6, 20) } else { (4, 5, 19) };
            flag(&mut out, 1, &parameter["required"]);
            text(&mut out, 2, &parameter["in"]);
            text(&mut out, 4, &parameter["name"]);
            text(&mut out, of, &parameter["type"]);
            flag(&mut out, unique, &parameter["uniqueItems"]);
            boxed(2, &boxed(number, &out.finish()))
        }
    };
    boxed(1, &which)
}

fn schema(schema_value: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    text(&mut out, 1, &schema_value["$ref"]);
    text(&mut out, 2, &schema_value["format"]);
    all(&mut out, 19, &schema_value["required"]);
    for value in list(&schema_value["enum"]) {
        out.bytes(20, &any(value));
    }
    if schema_value["additionalProperties"].is_object() {
        out.bytes(21, &boxed(1, &schema(&schema_value["additionalProperties"])));
    }
    if schema_value["type"].is_string() {
        out.bytes(22, &texts(&Value::from(vec![schema_value["type"].clone()])));
    }
    if schema_value["items"].is_object() {
        out.bytes(23, &boxed(1, &schema(&schema_value["items"])));
    }
    if schema_value["properties"].is_object() {
        out.bytes(25, &named(&schema_value["properties"], 1, schema));
    }
    extensions(&mut out, 31, schema_value);
    out.finish()
}

/// An entry of `SecurityDefinitions`: a key in a header.
fn security(security: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    for (number, name) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
        text(&mut out, number, &security[name]);
    }
    boxed(2, &out.finish())
}

/// The `x-...` of an object.
fn extensions(out: &mut Writer, number: u32, object: &Value) {
    for (name, value) in fields(object).filter(|(name, _)| name.starts_with("x-")) {
        let mut extension = Writer::default();
        extension.bytes(1, name.as_bytes());
        extension.bytes(2, &any(value));
        out.bytes(number, &extension.finish());
    }
}

/// A value of any kind.
fn any(value: &Value) -> Vec<u8> {
    boxed(2, format!("{value}\n").as_bytes())
}

/// The fields of an object, each as a message with its name and its value.
fn named(object: &Value, number: u32, write: impl Fn(&Value) -> Vec<u8>) -> Vec<u8> {
    let mut out = Writer::default();
    for (name, value) in fields(object) {
        let mut entry = Writer::default();
        entry.bytes(1, name.as_bytes());
        entry.bytes(2, &write(value));
        out.bytes(number, &entry.finish());
    }
    out.finish()
}

fn boxed(number: u32, message: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(number, message);
    out.finish()
}

fn texts(values: &Value) -> Vec<u8> {
    let mut out = Writer::default();
    all(&mut out, 1, values);
    out.finish()
}

fn all(out: &mut Writer, number: u32, values: &Value) {
    list(values).iter().for_each(|value| text(out, number, value));
}

fn text(out: &mut Writer, number: u32, value: &Value) {
    if let Some(text) = value.as_str() {
        out.bytes(number, text.as_bytes());
    }
}

fn flag(out: &mut Writer, number: u32, value: &Value) {
    if value == true {
        out.number(number, 1);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().map(Map::iter).into_iter().flatten()
}
