//! Pods and their containers.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Pod, PodSpec};

use super::{Lines, metadata};
use crate::object::table::human_duration;

pub(super) fn pod(lines: &mut Lines, pod: &Pod) {
    metadata(lines, &pod.metadata);
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    let node = match (spec.node_name.as_deref(), status.host_ip.as_deref()) {
        (Some(node), Some(ip)) => format!("{node}/{ip}"),
        (Some(node), None) => format!("{node}/"),
        (None, _) => "<none>".to_owned(),
    };
    lines.put(0, "Node", node);
    if let Some(start) = &status.start_time {
        lines.put(0, "Start Time", start.0);
    }
    let phase = status.phase.as_deref().unwrap_or("Unknown");
    lines.put(0, "Status", if pod.metadata.deletion_timestamp.is_some() { "Terminating" } else { phase });
    if let Some(reason) = &status.reason {
        lines.put(0, "Reason", reason);
    }
    if let Some(message) = &status.message {
        lines.put(0, "Message", message);
    }
    lines.put(0, "IP", status.pod_ip.as_deref().unwrap_or_default());
    let init = spec.init_containers.as_deref().unwrap_or_default();
    if !init.is_empty() {
        containers(lines, "Init Containers", init, status.init_container_statuses.as_deref());
    }
    containers(lines, "Containers", &spec.containers, status.container_statuses.as_deref());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lines.conditions(
        status
            .conditions
            .iter()
            .flatten()
            .map(|condition| [condition.type_.clone(), condition.status.clone(), text(&condition.reason)]),
    );
    lines.put(0, "QoS Class", status.qos_class.as_deref().unwrap_or_default());
    selectors(lines, &spec);
}

fn selectors(lines: &mut Lines, spec: &PodSpec) {
    lines.list("Node-Selectors", spec.node_selector.iter().flatten().map(|(key, value)| format!("{key}={value}")));
    lines.list(
        "Tolerations",
        spec.tolerations.iter().flatten().map(|toleration| {
            let mut text = toleration.key.clone().unwrap_or_default();
            if let Some(value) = toleration.value.as_deref().filter(|value| !value.is_empty()) {
                let _ = write!(text, "={value}");
            }
            if let Some(effect) = toleration.effect.as_deref().filter(|effect| !effect.is_empty()) {
                let _ = write!(text, ":{effect}");
            }
            if toleration.operator.as_deref() == Some("Exists") {
                text.push_str(" op=Exists");
            }
            if let Some(seconds) = toleration.toleration_seconds {
                let _ = write!(text, " for {}", human_duration(seconds));
            }
            text.trim().to_owned()
        }),
    );
}

pub(super) fn containers(
    lines: &mut Lines,
    title: &str,
    containers: &[Container],
    statuses: Option<&[ContainerStatus]>,
) {
    let _ = writeln!(lines.0, "{title}:");
    for container in containers {
        let _ = writeln!(lines.0, "  {}:", container.name);
        let status = statuses.into_iter().flatten().find(|status| status.name == container.name);
        if let Some(id) = status.and_then(|status| status.container_id.as_deref()) {
            lines.put(2, "Container ID", id);
        }
        lines.put(2, "Image", container.image.as_deref().unwrap_or_default());
        if let Some(id) = status.map(|status| status.image_id.as_str()).filter(|id| !id.is_empty()) {
            lines.put(2, "Image ID", id);
        }
        let Some(status) = status else { continue };
        if let Some(now) = &status.state {
            state(lines, "State", now);
        }
        if let Some(last) = status.last_state.as_ref().filter(|last| last.terminated.is_some()) {
            state(lines, "Last State", last);
        }
        lines.put(2, "Ready", if status.ready { "True" } else { "False" });
        lines.put(2, "Restart Count", status.restart_count);
    }
}

fn state(lines: &mut Lines, title: &str, state: &ContainerState) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    if let Some(running) = &state.running {
        lines.put(2, title, "Running");
        if let Some(since) = &running.started_at {
            lines.put(3, "Started", since.0);
        }
    } else if let Some(ended) = &state.terminated {
        lines.put(2, title, "Terminated");
        lines.put(3, "Reason", text(&ended.reason));
        if let Some(message) = &ended.message {
            lines.put(3, "Message", message);
        }
        lines.put(3, "Exit Code", ended.exit_code);
        if let Some(started) = &ended.started_at {
            lines.put(3, "Started", started.0);
        }
        if let Some(finished) = &ended.finished_at {
            lines.put(3, "Finished", finished.0);
        }
    } else {
        lines.put(2, title, "Waiting");
        if let Some(reason) = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref()) {
            lines.put(3, "Reason", reason);
        }
    }
}
