//! What every object has: its name, its labels, its annotations, its controller.

use serde_json::Value;

use super::lines::Lines;
use super::read::{filled, items, pairs, text, time};
use crate::object::patch::LAST_APPLIED;

/// Longer annotations have lines of their own, cut there.
const ANNOTATION_MAX: usize = 140;

/// The name.
pub(super) fn name(lines: &mut Lines, object: &Value) {
    lines.put(0, "Name", text(object, "/metadata/name"));
}

/// The name and the namespace.
pub(super) fn names(lines: &mut Lines, object: &Value) {
    name(lines, object);
    lines.put(0, "Namespace", text(object, "/metadata/namespace"));
}

/// The labels and the annotations.
pub(super) fn notes(lines: &mut Lines, object: &Value) {
    labels(lines, 0, "Labels", object, "/metadata/labels");
    annotations(lines, "Annotations", object, "/metadata/annotations");
}

/// A map, an entry a line.
pub(super) fn labels(lines: &mut Lines, depth: usize, title: &str, object: &Value, pointer: &str) {
    let pairs = pairs(object, pointer);
    lines.list(depth, title, pairs.iter().map(|(key, value)| format!("{key}={value}")));
}

/// Annotations, but for the one that `kubectl apply` writes.
pub(super) fn annotations(lines: &mut Lines, title: &str, object: &Value, pointer: &str) {
    let mut before = format!("{title}:\t");
    for (key, value) in pairs(object, pointer).iter().filter(|(key, _)| *key != LAST_APPLIED) {
        let value = value.strip_suffix('\n').unwrap_or(value);
        lines.write(0, &before);
        "\t".clone_into(&mut before);
        if value.len() + key.len() + 2 > ANNOTATION_MAX || value.contains('\n') {
            lines.title(0, key);
            for line in value.split('\n') {
                lines.line(0, format_args!("\t  {}", shortened(line, ANNOTATION_MAX - 2)));
            }
        } else {
            lines.line(0, format_args!("{key}: {value}"));
        }
    }
    if before != "\t" {
        lines.line(0, format_args!("{before}<none>"));
    }
}

/// A text of at most so many bytes, with dots where it was cut.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &text[..end])
}

/// Whose it is.
pub(super) fn controlled_by(lines: &mut Lines, object: &Value) {
    let owners = items(object, "/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| owner["controller"] == true);
    if let Some(owner) = controller {
        lines.put(0, "Controlled By", format_args!("{}/{}", text(owner, "/kind"), text(owner, "/name")));
    }
}

/// Tolerations, one a line, by their keys.
pub(super) fn tolerations(lines: &mut Lines, depth: usize, object: &Value, pointer: &str) {
    let mut tolerations: Vec<&Value> = items(object, pointer).iter().collect();
    tolerations.sort_by_key(|toleration| text(toleration, "/key"));
    lines.list(depth, "Tolerations", tolerations.into_iter().map(toleration));
}

fn toleration(toleration: &Value) -> String {
    let mut told = text(toleration, "/key").into_owned();
    let value = filled(toleration, "/value");
    if let Some(value) = &value {
        told = format!("{told}={value}");
    }
    if let Some(effect) = filled(toleration, "/effect") {
        told = format!("{told}:{effect}");
    }
    if text(toleration, "/operator") == "Exists" && value.is_none() {
        told = format!("{told} op=Exists").trim_start().to_owned();
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        told = format!("{told} for {seconds}s");
    }
    told
}

/// Conditions as workloads have them: type, status and reason.
pub(super) fn conditions(lines: &mut Lines, object: &Value) {
    let conditions = items(object, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    lines.title(0, "Conditions");
    lines.titles(1, &["Type", "Status", "Reason"]);
    for condition in conditions {
        let kind = format!("{} ", text(condition, "/type"));
        lines.row(1, &[&kind, &text(condition, "/status"), &text(condition, "/reason")]);
    }
}

/// Conditions with the time of their last change and their message.
pub(super) fn timed_conditions(lines: &mut Lines, object: &Value) {
    lines.title(0, "Conditions");
    lines.titles(1, &["Type", "Status", "LastTransitionTime", "Reason", "Message"]);
    for condition in items(object, "/status/conditions") {
        let [kind, status, reason, message] =
            ["/type", "/status", "/reason", "/message"].map(|part| text(condition, part));
        lines.row(1, &[&kind, &status, &time(condition, "/lastTransitionTime"), &reason, &message]);
    }
}
