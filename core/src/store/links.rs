//! Which objects name which others: pods their claims, volumes and claims each other.
//!
//! One sorted set answers all of these questions; an object says in [`links`] what it names.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use smallvec::SmallVec;

use super::object::Object;
use super::snapshot::{NameKey, Snapshot};
use crate::ids::{NodeName, Uid};
use crate::object::storage;

/// How an object is linked to the name of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    /// A pod uses the claim of this name.
    PodOfClaim,
    /// A volume is of this class and reserved for nobody.
    FreeVolumeOfClass,
    /// A volume is reserved for, or bound to, the claim of this name.
    VolumeOfClaim,
    /// A volume's data is on the node of this name.
    VolumeOnNode,
    /// A claim names the volume of this name.
    ClaimOfVolume,
    /// A claim of this class names no volume.
    OpenClaimOfClass,
}

/// A link, and the name at its other end.
pub(super) type LinkKey = (Link, NameKey);

/// All that an object names.
pub(super) fn links(object: &Object) -> SmallVec<[LinkKey; 2]> {
    let mut links = SmallVec::new();
    let mut add = |link, namespace: &str, name: &str| links.push((link, NameKey::new(namespace, name)));
    if let Some(pod) = object.pod() {
        for name in storage::claims_of_pod(&object.meta.name, &pod.spec) {
            add(Link::PodOfClaim, &object.meta.namespace, &name);
        }
    } else if let Some(volume) = object.typed::<PersistentVolume>() {
        match storage::claim_ref(volume) {
            Some(reference) => add(Link::VolumeOfClaim, reference.namespace, reference.name),
            None => add(Link::FreeVolumeOfClass, "", storage::class_of_volume(volume)),
        }
        if let Some(node) = object.meta.annotations.get(storage::ON_NODE) {
            add(Link::VolumeOnNode, "", node);
        }
    } else if let Some(claim) = object.typed::<PersistentVolumeClaim>() {
        match storage::volume_name(claim) {
            Some(volume) => add(Link::ClaimOfVolume, "", volume),
            None => add(Link::OpenClaimOfClass, "", storage::class_of_claim(claim)),
        }
    }
    links
}

/// Whether two versions of an object surely name the same: most writes change nothing of it.
pub(super) fn are_same(before: &Object, after: &Object) -> bool {
    match (before.pod(), after.pod()) {
        (Some(before), Some(after)) => Arc::ptr_eq(&before.spec, &after.spec),
        _ => links(before) == links(after),
    }
}

impl Snapshot {
    /// The pods that use a claim, those without a node too.
    pub fn pods_with_claim(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::PodOfClaim, namespace, claim)
    }

    /// The volumes of a class that are reserved for nobody.
    pub fn free_volumes(&self, class: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::FreeVolumeOfClass, "", class)
    }

    /// The volumes that are reserved for a claim of this name, or bound to one.
    pub fn volumes_for_claim(&self, namespace: &str, claim: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::VolumeOfClaim, namespace, claim)
    }

    /// The volumes whose data a node of this process keeps.
    pub fn volumes_on(&self, node: &NodeName) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::VolumeOnNode, "", node.as_str())
    }

    /// The claims that name this volume.
    pub fn claims_on_volume(&self, volume: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::ClaimOfVolume, "", volume)
    }

    /// The claims of a class that name no volume.
    pub fn open_claims(&self, class: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.linked(Link::OpenClaimOfClass, "", class)
    }

    fn linked(&self, link: Link, namespace: &str, name: &str) -> impl Iterator<Item = &Arc<Object>> {
        let key = (link, NameKey::new(namespace, name));
        self.links.range((key.clone(), Uid::LOWEST)..=(key, Uid::HIGHEST)).filter_map(|(_, uid)| self.objects.get(uid))
    }
}
