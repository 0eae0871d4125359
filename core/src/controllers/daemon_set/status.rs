//! Counting nodes: the oldest pod on a node speaks for it.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSetStatus;

use super::Work;
use super::node::Fate;
use crate::control::{Action, Target, pods};

/// Adds the write of the status, if it is another than before, and looks again when a pod becomes available.
pub(super) fn count(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    let before = observed.set.status.clone().unwrap_or_default();
    let (mut desired, mut scheduled, mut misscheduled) = (0, 0, 0);
    let (mut ready, mut available, mut updated) = (0, 0, 0);
    for place in observed.nodes.values() {
        let wanted = place.fate == Fate::Wanted;
        desired += i32::from(wanted);
        let Some(pod) = place.pods.first() else { continue };
        if !wanted {
            misscheduled += 1;
            continue;
        }
        scheduled += 1;
        ready += i32::from(pods::is_ready(pod));
        updated += i32::from(observed.is_current(pod));
        match pods::available_from(pod, observed.min_ready()) {
            Some(from) if from <= work.now => available += 1,
            Some(from) => work.plan.wake(from),
            None => {}
        }
    }
    let some = |count: i32| Some(count).filter(|count| *count != 0);
    let after = DaemonSetStatus {
        collision_count: observed.history.collisions(),
        conditions: before.conditions.clone(),
        current_number_scheduled: scheduled,
        desired_number_scheduled: desired,
        number_available: some(available),
        number_misscheduled: misscheduled,
        number_ready: ready,
        number_unavailable: some(desired - available),
        observed_generation: Some(observed.object.meta.generation),
        updated_number_scheduled: some(updated),
    };
    if after != before {
        let mut set = observed.set.clone();
        set.status = Some(after);
        work.plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(set) });
    }
}
