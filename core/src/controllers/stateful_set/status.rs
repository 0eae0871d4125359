//! Counting: every pod of the set that is there, wanted or not.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSetStatus;

use super::{Work, identity};
use crate::control::{Action, Target};
use crate::store::{Object, PodPhase, Standing};

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
    let crew = &observed.places.crew;
    let is_ready = |pod: &Standing| pod.phase == PodPhase::Running && pod.is_ready;
    let settling = crew.settling(observed.min_ready(), work.now);
    let is_running = |pod: &Object| pod.pod().is_some_and(|pod| pod.state.phase == PodPhase::Running);
    let settling: Vec<_> = settling.into_iter().filter(|(_, pod)| is_running(pod)).collect();
    settling.iter().filter_map(|(from, _)| *from).for_each(|from| work.plan.wake(from));
    let count = |stands: &dyn Fn(&Standing) -> bool| i32::try_from(crew.count(stands)).unwrap_or(i32::MAX);
    let (replicas, ready) = (count(&|_| true), count(&is_ready));
    let available = ready - i32::try_from(settling.len()).unwrap_or(i32::MAX);
    let of = |name: &str| count(&|pod| !pod.is_going && identity::revision(pod.labels()) == name);
    let (current, updated) = (of(&observed.current), of(observed.update()));
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
