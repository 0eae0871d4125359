//! What volumes, claims and storage classes say of each other: the annotations they carry, and when a volume suits a
//! claim.
//!
//! The rule of the match (`pkg/volume/util`, `component-helpers/storage/volume`): the same class, a volume that is large
//! enough, all access modes, the same volume mode, the labels that the claim selects. A volume that is reserved for the
//! claim by its `claimRef` needs no class and no labels.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim, PodSpec};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::mutate::STORAGE_CLASS_ANNOTATION;
use super::quantity::Quantity;
use super::selector::Selector;
use crate::store::{Meta, StringMap};

/// A claim has been bound once; what is missing from then on is lost.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// The link was made by the controller, not by a person: it may be undone.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Who made a volume.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Who shall make the volume of a claim; the second is the older name.
pub const STORAGE_PROVISIONER: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
/// On which node a claim will be used first.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The node of this process that keeps a volume's data.
pub const ON_NODE: &str = "inboard/node";
/// The provisioner of directories on the nodes of this process.
pub const NODE_LOCAL: &str = "node-local.inboard";
/// The parameter of a class of [`NODE_LOCAL`]: the directory on the node below which its volumes are.
pub const BASE_DIRECTORY: &str = "path";
/// The finalizer of a volume whose data is to be removed before its object goes.
pub const PROVISIONER_FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
/// The beginning of the names of provisioners that upstream had built in.
pub const IN_TREE: &str = "kubernetes.io/";

/// The namespace and the name that a volume is reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRef<'v> {
    /// The namespace.
    pub namespace: &'v str,
    /// The name.
    pub name: &'v str,
    /// The identity of the claim, once the volume is bound to it.
    pub uid: Option<&'v str>,
}

/// For whom a volume is reserved.
pub fn claim_ref(volume: &PersistentVolume) -> Option<ClaimRef<'_>> {
    let reference = volume.spec.as_ref()?.claim_ref.as_ref()?;
    Some(ClaimRef {
        namespace: reference.namespace.as_deref().unwrap_or_default(),
        name: reference.name.as_deref().unwrap_or_default(),
        uid: reference.uid.as_deref().filter(|uid| !uid.is_empty()),
    })
}

/// A reference to this very claim.
pub fn reference_to(claim: &Meta) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("PersistentVolumeClaim".to_owned()),
        name: Some(claim.name.to_string()),
        namespace: Some(claim.namespace.to_string()),
        resource_version: Some(claim.revision.to_string()),
        uid: Some(claim.uid.to_string()),
        ..ObjectReference::default()
    }
}

/// Reserves a volume for this very claim. A person who reserved it for a claim of this name is not overruled.
pub fn reserve(volume: &mut PersistentVolume, claim: &Meta) {
    let was_reserved = is_reserved_for(volume, claim);
    if !was_reserved || claim_ref(volume).is_some_and(|reference| reference.uid.is_none()) {
        volume.spec.get_or_insert_default().claim_ref = Some(reference_to(claim));
    }
    if !was_reserved {
        let annotations = volume.metadata.annotations.get_or_insert_default();
        annotations.entry(BOUND_BY_CONTROLLER.to_owned()).or_insert_with(|| "yes".to_owned());
    }
}

/// The volume that a claim names.
pub fn volume_name(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty())
}

/// The class that a claim asks for: empty for none. The annotation of old wins.
pub fn class_of_claim(claim: &PersistentVolumeClaim) -> &str {
    let annotated = claim.metadata.annotations.as_ref().and_then(|all| all.get(STORAGE_CLASS_ANNOTATION));
    let class = || claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
    annotated.or_else(class).map(String::as_str).unwrap_or_default()
}

/// Whether a claim leaves its class to the cluster.
pub fn has_no_say_in_class(claim: &PersistentVolumeClaim) -> bool {
    let annotated = claim.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(STORAGE_CLASS_ANNOTATION));
    !annotated && claim.spec.as_ref().is_none_or(|spec| spec.storage_class_name.is_none())
}

/// The class of a volume: empty for none.
pub fn class_of_volume(volume: &PersistentVolume) -> &str {
    let annotated = volume.metadata.annotations.as_ref().and_then(|all| all.get(STORAGE_CLASS_ANNOTATION));
    let class = || volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
    annotated.or_else(class).map(String::as_str).unwrap_or_default()
}

/// The size of a volume.
pub fn capacity(volume: &PersistentVolume) -> Quantity {
    storage(volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref()))
}

/// The size that a claim asks for.
pub fn requested(claim: &PersistentVolumeClaim) -> Quantity {
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    storage(resources.and_then(|resources| resources.requests.as_ref()))
}

/// The size that a claim has.
pub fn given(claim: &PersistentVolumeClaim) -> Quantity {
    storage(claim.status.as_ref().and_then(|status| status.capacity.as_ref()))
}

fn storage(amounts: Option<&std::collections::BTreeMap<String, ApiQuantity>>) -> Quantity {
    let amount = amounts.and_then(|amounts| amounts.get("storage"));
    amount.and_then(|amount| Quantity::from_api(amount).ok()).unwrap_or(Quantity::ZERO)
}

/// Whether claims of this class wait for the pod that uses them first.
pub fn waits_for_consumer(class: &StorageClass) -> bool {
    class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer")
}

/// The names of the claims that a pod uses, those that are made for its ephemeral volumes too.
pub fn claims_of_pod<'p>(pod: &'p str, spec: &'p PodSpec) -> impl Iterator<Item = Cow<'p, str>> {
    spec.volumes.iter().flatten().filter_map(move |volume| match &volume.persistent_volume_claim {
        Some(source) => Some(Cow::Borrowed(source.claim_name.as_str())),
        None => volume.ephemeral.as_ref().map(|_| Cow::Owned(ephemeral_claim(pod, &volume.name))),
    })
}

/// The name of the claim that is made for an ephemeral volume of a pod.
pub fn ephemeral_claim(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}

/// What the name of a claim says, `TEMPLATE-SET-ORDINAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceOfClaim<'n> {
    /// The name of the claim's template.
    pub template: &'n str,
    /// The name of the StatefulSet.
    pub set: &'n str,
    /// The ordinal of the pod.
    pub ordinal: i32,
}

/// The places that a claim of this name may be for: where the one name ends and the other begins is not written.
pub fn places_of_claim(name: &str) -> impl Iterator<Item = PlaceOfClaim<'_>> {
    let numbered = name.rsplit_once('-').and_then(|(prefix, digits)| {
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
        Some((prefix, digits.parse().ok().filter(|_| is_number)?))
    });
    numbered.into_iter().flat_map(|(prefix, ordinal)| {
        let dashes = prefix.match_indices('-');
        dashes.map(move |(dash, _)| PlaceOfClaim { template: &prefix[..dash], set: &prefix[dash + 1..], ordinal })
    })
}

/// Whether a volume is reserved for this very claim.
pub fn is_reserved_for(volume: &PersistentVolume, claim: &Meta) -> bool {
    claim_ref(volume).is_some_and(|reference| {
        *reference.name == *claim.name
            && *reference.namespace == *claim.namespace
            && reference.uid.is_none_or(|uid| uid.parse() == Ok(claim.uid))
    })
}

/// `Filesystem` unless it says `Block`.
fn mode(mode: Option<&String>) -> &str {
    mode.map_or("Filesystem", String::as_str)
}

/// Whether the claim wants the volume as what it is: a file system or a block device.
pub fn has_same_mode(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    mode(volume.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref()))
        == mode(claim.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref()))
}

/// Whether a volume has all access modes that a claim asks for.
pub fn has_access_modes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let offered = volume.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default();
    claim
        .spec
        .as_ref()
        .and_then(|spec| spec.access_modes.as_ref())
        .into_iter()
        .flatten()
        .all(|mode| offered.contains(mode))
}

/// Whether the attributes class of both is the same.
pub fn has_same_attributes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of_volume = volume.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    let of_claim = claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref());
    of_volume.unwrap_or_default() == of_claim.unwrap_or_default()
}

/// Whether a volume that is reserved for a claim can be bound to it.
pub fn fits_reserved(volume: &PersistentVolume, meta: &Meta, claim: &PersistentVolumeClaim) -> bool {
    is_reserved_for(volume, meta)
        && volume.metadata.deletion_timestamp.is_none()
        && has_access_modes(volume, claim)
        && capacity(volume) >= requested(claim)
        && has_same_mode(volume, claim)
}

/// Whether a volume that is reserved for nobody suits a claim.
pub fn suits(volume: &PersistentVolume, labels: &StringMap, claim: &PersistentVolumeClaim) -> bool {
    let selector = claim.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    claim_ref(volume).is_none()
        && volume.metadata.deletion_timestamp.is_none()
        && class_of_volume(volume) == class_of_claim(claim)
        && capacity(volume) >= requested(claim)
        && has_access_modes(volume, claim)
        && has_same_mode(volume, claim)
        && has_same_attributes(volume, claim)
        && selector.is_none_or(|selector| Selector::compile(Some(selector)).is_ok_and(|one| one.matches(labels)))
}

/// How well a volume suits: the fewest access modes first, then the smallest, then by name.
pub fn rank(volume: &PersistentVolume) -> (usize, Quantity, Option<&str>) {
    let modes = volume.spec.as_ref().and_then(|spec| spec.access_modes.as_ref()).map_or(0, Vec::len);
    (modes, capacity(volume), volume.metadata.name.as_deref())
}

/// Why a volume that a claim names cannot be bound to it, as upstream says it.
///
/// # Errors
/// The reason.
pub fn check_named(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Result<(), String> {
    if volume.metadata.deletion_timestamp.is_some() {
        let name = volume.metadata.name.as_deref().unwrap_or_default();
        return Err(format!("the volume is marked for deletion {name:?}"));
    }
    let demands = [
        (capacity(volume) >= requested(claim), "requested PV is too small"),
        (class_of_volume(volume) == class_of_claim(claim), "storageClassName does not match"),
        (has_same_attributes(volume, claim), "volumeAttributesClassName does not match"),
        (has_same_mode(volume, claim), "incompatible volumeMode"),
        (has_access_modes(volume, claim), "incompatible accessMode"),
    ];
    match demands.into_iter().find(|(is_met, _)| !is_met) {
        Some((_, why)) => Err(why.to_owned()),
        None => Ok(()),
    }
}
