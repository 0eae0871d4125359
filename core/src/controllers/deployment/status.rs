//! Counting the pods of all sets, and whether enough of them are available.

use k8s_openapi::api::apps::v1::DeploymentStatus;

use super::progress;
use super::work::{Row, Work};

/// Writes the counts and the `Available` condition into the Deployment as it shall be.
pub(super) fn count(work: &mut Work<'_, '_>) {
    let alive = || work.rows.iter();
    let current = work.current();
    let some = |count: i32| Some(count).filter(|count| *count != 0);
    let available: i32 = alive().map(Row::available).sum();
    let before = work.deployment.status.clone().unwrap_or_default();
    let status = DeploymentStatus {
        available_replicas: some(available),
        collision_count: before.collision_count,
        conditions: before.conditions,
        observed_generation: Some(work.observed.object.meta.generation),
        ready_replicas: some(alive().map(|row| row.status().ready_replicas.unwrap_or(0)).sum()),
        replicas: some(alive().map(Row::actual).sum()),
        terminating_replicas: Some(alive().map(|row| row.status().terminating_replicas.unwrap_or(0)).sum()),
        unavailable_replicas: some((work.total() - available).max(0)),
        updated_replicas: some(current.map_or(0, Row::actual)),
    };
    let enough = available >= work.replicas() - work.max_unavailable();
    work.deployment.status = Some(status);
    progress::set_available(work, enough);
}

/// Whether the last counted status says that the rollout is done.
pub(super) fn is_complete(work: &Work<'_, '_>) -> bool {
    let generation = work.observed.object.meta.generation;
    work.deployment.status.as_ref().is_some_and(|status| complete(status, work.replicas(), generation))
}

/// All pods are of the current template, available, and as many as wanted.
pub(super) fn complete(status: &DeploymentStatus, wanted: i32, generation: i64) -> bool {
    status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted
        && status.observed_generation >= Some(generation)
}
