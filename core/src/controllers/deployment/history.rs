//! Forgetting: of the sets without pods only the newest `revisionHistoryLimit` are kept to roll back to.

use super::work::{REVISION, Work};

/// Marks the sets of the lowest revisions for deletion.
pub(super) fn forget(work: &mut Work<'_, '_>) {
    let Some(limit) = work.deployment.spec.revision_history_limit else { return };
    let limit = usize::try_from(limit).unwrap_or(0);
    let is_going = |index: &usize| work.rows[*index].seen.is_none_or(|seen| seen.meta.is_deleting());
    let mut kept: Vec<usize> = work.old().filter(|index| !is_going(index)).collect();
    let Some(surplus) = kept.len().checked_sub(limit) else { return };
    kept.sort_by_key(|index| (work.rows[*index].number(REVISION).unwrap_or(0), work.rows[*index].created()));
    for index in kept.into_iter().take(surplus) {
        let row = &work.rows[index];
        let observed = row.status().observed_generation;
        let settled = row.seen.is_some_and(|seen| observed >= Some(seen.meta.generation));
        if row.actual() == 0 && !row.is_active() && settled {
            work.rows[index].delete = true;
        }
    }
}
