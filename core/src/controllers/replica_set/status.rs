//! Counting: the status says what will be true once the plan is carried out.

use k8s_openapi::api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};

use super::{Observed, scale};
use crate::control::{Action, Plan, Target, pods};
use crate::error::ApiError;
use crate::store::{Standing, StringMap};
use crate::time::Time;

/// Adds the write of the status, if it is another than before, and looks again when a pod becomes available.
///
/// `failure` is why pods could not be created the last time this was tried.
pub(super) fn count(observed: &Observed<'_>, failure: Option<&ApiError>, now: Time, plan: &mut Plan) {
    let before = observed.set.status.clone().unwrap_or_default();
    let after = counted(observed, &before, failure, now, plan);
    if after != before {
        let mut set = observed.set.clone().into_owned();
        set.status = Some(after);
        let Some(object) = (observed.dialect.stored)(observed.object, set) else { return };
        plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object });
    }
}

fn counted(
    observed: &Observed<'_>,
    before: &ReplicaSetStatus,
    failure: Option<&ApiError>,
    now: Time,
    plan: &mut Plan,
) -> ReplicaSetStatus {
    let crew = &observed.crew;
    let settling = crew.settling(observed.min_ready(), now);
    let settling: Vec<_> = settling.into_iter().filter(|(_, pod)| pods::is_active(pod)).collect();
    settling.iter().filter_map(|(from, _)| *from).for_each(|from| plan.wake(from));
    let ready = crew.count(|pod| pod.is_active() && pod.is_ready);
    let empty = StringMap::new();
    let template = observed.spec().template.as_ref();
    let template_labels = template
        .and_then(|template| template.metadata.as_ref())
        .and_then(|meta| meta.labels.as_ref())
        .unwrap_or(&empty);
    let labeled = |pod: &Standing| template_labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let some = |count: usize| Some(number(count)).filter(|count| *count != 0);
    ReplicaSetStatus {
        available_replicas: some(ready - settling.len()),
        conditions: conditions(before, failure.zip(scale::failure(observed)), now),
        fully_labeled_replicas: some(crew.count(|pod| pod.is_active() && labeled(pod))),
        observed_generation: Some(observed.object.meta.generation),
        ready_replicas: some(ready),
        replicas: number(observed.active),
        terminating_replicas: observed.dialect.counts_terminating.then(|| number(crew.count(Standing::is_terminating))),
    }
}

/// `ReplicaFailure` stands as long as the last try failed, with the words of the first one: those of the next differ in
/// the name that was drawn for a pod, and a change would end the wait between two tries.
fn conditions(
    before: &ReplicaSetStatus,
    failure: Option<(&ApiError, (&'static str, &'static str))>,
    now: Time,
) -> Option<Vec<ReplicaSetCondition>> {
    let is_failure = |condition: &&ReplicaSetCondition| condition.type_.as_deref() == Some("ReplicaFailure");
    let old = before.conditions.iter().flatten().find(is_failure);
    let mut conditions: Vec<_> =
        before.conditions.iter().flatten().filter(|condition| !is_failure(condition)).cloned().collect();
    if let Some((error, (reason, _))) = failure {
        conditions.push(old.cloned().unwrap_or_else(|| ReplicaSetCondition {
            last_transition_time: Some(now.to_api()),
            message: Some(error.to_string()),
            reason: Some(reason.to_owned()),
            status: Some("True".to_owned()),
            type_: Some("ReplicaFailure".to_owned()),
        }));
    }
    (!conditions.is_empty()).then_some(conditions)
}
