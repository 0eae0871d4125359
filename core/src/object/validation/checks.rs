//! The small rules that many kinds share: counts, percentages, ports, enumerations and fields that may not change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use super::fields::list;
use super::names;
use crate::object::field::{FieldErrors, Path};

/// A count must not be below zero.
pub(super) fn nonnegative(value: impl Into<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    let value = value.into();
    if value < 0 {
        errors.invalid(path, value, names::NEGATIVE);
    }
}

/// As [`nonnegative`], when the field is given.
pub(super) fn nonnegative_if(value: Option<impl Into<i64>>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(value) = value {
        nonnegative(value, path, errors);
    }
}

/// Whether two values are equal as Kubernetes sees it: an empty list is no list.
pub(super) fn same<T: PartialEq + Serialize>(one: &T, other: &T) -> bool {
    one == other || without_empty_lists(json(one)) == without_empty_lists(json(other))
}

/// A field that may not change.
pub(super) fn immutable<T: PartialEq + Serialize>(new: &T, old: &T, path: &Path<'_>, errors: &mut FieldErrors) {
    if !same(new, old) {
        errors.invalid(path, json(new), names::IMMUTABLE);
    }
}

/// A selector that may not change.
pub(super) fn immutable_selector(
    new: &Option<LabelSelector>,
    old: &Option<LabelSelector>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if !same(new, old) {
        let shown = new.as_ref().map_or_else(|| "null".to_owned(), selector_text);
        errors.invalid_json(path, shown, names::IMMUTABLE);
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
pub(super) fn int_or_percent(value: &IntOrString, path: &Path<'_>, errors: &mut FieldErrors) {
    match value {
        IntOrString::Int(number) => nonnegative(*number, path, errors),
        IntOrString::String(text) => errors.invalid_each(path, text, names::percent(text)),
    }
}

/// A percentage must not exceed 100.
pub(super) fn at_most_100_percent(value: &IntOrString, path: &Path<'_>, errors: &mut FieldErrors) {
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
pub(super) fn port_number(port: i32, path: &Path<'_>, errors: &mut FieldErrors) {
    if !(1..=65535).contains(&port) {
        errors.invalid(path, port, "must be between 1 and 65535, inclusive");
    }
}

/// A collision count may only grow.
pub(super) fn collision_count(new: Option<i32>, old: Option<i32>, path: &Path<'_>, errors: &mut FieldErrors) {
    if old.is_some_and(|old| new.is_none_or(|new| new < old)) {
        errors.invalid(path, new.unwrap_or(0), "cannot be decremented");
    }
}

/// Each count must be at most the first one, `status.replicas`.
pub(super) fn not_above_replicas(replicas: i32, counts: &[(&str, i32)], status: &Path<'_>, errors: &mut FieldErrors) {
    for (field, count) in counts {
        if *count > replicas {
            errors.invalid(&status.field(field), *count, "cannot be greater than status.replicas");
        }
    }
}

/// A port number, or the name of a port.
pub(super) fn port_number_or_name(port: &IntOrString, path: &Path<'_>, errors: &mut FieldErrors) {
    match port {
        IntOrString::Int(number) => port_number(*number, path, errors),
        IntOrString::String(name) => errors.invalid_each(path, name, names::port_name(name)),
    }
}
