//! What counts against the number of volumes that a node may have of a driver (`CSINode.spec.drivers[].allocatable.count`):
//! the volumes of its pods' claims, and what else is attached to it (`VolumeAttachment`).
//!
//! A claim stands for the volume that it names, by the driver and the driver's own handle; while there is none, for the
//! one that the provisioner of its class is about to make. All this is kept as the objects change, and what changes for
//! a node is noted in the table, so that only that node is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::{CSINode, StorageClass, VolumeAttachment};

use super::node_table::{ClaimName, NodeRow, NodeTable};
use crate::ids::NodeName;
use crate::object::storage;
use crate::store::{Meta, Object};

/// A volume as drivers tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DriverVolume {
    pub(crate) driver: Arc<str>,
    which: Which,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    /// `volumeHandle`
    Handle(Arc<str>),
    /// It is still to be made for this claim.
    For(ClaimName),
}

/// What a pod would have attached of one driver.
#[derive(Clone, Debug)]
pub(crate) struct Attaching {
    pub(crate) driver: Arc<str>,
    /// Volumes that no node has.
    pub(crate) fresh: usize,
    /// Volumes that some node may have already.
    pub(crate) known: Vec<DriverVolume>,
}

/// How many volumes a node may have, by driver.
pub(crate) type Limits = BTreeMap<Arc<str>, usize>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    volume: Option<Arc<str>>,
    class: Arc<str>,
}

/// What one `VolumeAttachment` says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attached {
    driver: Arc<str>,
    volume: Arc<str>,
}

/// Who has which volumes.
#[derive(Debug, Default)]
pub(crate) struct Attachments {
    claims: BTreeMap<ClaimName, Claim>,
    /// The claims that name each volume.
    claimants: BTreeMap<Arc<str>, BTreeSet<ClaimName>>,
    /// By name; `None` for one that no driver serves.
    volumes: BTreeMap<Arc<str>, Option<DriverVolume>>,
    /// How many volumes are the same to their driver.
    same: BTreeMap<DriverVolume, usize>,
    provisioners: BTreeMap<Arc<str>, Arc<str>>,
    limits: BTreeMap<NodeName, Limits>,
    /// How many nodes limit each driver.
    limited: BTreeMap<Arc<str>, usize>,
    /// By node, and by the name of the attachment.
    attached: BTreeMap<NodeName, BTreeMap<Arc<str>, Attached>>,
    /// The nodes that each volume is attached to, and how often.
    holders: BTreeMap<Arc<str>, BTreeMap<NodeName, usize>>,
}

impl Attachments {
    /// The volume that a claim stands for, if a driver serves it.
    fn volume_of(&self, name: &ClaimName) -> Option<DriverVolume> {
        let claim = self.claims.get(name)?;
        match claim.volume.as_ref().and_then(|volume| self.volumes.get(volume)) {
            Some(volume) => volume.clone(),
            // A claim without a class, or of one that is not there, is bound before its pod is placed.
            None => {
                let driver = Arc::clone(self.provisioners.get(&claim.class)?);
                Some(DriverVolume { driver, which: Which::For(name.clone()) })
            }
        }
    }

    fn is_attached_somewhere(&self, name: &ClaimName, volume: &DriverVolume) -> bool {
        let named = self.claims.get(name).and_then(|claim| claim.volume.as_ref());
        named.is_some_and(|named| self.holders.contains_key(named))
            || self.same.get(volume).is_some_and(|volumes| *volumes > 1)
    }

    /// Says whether the claim may stand for another volume now.
    fn put_claim(&mut self, name: ClaimName, claim: Option<&PersistentVolumeClaim>) -> bool {
        let after = claim.map(|claim| Claim {
            volume: storage::volume_name(claim).map(Arc::from),
            class: storage::class_of_claim(claim).into(),
        });
        let before = self.claims.get(&name);
        if before == after.as_ref() {
            return false;
        }
        if let Some(volume) = before.and_then(|claim| claim.volume.clone())
            && let Some(claimants) = self.claimants.get_mut(&volume)
        {
            claimants.remove(&name);
            if claimants.is_empty() {
                self.claimants.remove(&volume);
            }
        }
        if let Some(volume) = after.as_ref().and_then(|claim| claim.volume.clone()) {
            self.claimants.entry(volume).or_default().insert(name.clone());
        }
        match after {
            Some(claim) => drop(self.claims.insert(name, claim)),
            None => drop(self.claims.remove(&name)),
        }
        true
    }

    /// Says whether the volume is another one to its driver now.
    fn put_volume(&mut self, name: &Arc<str>, volume: Option<&PersistentVolume>) -> bool {
        let after = volume.map(|volume| {
            let csi = volume.spec.as_ref()?.csi.as_ref()?;
            Some(DriverVolume {
                driver: csi.driver.as_str().into(),
                which: Which::Handle(csi.volume_handle.as_str().into()),
            })
        });
        let before = self.volumes.get(name);
        if before == after.as_ref() {
            return false;
        }
        if let Some(before) = before.cloned().flatten()
            && let Some(count) = self.same.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.same.remove(&before);
            }
        }
        if let Some(after) = after.clone().flatten() {
            *self.same.entry(after).or_default() += 1;
        }
        match after {
            Some(volume) => drop(self.volumes.insert(Arc::clone(name), volume)),
            None => drop(self.volumes.remove(name)),
        }
        true
    }

    fn put_class(&mut self, name: &Arc<str>, class: Option<&StorageClass>) -> bool {
        let after = class.map(|class| class.provisioner.as_str());
        if self.provisioners.get(name).map(|provisioner| &**provisioner) == after {
            return false;
        }
        match after {
            Some(provisioner) => drop(self.provisioners.insert(Arc::clone(name), provisioner.into())),
            None => drop(self.provisioners.remove(name)),
        }
        true
    }

    /// The limits before, if they are others now.
    fn put_limits(&mut self, node: &NodeName, after: Limits) -> Option<Limits> {
        let before = self.limits.get(node).cloned().unwrap_or_default();
        if before == after {
            return None;
        }
        for driver in before.keys() {
            if let Some(nodes) = self.limited.get_mut(driver) {
                *nodes -= 1;
                if *nodes == 0 {
                    self.limited.remove(driver);
                }
            }
        }
        for driver in after.keys() {
            *self.limited.entry(Arc::clone(driver)).or_default() += 1;
        }
        if after.is_empty() {
            self.limits.remove(node);
        } else {
            self.limits.insert(node.clone(), after);
        }
        Some(before)
    }

    fn detach(&mut self, node: &NodeName, attachment: &Arc<str>) {
        let Some(all) = self.attached.get_mut(node) else { return };
        let Some(gone) = all.remove(attachment) else { return };
        if all.is_empty() {
            self.attached.remove(node);
        }
        let Some(nodes) = self.holders.get_mut(&gone.volume) else { return };
        if let Some(count) = nodes.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                nodes.remove(node);
            }
        }
        if nodes.is_empty() {
            self.holders.remove(&gone.volume);
        }
    }

    fn attach(&mut self, node: &NodeName, attachment: &Arc<str>, attached: Attached) {
        *self.holders.entry(Arc::clone(&attached.volume)).or_default().entry(node.clone()).or_default() += 1;
        self.attached.entry(node.clone()).or_default().insert(Arc::clone(attachment), attached);
    }
}

impl NodeTable {
    /// How many volumes a node may have of each driver that is limited there.
    pub(crate) fn limits_of(&self, node: &NodeName) -> Option<&Limits> {
        self.attachments().limits.get(node)
    }

    /// The volumes of drivers on a node, each once.
    pub(crate) fn volumes_on(&self, row: &NodeRow) -> BTreeSet<DriverVolume> {
        let attachments = self.attachments();
        let attached = attachments.attached.get(&row.name).into_iter().flatten().filter_map(|(_, attached)| {
            let volume = attachments.volumes.get(&attached.volume)?.as_ref()?;
            Some(DriverVolume { driver: Arc::clone(&attached.driver), which: volume.which.clone() })
        });
        row.claims.iter().filter_map(|claim| attachments.volume_of(claim)).chain(attached).collect()
    }

    /// What a pod with these claims would have attached, of the drivers that some node limits.
    pub(crate) fn attaching(&self, claims: impl Iterator<Item = ClaimName>) -> Vec<Attaching> {
        let attachments = self.attachments();
        let mut by_driver: BTreeMap<Arc<str>, (BTreeSet<DriverVolume>, BTreeSet<DriverVolume>)> = BTreeMap::new();
        for claim in claims {
            let volume = attachments.volume_of(&claim);
            let Some(volume) = volume.filter(|volume| attachments.limited.contains_key(&volume.driver)) else {
                continue;
            };
            let (fresh, known) = by_driver.entry(Arc::clone(&volume.driver)).or_default();
            let is_known = self.is_used(&claim) || attachments.is_attached_somewhere(&claim, &volume);
            let volumes = if is_known { known } else { fresh };
            volumes.insert(volume);
        }
        let attaching = |(driver, (fresh, known)): (_, (BTreeSet<_>, BTreeSet<_>))| Attaching {
            driver,
            fresh: fresh.len(),
            known: known.into_iter().collect(),
        };
        by_driver.into_iter().map(attaching).collect()
    }

    /// Takes over a claim, or that it has gone.
    pub(crate) fn put_claim(&mut self, meta: &Meta, claim: Option<&PersistentVolumeClaim>) {
        let name = (Arc::clone(&meta.namespace), Arc::clone(&meta.name));
        if self.attachments_mut().put_claim(name.clone(), claim) {
            self.note_users(&name);
        }
    }

    /// Takes over a volume, or that it has gone.
    pub(crate) fn put_volume(&mut self, name: &Arc<str>, volume: Option<&PersistentVolume>) {
        if !self.attachments_mut().put_volume(name, volume) {
            return;
        }
        self.claimants_of(name).iter().for_each(|claim| self.note_users(claim));
        let holders = self.attachments().holders.get(name).into_iter().flat_map(BTreeMap::keys).cloned();
        holders.collect::<Vec<_>>().iter().for_each(|node| self.note_named(node));
    }

    /// The claims that name a volume.
    pub(crate) fn claimants_of(&self, volume: &Arc<str>) -> Vec<ClaimName> {
        self.attachments().claimants.get(volume).into_iter().flatten().cloned().collect()
    }

    /// Takes over a storage class, or that it has gone.
    pub(crate) fn put_class(&mut self, name: &Arc<str>, class: Option<&StorageClass>) {
        if self.attachments_mut().put_class(name, class) {
            self.note_all();
        }
    }

    /// Takes over what the drivers on a node say; says whether there may be room for more volumes than before.
    pub(crate) fn put_drivers(&mut self, name: &Arc<str>, node: Option<&CSINode>) -> bool {
        let drivers = node.iter().flat_map(|node| &node.spec.drivers);
        let limit = |count: i32| usize::try_from(count).unwrap_or(0);
        let limits = drivers
            .filter_map(|driver| Some((Arc::from(driver.name.as_str()), limit(driver.allocatable.as_ref()?.count?))));
        let name = NodeName::new(Arc::clone(name));
        let after: Limits = limits.collect();
        let Some(before) = self.attachments_mut().put_limits(&name, after.clone()) else { return false };
        self.note_named(&name);
        let rises = |(driver, limit): (&Arc<str>, &usize)| after.get(driver).is_none_or(|after| after > limit);
        before.iter().any(rises)
    }

    /// Takes over what is attached to which node; says whether something no longer is.
    pub(crate) fn put_attachment(&mut self, before: Option<&Object>, after: Option<&Object>) -> bool {
        let (old, new) = (before.and_then(attachment), after.and_then(attachment));
        if old == new {
            return false;
        }
        if let Some(((node, _), object)) = old.as_ref().zip(before) {
            self.attachments_mut().detach(node, &object.meta.name);
            self.note_named(node);
        }
        if let Some(((node, attached), object)) = new.zip(after) {
            self.attachments_mut().attach(&node, &object.meta.name, attached);
            self.note_named(&node);
        }
        old.is_some()
    }
}

fn attachment(object: &Object) -> Option<(NodeName, Attached)> {
    let spec = &object.typed::<VolumeAttachment>()?.spec;
    let volume = spec.source.persistent_volume_name.as_deref()?;
    let attached = Attached { driver: spec.attacher.as_str().into(), volume: volume.into() };
    (!spec.attacher.is_empty()).then(|| (NodeName::new(spec.node_name.as_str()), attached))
}
