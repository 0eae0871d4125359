//! Counting nodes: the oldest pod on a node speaks for it.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSetStatus;

use super::Work;
use super::nodes::Settling;
use crate::control::{Action, Target};
use crate::object::daemon::Fate;

/// Adds the write of the status, if it is another than before, and looks again when a pod becomes available.
pub(super) fn count(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    let before = observed.set.status.clone().unwrap_or_default();
    let settling = Settling::of(&observed.crew, observed.min_ready(), work.now);
    if let Some(next) = settling.next {
        work.plan.wake(next);
    }
    let (mut scheduled, mut misscheduled) = (0, 0);
    let (mut ready, mut available, mut updated) = (0, 0, 0);
    for site in &observed.nodes.sites {
        let nodes = count_of(site.count());
        match (site.fate, site.pods.first()) {
            (Fate::Wanted, Some(pod)) => {
                scheduled += nodes;
                updated += if observed.is_current(pod) { nodes } else { 0 };
                if pod.is_ready {
                    let speaks_settling = settling.nodes(site).filter(|node| {
                        let first = observed.nodes.pods_on(node).first().map(|pod| pod.meta.uid);
                        settling.is_on(node, |pod| Some(pod.meta.uid) == first)
                    });
                    ready += nodes;
                    available += nodes - count_of(speaks_settling.count());
                }
            }
            (Fate::Tolerated | Fate::Barred, Some(_)) => misscheduled += nodes,
            (_, None) | (Fate::Gone, Some(_)) => {}
        }
    }
    let desired = count_of(observed.nodes.desired());
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

fn count_of(nodes: usize) -> i32 {
    i32::try_from(nodes).unwrap_or(i32::MAX)
}
