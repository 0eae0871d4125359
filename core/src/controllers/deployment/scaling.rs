//! A change of `spec.replicas`: a single active set takes it all; in the middle of a rollout each set takes its share.

use std::cmp::Reverse;

use super::work::{DESIRED_REPLICAS, MAX_REPLICAS, Row, Work};

/// Brings the sets to the Deployment's number of pods, keeping their proportions.
pub(super) fn proportionally(work: &mut Work<'_, '_>) {
    let wanted = work.replicas();
    if let Some(only) = active_or_latest(work) {
        if work.rows[only].replicas() != wanted {
            work.scale(only, wanted);
        }
        return;
    }
    if work.current().is_some_and(|row| is_saturated(row, wanted)) {
        let old: Vec<usize> = work.old().collect();
        for index in old {
            if work.rows[index].is_active() {
                work.scale(index, 0);
            }
        }
        return;
    }
    if !work.observed.is_recreate() {
        share_out(work);
    }
}

/// The one set with pods; or, while none has any, the one of the current template or else the newest.
fn active_or_latest(work: &Work<'_, '_>) -> Option<usize> {
    let active: Vec<usize> = (0..work.rows.len()).filter(|index| work.rows[*index].is_active()).collect();
    match active.as_slice() {
        [] => work.current.or_else(|| work.rows.len().checked_sub(1)),
        [one] => Some(*one),
        _ => None,
    }
}

/// Whether the new set has all the pods that the Deployment wants, available.
fn is_saturated(row: &Row<'_>, wanted: i32) -> bool {
    row.number(DESIRED_REPLICAS) == Some(i64::from(wanted)) && row.replicas() == wanted && row.available() == wanted
}

/// The difference goes to the sets by their size, the larger first; what rounding leaves goes to the first.
fn share_out(work: &mut Work<'_, '_>) {
    let allowed = if work.replicas() > 0 { work.replicas() + work.max_surge() } else { 0 };
    let mut active: Vec<usize> = (0..work.rows.len()).filter(|index| work.rows[*index].is_active()).collect();
    let to_add = allowed - active.iter().map(|index| work.rows[*index].replicas()).sum::<i32>();
    // Growing favours the newer of two equal sets, shrinking takes from the older: the rows are in that order.
    if to_add > 0 {
        active.sort_by_key(|index| (Reverse(work.rows[*index].replicas()), Reverse(*index)));
    } else {
        active.sort_by_key(|index| (Reverse(work.rows[*index].replicas()), *index));
    }
    let mut added = 0;
    let mut sizes: Vec<i32> = Vec::with_capacity(active.len());
    for index in &active {
        let share = share(work, &work.rows[*index], to_add, added);
        added += share;
        sizes.push(work.rows[*index].replicas() + share);
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    for (index, size) in active.into_iter().zip(sizes) {
        work.remember_size(index);
        work.scale(index, size);
    }
}

fn share(work: &Work<'_, '_>, row: &Row<'_>, to_add: i32, added: i32) -> i32 {
    if to_add == 0 || to_add == added {
        return 0;
    }
    let (fraction, left) = (fraction(work, row), to_add - added);
    if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
}

/// By how much a set grows when the whole grows from what the set remembers to what is allowed now.
fn fraction(work: &Work<'_, '_>, row: &Row<'_>) -> i32 {
    if work.replicas() == 0 {
        return -row.replicas();
    }
    let now = f64::from(work.replicas() + work.max_surge());
    let remembered = row.number(MAX_REPLICAS).and_then(|max| i32::try_from(max).ok()).filter(|max| *max != 0);
    let before =
        remembered.unwrap_or_else(|| work.deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0));
    if before == 0 {
        return 0;
    }
    let size = f64::from(row.replicas()) * now / f64::from(before);
    // Half away from zero, as upstream rounds; the value is far below the largest i32.
    size.round() as i32 - row.replicas()
}
