//! The small rules that many kinds share: counts, percentages, ports, enumerations and fields that may not change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use super::names;
use crate::object::field::{FieldErrors, Path};

/// What upstream says of a field that may not change.
pub(super) const IMMUTABLE: &str = "field is immutable";

/// A count must not be below zero.
pub(super) fn nonnegative(errors: &mut FieldErrors, path: &Path<'_>, value: impl Into<i64>) {
    let value = value.into();
    if value < 0 {
        errors.invalid(path, value, "must be greater than or equal to 0");
    }
}

/// As [`nonnegative`], when the field is given.
pub(super) fn nonnegative_if(errors: &mut FieldErrors, path: &Path<'_>, value: Option<impl Into<i64>>) {
    if let Some(value) = value {
        nonnegative(errors, path, value);
    }
}

/// One error for each problem found with a text.
pub(super) fn each(errors: &mut FieldErrors, path: &Path<'_>, value: &str, problems: Vec<String>) {
    for problem in problems {
        errors.invalid(path, value, problem);
    }
}

/// A text that must be given, and be one of those listed (in upstream's order).
pub(super) fn required_one_of(errors: &mut FieldErrors, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if value.is_empty() {
        errors.required(path, "");
    } else {
        one_of(errors, path, value, allowed);
    }
}

/// A text that must be one of those listed (in upstream's order).
pub(super) fn one_of(errors: &mut FieldErrors, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if !allowed.contains(&value) {
        errors.not_supported(path, value, allowed);
    }
}

/// An optional text, empty when it is not given.
pub(super) fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// The elements of an optional list.
pub(super) fn list<T>(value: &Option<Vec<T>>) -> &[T] {
    value.as_deref().unwrap_or_default()
}

/// Whether two values are equal as Kubernetes sees it: an empty list is no list.
pub(super) fn same<T: PartialEq + Serialize>(one: &T, other: &T) -> bool {
    one == other || without_empty_lists(json(one)) == without_empty_lists(json(other))
}

/// A field that may not change.
pub(super) fn immutable<T: PartialEq + Serialize>(errors: &mut FieldErrors, path: &Path<'_>, new: &T, old: &T) {
    if !same(new, old) {
        errors.invalid(path, json(new), IMMUTABLE);
    }
}

/// A selector that may not change.
pub(super) fn immutable_selector(
    errors: &mut FieldErrors,
    path: &Path<'_>,
    new: &Option<LabelSelector>,
    old: &Option<LabelSelector>,
) {
    if !same(new, old) {
        let shown = new.as_ref().map_or_else(|| "null".to_owned(), selector_text);
        errors.invalid_text(path, &shown, IMMUTABLE);
    }
}

/// Any value as JSON; what has no JSON form is null.
pub(super) fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn without_empty_lists(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, without_empty_lists(value)))
            .filter(|(_, value)| !value.as_array().is_some_and(Vec::is_empty) && !value.is_null())
            .collect(),
        Value::Array(items) => items.into_iter().map(without_empty_lists).collect(),
        scalar => scalar,
    }
}

/// A selector as upstream prints it: labels first, and each expression as key, operator, values.
pub(super) fn selector_text(selector: &LabelSelector) -> String {
    let mut parts = Vec::new();
    if let Some(labels) = selector.match_labels.as_ref().filter(|labels| !labels.is_empty()) {
        parts.push(format!("\"matchLabels\":{}", json(labels)));
    }
    let expressions: Vec<String> = list(&selector.match_expressions)
        .iter()
        .map(|expression| {
            let (key, operator) = (json(&expression.key), json(&expression.operator));
            let values = list(&expression.values);
            let values = if values.is_empty() { String::new() } else { format!(",\"values\":{}", json(&values)) };
            format!("{{\"key\":{key},\"operator\":{operator}{values}}}")
        })
        .collect();
    if !expressions.is_empty() {
        parts.push(format!("\"matchExpressions\":[{}]", expressions.join(",")));
    }
    format!("{{{}}}", parts.join(","))
}

/// A number not below zero, or a text such as `25%`.
pub(super) fn int_or_percent(errors: &mut FieldErrors, path: &Path<'_>, value: &IntOrString) {
    match value {
        IntOrString::Int(number) => nonnegative(errors, path, *number),
        IntOrString::String(text) => each(errors, path, text, names::percent(text)),
    }
}

/// A percentage must not exceed 100.
pub(super) fn at_most_100_percent(errors: &mut FieldErrors, path: &Path<'_>, value: &IntOrString) {
    if percent(value).is_some_and(|percent| percent > 100) {
        errors.invalid(path, json(value), "must not be greater than 100%");
    }
}

/// The number, or the percentage; a text that is neither counts by its leading number, or as zero.
pub(super) fn int_or_percent_value(value: &IntOrString) -> i64 {
    match value {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(text) => percent(value).or_else(|| text.parse().ok()).unwrap_or(0),
    }
}

fn percent(value: &IntOrString) -> Option<i64> {
    match value {
        IntOrString::String(text) if names::percent(text).is_empty() => {
            // A number that is too large for i64 is a percentage above all limits.
            Some(text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
        }
        _ => None,
    }
}

/// A port number: 1 to 65535.
pub(super) fn port_number(errors: &mut FieldErrors, path: &Path<'_>, port: i32) {
    if !(1..=65535).contains(&port) {
        errors.invalid(path, port, "must be between 1 and 65535, inclusive");
    }
}

/// A port number, or the name of a port.
pub(super) fn port_number_or_name(errors: &mut FieldErrors, path: &Path<'_>, port: &IntOrString) {
    match port {
        IntOrString::Int(number) => port_number(errors, path, *number),
        IntOrString::String(name) => each(errors, path, name, names::port_name(name)),
    }
}

/// A collision count may only grow.
pub(super) fn collision_count(errors: &mut FieldErrors, path: &Path<'_>, new: Option<i32>, old: Option<i32>) {
    if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
        errors.invalid(path, new.unwrap_or(0), "cannot be decremented");
    }
}

/// Each count must be at most the first one, `status.replicas`.
pub(super) fn not_above_replicas(errors: &mut FieldErrors, status: &Path<'_>, replicas: i32, counts: &[(&str, i32)]) {
    for (field, count) in counts {
        if *count > replicas {
            errors.invalid(&status.field(field), *count, "cannot be greater than status.replicas");
        }
    }
}
