//! What the volumes of a pod demand of its node, worked out from the claims, the volumes and the storage classes.
//!
//! A claim that is bound ties the pod to the nodes that its volume can be used on. One that waits for its first consumer
//! (`volumeBindingMode: WaitForFirstConsumer`) can be satisfied where a free volume matches or where one can be made; the
//! node that the pod gets is then written to the claim. Any other unbound claim keeps the pod waiting.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    NodeSelector, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec, PodSpec,
    Volume,
};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::ids::Uid;
use crate::object::kind::{self, KindId};
use crate::object::quantity::Quantity;
use crate::object::selector::Selector;
use crate::store::{Meta, Object, PodBody, Snapshot, StringMap};
use crate::text::Text;

/// The annotation of a claim that says on which node it will be used first.
pub(crate) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
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
    /// Where the free volumes that match can be used; `None` for everywhere.
    pub(crate) matching: Vec<Option<NodeSelector>>,
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
            (None, Some(_)) => (format!("{}-{}", meta.name, volume.name), true),
            (None, None) => continue,
        };
        if let Err(waits_for) = add_claim(&mut needs, meta, &name, is_ephemeral, snapshot) {
            needs.waits_for = Some(waits_for.into());
            return needs;
        }
    }
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
            let class = class_of(&spec, snapshot)
                .filter(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
            let Some(class) = class else {
                return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
            };
            needs.delayed.push(delayed(object, &spec, class, snapshot));
        }
    }
    Ok(())
}

/// Whether another pod that is bound uses the claim.
fn is_used(meta: &Meta, claim: &str, snapshot: &Snapshot) -> bool {
    let uses = |volume: &Volume| volume.persistent_volume_claim.as_ref().is_some_and(|one| one.claim_name == claim);
    snapshot.list_in(kind::POD, &meta.namespace).any(|object| {
        object.meta.uid != meta.uid
            && object.pod().is_some_and(|pod| {
                pod.node.is_some() && !pod.is_finished() && pod.spec.volumes.iter().flatten().any(uses)
            })
    })
}

fn class_of<'a>(claim: &PersistentVolumeClaimSpec, snapshot: &'a Snapshot) -> Option<&'a StorageClass> {
    let name = claim.storage_class_name.as_deref().filter(|name| !name.is_empty())?;
    snapshot.find(KindId::of::<StorageClass>(), "", name)?.typed()
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
    claim: &PersistentVolumeClaimSpec,
    class: &StorageClass,
    snapshot: &Snapshot,
) -> DelayedClaim {
    let volumes = snapshot.list(KindId::of::<PersistentVolume>()).filter_map(|volume| {
        let spec = volume.typed::<PersistentVolume>()?.spec.as_ref()?;
        let free = !volume.meta.is_deleting() && is_free_for(spec, &object.meta);
        (free && suits(spec, &volume.meta.labels, claim)).then(|| spec.node_affinity.as_ref()?.required.clone())
    });
    let can_provision = !matches!(class.provisioner.as_str(), "" | NO_PROVISIONER);
    let terms = class.allowed_topologies.iter().flatten().map(|term| {
        let demands = term.match_label_expressions.iter().flatten();
        demands.map(|one| (one.key.clone(), one.values.clone())).collect()
    });
    DelayedClaim {
        claim: object.meta.uid,
        selected: object.meta.annotations.get(SELECTED_NODE).cloned(),
        matching: volumes.collect(),
        provisionable: can_provision.then(|| terms.collect()),
    }
}

fn is_free_for(volume: &PersistentVolumeSpec, claim: &Meta) -> bool {
    volume.claim_ref.as_ref().is_none_or(|reference| {
        reference.name.as_deref() == Some(&*claim.name) && reference.namespace.as_deref() == Some(&*claim.namespace)
    })
}

fn suits(volume: &PersistentVolumeSpec, labels: &StringMap, claim: &PersistentVolumeClaimSpec) -> bool {
    let storage = |list: Option<&std::collections::BTreeMap<String, _>>| {
        list.and_then(|list| list.get("storage")).and_then(|one| Quantity::from_api(one).ok()).unwrap_or(Quantity::ZERO)
    };
    let wanted = claim.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let has_mode = |mode: &String| volume.access_modes.iter().flatten().any(|one| one == mode);
    let mode = |mode: &Option<String>| mode.clone().unwrap_or_else(|| "Filesystem".to_owned());
    let selector = claim.selector.as_ref().map(|selector| Selector::compile(Some(selector)));
    volume.storage_class_name.as_deref().unwrap_or_default() == claim.storage_class_name.as_deref().unwrap_or_default()
        && storage(volume.capacity.as_ref()) >= storage(wanted)
        && claim.access_modes.iter().flatten().all(has_mode)
        && mode(&volume.volume_mode) == mode(&claim.volume_mode)
        && selector.is_none_or(|selector| selector.is_ok_and(|selector| selector.matches(labels)))
}
