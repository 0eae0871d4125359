//! Conditions as taints: `NoSchedule` keeps new pods away, `NoExecute` sends those away that do not tolerate it.
//!
//! Which nodes get the latter is decided for all nodes together (`node_eviction`): here it only follows the condition from
//! one key to the other, and goes when the node is well.

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::time::Time;

/// The taint of a node that says that it is not ready.
pub(in crate::controllers) const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The taint of a node that nobody has heard of.
pub(in crate::controllers) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The taints that also send pods away.
pub(in crate::controllers) const EVICTING: [&str; 2] = [NOT_READY, UNREACHABLE];

/// Which condition, in which status, is which taint.
const CONDITION_TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];
/// The taint of `spec.unschedulable`.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Adds the taints that the conditions ask for, and removes those of ours that they no longer ask for.
pub(super) fn follow_conditions(node: &mut Node, now: Time) {
    let mut taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let sends_away = taints.iter().any(|taint| taint.effect == "NoExecute" && is_ours(taint));
    let wanted = wanted(node, sends_away);
    let before = taints.clone();
    taints.retain(|taint| !is_ours(taint) || wanted.contains(&(taint.key.as_str(), taint.effect.as_str())));
    for (key, effect) in wanted {
        if !taints.iter().any(|taint| taint.key == key && taint.effect == effect) {
            taints.push(Taint {
                effect: effect.to_owned(),
                key: key.to_owned(),
                time_added: Some(now.to_api()),
                value: None,
            });
        }
    }
    if taints != before {
        node.spec.get_or_insert_default().taints = (!taints.is_empty()).then_some(taints);
    }
}

fn wanted(node: &Node, sends_away: bool) -> Vec<(&'static str, &'static str)> {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut wanted = Vec::new();
    for condition in conditions {
        let rows = CONDITION_TAINTS.iter();
        for (_, _, key) in rows.filter(|(kind, status, _)| condition.type_ == *kind && condition.status == *status) {
            wanted.push((*key, "NoSchedule"));
            if sends_away && EVICTING.contains(key) {
                wanted.push((*key, "NoExecute"));
            }
        }
    }
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    wanted
}

fn is_ours(taint: &Taint) -> bool {
    match taint.effect.as_str() {
        "NoSchedule" => taint.key == UNSCHEDULABLE || CONDITION_TAINTS.iter().any(|(_, _, key)| *key == taint.key),
        "NoExecute" => EVICTING.contains(&taint.key.as_str()),
        _ => false,
    }
}
