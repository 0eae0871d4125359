//! Conditions as taints: `NoSchedule` keeps new pods away, `NoExecute` sends those away that do not tolerate it.

use k8s_openapi::api::core::v1::{Node, Taint};

use crate::time::Time;

/// Which condition, in which status, is which taint.
const CONDITION_TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", "node.kubernetes.io/not-ready"),
    ("Ready", "Unknown", "node.kubernetes.io/unreachable"),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];
/// The taint of `spec.unschedulable`.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The taints that also send pods away.
const EVICTING: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Adds the taints that the conditions ask for, and removes those of ours that they no longer ask for.
pub(super) fn follow_conditions(node: &mut Node, now: Time) {
    let wanted = wanted(node);
    let mut taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
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

fn wanted(node: &Node) -> Vec<(&'static str, &'static str)> {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut wanted = Vec::new();
    for condition in conditions {
        let rows = CONDITION_TAINTS.iter();
        for (_, _, key) in rows.filter(|(kind, status, _)| condition.type_ == *kind && condition.status == *status) {
            wanted.push((*key, "NoSchedule"));
            if EVICTING.contains(key) {
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
