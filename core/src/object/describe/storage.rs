//! Volumes, claims, and the classes of both.

use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::read::{
    NONE, at, count, filled, items, joined, labels, optional, pairs, since, switch, text, text_or, texts, time,
};
use super::volume::source;
use super::{Around, Events};
use crate::object::kind;
use crate::object::mutate::STORAGE_CLASS_ANNOTATION;
use crate::time::Time;

/// Access modes in the short form, in upstream's order.
const MODES: [(&str, &str); 4] =
    [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];

fn modes(object: &Value, pointer: &str) -> String {
    let given = texts(object, pointer);
    let short = MODES.iter().filter(|(mode, _)| given.iter().any(|given| given == mode));
    short.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn class(object: &Value) -> String {
    let annotations = at(object, "/metadata/annotations");
    let noted = annotations.get(STORAGE_CLASS_ANNOTATION).and_then(Value::as_str);
    noted.map_or_else(|| text(object, "/spec/storageClassName").into_owned(), str::to_owned)
}

fn finalizers(lines: &mut Lines, object: &Value) {
    lines.put(0, "Finalizers", text_or(object, "/metadata/finalizers", "[]"));
}

fn phase(lines: &mut Lines, object: &Value, now: Time) {
    if at(object, "/metadata/deletionTimestamp").is_null() {
        lines.put(0, "Status", text(object, "/status/phase"));
    } else {
        let lasts = since(object, "/metadata/deletionTimestamp", now);
        lines.put(0, "Status", format_args!("Terminating (lasts {lasts})"));
    }
}

pub(super) fn volume(lines: &mut Lines, volume: &Value, now: Time) -> Events {
    metadata::name(lines, volume);
    metadata::notes(lines, volume);
    finalizers(lines, volume);
    lines.put(0, "StorageClass", class(volume));
    phase(lines, volume, now);
    let claim = volume.pointer("/spec/claimRef");
    let claim = claim.map(|claim| format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")));
    lines.put(0, "Claim", claim.unwrap_or_default());
    lines.put(0, "Reclaim Policy", text(volume, "/spec/persistentVolumeReclaimPolicy"));
    lines.put(0, "Access Modes", modes(volume, "/spec/accessModes"));
    lines.put_if(0, "VolumeMode", optional(volume, "/spec/volumeMode"));
    lines.put(0, "Capacity", text_or(volume, "/spec/capacity/storage", "0"));
    node_affinity(lines, volume);
    lines.put(0, "Message", text(volume, "/status/message"));
    lines.title(0, "Source");
    source(lines, at(volume, "/spec"));
    Events::Shown
}

fn node_affinity(lines: &mut Lines, volume: &Value) {
    let Some(required) = volume.pointer("/spec/nodeAffinity/required") else {
        lines.put(0, "Node Affinity", NONE);
        return;
    };
    lines.put(0, "Node Affinity", "");
    let terms = items(required, "/nodeSelectorTerms");
    lines.put(1, "Required Terms", if terms.is_empty() { NONE } else { "" });
    for (index, term) in terms.iter().enumerate() {
        requirements(lines, 2, index, items(term, "/matchExpressions"));
    }
}

/// The requirements of a term, each with its operator and values.
fn requirements(lines: &mut Lines, depth: usize, index: usize, requirements: &[Value]) {
    lines.write(depth, format_args!("Term {index}:\t"));
    if requirements.is_empty() {
        lines.line(0, NONE);
    }
    for (index, requirement) in requirements.iter().enumerate() {
        if index > 0 {
            lines.write(depth, "\t");
        }
        let operator = text_or(requirement, "/operator", "in").to_lowercase();
        let values = joined(requirement, "/values", ", ");
        let values = if values.is_empty() { values } else { format!(" [{values}]") };
        lines.line(0, format_args!("{} {operator}{values}", text(requirement, "/key")));
    }
}

pub(super) fn claim(lines: &mut Lines, claim: &Value, around: &dyn Around) -> Events {
    metadata::names(lines, claim);
    lines.put(0, "StorageClass", class(claim));
    phase(lines, claim, around.now());
    lines.put(0, "Volume", text(claim, "/spec/volumeName"));
    metadata::notes(lines, claim);
    finalizers(lines, claim);
    let is_bound = filled(claim, "/spec/volumeName").is_some();
    let capacity = if is_bound { text_or(claim, "/status/capacity/storage", "0") } else { "".into() };
    lines.put(0, "Capacity", capacity);
    lines.put(0, "Access Modes", if is_bound { modes(claim, "/status/accessModes") } else { String::new() });
    rest_of_claim(lines, 0, claim);
    lines.list(0, "Used By", used_by(claim, around));
    let conditions = items(claim, "/status/conditions");
    if !conditions.is_empty() {
        lines.title(0, "Conditions");
        lines.line(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage");
        lines.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
        for condition in conditions {
            let [kind, status, reason] =
                ["/type", "/status", "/reason"].map(|part| format!("{} ", text(condition, part)));
            let [probed, changed] =
                ["/lastProbeTime", "/lastTransitionTime"].map(|part| format!("{} ", time(condition, part)));
            lines.row(1, &[&kind, &status, &probed, &changed, &reason, &text(condition, "/message")]);
        }
    }
    Events::Shown
}

/// The claim that an ephemeral volume is made by.
pub(super) fn claim_template(lines: &mut Lines, template: &Value) {
    lines.put(2, "StorageClass", class(template));
    lines.put(2, "Volume", text(template, "/spec/volumeName"));
    for (title, part) in [("Labels", "/metadata/labels"), ("Annotations", "/metadata/annotations")] {
        // kubectl indents each part of such a line.
        let pairs = pairs(template, part);
        lines.write(2, format_args!("{title}:\t"));
        if pairs.is_empty() {
            lines.line(2, NONE);
        }
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 {
                lines.write(4, "\t");
            }
            let joint = if part == "/metadata/labels" { "=" } else { ": " };
            lines.line(2, format_args!("{key}{joint}{value}"));
        }
    }
    lines.put(2, "Capacity", "");
    lines.put(2, "Access Modes", "");
    rest_of_claim(lines, 2, template);
}

fn rest_of_claim(lines: &mut Lines, depth: usize, claim: &Value) {
    lines.put_if(depth, "VolumeMode", optional(claim, "/spec/volumeMode"));
    let from = at(claim, "/spec/dataSource");
    if !from.is_null() {
        lines.title(depth, "DataSource");
        lines.put_if(depth + 1, "APIGroup", optional(from, "/apiGroup"));
        lines.put(depth + 1, "Kind", text(from, "/kind"));
        lines.put(depth + 1, "Name", text(from, "/name"));
    }
}

/// The pods that mount the claim, or that own it.
fn used_by(claim: &Value, around: &dyn Around) -> Vec<String> {
    let name = text(claim, "/metadata/name");
    let owners: Vec<_> = items(claim, "/metadata/ownerReferences").iter().map(|owner| text(owner, "/uid")).collect();
    let pods = around.all(kind::POD, &text(claim, "/metadata/namespace"));
    let uses = |pod: &&Value| {
        let mut volumes = items(pod, "/spec/volumes").iter();
        volumes.any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name)
            || owners.contains(&text(pod, "/metadata/uid"))
    };
    pods.iter().filter(uses).map(|pod| text(pod, "/metadata/name").into_owned()).collect()
}

/// What is of the group `storage.k8s.io`.
pub(super) fn classes(lines: &mut Lines, kind: &str, object: &Value) -> Option<Events> {
    match kind {
        "StorageClass" => storage_class(lines, object),
        "VolumeAttributesClass" => {
            metadata::name(lines, object);
            lines.put(0, "Annotations", labels(object, "/metadata/annotations"));
            lines.put(0, "DriverName", text(object, "/driverName"));
            lines.put(0, "Parameters", labels(object, "/parameters"));
        }
        "CSINode" => csi_node(lines, object),
        _ => return None,
    }
    Some(Events::Shown)
}

fn storage_class(lines: &mut Lines, class: &Value) {
    metadata::name(lines, class);
    let annotations = at(class, "/metadata/annotations");
    let is_default =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .iter()
            .any(|key| annotations.get(*key).and_then(Value::as_str) == Some("true"));
    lines.put(0, "IsDefaultClass", if is_default { "Yes" } else { "No" });
    lines.put(0, "Annotations", labels(class, "/metadata/annotations"));
    lines.put(0, "Provisioner", text(class, "/provisioner"));
    lines.put(0, "Parameters", labels(class, "/parameters"));
    lines.put(0, "AllowVolumeExpansion", switch(class, "/allowVolumeExpansion"));
    let options = texts(class, "/mountOptions");
    if options.is_empty() {
        lines.put(0, "MountOptions", NONE);
    } else {
        lines.title(0, "MountOptions");
    }
    for option in options {
        lines.line(1, option);
    }
    lines.put_if(0, "ReclaimPolicy", optional(class, "/reclaimPolicy"));
    lines.put_if(0, "VolumeBindingMode", optional(class, "/volumeBindingMode"));
    if !at(class, "/allowedTopologies").is_null() {
        let terms = items(class, "/allowedTopologies");
        lines.put(0, "AllowedTopologies", if terms.is_empty() { NONE } else { "" });
        for (index, term) in terms.iter().enumerate() {
            requirements(lines, 1, index, items(term, "/matchLabelExpressions"));
        }
    }
}

fn csi_node(lines: &mut Lines, node: &Value) {
    metadata::name(lines, node);
    metadata::notes(lines, node);
    lines.put(0, "CreationTimestamp", time(node, "/metadata/creationTimestamp"));
    lines.title(0, "Spec");
    if !at(node, "/spec/drivers").is_null() {
        lines.title(1, "Drivers");
    }
    for driver in items(node, "/spec/drivers") {
        lines.title(2, text(driver, "/name"));
        lines.put(3, "Node ID", text(driver, "/nodeID"));
        if !at(driver, "/allocatable/count").is_null() {
            lines.title(3, "Allocatables");
            lines.put(4, "Count", count(driver, "/allocatable/count"));
        }
        lines.put_if(3, "Topology Keys", optional(driver, "/topologyKeys"));
    }
}
