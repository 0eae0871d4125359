//! Nodes, and the pods on them.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Node, Pod};

use super::{Lines, metadata, or_none};

pub(super) fn node(lines: &mut Lines, object: &Node, pods: &[Pod]) {
    metadata(lines, &object.metadata);
    let (spec, status) = (object.spec.clone().unwrap_or_default(), object.status.clone().unwrap_or_default());
    lines.list(
        "Taints",
        spec.taints.iter().flatten().map(|taint| match taint.value.as_deref().filter(|value| !value.is_empty()) {
            Some(value) => format!("{}={value}:{}", taint.key, taint.effect),
            None => format!("{}:{}", taint.key, taint.effect),
        }),
    );
    lines.put(0, "Unschedulable", spec.unschedulable.unwrap_or(false));
    lines.conditions(status.conditions.iter().flatten().map(|condition| {
        [condition.type_.clone(), condition.status.clone(), condition.reason.clone().unwrap_or_default()]
    }));
    lines.list(
        "Addresses",
        status.addresses.iter().flatten().map(|address| format!("{}: {}", address.type_, address.address)),
    );
    lines.list("Capacity", status.capacity.iter().flatten().map(|(name, amount)| format!("{name}: {}", amount.0)));
    lines
        .list("Allocatable", status.allocatable.iter().flatten().map(|(name, amount)| format!("{name}: {}", amount.0)));
    let runtime = status.node_info.map(|info| info.container_runtime_version).unwrap_or_default();
    lines.put(0, "Container Runtime", runtime);
    let _ = writeln!(lines.0, "Non-terminated Pods: ({} in total)", pods.len());
    for pod in pods {
        let _ = writeln!(
            lines.0,
            "  {}/{}  {}",
            or_none(pod.metadata.namespace.as_deref()),
            or_none(pod.metadata.name.as_deref()),
            crate::object::table::pod_word(pod)
        );
    }
}
