//! Counting: every pod that is there, in its place or not.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSetStatus;

use super::{Work, identity};
use crate::control::{Action, Target, pods};
use crate::store::PodPhase;

/// Adds the write of the status, if it is another than before, and looks again when a pod becomes available.
pub(super) fn count(work: &mut Work<'_, '_>) {
    let after = counted(work);
    let observed = work.observed;
    if observed.set.status.as_ref() != Some(&after) {
        let mut set = observed.set.clone();
        set.status = Some(after);
        work.plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(set) });
    }
}

fn counted(work: &mut Work<'_, '_>) -> StatefulSetStatus {
    let observed = work.observed;
    let (mut replicas, mut ready, mut available, mut current, mut updated) = (0, 0, 0, 0, 0);
    for pod in observed.claims.kept() {
        replicas += 1;
        let is_running = pod.pod().is_some_and(|pod| pod.state.phase == PodPhase::Running);
        if is_running && pods::is_ready(pod) {
            ready += 1;
            match pods::available_from(pod, observed.min_ready()) {
                Some(from) if from <= work.now => available += 1,
                Some(from) => work.plan.wake(from),
                None => {}
            }
        }
        if !pod.meta.is_deleting() {
            let revision = identity::revision(pod);
            current += i32::from(revision == observed.current);
            updated += i32::from(revision == observed.update());
        }
    }
    let wanted = observed.replicas();
    let is_complete = observed.rolls() && [updated, ready, replicas].iter().all(|count| *count == wanted);
    let current_revision = if is_complete { observed.update() } else { observed.current.as_str() };
    let current = if is_complete { updated } else { current - work.rolled };
    let some = |count: i32| Some(count).filter(|count| *count != 0);
    StatefulSetStatus {
        available_replicas: Some(available),
        collision_count: observed.history.collisions(),
        conditions: None,
        current_replicas: some(current),
        current_revision: Some(current_revision.to_owned()),
        observed_generation: Some(observed.object.meta.generation),
        ready_replicas: some(ready),
        replicas,
        update_revision: Some(observed.update().to_owned()),
        updated_replicas: some(updated),
    }
}
