//! Workloads: what they select, how many pods there are, and the template of their pods.

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::pod;
use super::read::{at, count, filled, items, labels, optional, pairs, selector, selector_or_none, text, text_or, time};
use super::{Around, Events};
use crate::object::kind;
use crate::object::template_hash::POD_TEMPLATE_HASH_LABEL;

pub(super) fn tell(lines: &mut Lines, kind: &str, object: &Value, around: &dyn Around) -> Option<Events> {
    match kind {
        "Deployment" => deployment(lines, object, around),
        "ReplicaSet" => replica_set(lines, object, around),
        "StatefulSet" => stateful_set(lines, object, around),
        "DaemonSet" => daemon_set(lines, object, around),
        _ => return None,
    }
    Some(Events::Shown)
}

fn deployment(lines: &mut Lines, object: &Value, around: &dyn Around) {
    metadata::names(lines, object);
    lines.put(0, "CreationTimestamp", time(object, "/metadata/creationTimestamp"));
    metadata::notes(lines, object);
    lines.put(0, "Selector", selector(object, "/spec/selector"));
    let status = |field: &str| count(object, &format!("/status/{field}"));
    lines.put(
        0,
        "Replicas",
        format_args!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            count(object, "/spec/replicas"),
            status("updatedReplicas"),
            status("replicas"),
            status("availableReplicas"),
            status("unavailableReplicas"),
        ),
    );
    lines.put(0, "StrategyType", text(object, "/spec/strategy/type"));
    lines.put(0, "MinReadySeconds", count(object, "/spec/minReadySeconds"));
    let rolling = at(object, "/spec/strategy/rollingUpdate");
    if !rolling.is_null() {
        let [unavailable, surge] = ["/maxUnavailable", "/maxSurge"].map(|part| text(rolling, part));
        lines.put(0, "RollingUpdateStrategy", format_args!("{unavailable} max unavailable, {surge} max surge"));
    }
    pod::template(lines, at(object, "/spec/template"));
    metadata::conditions(lines, object);
    sets(lines, object, &around.owned(object, kind::REPLICA_SET));
}

/// The replica sets of a deployment: the one with its template, and the others.
fn sets(lines: &mut Lines, deployment: &Value, sets: &[Value]) {
    if sets.is_empty() {
        return;
    }
    let wanted = bare(at(deployment, "/spec/template"));
    let matching = sets.iter().filter(|set| bare(at(set, "/spec/template")) == wanted);
    let new = matching.min_by_key(|set| text(set, "/metadata/creationTimestamp"));
    let is_new = |set: &&Value| new.is_some_and(|new| std::ptr::eq(new, *set));
    let told = |sets: Vec<&Value>| {
        let told = sets.into_iter().map(|set| {
            let counts = format!("{}/{}", count(set, "/status/replicas"), count(set, "/spec/replicas"));
            format!("{} ({counts} replicas created)", text(set, "/metadata/name"))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { "<none>".to_owned() } else { told.join(", ") }
    };
    lines.put(0, "OldReplicaSets", told(sets.iter().filter(|set| !is_new(set)).collect()));
    lines.put(0, "NewReplicaSet", told(new.into_iter().collect()));
}

/// A template without the label that its hash gave it.
fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(POD_TEMPLATE_HASH_LABEL);
    }
    template
}

fn replica_set(lines: &mut Lines, set: &Value, around: &dyn Around) {
    metadata::names(lines, set);
    lines.put(0, "Selector", selector_or_none(set, "/spec/selector"));
    metadata::notes(lines, set);
    metadata::controlled_by(lines, set);
    replicas(lines, set, around);
}

pub(super) fn replication_controller(lines: &mut Lines, controller: &Value, around: &dyn Around) -> Events {
    metadata::names(lines, controller);
    lines.put(0, "Selector", labels(controller, "/spec/selector"));
    metadata::notes(lines, controller);
    replicas(lines, controller, around);
    Events::Shown
}

fn replicas(lines: &mut Lines, object: &Value, around: &dyn Around) {
    let (current, desired) = (count(object, "/status/replicas"), count(object, "/spec/replicas"));
    lines.put(0, "Replicas", format_args!("{current} current / {desired} desired"));
    pods_status(lines, object, around);
    pod::template(lines, at(object, "/spec/template"));
    metadata::conditions(lines, object);
}

fn stateful_set(lines: &mut Lines, set: &Value, around: &dyn Around) {
    metadata::names(lines, set);
    lines.put(0, "CreationTimestamp", time(set, "/metadata/creationTimestamp"));
    lines.put(0, "Selector", selector(set, "/spec/selector"));
    metadata::notes(lines, set);
    let (desired, total) = (count(set, "/spec/replicas"), count(set, "/status/replicas"));
    lines.put(0, "Replicas", format_args!("{desired} desired | {total} total"));
    lines.put(0, "Update Strategy", text(set, "/spec/updateStrategy/type"));
    if let Some(partition) = optional(set, "/spec/updateStrategy/rollingUpdate/partition") {
        lines.put(1, "Partition", partition);
        lines.put_if(1, "MaxUnavailable", optional(set, "/spec/updateStrategy/rollingUpdate/maxUnavailable"));
    }
    pods_status(lines, set, around);
    pod::template(lines, at(set, "/spec/template"));
    let claims = items(set, "/spec/volumeClaimTemplates");
    if claims.is_empty() {
        lines.put(0, "Volume Claims", "<none>");
        return;
    }
    lines.title(0, "Volume Claims");
    for claim in claims {
        lines.put(1, "Name", text(claim, "/metadata/name"));
        lines.put(1, "StorageClass", text(claim, "/spec/storageClassName"));
        notes_of_claim(lines, claim);
        lines.put(1, "Capacity", text_or(claim, "/spec/resources/requests/storage", "<default>"));
        lines.put(1, "Access Modes", text_or(claim, "/spec/accessModes", "[]"));
    }
}

fn notes_of_claim(lines: &mut Lines, claim: &Value) {
    for (title, part) in [("Labels", "/metadata/labels"), ("Annotations", "/metadata/annotations")] {
        let pairs = pairs(claim, part);
        lines.write(1, format_args!("{title}:\t"));
        if pairs.is_empty() {
            lines.line(0, "<none>");
        }
        for (index, (key, value)) in pairs.iter().enumerate() {
            lines.line(0, format_args!("{}{key}={value}", if index > 0 { "  \t" } else { "" }));
        }
    }
}

fn daemon_set(lines: &mut Lines, set: &Value, around: &dyn Around) {
    metadata::names(lines, set);
    lines.put(0, "Selector", selector(set, "/spec/selector"));
    lines.put(0, "Node-Selector", labels(set, "/spec/template/spec/nodeSelector"));
    metadata::notes(lines, set);
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        lines.line(0, format_args!("{title}: {}", count(set, &format!("/status/{field}"))));
    }
    pods_status(lines, set, around);
    pod::template(lines, at(set, "/spec/template"));
}

/// How many of its pods are in each phase.
fn pods_status(lines: &mut Lines, owner: &Value, around: &dyn Around) {
    let pods = around.owned(owner, kind::POD);
    let count = |phase: &str| pods.iter().filter(|pod| filled(pod, "/status/phase").as_deref() == Some(phase)).count();
    let [running, waiting, succeeded, failed] = ["Running", "Pending", "Succeeded", "Failed"].map(count);
    let text = format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed");
    lines.put(0, "Pods Status", text);
}
