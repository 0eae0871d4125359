//! `RollingUpdate`: the new set grows as far as the surge allows, then the old ones shrink as far as availability
//! allows; one direction a plan.

use super::work::Work;
use super::{history, new_set, status};

/// Takes the next step of the rollout.
pub(super) fn roll(work: &mut Work<'_, '_>) {
    new_set::find_or_create(work);
    let Some(current) = work.current else { return };
    let is_new = work.rows[current].seen.is_none();
    if grow(work, current) || is_new || shrink(work, current) {
        return;
    }
    if status::is_complete(work) {
        history::forget(work);
    }
}

/// How many pods the new set may have now, given those of the old ones.
pub(super) fn allowed_replicas(work: &Work<'_, '_>, index: usize) -> i32 {
    let (wanted, has) = (work.replicas(), work.rows[index].replicas());
    if work.observed.is_recreate() {
        return wanted;
    }
    let room = wanted + work.max_surge() - work.total();
    if room <= 0 { has } else { has + room.min(wanted - has) }
}

fn grow(work: &mut Work<'_, '_>, current: usize) -> bool {
    let (wanted, has) = (work.replicas(), work.rows[current].replicas());
    if has == wanted {
        return false;
    }
    let next = if has > wanted { wanted } else { allowed_replicas(work, current) };
    next != has && work.scale(current, next)
}

/// Old pods go while enough stay available: first those that are not available anyway, then spare ones.
fn shrink(work: &mut Work<'_, '_>, current: usize) -> bool {
    let old: Vec<usize> = work.old().filter(|index| work.rows[*index].is_active()).collect();
    if old.is_empty() {
        return false;
    }
    let least_available = work.replicas() - work.max_unavailable();
    let new = &work.rows[current];
    let new_unavailable = new.replicas() - new.available();
    let removable = work.total() - least_available - new_unavailable;
    if removable <= 0 {
        work.waiting_on = Some(format!("{new_unavailable} pods of {} to become available", new.name()));
        return false;
    }
    let cleaned = remove_unhealthy(work, &old, removable);
    let removed = remove_spare(work, &old, least_available);
    cleaned || removed
}

fn remove_unhealthy(work: &mut Work<'_, '_>, old: &[usize], removable: i32) -> bool {
    let mut left = removable;
    for index in old {
        let row = &work.rows[*index];
        let unhealthy = (row.replicas() - row.available()).clamp(0, left.max(0));
        if unhealthy > 0 {
            left -= unhealthy;
            let next = row.replicas() - unhealthy;
            work.scale(*index, next);
        }
    }
    left != removable
}

fn remove_spare(work: &mut Work<'_, '_>, old: &[usize], least_available: i32) -> bool {
    // A set that has just been scaled down still counts the pods that are about to go.
    let available: i32 = work.rows.iter().map(|row| row.available().min(row.replicas())).sum();
    let spare = available - least_available;
    let mut left = spare;
    for index in old {
        let has = work.rows[*index].replicas();
        let count = has.min(left);
        if count > 0 {
            left -= count;
            work.scale(*index, has - count);
        }
    }
    spare > 0 && left != spare
}
