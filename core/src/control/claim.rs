//! Which objects belong to a controlling object: it keeps what its selector matches, lets go of what it no longer
//! matches, and adopts what nobody controls (upstream's `ControllerRefManager`).

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};

use super::controller::Keys;
use super::plan::{Action, MetaEdit, Plan, Target};
use crate::ids::Uid;
use crate::object::kind::{KindId, Kinds};
use crate::object::selector::Selector;
use crate::store::{Change, Meta, Object, Snapshot};

/// The objects that may belong to an owner, sorted by what is to be done with them.
#[derive(Debug, Default)]
pub struct Claims<'w> {
    /// Controlled by the owner and matching its selector.
    pub owned: Vec<&'w Arc<Object>>,
    /// Controlled by nobody and matching the selector.
    pub adopt: Vec<&'w Arc<Object>>,
    /// Controlled by the owner, and no longer matching.
    pub release: Vec<&'w Arc<Object>>,
}

impl<'w> Claims<'w> {
    /// Sorts the objects of a kind: those that `owner` controls, and those in its namespace that nobody does.
    pub fn of(snapshot: &'w Snapshot, owner: &'w Meta, kind: KindId, selector: &Selector) -> Self {
        let mut claims = Self::default();
        let mut matches = Matcher { selector, last: None };
        let uid = owner.uid.to_string();
        let mut last_owners = None;
        for object in snapshot.owned_of_kind(owner.uid, kind) {
            // Relatives share their owners too.
            if !last_owners.is_some_and(|owners| Arc::ptr_eq(owners, &object.meta.owners)) {
                if object.meta.controller().is_none_or(|controller| controller.uid != uid) {
                    continue;
                }
                last_owners = Some(&object.meta.owners);
            }
            if matches.test(object) {
                claims.owned.push(object);
            } else if !object.meta.is_deleting() {
                claims.release.push(object);
            }
        }
        claims.adopt = adoptable(snapshot, owner, kind, selector);
        claims
    }

    /// Adds the actions that carry the claims out.
    pub fn settle(&self, owner: &Meta, plan: &mut Plan) {
        settle(owner, &self.release, &self.adopt, plan);
    }

    /// What belongs to the owner once the claims are carried out.
    pub fn kept(&self) -> impl Iterator<Item = &'w Arc<Object>> {
        self.owned.iter().chain(&self.adopt).copied()
    }
}

/// The objects of a kind that nobody controls, and that `owner` is to control.
pub(super) fn adoptable<'w>(
    snapshot: &'w Snapshot,
    owner: &Meta,
    kind: KindId,
    selector: &Selector,
) -> Vec<&'w Arc<Object>> {
    // What is going away adopts nothing, and a selector that matches everything is a mistake, not a wish.
    if owner.is_deleting() || selector.is_everything() {
        return Vec::new();
    }
    let mut matches = Matcher { selector, last: None };
    let orphans = snapshot.orphans_in(kind, &owner.namespace);
    orphans.filter(|object| !object.meta.is_deleting() && matches.test(object)).collect()
}

/// Adds the actions that take the owner's reference from some objects, and give it to others.
pub(super) fn settle(owner: &Meta, release: &[&Arc<Object>], adopt: &[&Arc<Object>], plan: &mut Plan) {
    // What is going away lets go of nothing either: what it controls goes with it.
    for object in release.iter().filter(|_| !owner.is_deleting()) {
        let owners = object.meta.owners.iter().filter(|reference| reference.uid != owner.uid.to_string());
        plan.push(edit_owners(object, owners.cloned().collect()));
    }
    for object in adopt {
        let mut owners = object.meta.owners.to_vec();
        owners.push(controller_reference(owner));
        plan.push(edit_owners(object, owners));
    }
}

/// The owners of a kind that a change of something they control concerns: its controller now and before, or, while it
/// has none, those that might adopt it.
pub fn owners_of(
    change: &Change,
    snapshot: &Snapshot,
    owner: KindId,
    selector: fn(&Object) -> Option<&LabelSelector>,
    keys: &mut Keys,
) {
    owners_by(change, snapshot, owner, |object| Selector::compile(Some(selector(object)?)).ok(), keys);
}

/// [`owners_of`] for owners whose selector is written in another form.
pub fn owners_by(
    change: &Change,
    snapshot: &Snapshot,
    owner: KindId,
    selector: impl Fn(&Object) -> Option<Selector>,
    keys: &mut Keys,
) {
    if !snapshot.has(owner) {
        return;
    }
    let meta = &change.object.meta;
    let before = change.before.as_ref().map(|before| &before.meta);
    let same = before.is_some_and(|before| Arc::ptr_eq(&before.owners, &meta.owners));
    let controller = controller_of_kind(meta, owner);
    keys.extend(controller);
    if !same {
        let earlier = before.and_then(|before| controller_of_kind(before, owner));
        keys.extend(earlier.filter(|uid| Some(*uid) != controller));
    }
    if meta.controller().is_some() || change.after().is_none() {
        return;
    }
    for object in snapshot.list_in(owner, &meta.namespace) {
        if selector(object).is_some_and(|selector| !selector.is_everything() && selector.matches(&meta.labels)) {
            keys.push(object.meta.uid);
        }
    }
}

/// The uid of the controller, if it is of this kind: the others hear of each change too.
fn controller_of_kind(meta: &Meta, kind: KindId) -> Option<Uid> {
    let controller = meta.controller()?;
    let fits = kind.built_in().is_none_or(|info| info.kind == controller.kind.as_str());
    if fits { controller.uid.parse().ok() } else { None }
}

/// Relatives share their labels: the same map is matched once.
struct Matcher<'s, 'w> {
    selector: &'s Selector,
    last: Option<(&'w Arc<crate::store::StringMap>, bool)>,
}

impl<'w> Matcher<'_, 'w> {
    fn test(&mut self, object: &'w Object) -> bool {
        match self.last {
            Some((labels, matched)) if Arc::ptr_eq(labels, &object.meta.labels) => matched,
            _ => {
                let matched = self.selector.matches(&object.meta.labels);
                self.last = Some((&object.meta.labels, matched));
                matched
            }
        }
    }
}

fn edit_owners(object: &Object, owners: Vec<OwnerReference>) -> Action {
    Action::EditMeta { target: Target::seen(object), edit: MetaEdit { owners: Some(owners), ..MetaEdit::default() } }
}

/// A reference that makes an object the controller of another, and its deletion in the foreground wait for it.
pub fn controller_reference(owner: &Meta) -> OwnerReference {
    let kinds = Kinds::built_in();
    let info = kinds.info(owner.kind);
    OwnerReference {
        api_version: info.map(crate::object::kind::KindInfo::api_version).unwrap_or_default(),
        block_owner_deletion: Some(true),
        controller: Some(true),
        kind: info.map(|info| info.kind.to_string()).unwrap_or_default(),
        name: owner.name.to_string(),
        uid: owner.uid.to_string(),
    }
}
