//! The only place that writes to the tables: every index changes in the same step as its object.

use std::sync::Arc;

use super::change::{Change, ChangeKind};
use super::measures::Measures;
use super::object::{Body, Meta, Object};
use super::snapshot::{NameKey, Snapshot};
use super::{addresses, links, policies, roster};
use crate::hashing::hash_of;
use crate::ids::Uid;
use crate::object::kind::{self, KindId};

impl Snapshot {
    /// Adds an object whose uid and name are free. It gets the next revision.
    pub(super) fn insert(&mut self, meta: Meta, body: Body) -> Change {
        let object = self.stamp(meta, body);
        self.put_back(Arc::clone(&object));
        Change { kind: ChangeKind::Added, object, before: None }
    }

    /// Adds an object as it is, its revision included.
    pub(super) fn put_back(&mut self, object: Arc<Object>) {
        let key = NameKey { namespace: Arc::clone(&object.meta.namespace), name: Arc::clone(&object.meta.name) };
        if object.meta.kind == kind::NODE {
            self.nodes.insert(Arc::clone(&object.meta.name), object.meta.uid);
        }
        if self.names.insert((object.meta.kind, key), object.meta.uid).is_none() {
            *self.counts.entry(object.meta.kind).or_default() += 1;
        }
        self.index(&object);
        self.objects.insert(object.meta.uid, Arc::clone(&object));
        roster::note(&mut self.rosters, None, Some(&object));
        self.post(None, Some(&object));
        self.book(None, Some(&object));
    }

    /// Puts a new version of an object in the place of `before`. It gets the next revision.
    pub(super) fn replace(&mut self, before: Arc<Object>, meta: Meta, body: Body) -> Change {
        let object = self.stamp(meta, body);
        self.objects.insert(object.meta.uid, Arc::clone(&object));
        self.reindex(&before, &object);
        roster::note(&mut self.rosters, Some(&before), Some(&object));
        self.post(Some(&before), Some(&object));
        self.book(Some(&before), Some(&object));
        Change { kind: ChangeKind::Modified, object, before: Some(before) }
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, before: Arc<Object>) -> Change {
        let key = NameKey { namespace: Arc::clone(&before.meta.namespace), name: Arc::clone(&before.meta.name) };
        if self.names.remove(&(before.meta.kind, key)).is_some() {
            self.one_less(before.meta.kind);
        }
        self.objects.remove(&before.meta.uid);
        if before.meta.kind == kind::NODE {
            self.nodes.remove(&before.meta.name);
        }
        Measures::forget(&mut self.measures, &before);
        self.unindex(&before);
        roster::note(&mut self.rosters, Some(&before), None);
        self.post(Some(&before), None);
        self.book(Some(&before), None);
        let object = self.stamp(before.meta.clone(), before.body.clone());
        Change { kind: ChangeKind::Deleted, object, before: Some(before) }
    }

    fn one_less(&mut self, kind: KindId) {
        let left = self.counts.get(&kind).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            self.counts.remove(&kind);
        } else {
            self.counts.insert(kind, left);
        }
    }

    fn stamp(&mut self, mut meta: Meta, mut body: Body) -> Arc<Object> {
        self.revision = self.revision.next();
        meta.revision = self.revision;
        if let Body::Typed(typed) = &mut body {
            if Arc::get_mut(typed).is_none() {
                *typed = typed.clone_arc();
            }
            if let Some(typed) = Arc::get_mut(typed) {
                *typed.metadata_mut() = meta.to_api();
            }
        }
        Arc::new(Object { meta, body })
    }

    fn index(&mut self, object: &Object) {
        self.index_owners(object);
        self.index_node(object);
        self.index_links(object);
        self.index_held(object);
        self.index_policy(object);
    }

    fn unindex(&mut self, object: &Object) {
        self.unindex_owners(object);
        self.unindex_node(object);
        self.unindex_links(object);
        self.unindex_held(object);
        if policies::concerns(object) {
            Arc::make_mut(&mut self.policies).forget(object);
        }
    }

    fn index_owners(&mut self, object: &Object) {
        for owner in owners(object) {
            self.by_owner.insert((owner, object.meta.kind, object.meta.uid));
        }
        if object.meta.controller().is_none() {
            self.orphans.insert((object.meta.kind, Arc::clone(&object.meta.namespace), object.meta.uid));
        }
    }

    fn unindex_owners(&mut self, object: &Object) {
        for owner in owners(object) {
            self.by_owner.remove(&(owner, object.meta.kind, object.meta.uid));
        }
        if object.meta.controller().is_none() {
            self.orphans.remove(&(object.meta.kind, Arc::clone(&object.meta.namespace), object.meta.uid));
        }
    }

    fn index_node(&mut self, object: &Object) {
        if let Some(node) = object.node() {
            self.pods_by_node.insert((hash_of(node.as_str()), object.meta.uid));
        }
    }

    fn unindex_node(&mut self, object: &Object) {
        if let Some(node) = object.node() {
            self.pods_by_node.remove(&(hash_of(node.as_str()), object.meta.uid));
        }
    }

    fn index_links(&mut self, object: &Object) {
        for link in links::links(object) {
            self.links.insert((link, object.meta.uid));
        }
        self.pods_by_label.extend(links::labels(object).map(|label| (label, object.meta.uid)));
    }

    fn unindex_links(&mut self, object: &Object) {
        for link in links::links(object) {
            self.links.remove(&(link, object.meta.uid));
        }
        for label in links::labels(object) {
            self.pods_by_label.remove(&(label, object.meta.uid));
        }
    }

    fn index_held(&mut self, object: &Object) {
        self.held.extend(addresses::held(object).map(|held| (held, object.meta.uid)));
    }

    fn unindex_held(&mut self, object: &Object) {
        for held in addresses::held(object) {
            self.held.remove(&(held, object.meta.uid));
        }
    }

    fn index_policy(&mut self, object: &Object) {
        if policies::concerns(object) {
            Arc::make_mut(&mut self.policies).note(object);
        }
    }

    /// Touches an index only where what it holds has changed: most writes change none.
    fn reindex(&mut self, before: &Object, after: &Object) {
        if !before.meta.has_owners_of(&after.meta) {
            self.unindex_owners(before);
            self.index_owners(after);
        }
        if before.node() != after.node() {
            self.unindex_node(before);
            self.index_node(after);
        }
        if !links::are_same(before, after) {
            self.unindex_links(before);
            self.index_links(after);
        }
        if !addresses::held(before).eq(addresses::held(after)) {
            self.unindex_held(before);
            self.index_held(after);
        }
        self.index_policy(after);
    }
}

fn owners(object: &Object) -> impl Iterator<Item = Uid> {
    object.meta.owners.iter().filter_map(|owner| owner.uid.parse().ok())
}

impl Snapshot {
    /// Whether every index says what the objects say, and nothing else: a look at everything, for tests.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_indexes(&self) -> Result<(), String> {
        let mut fresh = Self { kinds: self.kinds.clone(), ..Self::default() };
        for object in self.objects.values() {
            fresh.put_back(Arc::clone(object));
        }
        if fresh.names.len() != self.objects.len() {
            return Err(format!("{} objects have {} names", self.objects.len(), fresh.names.len()));
        }
        let same = [
            ("names", fresh.names == self.names),
            ("counts", fresh.counts == self.counts),
            ("by_owner", fresh.by_owner == self.by_owner),
            ("orphans", fresh.orphans == self.orphans),
            ("pods_by_node", fresh.pods_by_node == self.pods_by_node),
            ("pods_by_label", fresh.pods_by_label == self.pods_by_label),
            ("links", fresh.links == self.links),
            ("nodes", fresh.nodes == self.nodes),
            ("rosters", fresh.rosters == self.rosters),
            ("posts", fresh.posts == self.posts),
            ("held", fresh.held == self.held),
            ("accounts", fresh.accounts == self.accounts),
            ("policies", fresh.policies == self.policies),
            ("selecting", self.measures.is_indexed(|uid| self.objects.get(&uid))),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((index, _)) => Err(format!("the index `{index}` does not agree with the objects")),
            None => Ok(()),
        }
    }
}
