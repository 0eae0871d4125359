//! Whether, and when, a container that has ended is started again.

use k8s_openapi::api::core::v1::Container;

use super::work::{PodWork, Slot, SpecRef, StopReason};
use crate::runtime::{ContainerKind, PodIdentity};
use crate::store::ExitRecord;
use crate::time::Time;

/// Whether a container that ended with this code is started again: its own rules, its own policy, then the pod's.
pub(super) fn is_wanted(work: &PodWork, slot: &Slot, exit_code: i32) -> bool {
    if is_replaced(slot) {
        return true;
    }
    let pod_policy = work.spec.restart_policy.as_deref().unwrap_or("Always");
    match slot.kind {
        ContainerKind::Ephemeral => return false,
        // An init container that ended well is done, whatever the pod's policy says.
        ContainerKind::Init if exit_code == 0 && !slot.is_sidecar(&work.spec) => return false,
        ContainerKind::Init | ContainerKind::Regular => {}
    }
    let container = slot.spec(&work.spec).and_then(SpecRef::container);
    if container.is_some_and(|container| rules_say_restart(container, exit_code)) {
        return true;
    }
    let own_policy = container.and_then(|container| container.restart_policy.as_deref());
    match own_policy.unwrap_or(pod_policy) {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

/// Whether it was stopped to be replaced, since its definition or its resources changed: no policy and no delay holds that up.
pub(super) fn is_replaced(slot: &Slot) -> bool {
    slot.extra.as_ref().is_some_and(|extra| extra.stop.is_some_and(StopReason::replaces))
}

fn rules_say_restart(container: &Container, exit_code: i32) -> bool {
    container.restart_policy_rules.iter().flatten().any(|rule| {
        rule.action == "Restart"
            && rule.exit_codes.as_ref().is_some_and(|codes| {
                let listed = codes.values.iter().flatten().any(|code| *code == exit_code);
                if codes.operator == "NotIn" { !listed } else { listed }
            })
    })
}

/// Until when the restart after this exit has to wait; `None` when it may happen now.
pub(super) fn held_until(slot: &Slot, exit: &ExitRecord, now: Time) -> Option<Time> {
    let crash = slot.extra.as_ref().filter(|_| !is_replaced(slot))?.crash?;
    crash.until(exit.finished_at?).filter(|until| *until > now)
}

/// How upstream names a pod in messages: `name_namespace(uid)`.
pub(super) fn pod_title(pod: &PodIdentity) -> String {
    format!("{}_{}({})", pod.name, pod.namespace, pod.uid)
}
