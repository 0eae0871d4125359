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
        terminating_replicas: terminating(work),
        unavailable_replicas: some((work.total() - available).max(0)),
        updated_replicas: some(current.map_or(0, Row::actual)),
    };
    let enough = available >= work.replicas() - work.max_unavailable();
    work.deployment.status = Some(status);
    progress::set_available(work, enough);
}

/// As many as the sets say; nothing while one of them was counted and does not say.
fn terminating(work: &Work<'_, '_>) -> Option<i32> {
    work.rows.iter().try_fold(0_i32, |sum, row| {
        let status = row.status();
        let is_counted = status.observed_generation.unwrap_or(0) != 0;
        let count = status.terminating_replicas.or((!is_counted).then_some(0))?;
        Some(sum.saturating_add(count))
    })
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
