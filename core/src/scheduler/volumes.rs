//! What the volumes of a pod demand of its node, worked out from the claims, the volumes and the storage classes.
//!
//! A claim that is bound ties the pod to the nodes that its volume can be used on. One that waits for its first consumer
//! (`volumeBindingMode: WaitForFirstConsumer`) can be satisfied where a free volume matches or where one can be made; the
//! node that the pod gets is then written to the claim. Any other unbound claim keeps the pod waiting.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelector, PersistentVolume, PersistentVolumeClaim, PodSpec, Volume};
use k8s_openapi::api::storage::v1::{CSIDriver, StorageClass};
use smallvec::SmallVec;

use super::attachments::Attaching;
use super::node_table::{ClaimName, NodeRow, NodeTable, Tenant};
use super::plugins::node_affinity::matches_selector;
use crate::ids::{NodeName, Uid};
use crate::object::kind::KindId;
use crate::object::quantity::Quantity;
use crate::object::storage;
use crate::store::{Meta, Object, PodBody, Snapshot};
use crate::text::Text;

/// The provisioner of classes whose volumes are made by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// The labels of a volume that tie it to a part of the cluster.
const ZONE_LABELS: [&str; 4] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// What the volumes of a pod demand of its node.
#[derive(Clone, Debug, Default)]
pub(crate) struct VolumeNeeds {
    /// Why the pod cannot run anywhere yet.
    pub(crate) waits_for: Option<Text>,
    /// A claim that the pod names is bound to a volume that is not there: why the pod cannot run anywhere yet.
    pub(crate) misses: Option<Text>,
    /// Where the volumes of bound claims can be used.
    pub(crate) usable: Vec<NodeSelector>,
    /// A claim is bound to a volume that is not there.
    pub(crate) is_lost: bool,
    /// Labels that the node must have, with one of these values.
    pub(crate) zones: Vec<(&'static str, BTreeSet<String>)>,
    /// Claims that wait for their first consumer.
    pub(crate) delayed: Vec<DelayedClaim>,
    /// Claims that one pod may use at a time.
    pub(crate) exclusive: Vec<ExclusiveClaim>,
    /// What counts against limits of nodes.
    pub(crate) attaching: Vec<Attaching>,
}

/// A claim that one pod may use at a time (`ReadWriteOncePod`).
#[derive(Clone, Debug)]
pub(crate) struct ExclusiveClaim {
    namespace: Arc<str>,
    name: Arc<str>,
    /// The nodes with pods that use it, and how many they are.
    users: Vec<(NodeName, usize)>,
}

impl ExclusiveClaim {
    /// Whether it is this one.
    pub(crate) fn is(&self, claim: &ClaimName) -> bool {
        self.namespace == claim.0 && self.name == claim.1
    }

    /// Whether a pod uses it when the pods of this node are these.
    pub(crate) fn is_taken(&self, row: &NodeRow) -> bool {
        row.uses(&self.namespace, &self.name) > 0 || self.users.iter().any(|(node, _)| *node != row.name)
    }
}

/// A claim that waits for its first consumer.
#[derive(Clone)]
pub(crate) struct DelayedClaim {
    pub(crate) claim: Uid,
    /// The node that was chosen before.
    pub(crate) selected: Option<String>,
    /// How much it asks for: of several claims the smallest chooses first.
    pub(crate) size: Quantity,
    /// The free volumes that match, the best first, and where each can be used; `None` for everywhere.
    pub(crate) matching: Vec<(Uid, Option<NodeSelector>)>,
    /// Where a volume can be made: `None` for nowhere, no terms for everywhere.
    pub(crate) provisionable: Option<Vec<TopologyTerm>>,
    /// The class whose room is looked at before one is made (`CSIDriver.spec.storageCapacity`), and the version of what is
    /// said of it.
    pub(crate) room_of: Option<(Arc<str>, u64)>,
}

impl fmt::Debug for DelayedClaim {
    /// Which claim it is makes no difference for where its pod fits: those that demand the same read the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim: _, selected, size, matching, provisionable, room_of } = self;
        (selected, size, matching, provisionable, room_of).fmt(f)
    }
}

/// Labels that a node must have, each with one of these values.
pub(crate) type TopologyTerm = Vec<(String, Vec<String>)>;

/// Whether a pod has claims at all.
pub(crate) fn has_claims(spec: &PodSpec) -> bool {
    let is_claim = |volume: &Volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
    spec.volumes.iter().flatten().any(is_claim)
}

/// What the volumes of a pod demand of its node. What keeps it waiting is said in upstream's order: first that a claim
/// which it names is not there, then what is wrong with one, then that one is not bound.
pub(crate) fn needs_of(
    meta: &Meta,
    pod: &PodBody,
    tenant: &Tenant,
    table: &NodeTable,
    snapshot: &Snapshot,
) -> VolumeNeeds {
    let mut needs = VolumeNeeds { attaching: table.attaching(tenant.claims()), ..VolumeNeeds::default() };
    let mut missing = pod.spec.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    let missing = missing.find(|source| find_claim(meta, &source.claim_name, snapshot).is_none());
    needs.waits_for = match missing {
        Some(source) => Some(not_found(&source.claim_name).into()),
        None => add_claims(&mut needs, meta, &pod.spec, table, snapshot).err().map(Text::from),
    };
    needs.delayed.sort_by_key(|claim| (claim.selected.is_none(), claim.size));
    needs
}

fn add_claims(
    needs: &mut VolumeNeeds,
    meta: &Meta,
    spec: &PodSpec,
    table: &NodeTable,
    snapshot: &Snapshot,
) -> Result<(), String> {
    let mut claims = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(source), _) => claims.push((usable(meta, &source.claim_name, false, snapshot)?, true)),
            (None, Some(_)) => {
                let name = storage::ephemeral_claim(&meta.name, &volume.name);
                claims.push((usable(meta, &name, true, snapshot)?, false));
            }
            (None, None) => {}
        }
    }
    for ((object, claim), is_named) in claims {
        let modes = claim.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
        if is_named && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
            let (namespace, name) = (Arc::clone(&meta.namespace), Arc::clone(&object.meta.name));
            let users = table.users_of(&namespace, &name).map(|(node, pods)| (node.clone(), pods)).collect();
            needs.exclusive.push(ExclusiveClaim { namespace, name, users });
        }
        let volume = storage::volume_name(claim);
        match volume.filter(|name| is_bound(object, name, snapshot)) {
            Some(volume) => add_bound(needs, volume, is_named, snapshot),
            None => {
                let class = class_of(claim, snapshot).filter(|class| storage::waits_for_consumer(class));
                let Some(class) = class.filter(|_| volume.is_none()) else {
                    return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
                };
                needs.delayed.push(delayed(object, claim, class, table, snapshot));
            }
        }
    }
    Ok(())
}

/// Whether a claim and the volume that it names belong together: the binder has said so, or would only have to say it.
fn is_bound(claim: &Object, volume: &str, snapshot: &Snapshot) -> bool {
    let names_it = |volume: &PersistentVolume| storage::is_reserved_for(volume, &claim.meta);
    let volume = || snapshot.find(KindId::of::<PersistentVolume>(), "", volume)?.typed();
    claim.meta.annotations.contains_key(storage::BIND_COMPLETED) || volume().is_some_and(names_it)
}

fn find_claim<'s>(
    meta: &Meta,
    name: &str,
    snapshot: &'s Snapshot,
) -> Option<(&'s Arc<Object>, &'s PersistentVolumeClaim)> {
    let object = snapshot.find(KindId::of::<PersistentVolumeClaim>(), &meta.namespace, name)?;
    Some((object, object.typed()?))
}

fn not_found(claim: &str) -> String {
    format!("persistentvolumeclaim \"{claim}\" not found")
}

/// A claim of a pod, or why the pod cannot use it.
fn usable<'s>(
    meta: &Meta,
    name: &str,
    is_ephemeral: bool,
    snapshot: &'s Snapshot,
) -> Result<(&'s Arc<Object>, &'s PersistentVolumeClaim), String> {
    let Some((object, claim)) = find_claim(meta, name, snapshot) else {
        return Err(match is_ephemeral {
            true => format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\""),
            false => not_found(name),
        });
    };
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Lost") {
        let volume = storage::volume_name(claim).unwrap_or_default();
        return Err(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""));
    }
    if object.meta.is_deleting() {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    if is_ephemeral && object.meta.controller_uid() != Some(meta.uid) {
        return Err(format!("PVC {} was not created for pod {} (pod is not owner)", object.meta.path(), meta.path()));
    }
    Ok((object, claim))
}

fn class_of<'a>(claim: &PersistentVolumeClaim, snapshot: &'a Snapshot) -> Option<&'a StorageClass> {
    snapshot.find(KindId::of::<StorageClass>(), "", storage::class_of_claim(claim))?.typed()
}

/// A claim of an ephemeral volume has no part in what is said of zones: upstream looks at the claims that a pod names.
fn add_bound(needs: &mut VolumeNeeds, volume: &str, is_named: bool, snapshot: &Snapshot) {
    let object = snapshot.find(KindId::of::<PersistentVolume>(), "", volume);
    let Some((object, typed)) = object.and_then(|object| Some((object, object.typed::<PersistentVolume>()?))) else {
        needs.is_lost = true;
        if is_named && needs.misses.is_none() {
            needs.misses = Some(format!("persistentvolume \"{volume}\" not found").into());
        }
        return;
    };
    let affinity = typed.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.clone());
    needs.usable.extend(affinity);
    for label in ZONE_LABELS {
        if let Some(value) = object.meta.labels.get(label).filter(|_| is_named) {
            // A volume that is in several zones lists them all; a list with a gap says nothing.
            let zones: BTreeSet<String> = value.split("__").map(|zone| zone.trim().to_owned()).collect();
            if !zones.contains("") {
                needs.zones.push((label, zones));
            }
        }
    }
}

fn delayed(
    object: &Arc<Object>,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    table: &NodeTable,
    snapshot: &Snapshot,
) -> DelayedClaim {
    let meta = &object.meta;
    let reserved = snapshot.volumes_for_claim(&meta.namespace, &meta.name);
    let reserved = reserved.filter_map(|volume| Some((volume, volume.typed::<PersistentVolume>()?)));
    let reserved = reserved.filter(|(_, volume)| storage::fits_reserved(volume, meta, claim));
    let free = snapshot.free_volumes(storage::class_of_claim(claim));
    let free = free.filter_map(|volume| Some((volume, volume.typed::<PersistentVolume>()?)));
    let free = free.filter(|(object, volume)| storage::suits(volume, &object.meta.labels, claim));
    let mut matching: Vec<_> = reserved.map(|found| (0, found)).chain(free.map(|found| (1, found))).collect();
    matching.sort_by(|(order, (_, one)), (other_order, (_, other))| {
        order.cmp(other_order).then_with(|| storage::rank(one).cmp(&storage::rank(other)))
    });
    let where_usable = |(_, (object, volume)): (i32, (&Arc<Object>, &PersistentVolume))| {
        let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.clone());
        (object.meta.uid, affinity)
    };
    let can_provision = !matches!(class.provisioner.as_str(), "" | NO_PROVISIONER);
    let terms = class.allowed_topologies.iter().flatten().map(|term| {
        let demands = term.match_label_expressions.iter().flatten();
        demands.map(|one| (one.key.clone(), one.values.clone())).collect()
    });
    let driver = snapshot.find(KindId::of::<CSIDriver>(), "", &class.provisioner);
    let name = storage::class_of_claim(claim);
    let looks_at_room = driver
        .and_then(|driver| driver.typed::<CSIDriver>())
        .is_some_and(|driver| driver.spec.storage_capacity == Some(true));
    DelayedClaim {
        claim: meta.uid,
        selected: meta.annotations.get(storage::SELECTED_NODE).cloned(),
        size: storage::requested(claim),
        matching: matching.into_iter().map(where_usable).collect(),
        provisionable: can_provision.then(|| terms.collect()),
        room_of: looks_at_room.then(|| (name.into(), table.capacities().version(name))),
    }
}

/// What becomes of a claim on the node that its pod is to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// This free volume is reserved for it.
    Volume(Uid),
    /// One is made there.
    Made,
    /// One could be made there, but there is too little room.
    NoRoom,
    /// There is nothing for it.
    Nothing,
}

/// What each claim that waits gets on this node: a free volume that no other claim of the pod takes, or one that is
/// made. A claim that was promised to a node gets what is made for it there.
pub(crate) fn given_on<'n>(
    needs: &'n VolumeNeeds,
    table: &'n NodeTable,
    row: &'n NodeRow,
) -> impl Iterator<Item = (&'n DelayedClaim, Given)> {
    let usable = |affinity: &Option<_>| affinity.as_ref().is_none_or(|selector| matches_selector(selector, row));
    let mut taken = SmallVec::<[Uid; 2]>::new();
    needs.delayed.iter().map(move |claim| {
        let free = claim.matching.iter().find(|(uid, affinity)| !taken.contains(uid) && usable(affinity));
        match (&claim.selected, free) {
            (None, Some((uid, _))) => {
                taken.push(*uid);
                (claim, Given::Volume(*uid))
            }
            (Some(node), _) if *row.name.as_str() != **node => (claim, Given::Nothing),
            (Some(_) | None, _) => (claim, made_on(claim, table, row)),
        }
    })
}

fn made_on(claim: &DelayedClaim, table: &NodeTable, row: &NodeRow) -> Given {
    let allows = |demands: &TopologyTerm| {
        demands.iter().all(|(key, values)| row.labels.get(key).is_some_and(|value| values.contains(value)))
    };
    let Some(terms) = &claim.provisionable else { return Given::Nothing };
    if !terms.is_empty() && !terms.iter().any(allows) {
        return Given::Nothing;
    }
    match &claim.room_of {
        Some((class, _)) if !table.capacities().has_room(class, claim.size, &row.labels) => Given::NoRoom,
        Some(_) | None => Given::Made,
    }
}
