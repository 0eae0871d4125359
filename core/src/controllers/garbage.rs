//! The garbage collector (`pkg/controller/garbagecollector`).
//!
//! **The rule**: what is owned goes when its last owner has gone; an owner that is deleted in the foreground goes after
//! what it owns, one that is orphaning leaves it behind.
//!
//! The stages of a decision about one object; the first that applies:
//! 1. it is being deleted and orphans: its dependents lose their reference to it, then it may go;
//! 2. it is being deleted in the foreground: its dependents are deleted; when none that blocks is left, it may go;
//! 3. none of its owners is there any more, or only such as wait for it: it is deleted;
//! 4. some of its owners are gone: it loses the references to them.
//!
//! The history of a StatefulSet stays until its pods are gone: upstream deletes it at once, and the controller, which counts
//! by it, makes it again.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::{Action, Controller, Keys, MetaEdit, Plan, Propagation, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, EventDraft, FOREGROUND_FINALIZER, Meta, ORPHAN_FINALIZER, Object, Snapshot};
use crate::time::Time;

/// Deletes what nobody owns any more.
#[derive(Debug)]
pub struct GarbageCollector;

/// An object, its owners and its dependents.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    owners: Vec<(&'w OwnerReference, Owner)>,
    dependents: Vec<&'w Arc<Object>>,
}

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It is there and stays, or nobody can know.
    Solid,
    /// It is there and waits for its dependents to go.
    Waiting,
    /// It is gone.
    Gone,
    /// It is there, but in another namespace: for this dependent that is as good as gone.
    OutOfReach,
}

impl Controller for GarbageCollector {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "garbage-collector-controller";

    const WATCHED: &'static [Watched] = &[Watched::every_kind(concerned)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let owners =
            object.meta.owners.iter().map(|reference| (reference, state_of(reference, &object.meta, snapshot)));
        let dependents = if is_waiting(&object.meta) || is_orphaning(&object.meta) {
            snapshot.owned_by(key).collect()
        } else {
            Vec::new()
        };
        Some(Observed { object, owners: owners.collect(), dependents })
    }

    fn decide(observed: &Observed<'_>, _now: Time) -> Plan {
        let meta = &observed.object.meta;
        if is_orphaning(meta) {
            return orphan(observed);
        }
        if is_waiting(meta) {
            return delete_dependents(observed);
        }
        if meta.is_deleting() || observed.owners.is_empty() {
            return Plan::nothing();
        }
        judge_owners(observed)
    }
}

fn orphan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let uid = observed.object.meta.uid.to_string();
    plan.more = observed.dependents.len() > CREATES_AND_DELETES_MAX;
    for dependent in observed.dependents.iter().take(CREATES_AND_DELETES_MAX) {
        let owners = dependent.meta.owners.iter().filter(|owner| owner.uid != uid).cloned().collect();
        plan.push(edit(dependent, MetaEdit { owners: Some(owners), ..MetaEdit::default() }));
    }
    if !plan.more {
        plan.push(without_finalizer(observed.object, ORPHAN_FINALIZER));
    }
    plan
}

/// Whether a deletion in the foreground of the owner waits for this object.
fn blocks(dependent: &Object, owner: &Meta) -> bool {
    let uid = owner.uid.to_string();
    dependent.meta.owners.iter().any(|owner| owner.uid == uid && owner.block_owner_deletion == Some(true))
}

/// Whether an object is a revision of a StatefulSet that still has other dependents to wait for.
fn is_history_in_use<'w>(dependent: &Meta, owner: &Meta, all: impl IntoIterator<Item = &'w Arc<Object>>) -> bool {
    let is_history = dependent.kind == kind::CONTROLLER_REVISION && owner.kind == kind::STATEFUL_SET;
    is_history && all.into_iter().any(|other| other.meta.kind != kind::CONTROLLER_REVISION && blocks(other, owner))
}

fn delete_dependents(observed: &Observed<'_>) -> Plan {
    let blocking = observed.dependents.iter().filter(|each| blocks(each, &observed.object.meta)).count();
    let mut plan = Plan::nothing();
    if blocking == 0 {
        plan.push(without_finalizer(observed.object, FOREGROUND_FINALIZER));
        return plan;
    }
    // What has another owner that stays is not deleted; it only loses this one, in its own turn.
    let doomed = observed
        .dependents
        .iter()
        .filter(|dependent| !dependent.meta.is_deleting() && dependent.meta.owners.len() == 1)
        .filter(|dependent| {
            !is_history_in_use(&dependent.meta, &observed.object.meta, observed.dependents.iter().copied())
        });
    for dependent in doomed.take(CREATES_AND_DELETES_MAX) {
        plan.push(delete(dependent, Propagation::Foreground));
    }
    plan.more = plan.actions.len() == CREATES_AND_DELETES_MAX;
    plan.waiting_on = Some(crate::control::WaitingOn::new(format!("{blocking} dependents to go")));
    plan
}

fn judge_owners(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let in_state = |state: Owner| observed.owners.iter().filter(move |(_, owner)| *owner == state);
    let has = |state: Owner| in_state(state).next().is_some();
    if let Some((reference, _)) = in_state(Owner::OutOfReach).next() {
        plan.push(Action::Emit(Box::new(out_of_reach(&observed.object.meta, reference))));
    }
    if has(Owner::Solid) {
        if has(Owner::Gone) || has(Owner::OutOfReach) || has(Owner::Waiting) {
            let owners = in_state(Owner::Solid).map(|(reference, _)| (*reference).clone()).collect();
            plan.push(edit(observed.object, MetaEdit { owners: Some(owners), ..MetaEdit::default() }));
        }
        return plan;
    }
    let propagation =
        if has(Owner::Waiting) { Propagation::Foreground } else { own_propagation(&observed.object.meta) };
    plan.push(delete(observed.object, propagation));
    plan
}

/// A mistake of whoever wrote the reference.
fn out_of_reach(dependent: &Meta, reference: &OwnerReference) -> EventDraft {
    let OwnerReference { api_version, kind, name, uid, .. } = reference;
    let namespace = &dependent.namespace;
    let message = format!(
        "ownerRef [{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}] does not exist in namespace \
         {namespace:?}"
    );
    EventDraft::warning(dependent, GarbageCollector::NAME, "OwnerRefInvalidNamespace", message)
}

/// An object may have been told beforehand how it shall go.
fn own_propagation(meta: &Meta) -> Propagation {
    if meta.finalizers.iter().any(|finalizer| finalizer == ORPHAN_FINALIZER) {
        Propagation::Orphan
    } else if meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND_FINALIZER) {
        Propagation::Foreground
    } else {
        Propagation::Background
    }
}

fn is_waiting(meta: &Meta) -> bool {
    meta.is_deleting() && meta.finalizers.iter().any(|finalizer| finalizer == FOREGROUND_FINALIZER)
}

fn is_orphaning(meta: &Meta) -> bool {
    meta.is_deleting() && meta.finalizers.iter().any(|finalizer| finalizer == ORPHAN_FINALIZER)
}

/// An owner is there when the object with its uid is of its kind and name, in the same namespace or in none. Of a kind
/// that nobody knows, nobody can say that it is gone; nor of a namespaced one, where the dependent is in no namespace.
fn state_of(reference: &OwnerReference, dependent: &Meta, snapshot: &Snapshot) -> Owner {
    let found = reference.uid.parse::<Uid>().ok().and_then(|uid| snapshot.get(uid));
    let in_reach = |meta: &Meta| meta.namespace.is_empty() || meta.namespace == dependent.namespace;
    let fits = |owner: &&Arc<Object>| {
        let meta = &owner.meta;
        in_reach(meta)
            && *meta.name == *reference.name
            && snapshot.kinds_known().info(meta.kind).is_none_or(|info| info.kind == reference.kind.as_str())
    };
    if let Some(owner) = found.filter(fits) {
        let in_use = || is_history_in_use(dependent, &owner.meta, snapshot.owned_by(owner.meta.uid));
        return if is_waiting(&owner.meta) && !in_use() { Owner::Waiting } else { Owner::Solid };
    }
    match snapshot.kinds_known().by_api_version(&reference.api_version, &reference.kind) {
        None => Owner::Solid,
        Some(info) if info.is_namespaced() && dependent.namespace.is_empty() => Owner::Solid,
        Some(_) if found.is_some_and(|owner| !in_reach(&owner.meta)) => Owner::OutOfReach,
        Some(_) => Owner::Gone,
    }
}

fn delete(object: &Arc<Object>, propagation: Propagation) -> Action {
    Action::Delete { target: Target::seen(object), grace_seconds: None, propagation, announce: None }
}

fn edit(object: &Arc<Object>, edit: MetaEdit) -> Action {
    Action::EditMeta { target: Target::seen(object), edit }
}

fn without_finalizer(object: &Arc<Object>, finalizer: &str) -> Action {
    let finalizers = object.meta.finalizers.iter().filter(|each| *each != finalizer).cloned().collect();
    edit(object, MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() })
}

/// Whom a change concerns: an object that wants to go; what a gone object owned; an object whose owners are not all
/// there to stay; and owners that wait for it.
fn concerned(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let waiting_owners = || {
        let owners = meta.owners.iter().filter_map(|owner| owner.uid.parse::<Uid>().ok());
        owners.filter(|uid| snapshot.get(*uid).is_some_and(|owner| is_waiting(&owner.meta)))
    };
    if change.after().is_none() {
        keys.extend(snapshot.owned_by(meta.uid).map(|dependent| dependent.meta.uid));
        keys.extend(waiting_owners());
        return;
    }
    if is_waiting(meta) || is_orphaning(meta) {
        keys.push(meta.uid);
        return;
    }
    let same_owners = change.before.as_ref().is_some_and(|before| before.meta.has_owners_of(meta));
    if meta.owners.is_empty() && same_owners {
        return;
    }
    let unsettled = || meta.owners.iter().any(|owner| state_of(owner, meta, snapshot) != Owner::Solid);
    if !same_owners {
        keys.extend(waiting_owners());
        if unsettled() {
            keys.push(meta.uid);
        }
    }
}
