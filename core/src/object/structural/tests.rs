//! Schemas laid over values: what is pruned, what is filled in, what is wrong.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use super::Schema;
use crate::object::field::FieldErrors;

fn schema(given: Value) -> Schema {
    let given: JSONSchemaProps = serde_json::from_value(given).expect("a schema");
    Schema::read(&given)
}

fn problems(given: &Value, value: &Value) -> Vec<String> {
    let mut errors = FieldErrors::new();
    schema(given.clone()).check(value, None, None, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

/// Schemas that say much, and values that keep to little of it.
fn examples() -> Vec<(Value, Value)> {
    let everything = json!({"type": "object", "properties": {
        "a": {"type": "object", "default": {"x": 1}, "properties": {
            "x": {"type": "integer"}, "y": {"type": "string", "default": "why"}, "z": {"type": "string", "nullable": true, "default": "z"},
        }},
        "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"v": {"type": "integer", "default": 9}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"in": {"type": "object", "properties": {}}}},
        "object": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }});
    let values = [
        json!({}),
        json!({"a": null, "b": 1, "list": [{}, {"p": null, "q": 2}, null], "map": {"k": {}, "l": null}}),
        json!({"a": {"z": null}, "free": {"any": [1, {"x": {}}], "in": {"gone": 1}}, "metadata": {"x": 1}}),
        json!({"object": {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "bogus": 1}, "data": {"k": 1}}}),
        json!({"a": [1, 2], "list": {"a": 1}, "map": "text"}),
        json!([1, 2, 3]),
        json!(null),
    ];
    values.into_iter().map(|value| (everything.clone(), value)).collect()
}

#[test]
fn pruning_and_defaulting_twice_changes_nothing() {
    for (given, value) in examples() {
        let schema = schema(given);
        let mut once = value.clone();
        schema.prune(&mut once, None);
        schema.coerce(&mut once);
        schema.complete(&mut once);
        let mut twice = once.clone();
        let mut unknown = Vec::new();
        schema.prune(&mut twice, Some(&mut unknown));
        unknown.extend(schema.coerce(&mut twice).unknown);
        schema.complete(&mut twice);
        assert_eq!(once, twice, "{value}");
        assert!(unknown.is_empty(), "{value}: {unknown:?}");
    }
}

#[test]
fn what_is_not_in_the_schema_goes_and_is_told() {
    let (given, _) = examples().remove(0);
    let mut value =
        json!({"b": 1, "a": {"q": 1}, "map": {"k": {"w": 1}}, "list": [{"n": {}}], "free": {"in": {"g": 1}, "x": 1}});
    let mut unknown = Vec::new();
    schema(given).prune(&mut value, Some(&mut unknown));
    assert_eq!(unknown, ["a.q", "b", "free.in.g", "list[0].n", "map.k.w"]);
    assert_eq!(value, json!({"a": {}, "map": {"k": {}}, "list": [{}], "free": {"in": {}, "x": 1}}));
}

#[test]
fn values_are_refused_in_the_words_of_kubernetes() {
    let cases = [
        (
            json!({"type": "string", "minLength": 2}),
            json!("a"),
            "v: Invalid value: \"a\": v in body should be at least 2 chars long",
        ),
        (
            json!({"type": "number", "exclusiveMaximum": true, "maximum": 2}),
            json!(2.5),
            "v: Invalid value: 2.5: v in body should be less than 2",
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(7),
            "v: Invalid value: 7: v in body should be a multiple of 5",
        ),
        (
            json!({"type": "number", "maximum": 1000000.5}),
            json!(2e6),
            "v: Invalid value: 2e+06: v in body should be less than or equal to 1.0000005e+06",
        ),
        (
            json!({"type": "integer"}),
            json!("x"),
            "v: Invalid value: \"string\": v in body must be of type integer: \"string\"",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "v: Invalid value: \"boolean\": v in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({"type": "string"}),
            json!(null),
            "v: Invalid value: \"null\": v in body must be of type string: \"null\"",
        ),
        (
            json!({"type": "string", "format": "ipv4"}),
            json!("x"),
            "v: Invalid value: \"x\": v in body must be of type ipv4: \"x\"",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!([]),
            "v: Invalid value: 0: v in body should have at least 1 items",
        ),
        (
            json!({"type": "object", "maxProperties": 1, "additionalProperties": true}),
            json!({"a": 1, "b": 1}),
            "v: Too many: 2: must have at most 1 item",
        ),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            json!(3),
            "v: Unsupported value: 3: supported values: \"1\", \"2\"",
        ),
        (
            json!({"type": "string", "not": {"enum": ["a"]}}),
            json!("a"),
            "<nil>: Invalid value: \"\": \"v\" must not validate the schema (not)",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "required": ["b"]}}}}),
            json!({"a": [{}]}),
            "v.a[0].b: Required value",
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_i64),
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in v",
        ),
    ];
    for (given, value, told) in cases {
        let outer = json!({"type": "object", "properties": {"v": given}});
        assert_eq!(problems(&outer, &json!({"v": value})), [told], "{given} {value}");
    }
}

#[test]
fn alternatives_tell_of_the_best_of_them() {
    let given = json!({"type": "object", "properties": {"v": {"type": "object", "anyOf": [
        {"required": ["a", "b"]}, {"properties": {"a": {"enum": ["x"]}}, "required": ["c"]},
    ], "properties": {"a": {"type": "string"}}}}});
    let told = problems(&given, &json!({"v": {"a": "x"}}));
    assert_eq!(
        told,
        ["<nil>: Invalid value: \"\": \"v\" must validate at least one schema (anyOf)", "v.c: Required value"]
    );
    assert!(problems(&given, &json!({"v": {"a": "x", "c": 1}})).is_empty());
}

#[test]
fn what_stays_as_it_was_is_not_looked_at() {
    let given = json!({"type": "object", "properties": {"old": {"type": "string", "maxLength": 1}, "new": {"type": "string", "maxLength": 1}}});
    let schema = schema(given);
    let (before, after) = (json!({"old": "long", "new": "a"}), json!({"old": "long", "new": "longer"}));
    let mut errors = FieldErrors::new();
    schema.check(&after, Some(&before), None, &mut errors);
    assert_eq!(errors.to_string(), "new: Too long: may not be more than 1 bytes");
}

#[test]
fn formats_hold_what_they_name() {
    let cases = [
        ("date-time", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05"),
        ("date", "2026-02-28", "2026-02-30"),
        ("duration", "1h30m", "soon"),
        ("duration", "3 days", ""),
        ("byte", "YWJj", "YWJ"),
        ("ipv6", "::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("hostname", "example.com", "-a"),
        ("email", "a@example.com", "a"),
        ("uri", "https://example.com/a", "a"),
        ("isbn13", "978-0-306-40615-7", "978-0-306-40615-8"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("hexcolor", "#fff", "#ff"),
        ("rgbcolor", "rgb(1,2,255)", "rgb(1,2,256)"),
        ("ssn", "123-45-6789", "12-345-6789"),
    ];
    for (format, good, bad) in cases {
        let given = json!({"type": "object", "properties": {"v": {"type": "string", "format": format}}});
        assert!(problems(&given, &json!({"v": good})).is_empty(), "{format}: {good}");
        assert!(!problems(&given, &json!({"v": bad})).is_empty(), "{format}: {bad}");
    }
}

#[test]
fn hostile_schemas_and_values_end() {
    let mut deep = json!({"type": "string"});
    let mut value = json!("x");
    for _ in 0..50 {
        deep = json!({"type": "object", "properties": {"a": deep}});
        value = json!({"a": value});
    }
    assert!(problems(&deep, &value).is_empty());
    let many: Vec<String> = (0..20_000).map(|number| format!("value-{number}")).collect();
    let given = json!({"type": "object", "properties": {"v": {"type": "string", "enum": many}}});
    assert_eq!(problems(&given, &json!({"v": "none"})).len(), 1);
    let pattern = json!({"type": "object", "properties": {"v": {"type": "string", "pattern": "^(a|a)*(a|a)*$"}}});
    assert_eq!(problems(&pattern, &json!({"v": format!("{}!", "a".repeat(10_000))})).len(), 1);
}
