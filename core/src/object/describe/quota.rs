//! Quotas and limits, by themselves and as part of their namespace.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::{at, items, pairs, quantity, text, text_or, texts};
use crate::object::quantity::Quantity;

const LIMITS: [&str; 7] =
    ["Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio"];

pub(super) fn limit_range(lines: &mut Lines, range: &Value) -> Events {
    metadata::names(lines, range);
    lines.titles(0, &LIMITS);
    limits(lines, range, "");
    Events::NotAskedFor
}

/// The limits of a namespace.
pub(super) fn limits_of_namespace(lines: &mut Lines, ranges: &[Value]) {
    if ranges.is_empty() {
        lines.line(0, "No LimitRange resource.");
        return;
    }
    lines.line(0, "Resource Limits");
    lines.line(0, format_args!(" {}", LIMITS.join("\t")));
    let dashes: Vec<String> = LIMITS.iter().map(|title| "-".repeat(title.len())).collect();
    lines.line(0, format_args!(" {}", dashes.join("\t")));
    for range in ranges {
        limits(lines, range, " ");
    }
}

fn limits(lines: &mut Lines, range: &Value, gap: &str) {
    const PARTS: [&str; 5] = ["/min", "/max", "/defaultRequest", "/default", "/maxLimitRequestRatio"];
    for item in items(range, "/spec/limits") {
        let mut names: Vec<&str> =
            PARTS.iter().flat_map(|part| pairs(item, part)).map(|(resource, _)| resource).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let amounts =
                PARTS.map(|part| text_or(at(item, part), &format!("/{}", name.replace('/', "~1")), "-").into_owned());
            lines.line(0, format_args!("{gap}{}\t{name}\t{}", text(item, "/type"), amounts.join("\t")));
        }
    }
}

pub(super) fn resource_quota(lines: &mut Lines, quota: &Value) -> Events {
    metadata::names(lines, quota);
    scopes(lines, 0, quota, " ");
    lines.titles(0, &["Resource", "Used", "Hard"]);
    for (name, hard) in pairs(quota, "/status/hard") {
        let hard: Quantity = quantity(&Value::from(&*hard));
        let used = quantity(&quota["status"]["used"][name]);
        // What is used is told in the way of what is allowed.
        let used = if used.format() == hard.format() { used } else { Quantity::new(used.value(), hard.format()) };
        lines.row(0, &[&name, &used, &hard]);
    }
    Events::NotAskedFor
}

/// The quotas of a namespace.
pub(super) fn quotas_of_namespace(lines: &mut Lines, quotas: &[Value]) {
    if quotas.is_empty() {
        lines.line(0, "No resource quota.");
        return;
    }
    lines.line(0, "Resource Quotas");
    for quota in quotas {
        lines.put(1, "Name", text(quota, "/metadata/name"));
        scopes(lines, 1, quota, "");
        lines.line(1, "Resource\tUsed\tHard");
        lines.line(1, "--------\t---\t---");
        for (name, hard) in pairs(quota, "/status/hard") {
            let used = text_or(&quota["status"]["used"], &format!("/{}", name.replace('/', "~1")), "0");
            lines.row(1, &[&name, &used, &hard]);
        }
    }
}

fn scopes(lines: &mut Lines, depth: usize, quota: &Value, gap: &str) {
    let mut scopes = texts(quota, "/spec/scopes");
    if scopes.is_empty() {
        return;
    }
    scopes.sort();
    lines.put(depth, "Scopes", scopes.join(", "));
    for help in scopes.iter().filter_map(|scope| help(scope)) {
        lines.line(depth, format_args!("{gap}* {help}"));
    }
}

fn help(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "Terminating" => {
            "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being \
             actively terminated by the system."
        }
        "NotTerminating" => {
            "Matches all pods that do not have an active deadline. These pods usually include long running pods whose \
             container command is not expected to terminate."
        }
        "BestEffort" => {
            "Matches all pods that do not have resource requirements set. These pods have a best effort quality of \
             service."
        }
        "NotBestEffort" => {
            "Matches all pods that have at least one resource requirement set. These pods have a burstable or \
             guaranteed quality of service."
        }
        _ => return None,
    })
}
