//! Pods, and the templates of pods.

use serde_json::Value;

use super::container;
use super::lines::Lines;
use super::metadata;
use super::read::{at, count, filled, items, optional, selector_or_none, since, text, time};
use super::volume;
use super::{Around, Events};

pub(super) fn tell(lines: &mut Lines, pod: &Value, around: &dyn Around) -> Events {
    head(lines, pod);
    state(lines, pod, around);
    if !at(pod, "/spec/resources").is_null() {
        lines.title(0, "Resources");
        container::resources(lines, 1, at(pod, "/spec/resources"));
    }
    let groups = [
        ("Init Containers", "initContainer"),
        ("Containers", "container"),
        ("Ephemeral Containers", "ephemeralContainer"),
    ];
    for (title, group) in groups {
        let containers = items(pod, &format!("/spec/{group}s"));
        if group == "container" || !containers.is_empty() {
            let statuses = items(pod, &format!("/status/{group}Statuses"));
            container::tell(lines, title, containers, Some((pod, statuses)));
        }
    }
    gates(lines, pod);
    volume::tell(lines, 0, items(pod, "/spec/volumes"));
    lines.put(0, "QoS Class", text(pod, "/status/qosClass"));
    placement(lines, 0, pod);
    spread(lines, 0, at(pod, "/spec"));
    scheduling_group(lines, 0, at(pod, "/spec"));
    Events::Shown
}

/// Who it is and where.
fn head(lines: &mut Lines, pod: &Value) {
    metadata::names(lines, pod);
    lines.put_if(0, "Priority", optional(pod, "/spec/priority"));
    lines.put_if(0, "Priority Class Name", filled(pod, "/spec/priorityClassName"));
    lines.put_if(0, "Runtime Class Name", filled(pod, "/spec/runtimeClassName"));
    lines.put_if(0, "Service Account", filled(pod, "/spec/serviceAccountName"));
    match filled(pod, "/spec/nodeName") {
        Some(node) => lines.put(0, "Node", format_args!("{node}/{}", text(pod, "/status/hostIP"))),
        None => lines.put(0, "Node", "<none>"),
    }
    if !at(pod, "/status/startTime").is_null() {
        lines.put(0, "Start Time", time(pod, "/status/startTime"));
    }
    metadata::notes(lines, pod);
}

/// How it is.
fn state(lines: &mut Lines, pod: &Value, around: &dyn Around) {
    let phase = text(pod, "/status/phase");
    let is_going = !at(pod, "/metadata/deletionTimestamp").is_null() && !matches!(&*phase, "Failed" | "Succeeded");
    if is_going {
        let lasts = since(pod, "/metadata/deletionTimestamp", around.now());
        lines.put(0, "Status", format_args!("Terminating (lasts {lasts})"));
        let grace = count(pod, "/metadata/deletionGracePeriodSeconds");
        lines.put(0, "Termination Grace Period", format_args!("{grace}s"));
    } else {
        lines.put(0, "Status", phase);
    }
    lines.put_if(0, "Reason", filled(pod, "/status/reason"));
    lines.put_if(0, "Message", filled(pod, "/status/message"));
    let profile = at(pod, "/spec/securityContext/seccompProfile");
    if !profile.is_null() {
        lines.put(0, "SeccompProfile", text(profile, "/type"));
        if text(profile, "/type") == "Localhost" {
            lines.put(0, "LocalhostProfile", text(profile, "/localhostProfile"));
        }
    }
    lines.put(0, "IP", text(pod, "/status/podIP"));
    match items(pod, "/status/podIPs") {
        [] => lines.put(0, "IPs", "<none>"),
        addresses => {
            lines.title(0, "IPs");
            for address in addresses {
                lines.put(1, "IP", text(address, "/ip"));
            }
        }
    }
    metadata::controlled_by(lines, pod);
    lines.put_if(0, "NominatedNodeName", filled(pod, "/status/nominatedNodeName"));
}

/// Conditions, and those of them that others have to set before the pod is ready.
fn gates(lines: &mut Lines, pod: &Value) {
    let conditions = items(pod, "/status/conditions");
    let row = |lines: &mut Lines, kind: &str, status: &str| lines.line(1, format_args!("{kind} \t{status} "));
    let gates = items(pod, "/spec/readinessGates");
    if !gates.is_empty() {
        lines.title(0, "Readiness Gates");
        lines.line(1, "Type\tStatus");
        for gate in gates {
            let kind = text(gate, "/conditionType");
            let found = conditions.iter().find(|condition| text(condition, "/type") == kind);
            row(lines, &kind, found.map(|found| text(found, "/status")).as_deref().unwrap_or("<none>"));
        }
    }
    if !conditions.is_empty() {
        lines.title(0, "Conditions");
        lines.line(1, "Type\tStatus");
        for condition in conditions {
            row(lines, &text(condition, "/type"), &text(condition, "/status"));
        }
    }
}

/// Where it may run.
fn placement(lines: &mut Lines, depth: usize, object: &Value) {
    metadata::labels(lines, depth, "Node-Selectors", object, "/spec/nodeSelector");
    metadata::tolerations(lines, depth, object, "/spec/tolerations");
}

fn spread(lines: &mut Lines, depth: usize, spec: &Value) {
    let mut constraints: Vec<&Value> = items(spec, "/topologySpreadConstraints").iter().collect();
    if constraints.is_empty() {
        return;
    }
    constraints.sort_by_key(|constraint| text(constraint, "/topologyKey"));
    let told = constraints.into_iter().map(|constraint| {
        let selector = match at(constraint, "/labelSelector").is_null() {
            true => String::new(),
            false => format!(" for selector {}", selector_or_none(constraint, "/labelSelector")),
        };
        let [key, otherwise] = ["/topologyKey", "/whenUnsatisfiable"].map(|part| text(constraint, part));
        format!("{key}:{otherwise} when max skew {} is exceeded{selector}", count(constraint, "/maxSkew"))
    });
    lines.list(depth, "Topology Spread Constraints", told);
}

fn scheduling_group(lines: &mut Lines, depth: usize, spec: &Value) {
    if !at(spec, "/schedulingGroup").is_null() {
        lines.title(depth, "SchedulingGroup");
        lines.put(1, "PodGroupName", text(spec, "/schedulingGroup/podGroupName"));
    }
}

/// The template of the pods of a workload.
pub(super) fn template(lines: &mut Lines, template: &Value) {
    lines.title(0, "Pod Template");
    if template.is_null() {
        lines.write(1, "<unset>");
        return;
    }
    metadata::labels(lines, 1, "Labels", template, "/metadata/labels");
    if !at(template, "/metadata/annotations").is_null() {
        metadata::annotations(lines, "  Annotations", template, "/metadata/annotations");
    }
    lines.put_if(1, "Service Account", filled(template, "/spec/serviceAccountName"));
    let init = items(template, "/spec/initContainers");
    if !init.is_empty() {
        container::tell(lines, "Init Containers", init, None);
    }
    container::tell(lines, "Containers", items(template, "/spec/containers"), None);
    volume::tell(lines, 1, items(template, "/spec/volumes"));
    spread(lines, 1, at(template, "/spec"));
    lines.put_if(1, "Priority Class Name", filled(template, "/spec/priorityClassName"));
    placement(lines, 1, template);
    scheduling_group(lines, 1, at(template, "/spec"));
}
