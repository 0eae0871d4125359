//! What holds when nothing is left to do.

use super::Rest;
use crate::object::kind;
use crate::store::{Object, Snapshot};

pub(super) fn indexes_agree(rest: &Rest<'_>) -> Result<(), String> {
    rest.kernel.snapshot().check_indexes()
}

pub(super) fn nothing_is_forgotten(rest: &Rest<'_>) -> Result<(), String> {
    let Some((controller, key)) = rest.kernel.forgotten(rest.now).into_iter().next() else { return Ok(()) };
    let path = rest.kernel.snapshot().get(key).map(|object| object.meta.path()).unwrap_or_default();
    let plan = rest.kernel.plan(controller, key, rest.now);
    Err(format!("{controller} has something to do for {path} and does not look: {plan:?}"))
}

pub(super) fn no_object_outlives_its_owners(rest: &Rest<'_>) -> Result<(), String> {
    let snapshot = rest.kernel.snapshot();
    let owned = [kind::POD, kind::REPLICA_SET].into_iter().flat_map(|kind| snapshot.list(kind));
    let mut left = owned
        .filter(|object| !object.meta.is_deleting() && !object.meta.owners.is_empty() && !has_owner(snapshot, object));
    match left.next() {
        Some(object) => Err(format!("{} is there, its owners are not", object.meta.path())),
        None => Ok(()),
    }
}

fn has_owner(snapshot: &Snapshot, object: &Object) -> bool {
    object.meta.owners.iter().filter_map(|owner| owner.uid.parse().ok()).any(|uid| snapshot.get(uid).is_some())
}
