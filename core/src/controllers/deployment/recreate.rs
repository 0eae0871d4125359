//! `Recreate`: all old pods go, and only when the last of them has ended do the new ones come.

use super::work::Work;
use super::{history, new_set, status};

/// Takes the next step of the rollout.
pub(super) fn roll(work: &mut Work<'_, '_>) {
    new_set::find(work);
    let old: Vec<usize> = work.old().collect();
    let mut shrunk = false;
    for index in &old {
        shrunk |= work.rows[*index].is_active() && work.scale(*index, 0);
    }
    if shrunk {
        return;
    }
    if old_pods_are_left(work, &old) {
        work.waiting_on = Some("the pods of earlier templates to end".to_owned());
        return;
    }
    new_set::find_or_create(work);
    let Some(current) = work.current else { return };
    let wanted = work.replicas();
    if !work.scale(current, wanted) && status::is_complete(work) {
        history::forget(work);
    }
}

fn old_pods_are_left(work: &Work<'_, '_>, old: &[usize]) -> bool {
    old.iter().any(|index| {
        let row = &work.rows[*index];
        row.actual() > 0 || row.seen.is_some_and(|seen| work.observed.with_pods.contains(&seen.meta.uid))
    })
}
