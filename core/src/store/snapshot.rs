//! All objects at one revision, and the indexes over them.
//!
//! The tables are persistent maps: a clone costs O(1), and the next write copies only the nodes that it touches. The
//! store itself writes to its own snapshot in place; nobody else can write to one.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{GenericHashMap, OrdMap, OrdSet};

use super::accounts::Account;
use super::addresses::Held;
use super::links::LinkKey;
use super::measures::Measures;
use super::object::Object;
use super::policies::Policies;
use super::posts::Posts;
use super::roster::Roster;
use crate::authority::Authority;
use crate::hashing::{ByText, hash_of};
use crate::ids::{NodeName, Revision, Uid};
use crate::object::kind::{self, KindId, Kinds};

/// A namespace and a name; objects of a kind are listed in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameKey {
    /// The namespace; empty for a cluster-scoped kind.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl NameKey {
    /// The key of this name in this namespace.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// A kind, a namespace and a name, as the index holds them or as somebody asks for them: asking allocates nothing.
trait Named {
    fn parts(&self) -> (KindId, &str, &str);
}

impl Named for (KindId, NameKey) {
    fn parts(&self) -> (KindId, &str, &str) {
        (self.0, &self.1.namespace, &self.1.name)
    }
}

impl Named for (KindId, &str, &str) {
    fn parts(&self) -> (KindId, &str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Named + 'a> for (KindId, NameKey) {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Named + '_ {}

impl PartialOrd for dyn Named + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Named + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// Puts uids that were given one after the other into one leaf of a map, and such leaves side by side: most work is about
/// objects that were made together, and what it looks at is in the processor's caches then.
///
/// A map goes down by five bits of the lower half of the hash at a time, the lowest first, until 32 keys fit in a leaf,
/// and tells those apart by the nine highest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UidHasher(u32);

impl std::hash::Hasher for UidHasher {
    fn finish(&self) -> u64 {
        u64::from(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u32::from_ne_bytes(word);
        }
    }

    fn write_u128(&mut self, bits: u128) {
        let (kind, number) = Uid::place_of(bits);
        // Kinds begin far from each other.
        let leaf = ((number >> 5) as u32).wrapping_add(u32::from(kind).wrapping_mul(0x9e37));
        let path = leaf >> 10 & 31 | (leaf >> 5 & 31) << 5 | (leaf & 31) << 10 | (leaf >> 15 & 0xff) << 15;
        let within = number as u32 & 31;
        self.0 = path | (within & 1) << 23 | (within >> 1) << 28 | (leaf & 0xf) << 24;
    }
}

/// Builds [`UidHasher`]s: the same for every map, so that no order depends on the process.
pub(super) type UidHashing = std::hash::BuildHasherDefault<UidHasher>;

pub(super) type ByUid<V> = GenericHashMap<Uid, V, UidHashing, imbl::shared_ptr::DefaultSharedPtr>;

/// All objects of a cluster at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) revision: Revision,
    pub(super) kinds: Kinds,
    pub(super) objects: ByUid<Arc<Object>>,
    pub(super) names: OrdMap<(KindId, NameKey), Uid>,
    /// How many objects of each kind there are; kinds of which there is none are not in it.
    pub(super) counts: OrdMap<KindId, usize>,
    pub(super) by_owner: OrdSet<(Uid, KindId, Uid)>,
    pub(super) orphans: OrdSet<(KindId, Arc<str>, Uid)>,
    /// The nodes by name, which everybody asks for who has to do with a pod.
    pub(super) nodes: ByText<Arc<str>, Uid>,
    /// Pods by a hash of the name of their node: whoever reads it looks at the name as well.
    pub(super) pods_by_node: OrdSet<(u64, Uid)>,
    /// Pods by a hash of each of their labels and of their namespace: whoever reads it looks at the labels as well.
    pub(super) pods_by_label: OrdSet<(u64, Uid)>,
    pub(super) links: OrdSet<(LinkKey, Uid)>,
    pub(super) rosters: ByUid<Roster>,
    pub(super) posts: ByUid<Posts>,
    /// Who has which address and node port.
    pub(super) held: OrdSet<(Held, Uid)>,
    pub(super) accounts: OrdMap<Uid, Arc<Account>>,
    pub(super) policies: Arc<Policies>,
    /// Not an object, but what decisions may ask: it gives the same answer each time.
    pub(super) authority: Option<Arc<dyn Authority>>,
    pub(super) events: OrdMap<Revision, Arc<Object>>,
    pub(super) measures: Arc<Measures>,
}

const LOWEST: Uid = Uid::LOWEST;
const HIGHEST: Uid = Uid::HIGHEST;

impl Snapshot {
    /// The revision of the last write that it contains.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The kinds that the cluster knows, users' own among them.
    pub const fn kinds_known(&self) -> &Kinds {
        &self.kinds
    }

    /// Who makes tokens of service accounts, if anybody does.
    pub fn authority(&self) -> Option<&dyn Authority> {
        self.authority.as_deref()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object with this uid.
    pub fn get(&self, uid: Uid) -> Option<&Arc<Object>> {
        self.objects.get(&uid)
    }

    /// The object of this kind and name; `namespace` is empty for a cluster-scoped kind.
    pub fn find(&self, kind: KindId, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        if kind == kind::NODE {
            let uid = self.nodes.get(name).filter(|_| namespace.is_empty())?;
            return self.objects.get(uid);
        }
        let wanted: &dyn Named = &(kind, namespace, name);
        self.names.get(wanted).and_then(|uid| self.objects.get(uid))
    }

    /// Whether there is a node of this name.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    /// All objects of a kind, by namespace and name.
    pub fn list(&self, kind: KindId) -> impl Iterator<Item = &Arc<Object>> {
        self.starting_at(kind, "", "")
    }

    /// The objects of a kind in one namespace, by name.
    pub fn list_in<'a>(&'a self, kind: KindId, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
        self.starting_at(kind, namespace, "").take_while(move |object| *object.meta.namespace == *namespace)
    }

    /// The objects of a kind that come after this name in the order of [`Snapshot::list`].
    pub fn list_after<'a>(&'a self, kind: KindId, after: &NameKey) -> impl Iterator<Item = &'a Arc<Object>> {
        let after = after.clone();
        self.starting_at(kind, &after.namespace, &after.name)
            .skip_while(move |object| object.meta.namespace == after.namespace && object.meta.name == after.name)
    }

    /// The kinds of which there are objects, in the order of their numbers.
    pub fn kinds(&self) -> impl Iterator<Item = KindId> {
        self.counts.keys().copied()
    }

    /// Whether there is an object of this kind at all: most clusters have none of most kinds, and whoever looks for the
    /// objects of a kind that a change concerns need not look any further then.
    pub fn has(&self, kind: KindId) -> bool {
        self.counts.contains_key(&kind)
    }

    fn starting_at(&self, kind: KindId, namespace: &str, name: &str) -> impl Iterator<Item = &Arc<Object>> + use<'_> {
        let first: &dyn Named = &(kind, namespace, name);
        let from_first = (Bound::Included(first), Bound::<&dyn Named>::Unbounded);
        let all = self.has(kind).then(|| self.names.range::<_, dyn Named>(from_first));
        let of_kind = all.into_iter().flatten().take_while(move |((other, _), _)| *other == kind);
        of_kind.filter_map(|(_, uid)| self.objects.get(uid))
    }

    /// The objects that name this uid among their owners.
    pub fn owned_by(&self, owner: Uid) -> impl Iterator<Item = &Arc<Object>> {
        let all = (owner, KindId::LOWEST, LOWEST)..=(owner, KindId::HIGHEST, HIGHEST);
        self.by_owner.range(all).filter_map(|(.., uid)| self.objects.get(uid))
    }

    /// The objects of a kind that name this uid among their owners.
    pub fn owned_of_kind(&self, owner: Uid, kind: KindId) -> impl Iterator<Item = &Arc<Object>> {
        let all = (owner, kind, LOWEST)..=(owner, kind, HIGHEST);
        self.by_owner.range(all).filter_map(|(.., uid)| self.objects.get(uid))
    }

    /// The objects of a kind in a namespace that no owner controls.
    pub fn orphans_in(&self, kind: KindId, namespace: &str) -> impl Iterator<Item = &Arc<Object>> {
        let namespace: Arc<str> = namespace.into();
        self.orphans
            .range((kind, Arc::clone(&namespace), LOWEST)..=(kind, namespace, HIGHEST))
            .filter_map(|(_, _, uid)| self.objects.get(uid))
    }

    /// The pods that are bound to this node, finished ones too.
    pub fn pods_on(&self, node: &NodeName) -> impl Iterator<Item = &Arc<Object>> {
        let hash = hash_of(node.as_str());
        let pods = self.pods_by_node.range((hash, LOWEST)..=(hash, HIGHEST));
        let is_on = |pod: &&Arc<Object>| pod.node() == Some(node);
        pods.filter_map(|(_, uid)| self.objects.get(uid)).filter(is_on)
    }

    /// The events that the cluster recorded, the one seen last at the end.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Object>> {
        self.events.values()
    }
}
