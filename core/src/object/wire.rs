//! The wire form: an object as the API server reads and prints it.
//!
//! A Go struct cannot tell an empty string or list from an absent one, and prints some fields whether they are set or
//! not. Clients see the result: `env: []` is gone from what they get back, `resources: {}` is there although nobody
//! wrote it, and `0.5Gi` has become `512Mi`. The Rust types of `k8s-openapi` would keep and omit exactly what they are
//! given, so both directions ask here:
//!
//! 1. [`decode`](super::decode) takes a value that means nothing to the server for absent (`means_nothing`).
//! 2. [`encode`] prints as the server does: empty values vanish, and what its types always print is there.
//!
//! [`same`] compares in these terms. Which field does what is data (`core.rs`, `groups.rs`), taken from the JSON tags of the upstream API types.
//! Types that are not in the tables, such as those of a user's own CRD, pass through unchanged.

mod core;
mod encode;
mod groups;

use serde::Serialize;
use serde_json::Value;

use super::schema::Schema;

pub use encode::{EncodeError, encode};

/// What the server prints for a field that has its zero value. A field without a row vanishes when it is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Keep it: a pointer upstream, so that zero differs from absent.
    K,
    /// A map: vanishes when it has no entries (a struct without fields would stay as `{}`).
    M,
    /// Always printed: `null` when absent.
    N,
    /// Always printed: `""` when absent.
    T,
    /// Always printed: `0` when absent.
    Z,
    /// Always printed: `false` when absent.
    F,
    /// Always printed: the quantity `"0"` when absent.
    Q,
    /// Always printed: the zero value of the named type when absent.
    S(&'static str),
}

/// A type and those of its fields whose zero value does not simply vanish.
type Row = (&'static str, &'static [(&'static str, Shape)]);

/// The fields of one type; `None` when the type is not one of Kubernetes's.
type Fields = Option<&'static [(&'static str, Shape)]>;

/// Types that differ between two API groups although they have the same name.
const SPLIT: &[&str] = &[
    "EndpointPort",
    "Event",
    "EventSeries",
    "HorizontalPodAutoscalerStatus",
    "ResourceClaim",
    "Subject",
    "TokenRequest",
];

/// The rows of type `name` in an object of `api_version` (empty when unknown).
fn fields(api_version: &str, name: &str) -> Fields {
    let find = |rows: &'static [Row], name: &str| {
        rows.binary_search_by(|row| row.0.cmp(name)).ok().and_then(|at| rows.get(at)).map(|row| row.1)
    };
    if SPLIT.contains(&name)
        && let Some(fields) = find(groups::GROUPS, &format!("{name}@{api_version}"))
    {
        return Some(fields);
    }
    find(core::CORE, name).or_else(|| find(groups::GROUPS, name))
}

/// Is this group one whose types are in the tables? The built-in ones have no dot, or end in `.k8s.io`.
pub(super) fn is_built_in(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

fn shape_of(fields: &[(&'static str, Shape)], field: &str) -> Option<Shape> {
    fields.iter().find(|(name, _)| *name == field).map(|(_, shape)| *shape)
}

/// Does the server leave out this value of a field?
fn vanishes(shape: Option<Shape>, value: &Value) -> bool {
    match (shape, value) {
        (Some(Shape::N), _) => false,
        (_, Value::Null) => true,
        (None | Some(Shape::M), Value::Array(items)) => items.is_empty(),
        (Some(Shape::M), Value::Object(entries)) => entries.is_empty(),
        (None, Value::String(text)) => text.is_empty(),
        (None, Value::Bool(value)) => !value,
        (None, Value::Number(number)) => number.as_i64() == Some(0),
        _ => false,
    }
}

/// Does this value of a field mean the same to the server as none at all? A zero of another type does not: it is an error.
pub(super) fn means_nothing(type_name: &str, field: &str, value: &Value) -> bool {
    fields("", type_name).is_some_and(|fields| is_zero("", shape_of(fields, field), value))
        && (value.is_null() || is_of_its_type(type_name, field, value))
}

fn is_of_its_type(type_name: &str, field: &str, value: &Value) -> bool {
    let mut known = Schema::built_in().fields_of(type_name, field).peekable();
    known.peek().is_none() || known.any(|known| known.shape.takes(value))
}

/// Does this value mean the same as none at all? What always prints is zero too; a pointer's zero is not.
fn is_zero(api_version: &str, shape: Option<Shape>, value: &Value) -> bool {
    match (shape, value) {
        (_, Value::Null) => true,
        (Some(Shape::S(name)), Value::Object(entries)) => {
            let fields = fields(api_version, name).unwrap_or(&[]);
            entries.iter().all(|(field, value)| is_zero(api_version, shape_of(fields, field), value))
        }
        (Some(Shape::K | Shape::N), _) => false,
        // A name where a number could stand as well is a name, if an empty one.
        (Some(Shape::T), value) => value.as_str() == Some(""),
        (Some(Shape::Z), value) => value.as_i64() == Some(0),
        (Some(Shape::F), value) => value.as_bool() == Some(false),
        (shape, value) => vanishes(shape, value),
    }
}

/// Do both mean the same to the server, however each spells its empty values and quantities?
///
/// This is the comparison that decides whether a spec has changed.
#[must_use]
pub fn same<T: Serialize + PartialEq>(one: &T, other: &T) -> bool {
    one == other || encode(one).is_ok_and(|one| encode(other).is_ok_and(|other| one == other))
}

/// What the server prints for an absent field, if it prints it at all.
fn filler(api_version: &str, shape: Shape) -> Option<Value> {
    match shape {
        Shape::K | Shape::M => None,
        Shape::N => Some(Value::Null),
        Shape::T => Some(Value::from("")),
        Shape::Z => Some(Value::from(0)),
        Shape::F => Some(Value::from(false)),
        Shape::Q => Some(Value::from("0")),
        Shape::S(name) => {
            let fields = fields(api_version, name).unwrap_or(&[]);
            let filled =
                fields.iter().filter_map(|(field, shape)| Some(((*field).to_owned(), filler(api_version, *shape)?)));
            Some(Value::Object(filled.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, Event, Pod};
    use serde_json::json;

    use super::{core::CORE, encode, groups::GROUPS, same};

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        for rows in [CORE, GROUPS] {
            assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
        }
        assert!(CORE.iter().all(|row| GROUPS.iter().all(|other| other.0 != row.0)));
    }

    #[test]
    fn what_is_empty_vanishes_and_what_is_always_printed_is_there() {
        let mut container = Container { name: "c".to_owned(), env: Some(Vec::new()), ..Container::default() };
        container.working_dir = Some(String::new());
        assert_eq!(encode(&container), Ok(json!({"name": "c", "resources": {}})));
        let event = encode(&Event::default()).expect("JSON");
        assert_eq!((&event["eventTime"], &event["reportingComponent"]), (&json!(null), &json!("")));
        assert!(
            event.as_object().is_some_and(|event| event.contains_key("eventTime") && !event.contains_key("reason"))
        );
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        let pod = |json| serde_json::from_value::<Pod>(json).expect("a pod");
        let one = pod(json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "0.5"}}}]}}));
        let other = json!({"name": "c", "args": [], "resources": {"limits": {"cpu": "500m"}, "requests": {}}});
        assert!(same(&one, &pod(json!({"spec": {"containers": [other]}, "status": {}}))));
        assert!(!same(&one, &pod(json!({"spec": {"containers": [{"name": "c"}]}}))));
    }
}
