//! Autoscalers: each metric with what it is and what it shall be.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{UNKNOWN, UNSET, at, count, filled, items, text, text_or, time};

pub(super) fn tell(lines: &mut Lines, scaler: &Value) -> Events {
    metadata::names(lines, scaler);
    metadata::notes(lines, scaler);
    lines.put(0, "CreationTimestamp", time(scaler, "/metadata/creationTimestamp"));
    let [kind, name] = ["kind", "name"].map(|part| text(scaler, &format!("/spec/scaleTargetRef/{part}")).into_owned());
    lines.put(0, "Reference", format_args!("{kind}/{name}"));
    lines.put(0, "Metrics", "( current / target )");
    let current = items(scaler, "/status/currentMetrics");
    for (index, metric) in items(scaler, "/spec/metrics").iter().enumerate() {
        lines.line(1, told(metric, current.get(index).unwrap_or(&Value::Null)));
    }
    lines.put(0, "Min replicas", text_or(scaler, "/spec/minReplicas", UNSET));
    lines.put(0, "Max replicas", count(scaler, "/spec/maxReplicas"));
    let behavior = at(scaler, "/spec/behavior");
    if !behavior.is_null() {
        lines.title(0, "Behavior");
        direction(lines, "Scale Up", at(behavior, "/scaleUp"));
        direction(lines, "Scale Down", at(behavior, "/scaleDown"));
    }
    let (current, desired) = (count(scaler, "/status/currentReplicas"), count(scaler, "/status/desiredReplicas"));
    lines.put(0, format_args!("{kind} pods"), format_args!("{current} current / {desired} desired"));
    let conditions = items(scaler, "/status/conditions");
    if !conditions.is_empty() {
        lines.title(0, "Conditions");
        lines.titles(1, &["Type", "Status", "Reason", "Message"]);
        for condition in conditions {
            let [kind, status, reason, message] =
                ["/type", "/status", "/reason", "/message"].map(|part| text(condition, part));
            lines.row(1, &[&kind, &status, &reason, &message]);
        }
    }
    Events::Shown
}

/// A metric, what it is now and what it shall be.
fn told(metric: &Value, current: &Value) -> String {
    let kind = text(metric, "/type");
    let field = kind.chars().next().map(|first| first.to_lowercase().to_string()).unwrap_or_default()
        + kind.get(1..).unwrap_or_default();
    let (metric, current) = (&metric[&field], &current[&field]["current"]);
    let name = text(metric, "/metric/name");
    let target = |part: &str| text(metric, &format!("/target/{part}"));
    let now = |part: &str| filled(current, &format!("/{part}")).unwrap_or(UNKNOWN.into());
    let is_average = !at(metric, "/target/averageValue").is_null();
    let average = || format!("{} / {}", now("averageValue"), target("averageValue"));
    let value = || format!("{} / {}", now("value"), target("value"));
    match &*kind {
        "External" if is_average => format!("{name:?} (target average value):\t{}", average()),
        "External" => format!("{name:?} (target value):\t{}", value()),
        "Pods" => format!("{name:?} on pods:\t{}", average()),
        "Object" => {
            let [kind, of] = ["kind", "name"].map(|part| text(metric, &format!("/describedObject/{part}")));
            match &*target("type") {
                "AverageValue" => format!("\"{name}\" on {kind}/{of} (target average value):\t{}", average()),
                _ => format!("\"{name}\" on {kind}/{of} (target value):\t{}", value()),
            }
        }
        "Resource" => of_pods(&format!("resource {} on pods", text(metric, "/name")), metric, current, is_average),
        "ContainerResource" => {
            let (resource, container) = (text(metric, "/name"), text(metric, "/container"));
            let what = format!("resource {resource} of container \"{container}\" on pods");
            of_pods(&what, metric, current, is_average)
        }
        other => format!("<unknown metric type {other:?}>"),
    }
}

fn of_pods(what: &str, metric: &Value, current: &Value, is_average: bool) -> String {
    let now = filled(current, "/averageValue");
    if is_average {
        return format!("{what}:\t{} / {}", now.unwrap_or(UNKNOWN.into()), text(metric, "/target/averageValue"));
    }
    let now = match filled(current, "/averageUtilization") {
        Some(share) => format!("{share}% ({})", now.unwrap_or_default()),
        None => UNKNOWN.to_owned(),
    };
    let target = filled(metric, "/target/averageUtilization").map(|share| format!("{share}%"));
    format!("{what}  (as a percentage of request):\t{now} / {}", target.as_deref().unwrap_or("<auto>"))
}

fn direction(lines: &mut Lines, title: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    lines.title(1, title);
    if let Some(window) = filled(rules, "/stabilizationWindowSeconds") {
        lines.line(2, format_args!("Stabilization Window: {window} seconds"));
    }
    let policies = items(rules, "/policies");
    if policies.is_empty() {
        return;
    }
    lines.line(2, format_args!("Select Policy: {}", text_or(rules, "/selectPolicy", "Max")));
    lines.title(2, "Policies");
    for policy in policies {
        let (value, period) = (count(policy, "/value"), count(policy, "/periodSeconds"));
        lines.line(3, format_args!("- Type: {}\tValue: {value}\tPeriod: {period} seconds", text(policy, "/type")));
    }
}
