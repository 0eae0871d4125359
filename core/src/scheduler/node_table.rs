//! The scheduler's own view of the nodes: one row a node, with the sums over the pods that are bound or about to be.
//!
//! The table is changed between placements, row by row, as the store changes; during one it is only read. Each change
//! of a row is noted in a log, so that what was worked out from the rows is worked out again only for those that
//! changed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use smallvec::SmallVec;

use super::attachments::Attachments;
use super::capacities::Capacities;
use super::devices::Devices;
use super::kin::{Kin, Namespaces, Terms};
use super::node_row::hash;
pub(crate) use super::node_row::{ClaimName, KinCount, Marks, News, NodeRow, Nominated, Tenant};
use super::resources::Resources;
use super::topology::HOSTNAME;
use crate::hashing::Lookup;
use crate::ids::{NodeName, Uid};
use crate::store::{Object, StringMap};

/// The place of a row in the table; kept while the node exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Slot {
    /// Before every other.
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An image that some node has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ImageState {
    /// How many nodes have it.
    pub(crate) nodes: usize,
}

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct NodeTable {
    seed: u64,
    rows: Vec<Option<NodeRow>>,
    free: Vec<Slot>,
    by_name: Lookup<NodeName, Slot>,
    /// How many of the rows are nodes that exist.
    known: usize,
    images: BTreeMap<String, ImageState>,
    /// Counts the changes after which scores of all nodes may differ: nodes that come and go, images.
    generation: u64,
    /// The rows that changed, in order; a row may be there more than once.
    log: Vec<Slot>,
    /// How many entries were dropped from the front of the log.
    log_start: u64,
    /// The rows with promised room.
    nominated: Vec<Slot>,
    namespaces: Namespaces,
    /// The kins of all pods on the nodes, and how many pods there are of each.
    kins: BTreeMap<u64, (Arc<Kin>, usize)>,
    /// What the pods on the nodes, and those that have been promised room there, say of other pods, and how many say so.
    terms: BTreeMap<u64, (Arc<Terms>, usize)>,
    terms_version: u64,
    /// On which nodes there are pods that use a claim, and how many.
    users: BTreeMap<ClaimName, BTreeMap<NodeName, usize>>,
    attachments: Attachments,
    capacities: Capacities,
    devices: Devices,
    /// How many nodes have each host name.
    hostnames: BTreeMap<String, usize>,
    hostnames_shared: usize,
}

/// How many changes are remembered; who is further behind looks at all rows.
const LOG_MAX: usize = 1 << 16;

impl NodeTable {
    /// A table without nodes; the seed orders nodes that are equally good.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A number for this pod that is as good as random, and the same for the same seed.
    pub(crate) fn draw(&self, pod: Uid) -> u32 {
        (hash(self.seed, &pod.as_u128().to_le_bytes()) >> 32) as u32
    }

    /// How many nodes there are.
    pub(crate) const fn len(&self) -> usize {
        self.known
    }

    /// How many slots there are, those of nodes that have gone included.
    pub(crate) fn slots(&self) -> usize {
        self.rows.len()
    }

    /// The row in this slot, if it is that of a node that exists.
    pub(crate) fn node(&self, slot: Slot) -> Option<&NodeRow> {
        self.rows.get(slot.index())?.as_ref().filter(|row| row.object.is_some())
    }

    /// The slot of a node that exists.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied().filter(|slot| self.node(*slot).is_some())
    }

    /// All nodes that exist.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &NodeRow)> {
        let slots = (0_u32..).map(Slot);
        slots.zip(&self.rows).filter_map(|(slot, row)| Some((slot, row.as_ref().filter(|row| row.object.is_some())?)))
    }

    /// What is known of an image.
    pub(crate) fn image(&self, name: &str) -> Option<ImageState> {
        self.images.get(name).copied()
    }

    /// Changes whenever the scores of all nodes may have changed.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The end of the log of changed rows.
    pub(crate) fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    /// The rows that changed since; `None` when that is too long ago to say.
    pub(crate) fn changed_since(&self, position: u64) -> Option<&[Slot]> {
        let skip = usize::try_from(position.checked_sub(self.log_start)?).ok()?;
        self.log.get(skip..)
    }

    /// The nodes on which some pod has been promised room.
    pub(crate) fn nominated(&self) -> &[Slot] {
        &self.nominated
    }

    /// The labels of the namespaces.
    pub(crate) const fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// What the pods on the nodes say of other pods.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &Terms> {
        self.terms.values().map(|(terms, _)| &**terms)
    }

    /// Changes whenever [`NodeTable::terms`] does.
    pub(crate) const fn terms_version(&self) -> u64 {
        self.terms_version
    }

    /// Whether each host name is that of one node.
    pub(crate) const fn hostnames_are_unique(&self) -> bool {
        self.hostnames_shared == 0
    }

    /// Takes over the labels of a namespace; `None` when it has gone.
    pub(crate) fn put_namespace(&mut self, name: &Arc<str>, labels: Option<&Arc<StringMap>>) {
        let before = match labels {
            Some(labels) => self.namespaces.insert(Arc::clone(name), Arc::clone(labels)),
            None => self.namespaces.remove(name),
        };
        if before.as_ref() != labels {
            self.generation += 1;
        }
    }

    fn recount_hostname(&mut self, before: &StringMap, after: &StringMap) {
        let (before, after) = (before.get(HOSTNAME), after.get(HOSTNAME));
        if before == after {
            return;
        }
        let shared_before = self.hostnames_shared;
        if let Some((name, count)) = before.and_then(|name| Some((name, self.hostnames.get_mut(name)?))) {
            *count -= 1;
            self.hostnames_shared -= usize::from(*count > 0);
            if *count == 0 {
                self.hostnames.remove(name);
            }
        }
        if let Some(name) = after {
            let count = self.hostnames.entry(name.clone()).or_default();
            *count += 1;
            self.hostnames_shared += usize::from(*count > 1);
        }
        if (shared_before == 0) != (self.hostnames_shared == 0) {
            self.generation += 1;
        }
    }

    /// Takes over a node; says what that means for placements.
    pub(crate) fn put_node(&mut self, object: &Arc<Object>) -> News {
        let slot = self.slot_of(&NodeName::new(Arc::clone(&object.meta.name)));
        let Some(row) = self.rows[slot.index()].as_mut() else { return News::default() };
        let (was_known, images_before) = (row.object.is_some(), Arc::clone(&row.images));
        let labels_before = Arc::clone(&row.labels);
        let news = row.describe(object);
        let images = Arc::clone(&row.images);
        self.recount_hostname(&labels_before, &object.meta.labels);
        self.known += usize::from(!was_known);
        if !was_known || !Arc::ptr_eq(&images, &images_before) {
            self.recount_images(&images_before, &images);
            self.generation += 1;
        }
        if news.is_changed {
            self.note(slot);
        }
        news
    }

    /// Forgets a node; its pods stay counted until they go.
    pub(crate) fn remove_node(&mut self, name: &str) {
        let Some(slot) = self.find(name) else { return };
        let Some(row) = self.rows[slot.index()].as_mut() else { return };
        let images = std::mem::take(&mut row.images);
        row.object = None;
        row.taints = Box::default();
        row.features = Box::default();
        let labels = std::mem::take(&mut row.labels);
        row.allocatable = Resources::default();
        self.known -= 1;
        self.recount_images(&images, &BTreeMap::new());
        self.recount_hostname(&labels, &StringMap::new());
        self.generation += 1;
        self.note(slot);
        self.drop_if_unused(slot);
    }

    /// Counts a pod in on its node.
    pub(crate) fn add_pod(&mut self, node: &NodeName, tenant: &Tenant) {
        let slot = self.slot_of(node);
        self.change(slot, |row| row.add(tenant));
        self.kins.entry(tenant.kin.number).or_insert_with(|| (Arc::clone(&tenant.kin), 0)).1 += 1;
        self.hear_terms(tenant);
        for claim in tenant.claims() {
            *self.users.entry(claim).or_default().entry(node.clone()).or_default() += 1;
        }
    }

    /// Counts a pod out on its node.
    pub(crate) fn remove_pod(&mut self, node: &NodeName, tenant: &Tenant) {
        let Some(slot) = self.by_name.get(node.as_str()).copied() else { return };
        self.change(slot, |row| row.remove(tenant));
        if let Some((_, pods)) = self.kins.get_mut(&tenant.kin.number) {
            *pods -= 1;
            if *pods == 0 {
                self.kins.remove(&tenant.kin.number);
            }
        }
        self.forget_terms(tenant);
        for claim in tenant.claims() {
            self.forget_user(claim, node);
        }
        self.drop_if_unused(slot);
    }

    fn forget_user(&mut self, claim: ClaimName, node: &NodeName) {
        let Entry::Occupied(mut nodes) = self.users.entry(claim) else { return };
        if let Some(pods) = nodes.get_mut().get_mut(node) {
            *pods -= 1;
            if *pods == 0 {
                nodes.get_mut().remove(node);
            }
        }
        if nodes.get().is_empty() {
            nodes.remove();
        }
    }

    /// The nodes with pods that use a claim, and how many they are.
    pub(crate) fn users_of(&self, namespace: &Arc<str>, name: &Arc<str>) -> impl Iterator<Item = (&NodeName, usize)> {
        let nodes = self.users.get(&(Arc::clone(namespace), Arc::clone(name)));
        nodes.into_iter().flatten().map(|(node, pods)| (node, *pods))
    }

    /// Whether a pod uses a claim, or will in the room that it has been promised.
    pub(super) fn is_used(&self, claim: &ClaimName) -> bool {
        let promised = || self.nominated.iter().filter_map(|slot| self.rows[slot.index()].as_ref());
        let names = |row: &NodeRow| row.nominated.iter().any(|one| one.tenant.claims().any(|named| named == *claim));
        self.users.contains_key(claim) || promised().any(names)
    }

    /// Which volumes are where.
    pub(super) const fn attachments(&self) -> &Attachments {
        &self.attachments
    }

    pub(super) const fn attachments_mut(&mut self) -> &mut Attachments {
        &mut self.attachments
    }

    /// Where there is room for volumes that are still to be made.
    pub(crate) const fn capacities(&self) -> &Capacities {
        &self.capacities
    }

    /// Which devices there are, and who has them.
    pub(crate) const fn devices(&self) -> &Devices {
        &self.devices
    }

    pub(super) const fn devices_mut(&mut self) -> &mut Devices {
        &mut self.devices
    }

    /// Takes over what is said of such room; says whether there may be more than before.
    pub(crate) fn put_capacity(&mut self, before: Option<&Object>, after: Option<&Object>) -> bool {
        self.capacities.put(before, after)
    }

    /// The kins of the pods on all nodes.
    pub(crate) fn kins(&self) -> impl Iterator<Item = &Arc<Kin>> {
        self.kins.values().map(|(kin, _)| kin)
    }

    fn hear_terms(&mut self, tenant: &Tenant) {
        let terms = &tenant.kin.terms;
        if !terms.is_empty() {
            let (_, pods) = self.terms.entry(terms.number).or_insert_with(|| (Arc::clone(terms), 0));
            *pods += 1;
            self.terms_version += u64::from(*pods == 1);
        }
    }

    fn forget_terms(&mut self, tenant: &Tenant) {
        let number = tenant.kin.terms.number;
        if let Some((_, pods)) = self.terms.get_mut(&number) {
            *pods -= 1;
            if *pods == 0 {
                self.terms.remove(&number);
                self.terms_version += 1;
            }
        }
    }

    /// Promises room to a pod.
    pub(crate) fn nominate(&mut self, node: &NodeName, nominated: Nominated) {
        let slot = self.slot_of(node);
        self.hear_terms(&nominated.tenant);
        if let Some(row) = self.rows[slot.index()].as_mut() {
            row.nominated.push(nominated);
            if !self.nominated.contains(&slot) {
                self.nominated.push(slot);
            }
        }
    }

    /// Takes the promise back; says to whom it was given, if it was.
    pub(crate) fn forget_nomination(&mut self, node: &NodeName, pod: Uid) -> Option<Tenant> {
        let slot = self.by_name.get(node.as_str()).copied()?;
        let row = self.rows[slot.index()].as_mut()?;
        let (gone, left): (SmallVec<[Nominated; 0]>, _) =
            std::mem::take(&mut row.nominated).into_iter().partition(|nominated| nominated.pod == pod);
        row.nominated = left;
        if row.nominated.is_empty() {
            self.nominated.retain(|known| *known != slot);
        }
        gone.iter().for_each(|nominated| self.forget_terms(&nominated.tenant));
        self.drop_if_unused(slot);
        gone.into_iter().next().map(|nominated| nominated.tenant)
    }

    fn change(&mut self, slot: Slot, change: impl FnOnce(&mut NodeRow)) {
        if let Some(row) = self.rows[slot.index()].as_mut() {
            change(row);
            self.note(slot);
        }
    }

    /// Something beside its row changed for this node.
    pub(super) fn note_named(&mut self, node: &NodeName) {
        if let Some(slot) = self.by_name.get(node.as_str()).copied() {
            self.note(slot);
        }
    }

    /// The same for the nodes whose pods use a claim.
    pub(super) fn note_users(&mut self, claim: &ClaimName) {
        let nodes = self.users.get(claim).into_iter().flat_map(BTreeMap::keys);
        let slots: SmallVec<[Slot; 2]> = nodes.filter_map(|node| self.by_name.get(node.as_str()).copied()).collect();
        slots.into_iter().for_each(|slot| self.note(slot));
    }

    /// The same for all nodes.
    pub(super) const fn note_all(&mut self) {
        self.generation += 1;
    }

    fn note(&mut self, slot: Slot) {
        if self.log.len() >= LOG_MAX {
            let dropped = LOG_MAX / 2;
            self.log.drain(..dropped);
            self.log_start += dropped as u64;
        }
        self.log.push(slot);
    }

    fn slot_of(&mut self, name: &NodeName) -> Slot {
        if let Some(slot) = self.by_name.get(name.as_str()) {
            return *slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            Slot(u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX))
        });
        self.rows[slot.index()] = Some(NodeRow::named(name.clone(), self.seed));
        self.by_name.insert(name.clone(), slot);
        slot
    }

    fn drop_if_unused(&mut self, slot: Slot) {
        let unused = |row: &NodeRow| row.object.is_none() && row.pods == 0 && row.nominated.is_empty();
        if let Some(row) = self.rows[slot.index()].take_if(|row| unused(row)) {
            self.by_name.remove(row.name.as_str());
            self.free.push(slot);
        }
    }

    fn recount_images(&mut self, before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) {
        for name in before.keys() {
            if let Some(state) = self.images.get_mut(name) {
                state.nodes -= 1;
                if state.nodes == 0 {
                    self.images.remove(name);
                }
            }
        }
        for name in after.keys() {
            self.images.entry(name.clone()).or_default().nodes += 1;
        }
    }
}
