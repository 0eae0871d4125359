//! A node that has been silent too long: nobody knows how it is.

use k8s_openapi::api::core::v1::{Node, NodeCondition};

use super::Observed;
use crate::control::Plan;
use crate::time::Time;

/// The conditions that an agent reports, and that are unknown without it.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// Sets the conditions of a silent node to `Unknown`, or looks again when its grace is over.
pub(super) fn judge(observed: &Observed<'_>, node: &mut Node, now: Time, plan: &mut Plan) {
    let Some(since) = observed.silent_since else { return };
    let over = since + observed.grace;
    if now < over {
        plan.wake(over);
        return;
    }
    let conditions = node.status.get_or_insert_default().conditions.get_or_insert_default();
    for kind in REPORTED {
        match conditions.iter_mut().find(|condition| condition.type_ == kind) {
            Some(condition) if condition.status == "Unknown" => {}
            Some(condition) => {
                condition.status = "Unknown".to_owned();
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = Some(now.to_api());
            }
            None => conditions.push(never_reported(kind, observed.object.meta.created, now)),
        }
    }
}

fn never_reported(kind: &str, created: Time, now: Time) -> NodeCondition {
    NodeCondition {
        last_heartbeat_time: Some(created.to_api()),
        last_transition_time: Some(now.to_api()),
        message: Some("Kubelet never posted node status.".to_owned()),
        reason: Some("NodeStatusNeverUpdated".to_owned()),
        status: "Unknown".to_owned(),
        type_: kind.to_owned(),
    }
}
