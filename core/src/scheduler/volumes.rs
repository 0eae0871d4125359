//! What the volumes of a pod demand of its node, worked out from the claims, the volumes and the storage classes.
//!
//! A claim that is bound ties the pod to the nodes that its volume can be used on. One that waits for its first consumer
//! (`volumeBindingMode: WaitForFirstConsumer`) can be satisfied where a free volume matches or where one can be made; the
//! node that the pod gets is then written to the claim. Any other unbound claim keeps the pod waiting.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeSelector, PersistentVolume, PersistentVolumeClaim, PodSpec, Volume};
use k8s_openapi::api::storage::v1::StorageClass;
use smallvec::SmallVec;

use super::node_row::NodeRow;
use super::plugins::node_affinity::matches_selector;
use crate::ids::Uid;
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
    /// Where the volumes of bound claims can be used.
    pub(crate) usable: Vec<NodeSelector>,
    /// A claim is bound to a volume that is not there.
    pub(crate) is_lost: bool,
    /// Labels that the node must have, with one of these values.
    pub(crate) zones: Vec<(&'static str, BTreeSet<String>)>,
    /// Claims that wait for their first consumer.
    pub(crate) delayed: Vec<DelayedClaim>,
    /// A claim that only one pod may use is used by another.
    pub(crate) is_taken: bool,
}

/// A claim that waits for its first consumer.
#[derive(Clone, Debug)]
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
}

/// Labels that a node must have, each with one of these values.
pub(crate) type TopologyTerm = Vec<(String, Vec<String>)>;

/// Whether a pod has claims at all.
pub(crate) fn has_claims(spec: &PodSpec) -> bool {
    let is_claim = |volume: &Volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some();
    spec.volumes.iter().flatten().any(is_claim)
}

/// What the volumes of a pod demand of its node.
pub(crate) fn needs_of(meta: &Meta, pod: &PodBody, snapshot: &Snapshot) -> VolumeNeeds {
    let mut needs = VolumeNeeds::default();
    for volume in pod.spec.volumes.iter().flatten() {
        let (name, is_ephemeral) = match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(source), _) => (source.claim_name.clone(), false),
            (None, Some(_)) => (storage::ephemeral_claim(&meta.name, &volume.name), true),
            (None, None) => continue,
        };
        if let Err(waits_for) = add_claim(&mut needs, meta, &name, is_ephemeral, snapshot) {
            needs.waits_for = Some(waits_for.into());
            return needs;
        }
    }
    needs.delayed.sort_by_key(|claim| claim.size);
    needs
}

fn add_claim(
    needs: &mut VolumeNeeds,
    meta: &Meta,
    name: &str,
    is_ephemeral: bool,
    snapshot: &Snapshot,
) -> Result<(), String> {
    let object = snapshot.find(KindId::of::<PersistentVolumeClaim>(), &meta.namespace, name);
    let Some((object, claim)) = object.and_then(|object| Some((object, object.typed::<PersistentVolumeClaim>()?)))
    else {
        return Err(match is_ephemeral {
            true => format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\""),
            false => format!("persistentvolumeclaim \"{name}\" not found"),
        });
    };
    let spec = claim.spec.clone().unwrap_or_default();
    let bound_to = spec.volume_name.as_deref().filter(|volume| !volume.is_empty());
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase == Some("Lost") {
        let volume = bound_to.unwrap_or_default();
        return Err(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""));
    }
    if object.meta.is_deleting() {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    if is_ephemeral && object.meta.controller_uid() != Some(meta.uid) {
        return Err(format!("PVC {} was not created for pod {} (pod is not owner)", object.meta.path(), meta.path()));
    }
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    needs.is_taken |= modes.iter().any(|mode| mode == "ReadWriteOncePod") && is_used(meta, name, snapshot);
    match bound_to {
        Some(volume) => add_bound(needs, volume, snapshot),
        None => {
            let class = class_of(claim, snapshot).filter(|class| storage::waits_for_consumer(class));
            let Some(class) = class else {
                return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
            };
            needs.delayed.push(delayed(object, claim, class, snapshot));
        }
    }
    Ok(())
}

/// Whether another pod that is bound uses the claim.
fn is_used(meta: &Meta, claim: &str, snapshot: &Snapshot) -> bool {
    snapshot.pods_with_claim(&meta.namespace, claim).any(|object| {
        object.meta.uid != meta.uid && object.pod().is_some_and(|pod| pod.node.is_some() && !pod.is_finished())
    })
}

fn class_of<'a>(claim: &PersistentVolumeClaim, snapshot: &'a Snapshot) -> Option<&'a StorageClass> {
    snapshot.find(KindId::of::<StorageClass>(), "", storage::class_of_claim(claim))?.typed()
}

fn add_bound(needs: &mut VolumeNeeds, volume: &str, snapshot: &Snapshot) {
    let object = snapshot.find(KindId::of::<PersistentVolume>(), "", volume);
    let Some((object, volume)) = object.and_then(|object| Some((object, object.typed::<PersistentVolume>()?))) else {
        needs.is_lost = true;
        return;
    };
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.clone());
    needs.usable.extend(affinity);
    for label in ZONE_LABELS {
        if let Some(value) = object.meta.labels.get(label) {
            // A volume that is in several zones lists them all.
            needs.zones.push((label, value.split("__").map(|zone| zone.trim().to_owned()).collect()));
        }
    }
}

fn delayed(
    object: &Arc<Object>,
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
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
    DelayedClaim {
        claim: meta.uid,
        selected: meta.annotations.get(storage::SELECTED_NODE).cloned(),
        size: storage::requested(claim),
        matching: matching.into_iter().map(where_usable).collect(),
        provisionable: can_provision.then(|| terms.collect()),
    }
}

/// What becomes of a claim on the node that its pod is to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// This free volume is reserved for it.
    Volume(Uid),
    /// One is made there.
    Made,
    /// There is nothing for it.
    Nothing,
}

/// What each claim that waits gets on this node: a free volume that no other claim of the pod takes, or one that is
/// made. A claim that was promised to a node stays with it.
pub(crate) fn given_on<'n>(needs: &'n VolumeNeeds, row: &NodeRow) -> impl Iterator<Item = (&'n DelayedClaim, Given)> {
    let allows = |demands: &TopologyTerm| {
        demands.iter().all(|(key, values)| row.labels.get(key).is_some_and(|value| values.contains(value)))
    };
    let usable = |affinity: &Option<_>| affinity.as_ref().is_none_or(|selector| matches_selector(selector, row));
    let mut taken = SmallVec::<[Uid; 2]>::new();
    needs.delayed.iter().map(move |claim| {
        if claim.selected.as_ref().is_some_and(|node| *row.name.as_str() != **node) {
            return (claim, Given::Nothing);
        }
        let free = claim.matching.iter().find(|(uid, affinity)| !taken.contains(uid) && usable(affinity));
        let can_make =
            || claim.provisionable.as_ref().is_some_and(|terms| terms.is_empty() || terms.iter().any(allows));
        match free {
            // The node was chosen because one is made there.
            Some(_) if claim.selected.is_some() && can_make() => (claim, Given::Made),
            Some((uid, _)) => {
                taken.push(*uid);
                (claim, Given::Volume(*uid))
            }
            None if can_make() => (claim, Given::Made),
            None => (claim, Given::Nothing),
        }
    })
}
