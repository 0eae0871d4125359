//! One row of the node table: what a node says of itself, and the sums over its pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Taint};
use smallvec::SmallVec;

use super::disks::Disk;
use super::kin::Kin;
use super::resources::{Resources, Weight};
use super::shape::{Footprint, HostPort};
use crate::ids::{NodeName, Uid};
use crate::object::storage;
use crate::store::{Object, StringMap};

/// What a pod is to its node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tenant {
    pub(crate) footprint: Arc<Footprint>,
    pub(crate) priority: i32,
    pub(crate) kin: Arc<Kin>,
    /// The name of the pod, where its claims are named by it.
    pub(crate) name: Option<Arc<str>>,
}

/// A claim, by its namespace and its name.
pub(crate) type ClaimName = (Arc<str>, Arc<str>);

impl Tenant {
    /// The claims that it names, and those of its ephemeral volumes.
    pub(crate) fn claims(&self) -> impl Iterator<Item = ClaimName> {
        let of_volume = |volume: &Arc<str>| Some(storage::ephemeral_claim(self.name.as_ref()?, volume).into());
        let ephemeral = self.footprint.ephemeral.iter().filter_map(of_volume);
        let names = self.footprint.claims.iter().cloned().chain(ephemeral);
        names.map(|name| (Arc::clone(&self.kin.namespace), name))
    }
}

/// A pod that has been promised room on a node, once its victims are gone.
#[derive(Clone, Debug)]
pub(crate) struct Nominated {
    pub(crate) pod: Uid,
    pub(crate) tenant: Tenant,
}

/// A set of kins as far as one number tells: one that is not marked is not in it, one that is may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u64);

impl Marks {
    /// Any kin may be in it.
    pub(crate) const ALL: Self = Self(u64::MAX);

    const fn add(&mut self, kin: u64) {
        self.0 |= 1 << (kin % 64);
    }

    /// Whether a kin may be in both.
    pub(crate) const fn may_meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<u64> for Marks {
    fn from_iter<I: IntoIterator<Item = u64>>(kins: I) -> Self {
        let mut marks = Self::default();
        kins.into_iter().for_each(|kin| marks.add(kin));
        marks
    }
}

/// How many pods of a kin there are.
#[derive(Clone, Debug)]
pub(crate) struct KinCount {
    pub(crate) number: u64,
    pub(crate) pods: u32,
    pub(crate) kin: Arc<Kin>,
}

/// One node, and the sums over its pods.
#[derive(Clone, Debug)]
pub(crate) struct NodeRow {
    pub(crate) name: NodeName,
    /// Where it stands among nodes that are equally good: a hash of its name and the seed.
    pub(crate) tie: u32,
    /// `None` while only its pods are known.
    pub(crate) object: Option<Arc<Object>>,
    pub(crate) labels: Arc<StringMap>,
    pub(crate) taints: Box<[Taint]>,
    pub(crate) unschedulable: bool,
    /// `status.declaredFeatures`
    pub(crate) features: Box<[String]>,
    pub(crate) allocatable: Resources,
    /// Sizes in bytes by name.
    pub(crate) images: Arc<BTreeMap<String, i64>>,
    pub(crate) requested: Resources,
    pub(crate) weighed: Weight,
    pub(crate) ports: SmallVec<[HostPort; 1]>,
    pub(crate) disks: SmallVec<[Disk; 0]>,
    /// The claims of its pods, once for each pod.
    pub(crate) claims: SmallVec<[ClaimName; 0]>,
    /// How many pods there are that have not ended.
    pub(crate) pods: u32,
    /// How many of them have each priority.
    pub(crate) priorities: SmallVec<[(i32, u32); 1]>,
    /// How many of them are of each kin. The numbers of the kins stand beside them, to be compared without a look at them.
    pub(crate) kins: SmallVec<[KinCount; 1]>,
    /// The marks of these kins.
    pub(crate) marks: Marks,
    pub(crate) nominated: SmallVec<[Nominated; 0]>,
}

impl NodeRow {
    pub(super) fn named(name: NodeName, seed: u64) -> Self {
        Self {
            tie: (hash(seed, name.as_str().as_bytes()) >> 32) as u32,
            name,
            object: None,
            labels: Arc::default(),
            taints: Box::default(),
            unschedulable: false,
            features: Box::default(),
            allocatable: Resources::default(),
            images: Arc::default(),
            requested: Resources::default(),
            weighed: Weight::default(),
            ports: SmallVec::new(),
            disks: SmallVec::new(),
            claims: SmallVec::new(),
            pods: 0,
            priorities: SmallVec::new(),
            kins: SmallVec::new(),
            marks: Marks::default(),
            nominated: SmallVec::new(),
        }
    }

    /// Counts a pod in.
    pub(crate) fn add(&mut self, tenant: &Tenant) {
        let Tenant { footprint, priority, kin, .. } = tenant;
        self.requested.add(&footprint.requests);
        self.weighed.cpu_milli = self.weighed.cpu_milli.saturating_add(footprint.weighed.cpu_milli);
        self.weighed.memory = self.weighed.memory.saturating_add(footprint.weighed.memory);
        self.ports.extend(footprint.ports.iter().cloned());
        self.disks.extend(footprint.disks.iter().cloned());
        self.claims.extend(tenant.claims());
        self.pods = self.pods.saturating_add(1);
        match self.priorities.binary_search_by_key(priority, |(known, _)| *known) {
            Ok(index) => self.priorities[index].1 += 1,
            Err(index) => self.priorities.insert(index, (*priority, 1)),
        }
        self.marks.add(kin.number);
        match self.kins.iter_mut().find(|known| known.number == kin.number) {
            Some(known) => known.pods += 1,
            None => self.kins.push(KinCount { number: kin.number, pods: 1, kin: Arc::clone(kin) }),
        }
    }

    /// Counts a pod out.
    pub(crate) fn remove(&mut self, tenant: &Tenant) {
        let Tenant { footprint, priority, kin, .. } = tenant;
        self.requested.subtract(&footprint.requests);
        self.weighed.cpu_milli = self.weighed.cpu_milli.saturating_sub(footprint.weighed.cpu_milli);
        self.weighed.memory = self.weighed.memory.saturating_sub(footprint.weighed.memory);
        for port in &footprint.ports {
            if let Some(index) = self.ports.iter().position(|used| used == port) {
                self.ports.swap_remove(index);
            }
        }
        for disk in &footprint.disks {
            if let Some(index) = self.disks.iter().position(|used| used == disk) {
                self.disks.swap_remove(index);
            }
        }
        for claim in tenant.claims() {
            if let Some(index) = self.claims.iter().position(|used| *used == claim) {
                self.claims.swap_remove(index);
            }
        }
        self.pods = self.pods.saturating_sub(1);
        if let Ok(index) = self.priorities.binary_search_by_key(priority, |(known, _)| *known) {
            self.priorities[index].1 -= 1;
            if self.priorities[index].1 == 0 {
                self.priorities.remove(index);
            }
        }
        if let Some(index) = self.kins.iter().position(|known| known.number == kin.number) {
            self.kins[index].pods -= 1;
            if self.kins[index].pods == 0 {
                self.kins.swap_remove(index);
                self.marks = self.kins.iter().map(|known| known.number).collect();
            }
        }
    }

    /// How many of its pods use a claim.
    pub(crate) fn uses(&self, namespace: &str, name: &str) -> usize {
        self.claims.iter().filter(|(in_namespace, claim)| **in_namespace == *namespace && **claim == *name).count()
    }

    /// Whether a pod of this priority could end one of its pods.
    pub(crate) fn has_below(&self, priority: i32) -> bool {
        self.priorities.first().is_some_and(|(lowest, _)| *lowest < priority)
    }

    /// Takes over what a node says of itself; says what that means for placements.
    pub(super) fn describe(&mut self, object: &Arc<Object>) -> News {
        let Some(node) = object.typed::<Node>() else { return News::default() };
        let spec = node.spec.as_ref();
        let status = node.status.as_ref();
        // A node that does not say what may be used offers all that it has.
        let offered = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        let allocatable = Resources::from_api(offered);
        let unschedulable = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
        let mut images = BTreeMap::new();
        for image in status.iter().flat_map(|status| status.images.iter().flatten()) {
            for name in image.names.iter().flatten() {
                images.insert(name.clone(), image.size_bytes.unwrap_or(0));
            }
        }
        let taints = spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let features = status.and_then(|status| status.declared_features.as_deref()).unwrap_or_default();
        let may_cure = self.object.is_none()
            || self.labels != object.meta.labels
            || *self.taints != *taints
            || self.unschedulable != unschedulable
            || self.allocatable != allocatable
            || *self.features != *features;
        let news = News { is_changed: may_cure || *self.images != images, may_cure };
        self.features = features.into();
        self.allocatable = allocatable;
        self.unschedulable = unschedulable;
        if *self.images != images {
            self.images = Arc::new(images);
        }
        self.labels = Arc::clone(&object.meta.labels);
        self.taints = taints.into();
        self.object = Some(Arc::clone(object));
        news
    }
}

/// What a change of a node means for placements.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News {
    /// It may be better or worse than others now.
    pub(crate) is_changed: bool,
    /// It may take pods that it did not take before.
    pub(crate) may_cure: bool,
}

/// FNV-1a with a final mix: the same on every machine.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let start = seed ^ 0xcbf2_9ce4_8422_2325;
    let folded = bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (folded ^ (folded >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}
