//! Small objects: config maps, secrets, disruption budgets, priority classes.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{UNSET, at, count, is, labels, optional, pairs, selector_or_none, text, text_or};

pub(super) fn config_map(lines: &mut Lines, map: &Value) -> Events {
    metadata::names(lines, map);
    metadata::notes(lines, map);
    lines.line(0, "\nData\n====");
    for (key, value) in pairs(map, "/data") {
        lines.line(0, format_args!("{key}:\n----\n{value}\n"));
    }
    lines.line(0, "\nBinaryData\n====");
    for (key, value) in pairs(map, "/binaryData") {
        lines.line(0, format_args!("{key}: {} bytes", bytes(&value)));
    }
    lines.line(0, "");
    Events::Shown
}

/// What is secret is only counted, but for the token of a service account.
pub(super) fn secret(lines: &mut Lines, secret: &Value) -> Events {
    let kind = text(secret, "/type");
    metadata::names(lines, secret);
    metadata::notes(lines, secret);
    lines.line(0, format_args!("\nType:\t{kind}"));
    lines.line(0, "\nData\n====");
    for (key, value) in pairs(secret, "/data") {
        if key == "token" && kind == "kubernetes.io/service-account-token" {
            lines.put(0, key, String::from_utf8_lossy(&decoded(&value)));
        } else {
            lines.put(0, key, format_args!("{} bytes", bytes(&value)));
        }
    }
    Events::NotAskedFor
}

fn decoded(base64: &str) -> Vec<u8> {
    let bytes: Option<k8s_openapi::ByteString> = serde_json::from_value(Value::from(base64)).ok();
    bytes.map(|bytes| bytes.0).unwrap_or_default()
}

fn bytes(base64: &str) -> usize {
    decoded(base64).len()
}

pub(super) fn disruption_budget(lines: &mut Lines, budget: &Value) -> Events {
    metadata::names(lines, budget);
    match optional(budget, "/spec/minAvailable") {
        Some(least) => lines.put(0, "Min available", least),
        None => lines.put_if(0, "Max unavailable", optional(budget, "/spec/maxUnavailable")),
    }
    let is_chosen = !at(budget, "/spec/selector").is_null();
    let selector = if is_chosen { selector_or_none(budget, "/spec/selector") } else { UNSET.to_owned() };
    lines.put(0, "Selector", selector);
    lines.title(0, "Status");
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        lines.put(2, title, count(budget, &format!("/status/{field}")));
    }
    Events::Shown
}

pub(super) fn priority_class(lines: &mut Lines, class: &Value) -> Events {
    metadata::name(lines, class);
    lines.put(0, "Value", count(class, "/value"));
    lines.put(0, "GlobalDefault", is(class, "/globalDefault"));
    lines.put(0, "PreemptionPolicy", text_or(class, "/preemptionPolicy", "PreemptLowerPriority"));
    lines.put(0, "Description", text(class, "/description"));
    lines.put(0, "Annotations", labels(class, "/metadata/annotations"));
    Events::Shown
}
